"""The closed lists that the base's tables hold to: channels, groups, states, outcomes, and reasons."""

from __future__ import annotations

from enum import StrEnum


class Channel(StrEnum):
    LETTER = "letter"
    EMAIL = "email"
    CALL = "call"


class Segment(StrEnum):
    REGULAR_HEAVY = "regular_heavy"
    REGULAR_LIGHT = "regular_light"
    OCCASIONAL_HEAVY = "occasional_heavy"
    OCCASIONAL_LIGHT = "occasional_light"
    LAPSED = "lapsed"
    PROSPECT = "prospect"
    """never bought; outside the five groups"""


class State(StrEnum):
    """What has become of a message. `planned → claimed → accepted | refused | unknown`; `planned → cancelled`;
    `claimed → planned` where the sender says that it never handed it over; `accepted → cancelled` where a call list
    ended before anybody rang."""

    PLANNED = "planned"
    """written down, nothing has left"""
    CLAIMED = "claimed"
    """one worker holds it, until its lease runs out; something may have left"""
    ACCEPTED = "accepted"
    """the provider, the print folder or the call list has it"""
    REFUSED = "refused"
    """the provider said no; nothing has left"""
    UNKNOWN = "unknown"
    """the worker died between claim and answer; never sent again by itself"""
    CANCELLED = "cancelled"
    """the claim asked again and the answer had changed, or a person stopped it"""


class RunState(StrEnum):
    """Whether a run's messages may leave. A person moves it; the circuit breaker only ever pauses it."""

    OPEN = "open"
    """they may, where nothing else speaks against it"""
    PAUSED = "paused"
    """none leaves until somebody resumes the run; what has left has left"""
    CANCELLED = "cancelled"
    """none leaves any more: what was still planned is cancelled"""


class OutcomeKind(StrEnum):
    """What came of a message after it left, as a provider, the post or the call desk tell it."""

    ACCEPTED = "accepted"
    """the provider has it"""
    DEFERRED = "deferred"
    """the recipient's server asks to wait; the provider tries on"""
    DELIVERED = "delivered"
    """the recipient's server has it"""
    HARD_BOUNCE = "hard_bounce"
    """the address does not exist"""
    BLOCKED = "blocked"
    """turned away this time; says nothing of the address"""
    DROPPED = "dropped"
    """the provider never sent it"""
    COMPLAINT = "complaint"
    """reported as spam"""
    UNSUBSCRIBED = "unsubscribed"
    RESUBSCRIBED = "resubscribed"
    """wants a group's mails again, says the provider: kept, and allows nothing by itself"""
    OPENED = "opened"
    """its pictures were fetched, perhaps by a person; a weak sign, as is the next"""
    MACHINE_OPENED = "machine_opened"
    """fetched by a machine (Apple Mail Privacy Protection) that opens all mails"""
    CLICKED = "clicked"
    """a link was followed, perhaps by a scanner"""
    PRINTED = "printed"
    """the printer has made the letter"""
    SPOILED = "spoiled"
    """the printer spoilt the letter: it has not left"""
    NOT_MAILED = "not_mailed"
    """the printer left the letter out: it has not left"""
    MAILED = "mailed"
    """the post has the letter"""
    RETURNED = "returned"
    """the post brought the letter back; `reason` says why"""
    REACHED = "reached"
    """the customer was spoken to"""
    NOT_REACHED = "not_reached"
    """rung for the last time without speaking to the customer"""
    RELEASED = "released"
    """the call list ended before anybody rang"""


class Hold(StrEnum):
    """Why a customer is left in peace by every campaign, until somebody closes it."""

    ERASED = "erased"
    """asked to be forgotten: never closed"""
    COMPLAINT = "complaint"
    """an open complaint: no selling until it is settled"""
    PAYMENT_INCIDENT = "payment_incident"
    DECEASED = "deceased"
    """told on the phone, or by the family: the shop's own data may take long to say so"""


class SuppressionReason(StrEnum):
    """Why an address or a number must not be used again."""

    UNSUBSCRIBED = "unsubscribed"
    HARD_BOUNCE = "hard_bounce"
    SPAM_COMPLAINT = "spam_complaint"
    RETURNED_LETTER = "returned_letter"
    REFUSED_CALLS = "refused_calls"
    BAD_NUMBER = "bad_number"
    """out of service, a fax, or somebody else's"""
    MOVED = "moved"
    """the customer said that they have moved"""


class Apart(StrEnum):
    """Why an event of a provider is kept beside the ledger."""

    UNKNOWN_MESSAGE = "unknown_message"
    """no message of ours, or not yet known as one: the shop's other mails come here too"""
    UNKNOWN_TYPE = "unknown_type"
    """a type of event that this version does not know"""
    ACCOUNT = "account"
    """about the shop's account at the provider, not about a message: the operator must look"""
    UNREADABLE = "unreadable"
    """not an event with a type and a moment"""


class ReturnReason(StrEnum):
    """Why the post brought a letter back, as its label says."""

    MOVED = "moved"
    UNKNOWN = "unknown"
    """nobody of that name there"""
    REFUSED = "refused"
    """the customer would not take it"""
    INCOMPLETE = "incomplete"
    """the address lacks something, or does not exist"""
    UNCLAIMED = "unclaimed"
    DECEASED = "deceased"
    OTHER = "other"


class Disposition(StrEnum):
    """How a call ended. One of these must be chosen before the line is done."""

    NO_ANSWER = "no_answer"
    """nobody picked up: again after a day, in another slot, four tries in thirty days at most"""
    BUSY = "busy"
    """again after half an hour"""
    VOICEMAIL_NOMSG = "voicemail_nomsg"
    """a machine, no message left: as no answer"""
    VOICEMAIL_LEFT = "voicemail_left"
    """a message was left: as no answer"""
    TECH_FAILURE = "tech_failure"
    """our own line failed: again after half an hour; it counts as an attempt all the same"""
    CALLBACK_AT = "callback_at"
    """a day and a time were agreed, in lawful hours, or outside with proof"""
    CALLBACK_LATER = "callback_later"
    """another time, none agreed: again after a day"""
    REACHED_COURTESY = "reached_courtesy"
    """a good talk, nothing agreed"""
    OFFER_ACCEPTED = "offer_accepted"
    WILL_VISIT = "will_visit"
    NOT_INTERESTED = "not_interested"
    """stops the campaign for this customer"""
    COMPLAINT = "complaint"
    """opens a complaint; no marketing until it is settled"""
    MOVED = "moved"
    """lives elsewhere: the postal address is struck off"""
    LANGUAGE = "language"
    """no common language: another agent tries, a day later"""
    MINOR = "minor"
    """a minor, or not the holder of the account, picked up: nothing is said, and the list is done with them"""
    DO_NOT_CALL = "do_not_call"
    """consent is taken back (R. 223-3): never again without a new one"""
    BAD_NUMBER = "bad_number"
    """out of service: the number is struck off"""
    WRONG_PERSON = "wrong_person"
    """the number is someone else's, and is struck off"""
    FAX = "fax"
    """a machine that whistles: the number is struck off"""
    DECEASED = "deceased"
    """nothing is sent any more, by any channel"""


class Reason(StrEnum):
    """Why a customer left, as they told it."""

    PRICE = "price"
    ASSORTMENT = "assortment"
    SERVICE = "service"
    QUALITY = "quality"
    MOVED = "moved"
    COMPETITOR = "competitor"
    OTHER = "other"
    NONE = "none"
    """they gave none"""


class LineStatus(StrEnum):
    """What has become of a line of a call list."""

    OPEN = "open"
    """still to be called"""
    DONE = "done"
    """an agent has ended it; its disposition says how"""
    CLOSED = "closed"
    """may not be called any more: `reason` names the rule"""
    NOT_REACHED = "not_reached"
    """tried in vain until the list ended, or as often as the law allows"""
    RELEASED = "released"
    """the list ended before anybody tried"""


class Audited(StrEnum):
    """What the audit trail keeps of those who handle personal data."""

    SEARCHED = "searched"
    """looked for somebody; what was typed is not kept"""
    VIEWED = "viewed"
    """a customer's page, a card of the call desk, a sample addressed to somebody"""
    EXPORTED = "exported"
    """took people's data out as a file"""
    CHANGED = "changed"
    """recorded a consent, a withdrawal, a complaint or its end in somebody's name"""
    ERASED = "erased"
    """had somebody forgotten"""
