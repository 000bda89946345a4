"""How a call ended, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert

from habitue import complaints, consents, suppressions, targeted_offers
from habitue.call_gate import Asked
from habitue.house import House
from habitue.kinds import Disposition, Reason
from habitue.tables import Channel, Hold, SuppressionReason, hold

RETRY = {
    Disposition.NO_ANSWER: timedelta(days=1),
    Disposition.VOICEMAIL_NOMSG: timedelta(days=1),
    Disposition.VOICEMAIL_LEFT: timedelta(days=1),
    Disposition.BUSY: timedelta(minutes=30),
    Disposition.TECH_FAILURE: timedelta(minutes=30),
    Disposition.CALLBACK_LATER: timedelta(days=1),
    Disposition.LANGUAGE: timedelta(days=1),
}
"""After which endings the customer is rung again, and how much later at the earliest."""

REACHED = frozenset(
    {
        Disposition.CALLBACK_AT,
        Disposition.CALLBACK_LATER,
        Disposition.REACHED_COURTESY,
        Disposition.OFFER_ACCEPTED,
        Disposition.WILL_VISIT,
        Disposition.NOT_INTERESTED,
        Disposition.COMPLAINT,
        Disposition.MOVED,
        Disposition.DO_NOT_CALL,
    }
)
"""Endings at which the customer was spoken to."""

STRUCK_OFF = frozenset({Disposition.BAD_NUMBER, Disposition.WRONG_PERSON, Disposition.FAX})
"""Endings after which the number is never dialled again."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What the agent says of a call. `disposition` must be chosen; the rest where it was learnt."""

    disposition: Disposition
    reason: Reason | None = None
    """why the customer left"""
    notes: str = ""
    callback: datetime | None = None
    """CALLBACK_AT: the agreed moment, with a time zone"""
    slot_proof: str = ""
    """where the callback is outside the lawful hours: how the customer agreed to that very date and time, in a
    sentence; without it such a callback is refused"""
    offer_made: bool = False
    """the list's offer was told on the phone: none is sent after it"""
    refuses_calls: bool = False
    """NOT_INTERESTED that is also a refusal to be called: consent is withdrawn as with DO_NOT_CALL"""
    complaint: str = ""
    """COMPLAINT: what it is about"""
    complaint_owner: str | None = None
    """who answers it; None: shop.yaml `calls.complaint_owner`"""


@dataclass(frozen=True, slots=True)
class Finished:
    """What came of it. `consequences` are words of a closed list, in the order in which they were done: call_again,
    callback, slot_kept, number_struck_off, consent_withdrawn, number_suppressed, complaint_opened, offer_queued,
    address_struck_off, deceased_noted, list_done."""

    attempt_id: int
    consequences: tuple[str, ...]
    next_at: datetime | None = None
    """when the customer is to be rung again, where they are"""
    complaint_due: datetime | None = None
    """until when a complaint is promised an answer"""


@dataclass(frozen=True, slots=True)
class Call:
    """The call that ended: whose, when, and who says so."""

    asked: Asked
    message_id: UUID
    attempt_id: int
    agent: str
    ended_at: datetime
    at: datetime
    """when the base learns of it"""


def follow(connection: Connection, house: House, call: Call, ending: Ending) -> tuple[list[str], datetime | None]:
    """What the ending changes for the customer, in the transaction that keeps it; returns the consequences, and until
    when a complaint is promised an answer. Whether and when they are rung again is the desk's to say."""
    row, said = call.asked.row, ending.disposition
    done: list[str] = []
    due = None
    if said in STRUCK_OFF and _suppress(connection, house, call, Channel.CALL, SuppressionReason.BAD_NUMBER):
        done.append("number_struck_off")
    if said is Disposition.DO_NOT_CALL or (said is Disposition.NOT_INTERESTED and ending.refuses_calls):
        consents.record(
            connection, row["customer_id"], Channel.CALL, "withdrawn", at=call.ended_at, source=f"call:{call.agent}"
        )
        done.append("consent_withdrawn")
        if _suppress(connection, house, call, Channel.CALL, SuppressionReason.REFUSED_CALLS):
            done.append("number_suppressed")
    if said is Disposition.COMPLAINT:
        opened = complaints.raise_complaint(
            connection,
            row["customer_id"],
            ending.complaint or ending.notes,
            owner=ending.complaint_owner or house.shop.calls.complaint_owner,
            by=call.agent,
            at=call.ended_at,
            message_id=call.message_id,
            attempt_id=call.attempt_id,
        )
        due = opened.due_at
        done.append("complaint_opened")
    if said is Disposition.MOVED and _suppress(connection, house, call, Channel.LETTER, SuppressionReason.MOVED):
        done.append("address_struck_off")
    if said is Disposition.DECEASED:
        told = {"customer_id": row["customer_id"], "reason": Hold.DECEASED, "opened_by": call.agent}
        connection.execute(insert(hold).values(**told, opened_at=call.ended_at).on_conflict_do_nothing())
        done.append("deceased_noted")
    if _may_be_offered(ending) and targeted_offers.queue(
        connection,
        reason_of(ending) or Reason.NONE,
        customer_id=row["customer_id"],
        message_id=call.message_id,
        attempt_id=call.attempt_id,
        at=call.at,
    ):
        done.append("offer_queued")
    return done, due


def reason_of(ending: Ending) -> Reason | None:
    """Who has moved has told why they left."""
    return ending.reason or (Reason.MOVED if ending.disposition is Disposition.MOVED else None)


def _may_be_offered(ending: Ending) -> bool:
    return ending.disposition in targeted_offers.ANSWERED and not (ending.offer_made or ending.refuses_calls)


def _suppress(connection: Connection, house: House, call: Call, channel: Channel, reason: SuppressionReason) -> bool:
    """False where nothing is known that could be suppressed."""
    mark = call.asked.row["phone_mark" if channel is Channel.CALL else "letter_mark"]
    if mark is None:
        return False
    suppressions.put(connection, [(channel, bytes(mark), reason, "desk")], key=house.mark_key, at=call.at)
    return True
