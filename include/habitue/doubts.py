"""Messages of which nobody knows whether they left: their worker died between claim and answer.

First `expire` counts the claims of silent workers as in doubt; then a person says what became of them (`settle`). None
is ever sent again by itself, but in a campaign that says `at_least_once`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine

from habitue.controls import locked
from habitue.errors import LedgerError
from habitue.ledger import expire_claims
from habitue.shop import Shop
from habitue.statements import statement
from habitue.tables import Channel, RunState, State

SAYINGS = (State.ACCEPTED, State.REFUSED, State.PLANNED)
"""What a person may say of messages in doubt: they left; they did not, leave it so; send them again."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A channel's messages of which it is not known yet whether they left."""

    channel: Channel
    unknown: int
    since: datetime | None
    """when the first of them came into doubt"""
    in_hand: int
    """claimed by a worker whose lease still runs"""
    silent: int
    """claimed by a worker whose lease ran out"""


def made_once(shop: Shop) -> frozenset[Channel]:
    """The channels where a message made twice is made once: whatever a dead worker held there, the next delivery takes
    up, and nobody needs to ask."""
    made = {Channel.LETTER, Channel.CALL}
    return frozenset(made | {Channel.EMAIL} if shop.sender.kind == "outbox" else made)


def doubts(connection: Connection, run_id: str, *, at: datetime) -> list[Doubt]:
    """By channel; empty where all is known."""
    rows = connection.execute(statement("ledger/in_doubt"), {"run_id": run_id, "at": at})
    return [Doubt(Channel(row.channel), row.unknown, row.since, row.in_hand, row.silent) for row in rows]


def expire(engine: Engine, run_id: str, *, once: frozenset[Channel], at: datetime) -> dict[State, int]:
    """The claims of silent workers become `unknown`, or `planned` where the campaign says at_least_once; returns how
    many of each.

    Those of the channels in `once` wait for the next delivery, unless the run is cancelled: then there is none.
    """
    moved = {State.UNKNOWN: 0, State.PLANNED: 0}
    with engine.begin() as connection:
        row = locked(connection, run_id)
        over = row["state"] == RunState.CANCELLED
        for channel in Channel:
            if channel in once and not over:
                continue
            again = row["settings"]["delivery"] == "at_least_once" and not over
            for state, messages in expire_claims(connection, run_id, channel, at=at, again=again).items():
                moved[state] += messages
    return moved


def settle(engine: Engine, run_id: str, state: State, *, seen: int, by: str, at: datetime) -> dict[Channel, int]:
    """A person's word on all of the run's messages that are in doubt; returns how many by channel.

    `seen` is how many the person was told of. LedgerError where it is another number by now, and where messages of a
    cancelled run are to be sent again.
    """
    if state not in SAYINGS:
        raise LedgerError(f"{run_id}: messages in doubt become {', '.join(SAYINGS)}; {state} is none of them")
    with engine.begin() as connection:
        row = locked(connection, run_id)
        if state is State.PLANNED and row["state"] == RunState.CANCELLED:
            raise LedgerError(f"{run_id} is cancelled and stays so: its messages can't be sent again")
        moved = connection.execute(
            statement("ledger/decide"), {"run_id": run_id, "state": state, "reason": f"told by {by}", "at": at}
        ).all()
        counts = {Channel(found.channel): found.messages for found in moved}
        if (now := sum(counts.values())) != seen:
            raise LedgerError(f"{run_id}: {now} messages are in doubt by now, not {seen}; nothing was settled")
        return counts
