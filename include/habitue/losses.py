"""Whom the shop has lost and why, as they told it on the phone; what was won back; and what followed by rule.

    reasons     of everyone who told one in the quarter, the last one; what they have bought since, credited to any
                message
    won back    the lapsed customers of the quarter's runs: who was asked, who has come back, for how much. This is what
                is credited, with what would have come anyway in it: the effect on lapsed customers is the run's

Every figure is a sum over the rows of the same question (`losses/told`, `losses/won_back`), which the pages list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from habitue.calls import write_table
from habitue.credits import RULES_VERSION as CREDITS_VERSION
from habitue.quarters import Quarter
from habitue.shop import Shop
from habitue.statements import source, statement

RULES_VERSION = "losses-1"


@dataclass(frozen=True, slots=True)
class Reason:
    reason: str
    customers: int
    offered: int
    """to whom an offer was made that answers it"""
    came_back: int
    cents: int
    """what they paid since, less what came back"""


@dataclass(frozen=True, slots=True)
class WonBack:
    """`all` counts nobody twice."""

    channel: str
    customers: int
    came_back: int
    orders: int
    cents: int
    cost_micros: int


@dataclass(frozen=True, slots=True)
class Losses:
    quarter: Quarter
    reasons: Sequence[Reason]
    """the most frequent one first"""
    won_back: Sequence[WonBack]
    """by channel; `all` last"""
    followed: Mapping[tuple[str, str], int]
    """(rule, campaign) → how often, in the quarter; of complaints: how many are open"""

    @property
    def told(self) -> int:
        """Customers who told a reason."""
        return sum(one.customers for one in self.reasons)

    @property
    def all(self) -> WonBack | None:
        """None: no lapsed customer was asked."""
        return next((one for one in self.won_back if one.channel == "all" and one.customers), None)


def asked(quarter: Quarter, shop: Shop, *, known: datetime, language: str) -> dict[str, Any]:
    """The parameters of the questions."""
    first, after = quarter.bounds(shop.tz)
    days = {"first_day": quarter.first, "last_day": quarter.last}
    return {"first": first, "next": after, "zone": shop.timezone, "known": known, "language": language, **days}


def losses(engine: Engine, shop: Shop, quarter: Quarter, *, known: datetime) -> Losses:
    given = asked(quarter, shop, known=known, language=shop.language)
    with engine.connect() as connection:
        reasons = connection.execute(_over("told", "losses/told", "losses/reasons"), given)
        found = [Reason(*row) for row in reasons]
        back = connection.execute(_over("asked", "losses/won_back", "losses/by_channel"), given)
        won_back = [WonBack(*row) for row in back]
        counts = connection.execute(statement("losses/counts"), given)
        followed = {(row.rule, row.campaign): row.times for row in counts}
    return Losses(quarter, found, won_back, followed)


def _over(name: str, rows: str, question: str) -> Any:
    return text(f"with {name} as (\n{source(rows)})\n{source(question)}")


COLUMNS = ("figure", "part", "customers", "offered", "came_back", "orders", "value", "cost", "quarter", "rules")


def write_csv(out: Path, found: Losses, *, shop: Shop) -> int:
    """A row a reason and a row a channel; money in the currency's units."""
    rules = f"{RULES_VERSION}, credits {CREDITS_VERSION}"
    reasons: list[list[str | int | None]] = [
        ["reason", one.reason, one.customers, one.offered, one.came_back, None, f"{one.cents / 100:.2f}", None]
        for one in found.reasons
    ]
    channels: list[list[str | int | None]] = [
        [
            *("won_back", one.channel, one.customers, None, one.came_back, one.orders),
            *(f"{one.cents / 100:.2f}", f"{one.cost_micros / 1_000_000:.6f}"),
        ]
        for one in found.won_back
    ]
    return write_table(out, COLUMNS, ([*row, str(found.quarter), rules] for row in [*reasons, *channels]), shop=shop)
