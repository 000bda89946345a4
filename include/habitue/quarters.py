"""A quarter of the calendar: what reports are of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

from habitue.errors import SettingError
from habitue.periods import quarter_before, quarter_end

_NAME = re.compile(r"(\d{4})-?[QT]([1-4])", re.IGNORECASE)


@dataclass(frozen=True, slots=True, order=True)
class Quarter:
    year: int
    number: int
    """1 to 4"""

    @classmethod
    def of(cls, day: date) -> Quarter:
        return cls(day.year, (day.month + 2) // 3)

    @classmethod
    def read(cls, name: str) -> Quarter:
        """`2026Q3`, `2026-Q3`, `2026-T3`; SettingError for anything else."""
        found = _NAME.fullmatch(name.strip())
        if not found:
            raise SettingError(f"{name[:20]} is no quarter: write it as 2026Q3")
        return cls(int(found[1]), int(found[2]))

    @property
    def first(self) -> date:
        return date(self.year, 3 * self.number - 2, 1)

    @property
    def last(self) -> date:
        return quarter_end(self.first)

    @property
    def before(self) -> Quarter:
        return Quarter.of(quarter_before(self.first))

    @property
    def after(self) -> Quarter:
        return Quarter.of(self.last + timedelta(days=1))

    def bounds(self, zone: tzinfo) -> tuple[datetime, datetime]:
        """The moments at which it begins and has ended."""
        return datetime.combine(self.first, time(), zone), datetime.combine(self.after.first, time(), zone)

    def said(self, language: str) -> str:
        return f"{self.year}-T{self.number}" if language == "fr" else str(self)

    def __str__(self) -> str:
        return f"{self.year}-Q{self.number}"
