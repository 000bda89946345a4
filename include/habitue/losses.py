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

from sqlalchemy import Connection, Engine, text

from habitue import outcome_parts
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
    at: datetime | None = None
    """when it was counted; None: just now"""

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
    with engine.connect() as connection:
        return _losses(quarter, _counted(connection, shop, quarter, known))


def latest(engine: Engine, shop: Shop, quarter: Quarter, *, at: datetime) -> Losses:
    """What pages show: the quarter counted now, of a large shop as it was counted last."""
    with engine.connect() as connection:
        if not outcome_parts.large(connection):
            return _losses(quarter, _counted(connection, shop, quarter, at))
        if last := outcome_parts.kept(connection, outcome_parts.LOSSES, quarter, at=at):
            return _losses(quarter, last.rows, at=last.at)
    return keep(engine, shop, quarter, at=at)


def keep(engine: Engine, shop: Shop, quarter: Quarter, *, at: datetime) -> Losses:
    """Counts the quarter and keeps it."""
    with engine.begin() as connection:
        rows = _counted(connection, shop, quarter, at)
        outcome_parts.keep(connection, outcome_parts.LOSSES, quarter, rows, at=at)
    return _losses(quarter, rows, at=at)


def _counted(connection: Connection, shop: Shop, quarter: Quarter, known: datetime) -> dict[str, list[list[Any]]]:
    """What the questions answer, a list a row."""
    given = asked(quarter, shop, known=known, language=shop.language)
    questions = {
        "reasons": _over("told", "losses/told", "losses/reasons"),
        "won_back": _over("asked", "losses/won_back", "losses/by_channel"),
        "counts": statement("losses/counts"),
    }
    return {name: [list(row) for row in connection.execute(asks, given)] for name, asks in questions.items()}


def _losses(quarter: Quarter, rows: Mapping[str, Any], *, at: datetime | None = None) -> Losses:
    return Losses(
        quarter,
        [Reason(*row) for row in rows["reasons"]],
        [WonBack(*row) for row in rows["won_back"]],
        {(rule, campaign): times for rule, campaign, times in rows["counts"]},
        at,
    )


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
