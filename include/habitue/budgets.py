"""What a year's campaigns cost, on whom it was spent, and how often customers heard from the shop.

Spent is what has left; promised what still may. Both count against the year's money (`shop.yaml`, budget.year): a plan
that would go beyond it leaves the last in line out, by the rule over_budget (`decisions`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine

from habitue import outcome_parts
from habitue.calls import write_table
from habitue.limits import Budget
from habitue.shop import Shop
from habitue.statements import statement
from habitue.tables import Channel

RULES_VERSION = "budgets-1"


@dataclass(frozen=True, slots=True)
class Spent:
    """What one campaign cost in a quarter for one group by one channel."""

    quarter: int
    campaign: str
    kind: str
    """image or product"""
    segment: str
    channel: str
    sent: int
    spent_micros: int
    waiting: int
    promised_micros: int


@dataclass(frozen=True, slots=True)
class Pressure:
    """How often the customers of the base (prospects are none) heard by a channel from `first` to `last`."""

    channel: str
    first: date
    last: date
    customers: dict[int, int]
    """messages → customers who got so many; 0: none"""

    @property
    def messages(self) -> int:
        return sum(number * customers for number, customers in self.customers.items())

    @property
    def each(self) -> float:
        """Messages a customer."""
        everyone = sum(self.customers.values())
        return self.messages / everyone if everyone else 0.0

    @property
    def most(self) -> int:
        """The most that one customer got."""
        return max((number for number, customers in self.customers.items() if customers), default=0)


@dataclass(frozen=True, slots=True)
class Year:
    year: int
    budget: Budget
    rows: tuple[Spent, ...]
    letters: tuple[Pressure, ...]
    """by quarter"""
    emails: tuple[Pressure, ...]
    calls: Pressure
    """of the year"""
    at: datetime | None
    """when it was counted; None: just now"""

    @property
    def spent_micros(self) -> int:
        return sum(row.spent_micros for row in self.rows)

    @property
    def promised_micros(self) -> int:
        return sum(row.promised_micros for row in self.rows)

    @property
    def left_micros(self) -> int | None:
        """Of the year's money; None: the shop sets none."""
        if self.budget.year is None:
            return None
        return self.budget.year * 10_000 - self.spent_micros - self.promised_micros

    @property
    def share(self) -> float | None:
        """Of the shop's whole promotion, what was spent on existing customers; None: the shop does not say."""
        if self.budget.promotion is None:
            return None
        return self.spent_micros / (self.budget.promotion * 10_000)

    @property
    def standing(self) -> str | None:
        """`below`, `within` or `above` the aim for that share."""
        if self.share is None:
            return None
        least, most = self.budget.aim
        return "below" if self.share < least else "above" if self.share > most else "within"

    def by(self, *names: str) -> dict[tuple[str, ...], tuple[int, int]]:
        """(messages sent, micros spent) by `quarter`, `campaign`, `kind`, `segment`, `channel`, or several of them:
        `by("quarter", "kind")` says how image and product messages alternate."""
        found: dict[tuple[str, ...], tuple[int, int]] = {}
        for row in self.rows:
            key = tuple(str(getattr(row, name)) for name in names)
            sent, spent = found.get(key, (0, 0))
            found[key] = (sent + row.sent, spent + row.spent_micros)
        return dict(sorted(found.items()))


def year_of(engine: Engine, year: int, budget: Budget) -> Year:
    """The calendar year, by the days of its runs."""
    with engine.connect() as connection:
        return _year(year, budget, _counted(connection, year))


def latest(engine: Engine, year: int, budget: Budget, *, at: datetime) -> Year:
    """What pages show: the year counted now, of a large shop as it was counted last."""
    with engine.connect() as connection:
        if not outcome_parts.large(connection):
            return _year(year, budget, _counted(connection, year))
        if last := outcome_parts.kept(connection, outcome_parts.BUDGET, year, at=at):
            return _year(year, budget, last.rows, at=last.at)
    keep(engine, year, at=at)
    return latest(engine, year, budget, at=at)


def keep(engine: Engine, year: int, *, at: datetime) -> bool:
    """Counts the year and keeps it, where anything has left or another customer base has come since it was counted
    last; returns whether."""
    with engine.begin() as connection:
        given = {"first": date(year, 1, 1), "last": date(year, 12, 31)}
        stamp = list(connection.execute(statement("budget/stamp"), given).one())
        last = outcome_parts.kept(connection, outcome_parts.BUDGET, year, at=at)
        news = last is None or last.rows["stamp"] != stamp
        rows = {**_counted(connection, year), "stamp": stamp} if last is None or news else last.rows
        outcome_parts.keep(connection, outcome_parts.BUDGET, year, rows, at=at)
    return news


def _counted(connection: Connection, year: int) -> dict[str, list[list[Any]]]:
    """What the questions answer, a list a row."""
    given = {"first": date(year, 1, 1), "last": date(year, 12, 31)}
    return {
        name: [list(row) for row in connection.execute(statement(f"budget/{name}"), given)]
        for name in ("spent", "pressure")
    }


def _year(year: int, budget: Budget, rows: Mapping[str, Any], *, at: datetime | None = None) -> Year:
    everyone, got = 0, dict[tuple[int, str], dict[int, int]]()
    for quarter, channel, messages, customers in rows["pressure"]:
        if channel:
            got.setdefault((quarter, channel), {})[messages] = customers
        else:
            everyone = customers

    def heard(channel: Channel, number: int, first: date, last: date) -> Pressure:
        some: dict[int, int] = got.get((number, channel), {})
        none = everyone - sum(some.values())
        return Pressure(channel, first, last, ({0: none} if none else {}) | some)

    quarters = [(number, *_quarter(year, number)) for number in (1, 2, 3, 4)]
    return Year(
        year,
        budget,
        tuple(Spent(*row) for row in rows["spent"]),
        tuple(heard(Channel.LETTER, *quarter) for quarter in quarters),
        tuple(heard(Channel.EMAIL, *quarter) for quarter in quarters),
        heard(Channel.CALL, 0, date(year, 1, 1), date(year, 12, 31)),
        at,
    )


COLUMNS = ("figure", "quarter", "campaign", "kind", "segment", "channel", "messages", "customers", "spent", "promised",
           "from", "until", "rules")  # fmt: skip


def write_csv(out: Path, found: Year, *, shop: Shop) -> int:
    """A row for each quarter, campaign, group and channel; then how many customers got how many messages. Money in the
    currency's units."""
    spent: list[list[Any]] = [
        [
            *("spent", row.quarter, row.campaign, row.kind, row.segment, row.channel, row.sent, None),
            *(f"{row.spent_micros / 1_000_000:.6f}", f"{row.promised_micros / 1_000_000:.6f}", None, None),
        ]
        for row in found.rows
    ]
    heard: list[list[Any]] = [
        [*("pressure", None, None, None, None, one.channel, number, customers, None, None), one.first, one.last]
        for one in (*found.letters, *found.emails, found.calls)
        for number, customers in sorted(one.customers.items())
    ]
    return write_table(out, COLUMNS, ([*row, RULES_VERSION] for row in [*spent, *heard]), shop=shop)


def _quarter(year: int, number: int) -> tuple[date, date]:
    first = date(year, 3 * number - 2, 1)
    return first, date(year + number // 4, 3 * number % 12 + 1, 1) - timedelta(days=1)
