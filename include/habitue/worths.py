"""What customers may bring, by group, in two ways that know nothing of each other:

the next year   as the last snapshot's fit (`lifetime`) has it, from each customer's own purchases; and who is
                cooling down. A warning, and the order of win-back calls: no probability ever moves anybody from
                group to group, and whoever bought once has none
a lifetime      `lasting_value`: a year's margin over all the years that a customer stays, from the figures told of
                the whole group. It supposes that every year is as the last one: that as many stay, that who stays
                brings as much, and that nobody changes group
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from sqlalchemy import Engine

from habitue import effects, figures
from habitue.calls import write_table
from habitue.effects import Interval, Side
from habitue.errors import SettingError
from habitue.figures import Told
from habitue.kinds import Segment, Span
from habitue.shop import Shop
from habitue.statements import statement
from habitue.trends import FIVE, rule_of

BELOW = 0.5
"""A regular customer less likely than this to be one still is worth a warning."""

RULES_VERSION = "lasting-1"
"""Of what a customer is worth over a lifetime."""
LEAST_STARTED = 30
"""Customers a year ago below whom no share that stayed is believed."""
YEAR_DAYS = 365


@dataclass(frozen=True, slots=True)
class Worth:
    """A group."""

    segment: str
    customers: int
    valued: int
    """of whom the model says anything"""
    judged: int
    """of whom it says how likely they still are customers: those who came again"""
    alive: float
    """the mean of these probabilities"""
    worth_cents: int
    """what the next year may bring"""
    won_back_cents: int
    """what a year would bring beyond that, if all came back"""
    cooling: int
    """regular customers who have probably left"""


@dataclass(frozen=True, slots=True)
class Lasting:
    """A group, by the figures told of it; segment `` is all active customers."""

    segment: str
    customers: int
    year_cents: float
    """what one of them brought in a year: the shop's gross margin of it, or the sales where it says none"""
    stayed: Side | None
    """those in the group a year ago, and how many of them are not lapsed; None: the lake doesn't reach back so far"""
    cents: float | None
    """what one is worth over a lifetime; None: not known, too few a year ago, or without end"""
    between: Interval | None
    """the same, by Wilson's interval of the share that stayed"""


@dataclass(frozen=True, slots=True)
class Cooling:
    customer_id: str
    segment: str
    alive: float
    worth_cents: int
    last_day: date


def summary(engine: Engine, *, below: float = BELOW) -> list[Worth]:
    """By group; without a fit all but `customers` is 0."""
    with engine.connect() as connection:
        return [Worth(*row) for row in connection.execute(statement("lifetime/summary"), {"below": below})]


def cooling(engine: Engine, *, below: float = BELOW, most: int = 200) -> list[Cooling]:
    """Regular customers who have probably left or are about to; best customers first."""
    with engine.connect() as connection:
        asked = {"below": below, "most": most}
        return [Cooling(*row) for row in connection.execute(statement("lifetime/cooling"), asked)]


def lasting_value(margin: float, retention: float, discount: float, *, first_now: bool = False) -> float:
    """What a customer is worth who brings a margin a year for as long as he stays: margin × retention ÷ (1 + discount −
    retention), the first margin a year from now; `first_now`: he brings it today too. In the margin's unit.

    `retention`: the share who stay from a year to the next, 0 to 1; `discount`: what next year's money counts for less,
    0 or more. SettingError for any other, and for customers who all stay for ever while money keeps its worth.
    """
    if not 0 <= retention <= 1:
        raise SettingError(f"retention {retention:g}: a share of customers, from 0 to 1")
    if not discount >= 0:
        raise SettingError(f"discount {discount:g}: 0 or more; money of next year is worth no more than today's")
    if 1 + discount - retention <= 0:
        raise SettingError("everybody stays for ever and no year counts for less: set lifetime.discount above 0")
    return margin * (1 + discount if first_now else retention) / (1 + discount - retention)


def lasting(told: Iterable[Told], shop: Shop) -> list[Lasting]:
    """Of all active customers and of each active group, from the figures told of one day; none where none are."""
    cells = list(told)
    size = {one.part: one.value for one in cells if (one.name, one.span) == ("size", Span.DAY)}
    spend = {one.part: one.value for one in cells if (one.name, one.span) == ("spend", Span.DAY)}
    moved = [one for one in cells if (one.name, one.span) == ("movement", Span.YEAR)]
    active = [name for name in FIVE if name != Segment.LAPSED]
    if not any(size.get(name) for name in active):
        return []
    share = (shop.margin.gross if shop.margin else 1.0) * YEAR_DAYS / shop.segments.window_days
    found = []
    for group, parts in (("", active), *((name, [name]) for name in active)):
        customers = sum(size.get(name, 0) for name in parts)
        if customers:
            brought = share * sum(spend.get(name, 0) for name in parts) / customers
            found.append(_lasting(group, customers, brought, _stayed(moved, parts), shop.lifetime.discount))
    return found


def lasting_now(engine: Engine, shop: Shop) -> list[Lasting]:
    """By the last figures told."""
    rule, _ = rule_of(shop.segments)
    with engine.connect() as connection:
        last = figures.last_day(connection, rule)
        told = figures.told(connection, rule, ("size", "spend", "movement"), ends=[last]) if last else []
    return lasting(told, shop)


def next_year(groups: Iterable[Worth], shop: Shop) -> dict[str, float]:
    """What the model expects of one customer of each group within a year, in the unit of `Lasting.year_cents`."""
    share = shop.margin.gross if shop.margin else 1.0
    return {one.segment: share * one.worth_cents / one.valued for one in groups if one.valued}


def best(found: Sequence[Lasting]) -> Lasting | None:
    """The group whose customers are worth most; None: no group's are known."""
    known = [one for one in found if one.segment and one.cents is not None]
    return max(known, key=lambda one: one.cents or 0.0, default=None)


def _stayed(moved: Iterable[Told], parts: Sequence[str]) -> Side | None:
    ours = [one for one in moved if one.part in parts]
    started = sum(one.value for one in ours)
    return Side(started, sum(one.value for one in ours if one.other != Segment.LAPSED)) if started else None


def _lasting(group: str, customers: int, brought: float, stayed: Side | None, discount: float) -> Lasting:
    if stayed is None or stayed.size < LEAST_STARTED:
        return Lasting(group, customers, brought, stayed, None, None)
    likely = effects.wilson(stayed)
    if 1 + discount - likely.high <= 0:
        return Lasting(group, customers, brought, stayed, None, None)
    low, mean, high = (lasting_value(brought, share, discount) for share in (likely.low, stayed.share, likely.high))
    return Lasting(group, customers, brought, stayed, mean, Interval(low, high))


COLUMNS = ("group", "customers", "year", "of", "stayed", "started", "discount", "lifetime", "low", "high",
           "next_year", "rules")  # fmt: skip


def write_csv(out: Path, found: Iterable[Lasting], groups: Iterable[Worth], *, shop: Shop) -> int:
    """A row a group, `all` first; money in the currency's units, of one customer. `of`: whether it is margin or sales;
    `next_year`: what the model expects, by the last customer base."""
    ahead = next_year(groups, shop)

    def row(one: Lasting) -> list[str | int | None]:
        sides = [one.stayed.responded, one.stayed.size] if one.stayed else [None, None]
        ends = [one.between.low, one.between.high] if one.between else [None, None]
        return [
            *(one.segment or "all", one.customers, _units(one.year_cents), "margin" if shop.margin else "sales"),
            *(*sides, repr(shop.lifetime.discount), *(_units(cents) for cents in (one.cents, *ends))),
            *(_units(ahead.get(one.segment)), RULES_VERSION),
        ]

    return write_table(out, COLUMNS, (row(one) for one in found), shop=shop)


def _units(cents: float | None) -> str | None:
    return None if cents is None else f"{cents / 100:.2f}"
