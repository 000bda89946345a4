"""The customer base over time, worked out anew from a snapshot's orders: how the groups stood when each quarter ended,
who moved, who was lost, what was spent. So a shop has a year of history on its first day.

1. One pass over the order lines makes `days`: a row a customer and day.
2. From day to day that figures are told of (`periods`), the customers' standing is made by the segments' own SQL
   (thresholds.sql, segments.sql): there is one rule of who is in which group.
3. Periods of which the last telling still holds are left out (`Before`): their months' files are the same as then. A
   night works out what ends in the months that have changed, and the same days of earlier years.
4. For each period, where everyone stood before and after is laid side by side (`behind`) and counted (`crossed`).
5. The figures are made from these counts, one question each in include/sql/trends/; what is new or has changed since it
   was last told is written to the base (`figures.write`), and nothing that was told is ever changed.

The rows behind a figure are those of `behind`, made again from the same snapshot for that one period.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from habitue import figures
from habitue.errors import LedgerError
from habitue.figures import FIGURES, Cell, Told
from habitue.house import House
from habitue.kinds import Span
from habitue.lake import Snapshot
from habitue.order_lines import open_lines
from habitue.periods import Period, periods, quarter_before
from habitue.segments import GROUPS
from habitue.shop import SegmentSettings
from habitue.statements import source as sql_text
from habitue.statements import statement

if TYPE_CHECKING:
    import duckdb

MEMORY = "2GB"
"""What working figures out may take before it spills."""

FIVE = [name for name in GROUPS if name != "prospect"]
TIERS = ["top_20", "next_40", "other"]

SLOWING: Mapping[str, Any] = {"factor": 2.0, "least_days": 30}
"""From when on a customer is slowing down: twice as long as is usual for them, and a month at least."""

QUESTIONS = ("size", "spend", "tier_size", "tier_spend", "curve", "slowing", "movement", "attrition", "retention",
             "basket", "frequency", "complaints", "cohorts")  # fmt: skip

MADE_BY = ("trends/people", "trends/days", "trends/ever", "trends/known", "trends/standing", "trends/behind",
           "trends/crossed", "trends/steps", "segment/thresholds", "segment/segments",
           "audience/slowing_down", "figures/complaints")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Before:
    """What was told last: from which snapshot, and how many complaints of each span and end."""

    snapshot: Snapshot
    complaints: Mapping[tuple[str, date], int]


FROM_GROUP_TO_GROUP = ("movement", "attrition", "retention")
"""Figures that are only told where the groups of both ends are known."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What came of it."""

    snapshot_id: str
    rule: str
    figures: int
    """cells that were worked out"""
    told: int
    """of these, what was not told yet, or has changed since"""


def rule_of(settings: SegmentSettings) -> tuple[str, dict[str, Any]]:
    """The version of the rules that figures are made by, and what it stands for: the shop's thresholds, and every
    question that is asked on the way (its SQL without comments). Other thresholds make other figures, beside these."""
    asked = [*MADE_BY, *(f"trends/{name}" for name in QUESTIONS)]
    text = "\n".join(re.sub(r"\s+", " ", re.sub(r"--.*", "", sql_text(name))) for name in asked)
    means = {
        "segments": settings.model_dump(mode="json"),
        "slowing_down": dict(SLOWING),
        "questions": hashlib.sha256(text.encode()).hexdigest(),
    }
    return hashlib.sha256(json.dumps(means, sort_keys=True).encode()).hexdigest()[:8], means


def refresh(house: House, *, at: datetime, snapshot: Snapshot | None = None) -> Refreshed:
    """Works the figures out from a snapshot (the last one) and tells what is new; nothing is told twice.

    LedgerError: there is no snapshot, or figures of a later one are told already: the past would be told backwards.
    """
    found = snapshot or house.last_snapshot(at.astimezone(house.shop.tz).date())
    settings = house.shop.segments
    rule, means = rule_of(settings)
    if told_later(house, found):
        raise LedgerError(f"figures of a later snapshot than {found.id} are told already: the past is not rewritten")
    with house.engine.connect() as connection:
        complaints = _complaints(connection, house, found.on)
        before = _before(connection, house, found, rule)
    cells = work_out(found, settings, complaints, before)
    with house.engine.begin() as connection:
        figures.keep_rule(connection, rule, means, at=at)
        told = figures.write(connection, cells, rule=rule, snapshot_id=found.id, at=at)
    return Refreshed(found.id, rule, len(cells), told)


def told_later(house: House, snapshot: Snapshot) -> bool:
    """Whether figures of a later snapshot are told: the past is not told backwards."""
    with house.engine.connect() as connection:
        last = figures.last_snapshot(connection, rule_of(house.shop.segments)[0])
    return last is not None and last > snapshot.id


def work_out(
    snapshot: Snapshot,
    settings: SegmentSettings,
    complaints: Sequence[tuple[date, int]] = (),
    before: Before | None = None,
) -> list[Cell]:
    """Every cell of every figure from the snapshot's orders, but of periods of which what was told `before` still
    holds; `complaints`: how many were recorded on which days."""
    with _opened(snapshot, settings) as base:
        return base.figures(complaints, before)


def _before(connection: Connection, house: House, snapshot: Snapshot, rule: str) -> Before | None:
    """None: nothing was told from an earlier snapshot that is still there. From the same one everything is worked out
    again."""
    last = figures.last_snapshot(connection, rule)
    if last is None or last >= snapshot.id or last not in house.lake.ids():
        return None
    told = figures.told(connection, rule, ["complaints"])
    return Before(house.lake.snapshot(last), {(one.span, one.ends): one.value for one in told})


def _complaints(connection: Connection, house: House, on: date) -> list[tuple[date, int]]:
    given = {"zone": house.shop.timezone, "on": on}
    return [(row.day, row.complaints) for row in connection.execute(statement("figures/complaints"), given)]


@contextmanager
def rows_behind(
    house: House, cell: Told, *, first: bool = False
) -> Iterator[tuple[list[str], Iterable[Sequence[Any]]]]:
    """The rows behind one cell, from the snapshot that told it last (or first): columns and rows, customers by
    their number.

    For marketing ops: a manager sees the figure alone. It reads the snapshot's orders, for some seconds where there are
    millions.
    """
    question = FIGURES[cell.name].rows
    if question == "figures/complaints_behind":
        given = {"zone": house.shop.timezone, "starts": cell.starts, "ends": cell.ends}
        with house.engine.connect() as connection:
            asked = connection.execute(statement(question), given)
            yield list(asked.keys()), asked
        return
    snapshot = house.lake.snapshot(cell.first_snapshot_id if first else cell.snapshot_id)
    with _opened(snapshot, house.shop.segments, until=cell.ends) as base:
        base.lay_out(Period(Span(cell.span), cell.starts, cell.ends, cell.name in FROM_GROUP_TO_GROUP, True))
        found = base.con.execute(
            f"SELECT * FROM ({sql_text(question)}) ORDER BY customer_id",  # noqa: S608
            {"part": cell.part, "other": cell.other},
        )
        yield [column[0] for column in found.description], _fetched(found)


def _fetched(found: Any, most: int = 10_000) -> Iterator[Sequence[Any]]:
    while rows := found.fetchmany(most):
        yield from rows


@contextmanager
def _opened(snapshot: Snapshot, settings: SegmentSettings, *, until: date | None = None) -> Iterator[_Base]:
    """DuckDB with the tables `people`, `days` and `ever` (empty); its spill folder is gone afterwards."""
    import duckdb

    with (
        tempfile.TemporaryDirectory(prefix=".trends-", dir=snapshot.root) as spill,
        duckdb.connect(
            config={"temp_directory": spill, "preserve_insertion_order": False, "memory_limit": MEMORY}
        ) as con,
    ):
        con.read_parquet(str(snapshot.customers)).create_view("customers")
        open_lines(con, snapshot.orders, amount="amount_cents")
        con.execute(f"CREATE TABLE people AS {sql_text('trends/people')}")
        con.execute(f"CREATE TABLE days AS {sql_text('trends/days')}", {"on": until or snapshot.on})
        con.execute(
            "CREATE TABLE ever (code INTEGER, first_day DATE, last_day DATE, lifetime_days INTEGER);"
            "CREATE TABLE nobody (code INTEGER, segment VARCHAR)"
        )
        yield _Base(con, settings, snapshot)


class _Base:
    """The customers of a snapshot, led from day to day."""

    def __init__(self, con: duckdb.DuckDBPyConnection, settings: SegmentSettings, snapshot: Snapshot) -> None:
        self.con = con
        self.settings = settings
        self.snapshot = snapshot
        self.on = snapshot.on
        self.stands: dict[date, str] = {}
        """days whose standing is made, with its table"""
        self.reached = date.min

    def figures(self, complaints: Sequence[tuple[date, int]], before: Before | None) -> list[Cell]:
        """Every cell of every figure, but of the periods that stand as they were told."""
        first_day = self.con.execute("SELECT MIN(day) FROM days").fetchall()[0][0]
        if first_day is None:
            return []
        wanted = periods(self.on, first_day, self.settings.window_days)
        if before is not None:
            stand = self._stand(before, first_day, complaints)
            wanted = [one for one in wanted if one not in stand]
        self._prepare(wanted, complaints)
        needed = {day: one.ends for one in wanted for day in (one.starts, one.ends) if day == one.ends or one.known}
        for one in wanted:
            if one.known:
                needed[one.starts] = max(needed[one.starts], one.ends)
        for day in sorted(needed):
            self._standing(day)
            for period in wanted:
                if period.ends == day:
                    self._count(period)
            for past in [past for past in self.stands if needed[past] <= day]:
                self.con.execute(f"DROP TABLE {self.stands.pop(past)}")
        # Of the days only those are asked from here on that lie in the quarters of the cohorts' figures.
        self.con.execute(
            "CREATE TABLE asked AS SELECT * FROM days WHERE date_trunc('quarter', day) IN "
            "(SELECT date_trunc('quarter', ends) FROM periods WHERE span = 'quarter' AND ours);"
            "DROP TABLE days; ALTER TABLE asked RENAME TO days"
        )
        return [
            Cell(name, *row)
            for name in QUESTIONS
            for row in self.con.execute(
                "SELECT span, CAST(starts AS DATE), CAST(ends AS DATE), part, other, CAST(value AS BIGINT), "  # noqa: S608
                f"CAST(of AS BIGINT) FROM ({sql_text(f'trends/{name}')}) WHERE of IS NOT NULL"
            ).fetchall()
        ]

    def _stand(self, before: Before, first_day: date, complaints: Sequence[tuple[date, int]]) -> set[Period]:
        """The periods that were told then and would come out the same: of the days before their ends neither orders nor
        customers have changed since, and no complaint came late."""
        until = self.snapshot.same_before(before.snapshot)
        self.con.read_parquet(str(before.snapshot.customers)).create_view("customers_before")
        self.con.execute(
            "CREATE TABLE gone AS SELECT b.customer_id FROM customers_before AS b "  # a table: its size is known
            "ANTI JOIN customers AS c ON c.customer_id = b.customer_id"
        )
        if self.con.execute(sql_text("trends/changed_people"), {"until": until}).fetchall():
            return set()
        begins = quarter_before(min((day for day, _ in complaints), default=date.max))

        def complained(one: Period) -> int | None:
            if one.span is Span.DAY or one.starts < begins:
                return None
            return sum(number for day, number in complaints if one.starts < day <= one.ends)

        return {
            one
            for one in periods(before.snapshot.on, first_day, self.settings.window_days)
            if one.ends < until and complained(one) == before.complaints.get((one.span, one.ends))
        }

    def _prepare(self, wanted: Sequence[Period], complaints: Sequence[tuple[date, int]]) -> None:
        self.con.execute(
            "CREATE TABLE periods (span VARCHAR, starts DATE, ends DATE, known BOOLEAN, ours BOOLEAN);"
            "CREATE TABLE groups (name VARCHAR); CREATE TABLE tiers (name VARCHAR);"
            "CREATE TABLE complaints (day DATE, complaints BIGINT);"
            "CREATE TABLE crossed (span VARCHAR, starts DATE, ends DATE, before VARCHAR, after VARCHAR, tier VARCHAR, "
            "customers BIGINT, amount_cents BIGINT, slow BIGINT, buyers BIGINT, visits BIGINT, cents BIGINT);"
            "CREATE TABLE steps (ends DATE, step INTEGER, value BIGINT, of BIGINT)"
        )
        for table, rows in (
            ("periods", [(str(one.span), one.starts, one.ends, one.known, one.ours) for one in wanted]),
            ("groups", [(name,) for name in FIVE]),
            ("tiers", [(name,) for name in TIERS]),
            ("complaints", complaints),
        ):
            if rows:
                self.con.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)  # noqa: S608

    def _count(self, period: Period) -> None:
        self.lay_out(period)
        given = {"span": str(period.span), "starts": period.starts, "ends": period.ends}
        self.con.execute(f"INSERT INTO crossed {sql_text('trends/crossed')}", given)
        if period.span is Span.DAY:
            self.con.execute(f"INSERT INTO steps {sql_text('trends/steps')}", {"ends": period.ends})

    def lay_out(self, period: Period) -> None:
        """The view `behind`: everyone before and after that period."""
        before = self._standing(period.starts) if period.known and period.span is not Span.DAY else "nobody"
        after = self._standing(period.ends)
        self.con.execute(
            f"CREATE OR REPLACE VIEW standing_before AS SELECT * FROM {before};"  # noqa: S608
            f"CREATE OR REPLACE VIEW standing_after AS SELECT * FROM {after}"
        )
        # A view, so that each question reads no more of it than it asks; it can't have parameters.
        days = {"$starts": f"DATE '{period.starts}'", "$ends": f"DATE '{period.ends}'"}
        asked = re.sub(r"\$\w+", lambda name: days[name[0]], sql_text("trends/behind"))
        self.con.execute(f"CREATE OR REPLACE VIEW behind AS {asked}")

    def _standing(self, day: date) -> str:
        """The table with where everyone stood on that day. Days are asked for in order of time."""
        if day not in self.stands:
            table = f"standing_{day:%Y%m%d}"
            self._lead_to(day)
            self._group(day)
            self.con.execute(f"CREATE TABLE {table} AS {sql_text('trends/standing')}")
            self.con.execute("DROP VIEW slowing_down; DROP VIEW standing; DROP TABLE thresholds; DROP TABLE scored")
            self.stands[day] = table
        return self.stands[day]

    def _lead_to(self, day: date) -> None:
        self.con.execute(f"CREATE TABLE led AS {sql_text('trends/ever')}", {"after": self.reached, "on": day})
        self.con.execute("DROP TABLE ever; ALTER TABLE led RENAME TO ever")
        self.reached = day

    def _group(self, day: date) -> None:
        """The view `standing`, by the segments' own questions; of the thresholds only what groups and tiers need."""
        settings = self.settings
        self.con.execute(
            f"CREATE TABLE scored AS {sql_text('trends/known')}",
            {
                "on": day,
                "window_start": day - timedelta(days=settings.window_days),
                "lapsed_after_days": settings.lapsed_after_days,
            },
        )
        fifths = ", ".join(f"NULL AS {letter}_{share}" for letter in "rfm" for share in (20, 40, 60, 80))
        self.con.execute("CREATE OR REPLACE VIEW known AS SELECT * FROM scored")
        self.con.execute(
            f"CREATE TABLE thresholds AS SELECT regular_purchase_days, heavy_basket, top_20, next_40, {fifths} "  # noqa: S608
            f"FROM ({sql_text('segment/thresholds')})",
            {
                "heavy_percentile": settings.heavy_percentile,
                "regular_purchase_days": settings.regular_purchase_days,
            },
        )
        self.con.execute(f"CREATE VIEW standing AS {sql_text('segment/segments')}")
        given = {"on": f"DATE '{day}'", **{name: str(value) for name, value in SLOWING.items()}}
        asked = re.sub(r"(?<!:):([a-z_]+)", lambda name: given[name[1]], sql_text("audience/slowing_down"))
        self.con.execute(f"CREATE VIEW slowing_down AS {asked}")
