"""How a call ended, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from habitue.calls import Disposition, Reason


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
