"""What one customer has bought, from the lake's last snapshot, and the picture of it over time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from habitue.lake import Snapshot
from habitue.statements import source

Row = Mapping[str, Any]
BARS = 60
"""More orders than that are shown month by month, and more months year by year."""


@dataclass(frozen=True, slots=True)
class Bar:
    """Orders of a day, a month or a year (`start` is its first day). `cents` is net of returns."""

    start: date
    orders: int
    cents: int


@dataclass(frozen=True, slots=True)
class Picture:
    unit: str
    """day, month or year"""
    bars: tuple[Bar, ...]


def purchases(snapshot: Snapshot, customer_id: str) -> list[dict[str, Any]]:
    """Every order line, oldest first. The months' files are sorted by customer, so that most of each is passed over."""
    import duckdb

    if not snapshot.orders:
        return []
    with duckdb.connect() as duck:
        duck.execute("set enable_progress_bar = false")
        found = duck.execute(
            source("customers/purchases"),
            {"orders": [str(path) for path in snapshot.orders], "customer_id": customer_id},
        )
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def picture(lines: Iterable[Row]) -> Picture:
    """The orders as bars over time, by the shortest unit of which there are at most BARS."""
    orders: dict[tuple[date, str], int] = {}
    for line in lines:
        at: datetime = line["ordered_at"]
        named = (at.date(), line["order_id"])
        orders[named] = orders.get(named, 0) + line["amount_cents"]
    for unit in ("day", "month", "year"):
        bars = _by(unit, orders)
        if len(bars) <= BARS or unit == "year":
            return Picture(unit, bars)
    raise AssertionError


def _by(unit: str, orders: Mapping[tuple[date, str], int]) -> tuple[Bar, ...]:
    found: dict[date, tuple[int, int]] = {}
    for (day, _), cents in orders.items():
        start = day if unit == "day" else day.replace(day=1) if unit == "month" else day.replace(month=1, day=1)
        number, total = found.get(start, (0, 0))
        found[start] = (number + 1, total + cents)
    return tuple(Bar(start, *found[start]) for start in sorted(found))
