"""What all campaigns of a year changed together: the shop's holdout, whom nothing is sent to all year, against everyone
else who could have been written to. Intention to treat, as for a run.

1. The draw in force is that of the year's last run; the period begins on the day of the first run that was planned with
   it and ends with the year. Another share or seed begins another period.
2. Who counts is decided once, by what was known before the period's first day: customers of the base of its first run
   who could have been written to by any channel. Caps, whom a campaign took, and what was delivered say nothing here.
   Whoever comes during the year is left out: nobody knows of them what could be known of the others, and those whom a
   campaign brought would stand on its side alone. Then each stands on the side of the draw (`year_side`).
3. Each customer base tells what both sides have bought in the period, less what came back (`purchases`), as long as
   returns are taken back; what was told is never changed (`year_response`). Before the year is over nothing is decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, RowMapping, insert, select, text

from habitue import effects, purchases
from habitue.copying import copy_answer, copy_parquet
from habitue.decisions import years_before
from habitue.effects import MeanEffect, Side, Sums
from habitue.house import House
from habitue.lake import Snapshot
from habitue.measures import Contrast
from habitue.outcome_tables import year_period, year_response
from habitue.statements import source, statement

if TYPE_CHECKING:
    pass

RULES_VERSION = "year-1"
"""Of who counts, and in which days."""

START = {
    "start_customer": "customer_id text, first_name text, last_name text, street text, postcode text, email text, "
    "phone text, birth_date date, deceased_on date, letter_barrier text, email_barrier text, call_barrier text",
    "start_segment": "customer_id text, segment text",
}


@dataclass(frozen=True, slots=True)
class YearEffect:
    """A year's, as one customer base told it."""

    year: int
    share: float
    starts: date
    until: date
    """the last day of orders in it"""
    closed: bool
    """the whole year is in it: only then is anything said to be shown"""
    snapshot_id: str
    known_at: datetime
    whole: Contrast
    orders: MeanEffect | None
    """orders a customer"""
    first: YearEffect | None = None
    """the same as the first base with the whole year had it, where that was something else: late returns came since"""

    @property
    def ends(self) -> date:
        return date(self.year, 12, 31)


def refresh(house: House, snapshot: Snapshot, *, at: datetime) -> list[int]:
    """What that base tells of this year's and last year's holdout, where that is new; returns of which years it was."""
    with house.engine.begin() as connection:
        connection.execute(text("select pg_advisory_xact_lock(hashtext('habitue.year'))"))
        years = [year for year in (snapshot.on.year - 1, snapshot.on.year) if snapshot.on <= _returned_until(year)]
        return [year for year in years if _refresh(connection, house, snapshot, year, at=at)]


def _returned_until(year: int) -> date:
    return date(year, 12, 31) + timedelta(days=purchases.RETURN_DAYS)


def _refresh(connection: Connection, house: House, snapshot: Snapshot, year: int, *, at: datetime) -> bool:
    draws = connection.execute(statement("year/draws"), {"year": year}).mappings().all()
    if not draws or draws[0]["starts"] > snapshot.on:
        return False
    period = _period(connection, house, draws, year, at=at)
    until = min(date(year, 12, 31), snapshot.on)
    asked = {"period_id": period["period_id"], "starts": period["starts"], "until": until}
    now = _bought(connection, snapshot, asked)
    gross = house.shop.margin.gross if house.shop.margin else None
    known = {"until": until, "closed": snapshot.on > date(year, 12, 31), "gross": gross}
    rows = [{**row, **known, "squares": Decimal(row["squares"])} for row in now]
    before = connection.execute(statement("year/last"), {"period_id": period["period_id"]}).mappings()
    if not rows or rows == [dict(row) for row in before]:
        return False
    told = {"period_id": period["period_id"], "snapshot_id": snapshot.id, "known_at": at}
    connection.execute(insert(year_response), [{**row, **told} for row in rows])
    return True


def _period(
    connection: Connection, house: House, draws: Sequence[RowMapping], year: int, *, at: datetime
) -> RowMapping:
    """The period of the draw in force; its sides are decided where it is new."""
    drawn = {"year": year, "seed": draws[0]["seed"], "share": draws[0]["share"]}
    asked = select(year_period).filter_by(**drawn)
    found = connection.execute(asked).mappings().one_or_none()
    if found is not None:
        return found
    begins = {"starts": draws[0]["starts"], "snapshot_id": draws[0]["snapshot_id"]}
    made = connection.execute(insert(year_period).values(**drawn, **begins, decided_at=at).returning(year_period))
    period = made.mappings().one()
    _decide(connection, house, period, draws[1:])
    return period


def _decide(connection: Connection, house: House, period: RowMapping, earlier: Sequence[RowMapping]) -> None:
    base, starts = house.lake.snapshot(period["snapshot_id"]), period["starts"]
    connection.execute(text("set local enable_nestloop = off"))  # all customers with all, as in `decisions.decide`
    for table, path in zip(START, (base.customers, base.segments), strict=True):
        connection.execute(text(f"create temp table {table} ({START[table]}) on commit drop"))
        copy_parquet(connection, path, table)
        connection.execute(text(f"analyze {table}"))
    connection.execute(
        statement("year/sides"),
        {
            **{name: period[name] for name in ("period_id", "year", "seed", "share")},
            **house.mark_key.pads,
            "moment": datetime.combine(starts, time(), house.shop.tz),
            "zone": house.shop.timezone,
            "day": starts,
            "consent_days": house.shop.calls.consent_days,
            "adult_since": years_before(starts, house.shop.validation.minor_age),
            "seeds": [one["seed"] for one in earlier],
            "shares": [one["share"] for one in earlier],
        },
    )
    for table in START:
        connection.execute(text(f"drop table {table}"))


def _bought(connection: Connection, snapshot: Snapshot, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    with purchases.opened(snapshot.orders, since=asked["starts"]) as duck:
        columns = "customer_id text, held boolean, cost_micros bigint"
        copy_answer(connection, statement("year/people"), asked, duck, "people", columns)
        days = {"starts": asked["starts"], "until": asked["until"]}
        answer = duck.execute(source("year/figures"), days)
        return [
            dict(zip((column[0] for column in answer.description or []), row, strict=True)) for row in answer.fetchall()
        ]


def years(engine: Engine, *, known: datetime) -> list[YearEffect]:
    """Each year's as it was known at `known`, the last one first; of a year with several draws the last one's."""
    with engine.connect() as connection:
        rows = connection.execute(statement("year/told"), {"known": known}).mappings().all()
    found: dict[int, YearEffect] = {}
    for _, told in groupby(rows, key=lambda row: row["period_id"]):
        sides = list(told)
        last = effect_of([row for row in sides if row["last"]])
        first = effect_of([row for row in sides if not row["last"]])
        if last is not None and last.year not in found:
            same = first is None or (first.whole, first.orders) == (last.whole, last.orders)
            found[last.year] = last if same else replace(last, first=first)
    return list(found.values())


def of_year(engine: Engine, year: int, *, known: datetime) -> YearEffect | None:
    return next((one for one in years(engine, known=known) if one.year == year), None)


def effect_of(rows: Iterable[Mapping[str, Any] | RowMapping]) -> YearEffect | None:
    """None where a side is empty."""
    sides = {row["held"]: row for row in rows}
    if len(sides) < 2:
        return None
    others, held = sides[False], sides[True]
    buyers = effects.effect(_side(others), _side(held), early=not others["closed"])
    if buyers is None:
        return None
    gross = others["gross"]
    margin = None if gross is None else effects.mean_effect(_money(others, gross), _money(held, gross))
    revenue = effects.mean_effect(_money(others), _money(held))
    return YearEffect(
        year=others["year"],
        share=others["share"],
        starts=others["starts"],
        until=others["until"],
        closed=others["closed"],
        snapshot_id=others["snapshot_id"],
        known_at=others["known_at"],
        whole=Contrast("shop", buyers, revenue, margin, others["spent_micros"]),
        orders=effects.mean_effect(_orders(others), _orders(held)),
    )


def _side(row: Mapping[str, Any] | RowMapping) -> Side:
    return Side(row["customers"], row["buyers"])


def _orders(row: Mapping[str, Any] | RowMapping) -> Sums:
    return Sums(row["customers"], float(row["orders"]), float(row["orders_squares"]))


def _money(row: Mapping[str, Any] | RowMapping, share: float = 1.0) -> Sums:
    """In cents, what came back taken off, times a share."""
    net = row["sold_cents"] - row["returned_cents"]
    return Sums(row["customers"], float(net) * share, float(row["squares"]) * share**2)
