"""The ledger's moves: claim, settle, expire. Each is one statement and one commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import Engine

from habitue.plans import Shard
from habitue.shop import Shop
from habitue.statements import statement
from habitue.tables import State

LEASE = timedelta(minutes=10)
"""How long a worker may hold a claim before its messages count as in doubt."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one claimed message."""

    message_id: UUID
    state: State
    provider_id: str | None = None
    reason: str | None = None
    pages: int | None = None
    first_page: int | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """Messages that this worker, and no other, may let go now; and how many were cancelled when asked again."""

    messages: frozenset[UUID]
    cancelled: int

    def __bool__(self) -> bool:
        return bool(self.messages or self.cancelled)


def claim(
    engine: Engine, shard: Shard, *, worker: str, on: date, at: datetime, shop: Shop, most: int, again: bool = False
) -> Claim:
    """Claims up to `most` messages of the shard, in order; committed when it returns.

    1. Consent, death and departure are asked again; who has said no since the plan is cancelled.
    2. `again` also takes what another worker claimed and did not settle: only for channels where making the same
       thing twice makes it once (a letter's file, a call row, a mail in the outbox).
    """
    with engine.begin() as connection:
        rows = connection.execute(
            statement("ledger/claim"),
            {
                "run_id": shard.run_id,
                "channel": shard.channel,
                "shard": shard.number,
                "worker": worker,
                "on": on,
                "at": at,
                "zone": shop.timezone,
                "call_days": shop.calls.consent_days,
                "lease_until": at + LEASE,
                "most": most,
                "again": again,
            },
        ).all()
    taken = frozenset(row.message_id for row in rows if row.state == State.CLAIMED)
    return Claim(taken, len(rows) - len(taken))


def settle(engine: Engine, outcomes: Sequence[Outcome], *, worker: str, at: datetime) -> int:
    """Writes what came of claimed messages; returns how many rows this worker still held."""
    if not outcomes:
        return 0
    with engine.begin() as connection:
        return connection.execute(
            statement("ledger/settle"),
            {
                "ids": [outcome.message_id for outcome in outcomes],
                "states": [outcome.state.value for outcome in outcomes],
                "provider_ids": [outcome.provider_id for outcome in outcomes],
                "reasons": [outcome.reason for outcome in outcomes],
                "pages": [outcome.pages for outcome in outcomes],
                "first_pages": [outcome.first_page for outcome in outcomes],
                "worker": worker,
                "at": at,
            },
        ).rowcount


def expire(engine: Engine, shard: Shard, *, at: datetime) -> int:
    """Claims of dead workers become `unknown`; returns how many."""
    with engine.begin() as connection:
        return connection.execute(
            statement("ledger/expire"), {"run_id": shard.run_id, "channel": shard.channel, "at": at}
        ).rowcount
