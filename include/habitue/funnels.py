"""Funnels: how far a run has come, from its audience to what came of each message, by group, channel and arm.

What was counted is kept. A small run is counted anew whenever it is looked at, a large one by its report, every hour
where there is news of it, and when a person asks: its page says when.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import date, datetime, timedelta
from typing import Literal

from sqlalchemy import Connection, Engine, RowMapping, delete, insert, select

from habitue import ledger, outcome_parts, overview
from habitue.kinds import Channel, Segment
from habitue.statements import statement
from habitue.tables import funnel as funnels
from habitue.tables import run

LIVE = 20_000
"""Customers of an audience up to which a run is counted when it is looked at."""

NEWS = timedelta(days=120)
"""So long after its day a run is counted again: the post brings letters back for months."""

By = Literal["segment", "channel", "arm"]


@dataclass(frozen=True, slots=True)
class Part:
    """A group's customers by one channel in one arm of a run; of a sum, what it does not tell apart is empty.

    audience = held_out + excluded + planned
    planned  = waiting + in_hand + cancelled + refused + unknown + accepted
    accepted = no_news + failed + arrived
    """

    segment: str
    channel: str
    """empty: left out, whatever the channel"""
    arm: str
    """empty: no test, left out, or held out"""
    held_out: int = 0
    excluded: int = 0
    planned: int = 0
    waiting: int = 0
    in_hand: int = 0
    cancelled: int = 0
    refused: int = 0
    unknown: int = 0
    accepted: int = 0
    no_news: int = 0
    failed: int = 0
    """bounced, spoilt, brought back, rung in vain"""
    arrived: int = 0
    """delivered, posted, spoken to"""
    opened: int = 0
    """of those that arrived, as are the next two; a weak sign"""
    clicked: int = 0
    objected: int = 0
    """complained or unsubscribed"""
    cost_micros: int = 0
    spent_micros: int = 0
    """of what has left, or may have"""

    @property
    def audience(self) -> int:
        return self.held_out + self.excluded + self.planned

    @property
    def gap(self) -> int:
        """What the states lack of what was planned and arrived; 0 where all adds up."""
        left = self.waiting + self.in_hand + self.cancelled + self.refused + self.unknown + self.accepted
        return abs(self.planned - left) + abs(self.accepted - self.no_news - self.failed - self.arrived)


COUNTS = tuple(field.name for field in fields(Part) if field.type == "int")


@dataclass(frozen=True, slots=True)
class Funnel:
    parts: Sequence[Part]
    counted_at: datetime

    @property
    def whole(self) -> Part:
        return total(self.parts)

    def by(self, what: By) -> dict[str, Part]:
        """The sum of each group, channel or arm, in their order; what has none is under the empty name, last."""
        order = {name: place for place, name in enumerate([*Segment, *Channel])}
        found: dict[str, list[Part]] = {}
        for part in sorted(self.parts, key=lambda part: (not getattr(part, what), order.get(getattr(part, what), 0))):
            found.setdefault(getattr(part, what), []).append(part)
        return {name: total(some) for name, some in found.items()}


def total(parts: Iterable[Part]) -> Part:
    sums = dict.fromkeys(COUNTS, 0)
    for part in parts:
        for name in COUNTS:
            sums[name] += getattr(part, name)
    return Part("", "", "", **sums)


def funnel(engine: Engine, run_id: str, *, at: datetime) -> Funnel | None:
    """A small run is counted anew, a large one is shown as it was counted last. None: not counted yet, or not
    planned."""
    with engine.connect() as connection:
        audience = connection.scalar(select(run.c.audience).where(run.c.run_id == run_id))
        if audience is None:
            return None
        if audience > LIVE:
            return kept(connection, run_id)
    return Funnel(keep(engine, run_id, at=at), at)


def kept(connection: Connection, run_id: str) -> Funnel | None:
    """As it was counted last."""
    wanted = select(funnels).where(funnels.c.run_id == run_id)
    rows = connection.execute(wanted.order_by(funnels.c.segment, funnels.c.channel, funnels.c.arm)).mappings().all()
    return Funnel([_part(row) for row in rows], rows[0]["counted_at"]) if rows else None


def count(connection: Connection, run_ids: Sequence[str]) -> dict[str, list[Part]]:
    """By run; one statement, whatever their size: some seconds for a million messages."""
    found: dict[str, list[Part]] = {run_id: [] for run_id in run_ids}
    for row in connection.execute(statement("runs/funnel"), {"run_ids": list(run_ids)}).mappings():
        found[row["run_id"]].append(_part(row))
    return found


def keep(engine: Engine, run_id: str, *, at: datetime) -> list[Part]:
    """Counts the run and keeps it, with what else the page of a large run shows of many rows."""
    with engine.begin() as connection:
        ledger.lock(connection, f"habitue.funnel/{run_id}")
        parts = count(connection, [run_id])[run_id]
        _keep(connection, run_id, parts, at)
    return parts


def _keep(connection: Connection, run_id: str, parts: Sequence[Part], at: datetime) -> None:
    connection.execute(delete(funnels).where(funnels.c.run_id == run_id))
    names = [field.name for field in fields(Part)]
    rows = [{"run_id": run_id, "counted_at": at, **dict(zip(names, astuple(part), strict=True))} for part in parts]
    if rows:
        connection.execute(insert(funnels), rows)
    overview.keep(connection, run_id, at=at)


def refresh(engine: Engine, *, since: date, until: date, at: datetime, large: Collection[str] | None = None) -> int:
    """Counts and keeps the runs of these days; returns how many they are. Since `NEWS` before today, it counts all of
    which there may be news. `large`: of those with more than
    `outcome_parts.LIVE` messages none but these."""
    wanted = select(run.c.run_id).where(run.c.on_date.between(since, until)).order_by(run.c.number)
    if large is not None:
        wanted = wanted.where((run.c.planned <= outcome_parts.LIVE) | run.c.run_id.in_(large))
    with engine.connect() as connection:
        counted = count(connection, connection.scalars(wanted).all())
    for run_id, parts in counted.items():
        with engine.begin() as connection:
            ledger.lock(connection, f"habitue.funnel/{run_id}")
            newer = select(funnels.c.run_id).where(funnels.c.run_id == run_id, funnels.c.counted_at > at)
            if connection.execute(newer.limit(1)).first() is None:  # nobody has looked at it meanwhile
                _keep(connection, run_id, parts, at)
    return len(counted)


def _part(row: RowMapping) -> Part:
    return Part(**{field.name: row[field.name] for field in fields(Part)})
