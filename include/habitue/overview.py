"""How runs stand: what a person looks at before pausing, approving or cancelling one. Counts and rules only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Engine, select

from habitue import controls, doubts, ledger, outcome_parts
from habitue.controls import Approvals
from habitue.doubts import Doubt
from habitue.errors import LedgerError
from habitue.limits import Breaker
from habitue.shop import Shop
from habitue.statements import statement
from habitue.tables import RunState, State, approval, run, stop

MOST = 20
"""Runs that a list shows."""

SETTLED = (State.ACCEPTED, State.REFUSED, State.UNKNOWN, State.CANCELLED)


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run in a list."""

    run_id: str
    title: Mapping[str, str]
    on: date
    state: RunState
    why: str | None
    by: str | None
    at: datetime | None
    """who moved the run to its state, when, and what was said"""
    shut: str | None
    """why none may leave now (`stopped`, `paused`, `cancelled`, `unapproved`, `late`); None: they may"""
    audience: int
    planned: int
    held_out: int
    excluded: int
    states: Mapping[State, int]
    cost_micros: int
    currency: str
    approvals: Approvals
    planned_at: datetime
    deliver_until: datetime
    snapshot_id: str
    mails_waiting: int
    """of those that may still leave, the e-mails"""

    @property
    def standing(self) -> str:
        """In a word: `open`, `paused`, `cancelled`, `stopped`, `unapproved`, `late`, or `done` where nothing is left
        that could leave."""
        if self.state is RunState.OPEN and not self.waiting and not self.states[State.CLAIMED]:
            return "done"
        return self.shut or RunState.OPEN

    @property
    def waiting(self) -> int:
        """Messages that may still leave."""
        return self.states[State.PLANNED]

    @property
    def in_doubt(self) -> int:
        """Messages that are in a worker's hands, or of which nobody knows whether they left."""
        return self.states[State.CLAIMED] + self.states[State.UNKNOWN]

    @property
    def gap(self) -> int:
        """What the states lack of what was planned: 0 where they add up."""
        return self.planned - sum(self.states.values())


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands above the pages about a run."""

    run_id: str
    title: Mapping[str, str]
    on: date
    excluded: int


@dataclass(frozen=True, slots=True)
class Stop:
    """The kill switch, pulled."""

    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Gauge:
    """A figure that the circuit breaker watches: `count` of `of`, with the shares at which it warns and stops, and how
    many there must be before it judges."""

    name: str
    count: int
    of: int
    warn: float | None
    stop: float
    after: int

    @property
    def share(self) -> float:
        return self.count / self.of if self.of else 0.0

    @property
    def level(self) -> str:
        """`early`, `fine`, `warn` or `stop`."""
        if not self.of or self.of < self.after:
            return "early"
        if self.share > self.stop:
            return "stop"
        return "warn" if self.warn is not None and self.share > self.warn else "fine"


@dataclass(frozen=True, slots=True)
class RunView:
    """All that there is to see of one run."""

    line: RunLine
    exclusions: Mapping[str, int]
    approvals: Sequence[Mapping[str, Any]]
    """step, decision, said_by, said_at, and whether it was for the run `as_it_is`"""
    doubts: Sequence[Doubt]
    gauges: Sequence[Gauge]
    files: Sequence[Mapping[str, Any]]
    """channel, name, messages, pages of the lots and lists that left; of a large run as they were counted last"""
    content: Mapping[str, str]
    """what the run's messages are made from, with its SHA-256"""
    changed: Sequence[str]
    """what of that is no longer as it was planned; not asked once nothing waits"""


def runs(engine: Engine, *, at: datetime, most: int = MOST) -> list[RunLine]:
    """The runs that were planned last, the latest first."""
    with engine.connect() as connection:
        return _lines(engine, connection, None, most, at)


def one_run(engine: Engine, run_id: str, *, at: datetime) -> RunLine:
    """LedgerError where it is not planned."""
    with engine.connect() as connection:
        if found := _lines(engine, connection, run_id, 1, at):
            return found[0]
        raise _not_planned(connection, run_id)


def heading(engine: Engine, run_id: str) -> Heading:
    """LedgerError where it is not planned. Nothing is counted."""
    with engine.connect() as connection:
        wanted = select(run.c.run_id, run.c.settings["title"], run.c.on_date, run.c.excluded)
        if found := connection.execute(wanted.where(run.c.run_id == run_id)).one_or_none():
            return Heading(*found)
        raise _not_planned(connection, run_id)


def _not_planned(connection: Connection, run_id: str) -> LedgerError:
    last = connection.scalars(select(run.c.run_id).order_by(run.c.number.desc()).limit(5)).all()
    return LedgerError(f"run {run_id} is not planned; the last ones are {', '.join(last) or 'none'}")


def stopped(engine: Engine) -> Stop | None:
    """Whether the kill switch is pulled."""
    pulled = select(stop.c.reason, stop.c.said_by, stop.c.said_at).where(stop.c.lifted_at.is_(None))
    with engine.connect() as connection:
        row = connection.execute(pulled).first()
    return Stop(row.reason, row.said_by, row.said_at) if row else None


def view(engine: Engine, run_id: str, *, shop: Shop, at: datetime) -> RunView:
    """LedgerError where it is not planned."""
    line = one_run(engine, run_id, at=at)
    with engine.connect() as connection:
        row = connection.execute(select(run).where(run.c.run_id == run_id)).mappings().one()
        kept = outcome_parts.kept(connection, outcome_parts.RUN, run_id, at=at) if _large(line.audience) else None
        counted = kept.rows if kept else count(connection, run_id)
        said = connection.execute(
            select(approval).where(approval.c.run_id == run_id).order_by(approval.c.approval_id)
        ).mappings()
        as_it_is = (row["audience_sha256"], row["content_sha256"])
        return RunView(
            line=line,
            exclusions=counted["exclusions"],
            approvals=[
                {**one, "as_it_is": (one["audience_sha256"], one["content_sha256"]) == as_it_is} for one in said
            ],
            doubts=doubts.doubts(connection, run_id, at=at) if line.in_doubt else [],
            gauges=gauges(controls.fared(connection, run_id), shop.breaker),
            files=counted["files"],
            content=row["files"],
            changed=controls.content_changes(row, shop) if line.waiting else [],
        )


def count(connection: Connection, run_id: str) -> dict[str, Any]:
    """The `exclusions` and `files` of a view, as JSON takes them: rows that a large run has by the hundred thousand."""
    exclusions: dict[str, int] = {}
    for found in connection.execute(statement("report/exclusions"), {"run_id": run_id}):
        exclusions[found.rule] = exclusions.get(found.rule, 0) + found.customers
    files = connection.execute(statement("runs/files"), {"run_id": run_id}).mappings()
    return {"exclusions": exclusions, "files": [dict(one) for one in files]}


def keep(connection: Connection, run_id: str, *, at: datetime) -> None:
    """Counts the same and keeps it for the page of a large run."""
    audience = connection.scalar(select(run.c.audience).where(run.c.run_id == run_id))
    if _large(audience or 0):
        outcome_parts.keep(connection, outcome_parts.RUN, run_id, count(connection, run_id), at=at)


def _large(audience: int) -> bool:
    return audience > outcome_parts.LIVE


def gauges(fared: Mapping[str, int], rules: Breaker) -> list[Gauge]:
    """What the breaker judges by, from a run's tallies: see `controls.verdict`."""
    answered = fared["accepted"] + fared["refused"]
    left = controls.judged_against(fared, rules)
    return [
        Gauge("refused", fared["refused"], answered, None, rules.refused, rules.refused_after),
        Gauge("hard_bounces", fared["hard_bounces"], left, *rules.hard_bounces, rules.after),
        Gauge("complaints", fared["complaints"], left, *rules.complaints, rules.after),
    ]


def _lines(engine: Engine, connection: Connection, run_id: str | None, most: int, at: datetime) -> list[RunLine]:
    found = connection.execute(statement("runs/last"), {"run_id": run_id, "most": most}).all()
    return [
        RunLine(
            run_id=row.run_id,
            title=row.title,
            on=row.on_date,
            state=RunState(row.state),
            why=row.state_reason,
            by=row.state_by,
            at=row.state_at,
            shut=ledger.gate(connection, row.run_id, at=at).shut,
            audience=row.audience,
            planned=row.planned,
            held_out=row.held_out,
            excluded=row.excluded,
            states={
                State.PLANNED: row.waiting,
                State.CLAIMED: row.claimed,
                **{state: getattr(row, state) for state in SETTLED},
            },
            cost_micros=row.cost_micros,
            currency=row.currency,
            approvals=controls.approvals(engine, row.run_id, at=at),
            planned_at=row.planned_at,
            deliver_until=row.deliver_until,
            snapshot_id=row.snapshot_id,
            mails_waiting=row.mails_waiting,
        )
        for row in found
    ]
