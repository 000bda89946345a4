"""The report of a quarter, as data: what changed, what the mailing earned, whom the shop is losing and why.

Nothing is worked out here: figures are those that were told (`headlines`), results those of `measures`, losses and
budget those of their pages. `quarterly_words` puts it into words, `quarterly_files` makes the files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property

from sqlalchemy import Connection

from habitue import budgets, figures, headlines, losses, measures, trends, worths, year_effects
from habitue.budgets import Year
from habitue.errors import LedgerError
from habitue.figures import FIGURES, Told
from habitue.headlines import Headlines
from habitue.house import House
from habitue.kinds import Segment, Span
from habitue.losses import Losses
from habitue.measures import Counts, Measures, Results
from habitue.quarters import Quarter
from habitue.statements import statement
from habitue.worths import Lasting, Worth
from habitue.year_effects import YearEffect

SHOWN = 6
"""Runs that the report shows one by one, the largest; the others are summed up. The CSV has all."""


@dataclass(frozen=True, slots=True)
class Mailing:
    """A run of the quarter."""

    run_id: str
    campaign: str
    titles: Mapping[str, str]
    on: date
    kind: str
    planned: int
    held_out: int
    measures: Measures
    results: Results | None

    def title(self, language: str) -> str:
        return self.titles.get(language) or self.campaign


@dataclass(frozen=True)
class Quarterly:
    quarter: Quarter
    on: date
    """up to which day: the quarter's last, or, of one that is under way, the last snapshot's"""
    known: datetime
    rule: str
    """of the figures of the base"""
    snapshot_id: str
    """the last customer base that the report rests on"""
    headlines: Headlines
    told: Sequence[Told]
    """every figure of the base that ends with `on`"""
    mailings: Sequence[Mailing]
    """the largest first"""
    together: YearEffect | None
    """all campaigns of the quarter's year, against the shop's own holdout; None: it has none, or nothing is told yet"""
    losses: Losses
    year: Year
    """the budget"""
    worths: Sequence[Worth]
    """what the next year may bring, by the last base"""
    lasting: Sequence[Lasting]
    """what customers are worth over a lifetime, by the figures of `on`"""

    @property
    def under_way(self) -> bool:
        return self.on < self.quarter.last

    @property
    def cooling(self) -> int:
        """Regular customers who have probably left, by the last base."""
        return sum(one.cooling for one in self.worths)

    @cached_property
    def lost(self) -> Mapping[str, int]:
        """Customers of each group who were lost in the quarter: who lapsed."""
        lapsed = {one.part: one.value for one in self.headlines.movement if one.other == Segment.LAPSED}
        return {name: lapsed[name] for name in trends.FIVE if name != Segment.LAPSED and lapsed.get(name)}

    @property
    def new(self) -> int:
        """Customers who made their first purchase in the quarter."""
        return sum(one.value for one in self.headlines.movement if one.part == "new")

    @property
    def back(self) -> int:
        """Lapsed customers who are active again."""
        return sum(
            one.value
            for one in self.headlines.movement
            if one.part == Segment.LAPSED and one.other not in (Segment.LAPSED, "new")
        )

    @cached_property
    def sent(self) -> Counts:
        """All messages of the quarter, and what came of them."""
        return sum((one.measures.all for one in self.mailings), Counts())

    @property
    def shown(self) -> Sequence[Mailing]:
        return self.mailings[:SHOWN]

    @property
    def others(self) -> Counts | None:
        """The smaller runs together; None: there are none."""
        rest = self.mailings[SHOWN:]
        return sum((one.measures.all for one in rest), Counts()) if rest else None

    @property
    def spent_micros(self) -> int:
        """In the quarter."""
        return sum(row.spent_micros for row in self.year.rows if row.quarter == self.quarter.number)

    @property
    def kinds(self) -> frozenset[str]:
        """Image, product: which kinds of messages left in the quarter."""
        return frozenset(row.kind for row in self.year.rows if row.quarter == self.quarter.number and row.sent)


def quarterly(house: House, quarter: Quarter, *, at: datetime) -> Quarterly:
    """LedgerError where no figures are told of the quarter yet."""
    with house.engine.connect() as connection:
        found, told = _figures(connection, house, quarter)
        runs = connection.execute(statement("report/quarter"), {"first": quarter.first, "last": quarter.last}).all()
    return Quarterly(
        quarter,
        found.on,
        at,
        found.rule,
        max(one.snapshot_id for one in told),
        found,
        told,
        [
            Mailing(
                *(row.run_id, row.campaign, row.title, row.on_date, row.kind, row.planned, row.held_out),
                *_measured(house, row.run_id, at),
            )
            for row in runs
        ],
        year_effects.of_year(house.engine, quarter.year, known=at),
        losses.losses(house.engine, house.shop, quarter, known=at),
        budgets.year_of(house.engine, quarter.year, house.shop.budget),
        worths.summary(house.engine),
        worths.lasting(told, house.shop),
    )


def _measured(house: House, run_id: str, at: datetime) -> tuple[Measures, Results | None]:
    counted = measures.measures_of(house.engine, run_id, known=at)
    return counted, measures.results_of(house.engine, run_id, known=at, counted=counted)


def _figures(connection: Connection, house: House, quarter: Quarter) -> tuple[Headlines, list[Told]]:
    rule, _ = trends.rule_of(house.shop.segments)
    last = figures.last_day(connection, rule)
    if last is None or last < quarter.first:
        raise LedgerError(
            f"no figures are told of {quarter} yet: they come with a customer base of a day in it or after it; "
            "run the DAG customer_base, or habitue figures refresh"
        )
    on = min(last, quarter.last)
    told = figures.told(connection, rule, [name for name in FIGURES if name != "cohorts"], spans=Span, ends=[on])
    found = headlines.headlines(connection, house.shop, on=on)
    if found is None or not told:
        raise LedgerError(f"no figures are told of {on} under rule {rule}: habitue figures refresh")
    return found, told
