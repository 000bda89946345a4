"""Contact minimums: who got less than a letter a quarter or less than a call a year, and why.

A million customers pass one row at a time: memory stays flat.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, RowMapping, text

from habitue.calls import write_table
from habitue.decisions import years_before
from habitue.shop import Shop
from habitue.statements import statement

LETTER_DAYS = 91
"""A letter a quarter."""
CALL_DAYS = 365
"""A call a year."""
PAGE = 5000

COLUMNS = (
    *("customer_id", "segment", "letters", "last_letter", "why_no_letter"),
    *("calls", "last_call", "why_no_call", "call_lawful"),
)
"""`call_lawful`: 1 where consent, age and holds allow a call today, whether or not the number is of use; else 0."""


@dataclass
class Minimums:
    """How many customers got less, by what stood in the way: rules, `holdout`, `refused`, `waiting` (planned and not
    gone yet), `run_cancelled`, `not_offered`."""

    on: date
    customers: int = 0
    letter: Counter[str] = field(default_factory=Counter)
    call: Counter[str] = field(default_factory=Counter)
    calls_lawful: int = 0
    """how many of those without a call may be called today"""

    def count(self, row: RowMapping) -> None:
        self.customers += 1
        if row["why_no_letter"]:
            self.letter[row["why_no_letter"]] += 1
        if row["why_no_call"]:
            self.call[row["why_no_call"]] += 1
            self.calls_lawful += row["call_lawful"]

    def as_dict(self) -> dict[str, Any]:
        return {
            "on": self.on,
            "customers": self.customers,
            "letter": {"days": LETTER_DAYS, "customers": self.letter.total(), "why": dict(self.letter.most_common())},
            "call": {
                "days": CALL_DAYS,
                "customers": self.call.total(),
                "lawful": self.calls_lawful,
                "why": dict(self.call.most_common()),
            },
        }


def minimums(engine: Engine, shop: Shop, *, on: date, out: Path | None = None) -> Minimums:
    """Counts, by reason, the customers (prospects are none) who got less than the minimum until `on`, that day
    included; `out` gets a row for each, as a spreadsheet reads it, and appears whole or not at all."""
    found = Minimums(on)
    rows = _counted(_rows(engine, shop, on), found)
    if out is None:
        deque(rows, maxlen=0)
    else:
        write_table(out, COLUMNS, rows, shop=shop)
    return found


def _counted(rows: Iterable[RowMapping], found: Minimums) -> Iterator[list[Any]]:
    for row in rows:
        found.count(row)
        yield [*(row[name] for name in COLUMNS[:-1]), int(row[COLUMNS[-1]])]


def _rows(engine: Engine, shop: Shop, on: date) -> Iterator[RowMapping]:
    asked = {
        "on": on,
        "letter_days": LETTER_DAYS,
        "call_days": CALL_DAYS,
        "zone": shop.timezone,
        "end_of_day": datetime.combine(on + timedelta(days=1), time(), shop.tz),
        "adult_since": years_before(on, shop.validation.minor_age),
        "consent_days": shop.calls.consent_days,
    }
    with engine.connect() as connection:
        # A cursor's plan is made for its first rows, unless it is told that all are wanted.
        connection.execute(text("set local cursor_tuple_fraction = 1"))
        streaming = connection.execution_options(stream_results=True, max_row_buffer=PAGE)
        yield from streaming.execute(statement("report/minimums"), asked).mappings()
