"""What a customer's score is made of: the points of the shop's grid, one by one, with what each saw (`segments`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from habitue.segments import months_before
from habitue.shop import Scoring


@dataclass(frozen=True, slots=True)
class Part:
    """One line of the grid. `saw`: cents of the average order, the last day, or orders in the window."""

    name: Literal["amount", "recency", "frequency"]
    saw: int | date | None
    points: int
    most: int


def parts(scoring: Scoring, stands: Mapping[str, Any], *, on: date) -> list[Part]:
    """The parts of the score of somebody with this row of `segment`, on the day of its snapshot; none of a prospect.

    Their sum is the score, unless the grid was changed since."""
    last, orders = stands["last_day"], stands["orders"]
    if last is None:
        return []
    # As in segment/purchases: who ordered nothing in the window is judged by the purchases of before.
    whole, times = (stands["amount_cents"], orders) if orders else (stands["lifetime_cents"], stands["lifetime_days"])
    average = Decimal(whole) / times if times else None
    bounds = [(round(Decimal(str(bound)) * 100), points) for bound, points in scoring.amount]
    reached = [points for bound, points in bounds if average is not None and average >= bound]
    recent = [points for months, points in scoring.recency_months if last >= months_before(on, months)]
    frequency = scoring.frequency
    return [
        Part(
            "amount",
            None if average is None else round(average),
            reached[-1] if reached else 0,
            max((points for _, points in bounds), default=0),
        ),
        Part(
            "recency",
            last,
            recent[0] if recent else 0,
            max((points for _, points in scoring.recency_months), default=0),
        ),
        Part("frequency", orders, min(frequency.most, frequency.points * orders), frequency.most),
    ]
