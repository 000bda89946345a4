"""The days and periods that figures are told of: quarters of the calendar, and the year up to each day.

A period is named by its last day, `ends`, and its span; `starts` is the day before its first one, so that it holds the
days after `starts` up to `ends`, as a window does.

- the day of the snapshot, and every quarter's end before it, as far back as the lake and YEARS go;
- the same day of earlier years, so that a quarter that is under way is held against the same days, not whole quarters.

The groups of a day are only known where the lake reaches back a whole window before it: before, everyone would seem to
shop rarely and nobody to have lapsed. The snapshot's own day is told in any case.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from habitue.kinds import Span
from habitue.segments import year_before

YEARS = 5
"""How far back figures are told."""

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Period:
    span: Span
    starts: date
    ends: date
    known: bool
    """the groups of both its ends are"""
    ours: bool
    """it ends with a quarter or on the snapshot's day; False: it is only there to be compared with"""


def quarter_end(day: date) -> date:
    """The last day of the quarter that the day is in."""
    month = (day.month - 1) // 3 * 3 + 3
    return (date(day.year + month // 12, month % 12 + 1, 1)) - DAY


def quarter_before(day: date) -> date:
    """The last day of the quarter before the one that the day is in."""
    return date(day.year, (day.month - 1) // 3 * 3 + 1, 1) - DAY


def quarter_name(ends: date) -> str:
    """2026-Q3, also of a quarter that is under way."""
    return f"{ends.year}-Q{(ends.month + 2) // 3}"


def years_before(day: date, years: int) -> date:
    for _ in range(years):
        day = year_before(day)
    return day


def periods(on: date, first_day: date, window_days: int) -> list[Period]:
    """In order of their ends. `first_day`: the first day of the lake's orders."""
    oldest = years_before(on, YEARS)
    quarters, end = [on], quarter_before(on)
    while end >= oldest:
        quarters.append(end)
        end = quarter_before(end)
    before = first_day - DAY

    def grouped(day: date) -> bool:
        return day - timedelta(days=window_days) >= before

    ends = dict.fromkeys(quarters, True)
    ends |= {day: False for day in (years_before(on, years) for years in range(1, YEARS + 1)) if day not in ends}
    found = []
    for day, ours in sorted(ends.items()):
        if day == on or grouped(day):
            found.append(Period(Span.DAY, day, day, True, ours))
        for span, starts in ((Span.QUARTER, quarter_before(day)), (Span.YEAR, year_before(day))):
            if starts >= before:
                found.append(Period(span, starts, day, grouped(starts), ours))
    return found
