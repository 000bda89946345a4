"""The call desk: gives each agent the best customer to ring now, and keeps what came of it.

Every function takes the house, the agent's name and the moment. What an agent can't do is a CallError: a sentence, and
`why`, a word of a closed list, for pages. The law (`calling`) and the ledger's rules are asked when a card is given and
again when a number is dialled; a Refusal names the rule.

1. `next_card` reserves a line of a list for LEASE; the page renews it (`renew`) and releases it when its tab is gone.
2. `dial` writes the attempt down before the agent dials: it counts, whatever becomes of agent and browser.
3. `finish` says how it ended, with all that follows, in one transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from habitue.call_cards import Card
from habitue.call_endings import Ending, Finished
from habitue.errors import HabitueError
from habitue.house import House

LEASE = timedelta(minutes=2)
"""How long a line stays reserved for an agent whose page says nothing; a page renews it every half minute."""


class CallError(HabitueError):
    """`why`: not_reserved (no longer this agent's), not_dialled, already_finished, callback_missing, callback_unlawful,
    unknown_call."""

    def __init__(self, message: str, *, why: str) -> None:
        super().__init__(message)
        self.why = why


@dataclass(frozen=True, slots=True)
class Refusal:
    """Nobody may ring this customer now. `barrier`: a rule of `calling.Barrier`, or of the ledger (stopped, paused,
    gone, erased, minor, deceased, complaint_open, payment_incident, suppressed, unreachable, expired); `source`: the
    article; `opens`: when it would be lawful, None where it never will."""

    barrier: str
    source: str | None = None
    opens: datetime | None = None


@dataclass(frozen=True, slots=True)
class Dialled:
    attempt_id: int
    phone: str
    """E.164, for `tel:`"""
    again: bool = False
    """it was under way already"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why there is no card now: so many lines are still to be called, the next from `opens` on."""

    waiting: int
    reserved: int
    opens: datetime | None


def next_card(house: House, agent: str, at: datetime, *, run_id: str | None = None) -> Card | None:
    """The best customer to ring now, reserved for this agent; the one that they hold already, where they do. None where
    nobody may be rung now (`waiting` says when)."""
    raise NotImplementedError


def take(house: House, message_id: UUID, agent: str, at: datetime) -> Card | Refusal:
    """The same for a line that somebody chose; CallError (not_reserved) where another agent holds it."""
    raise NotImplementedError


def renew(house: House, message_id: UUID, agent: str, at: datetime) -> datetime:
    """Keeps the line for LEASE more; returns until when. CallError (not_reserved) where it is no longer theirs."""
    raise NotImplementedError


def release(house: House, message_id: UUID, agent: str, at: datetime) -> bool:
    """Gives the line back, unless it was dialled; False where there was nothing to give back."""
    raise NotImplementedError


def dial(house: House, message_id: UUID, agent: str, at: datetime) -> Dialled | Refusal:
    """Writes the attempt down. The law is asked once more; a Refusal takes the card back. CallError (not_reserved)
    where the line is not theirs."""
    raise NotImplementedError


def finish(house: House, attempt_id: int, agent: str, ending: Ending, at: datetime) -> Finished:
    """Keeps how it ended. Said twice alike, it is kept once. CallError: already_finished otherwise,
    callback_missing, callback_unlawful."""
    raise NotImplementedError


def agree_slot(house: House, customer_id: str, starts_at: datetime, *, by: str, proof: str, at: datetime) -> int:
    """Keeps that the customer agreed, provably, to be rung at that very date and time; returns the slot's id."""
    raise NotImplementedError


def waiting(house: House, agent: str, at: datetime, *, run_id: str | None = None) -> Waiting:
    """What is left to do, for the page that has no card to show."""
    raise NotImplementedError
