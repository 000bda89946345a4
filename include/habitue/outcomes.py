"""What came of messages after they left, as providers, printers and the desk tell it: kept once, in any order.

An event also settles what is in doubt, or comes to be: who was delivered to, or bounced, had been written to; a mail
that the provider dropped had not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, Engine

from habitue import controls, ledger
from habitue.limits import Breaker
from habitue.statements import statement
from habitue.tables import OutcomeKind


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `source_key` is the source's own name for it: told twice, it is kept once."""

    message_id: UUID
    kind: OutcomeKind
    occurred_at: datetime
    source: str
    source_key: str
    reason: str | None = None
    """why the post brought a letter back (`ReturnReason`)"""


@dataclass(frozen=True, slots=True)
class Recorded:
    new: int
    settled: int
    """messages that were in doubt and no longer are"""
    paused: dict[str, str]
    """runs that the circuit breaker paused, and why"""


def record(engine: Engine, events: Sequence[Event], *, rules: Breaker, at: datetime) -> Recorded:
    """Keeps what is new of these events, settles what was in doubt, and lets the circuit breaker judge their runs.

    Events of messages that the ledger does not know are left out.
    """
    if not events:
        return Recorded(0, 0, {})
    with engine.begin() as connection:
        kept = keep(connection, events, at=at)
    return Recorded(kept.new, kept.settled, judged(engine, kept.runs, rules=rules, at=at))


@dataclass(frozen=True, slots=True)
class Kept:
    new: int
    settled: int
    runs: frozenset[str]
    """of which there was news: the breaker must judge them once this is committed"""


def keep(connection: Connection, events: Sequence[Event], *, at: datetime) -> Kept:
    """The same within a transaction, before the breaker."""
    ledger.lock(connection, ledger.OUTCOMES_LOCK)
    ledger.by_key(connection)
    news = connection.execute(
        statement("outcomes/record"),
        {
            "ids": [event.message_id for event in events],
            "kinds": [event.kind.value for event in events],
            "moments": [event.occurred_at for event in events],
            "sources": [event.source for event in events],
            "keys": [event.source_key for event in events],
            "reasons": [event.reason for event in events],
            "at": at,
        },
    ).all()
    settled = ledger.heard(connection, list({row.message_id for row in news}), at=at)
    return Kept(len(news), settled, frozenset(row.run_id for row in news))


def judged(engine: Engine, runs: Iterable[str], *, rules: Breaker, at: datetime) -> dict[str, str]:
    """The runs of these that the circuit breaker paused, and why."""
    return {run_id: why for run_id in sorted(runs) if (why := controls.judge(engine, run_id, rules, at=at)) is not None}
