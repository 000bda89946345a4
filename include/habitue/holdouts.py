"""The holdout, in figures: who gets nothing so that the effect can be measured, of which run, and what it can show.

The effect is that of `effects.effect` on both sides of the draw, as on the run's own page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from sqlalchemy import Engine

from habitue import effects, figures, trends, year_effects
from habitue.calls import write_table
from habitue.effects import Effect, Side
from habitue.kinds import Segment, Span
from habitue.shop import Shop
from habitue.statements import statement
from habitue.year_effects import YearEffect

MOST = 40
"""Runs that the page lists."""
SHARES = (0.05, 0.10, 0.15, 0.20, 0.30)
"""Shares held out for which the page says what could be shown."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A run's holdout. `effect` is None as long as no purchases are gathered for it."""

    run_id: str
    campaign: str
    title: str
    on: date
    planned: int
    held_out: int
    share: float
    """as the campaign asked for it"""
    until: date | None
    effect: Effect | None


@dataclass(frozen=True, slots=True)
class Holdouts:
    runs: Sequence[HeldOut]
    """the last one first"""
    shop_share: float
    shop_customers: int
    """held out of everything this year"""
    shop_since: datetime | None
    years: Sequence[YearEffect]
    """all campaigns of each year together, the last one first"""

    @property
    def example(self) -> HeldOut | None:
        """The run to explain it by: of those whose window has closed the last one that showed a gain, else the largest;
        else the last one with purchases."""
        told = [(one, one.effect) for one in self.runs if one.effect]
        closed = [(one, of) for one, of in told if not of.early]
        shown = [one for one, of in closed if of.verdict == "gain"]
        largest = sorted((one for one, _ in closed), key=lambda one: -one.planned)
        return next(iter([*shown, *largest, *(one for one, _ in told)]), None)


@dataclass(frozen=True, slots=True)
class Reach:
    """What a share held out of a run would show: the smallest gain, in points of 1; None: none."""

    share: float
    held_out: int
    detectable: float | None


def holdouts(engine: Engine, shop: Shop, *, at: datetime, language: str, most: int = MOST) -> Holdouts:
    with engine.connect() as connection:
        rows = connection.execute(statement("holdout/runs"), {"language": language, "most": most}).all()
        year = connection.execute(statement("holdout/year"), {"year": at.astimezone(shop.tz).year}).one()
    runs = [
        HeldOut(
            row.run_id,
            row.campaign,
            row.title,
            row.on_date,
            row.planned,
            row.held_out,
            row.share,
            row.until,
            effects.effect(Side(row.written, row.written_buyers), Side(row.held, row.held_buyers), early=not row.closed)
            if row.until
            else None,
        )
        for row in rows
    ]
    told = year_effects.years(engine, known=at)
    return Holdouts(runs, shop.holdout.share, year.customers, year.since, told)


def reaches(one: HeldOut) -> list[Reach]:
    """For the same audience and the same share of buyers among those held out."""
    if one.effect is None or not one.effect.control.responded:
        return []
    everyone, base = one.effect.treated.size + one.effect.control.size, one.effect.control.share
    found = []
    for share in SHARES:
        held = round(everyone * share)
        if held:
            found.append(Reach(share, held, effects.detectable(everyone - held, held, base)))
    return found


def shop_reaches(engine: Engine, shop: Shop) -> list[Reach]:
    """What a share held out of everything would show in a year: of the customers of the five groups, as many buying by
    themselves as are active now. By the last figures told; none where none are."""
    rule, _ = trends.rule_of(shop.segments)
    with engine.connect() as connection:
        last = figures.last_day(connection, rule)
        told = figures.told(connection, rule, ["size"], spans=[Span.DAY], ends=[last]) if last else []
    everyone = sum(one.value for one in told)
    lapsed = sum(one.value for one in told if one.part == Segment.LAPSED)
    if not everyone:
        return []
    base = 1 - lapsed / everyone
    sides = [(share, round(everyone * share)) for share in SHARES]
    return [Reach(share, held, effects.detectable(everyone - held, held, base)) for share, held in sides if held]


COLUMNS = ("run", "campaign", "day", "planned", "held_out", "written", "written_buyers", "held", "held_buyers",
           "difference", "low", "high", "p", "detectable", "verdict", "until", "rules")  # fmt: skip


def write_csv(out: Path, found: Holdouts, *, shop: Shop) -> int:
    """A row a run, as the page shows them, and one a year of all campaigns together."""
    cell = str | int | date | None

    def row(one: HeldOut) -> list[cell]:
        known: list[cell] = [one.run_id, one.campaign, one.on, one.planned, one.held_out]
        return written(known, one.effect, one.until, effects.VERSION)

    def of_year(one: YearEffect) -> list[cell]:
        of = one.whole.buyers
        known: list[cell] = [f"shop:{one.year}", None, one.starts, of.treated.size, of.control.size]
        return written(known, of, one.until, f"{year_effects.RULES_VERSION} {effects.VERSION}")

    def written(known: list[cell], of: Effect | None, until: date | None, rules: str) -> list[cell]:
        if of is None:
            return [*known, *([None] * 10), until, rules]
        sides = [of.treated.size, of.treated.responded, of.control.size, of.control.responded]
        shares = [of.difference, of.interval.low, of.interval.high, of.p, of.detectable]
        told = ["" if share is None else repr(share) for share in shares]
        return [*known, *sides, *told, of.verdict, until, rules]

    return write_table(out, COLUMNS, [*map(of_year, found.years), *map(row, found.runs)], shop=shop)
