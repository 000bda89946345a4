"""Mail that comes back: bounces, complaints and wishes to be left in peace, from a mailbox into the base.

1. A batch of mails is taken from the mailbox and read (`returned_mail`).
2. Each is about the first of its message ids that the ledger knows as a mail's. Only whoever has that mail, or carried
   it, can know its id: it is made with the installation's secret and guessed by nobody. A report without one, whatever
   addresses it names, suppresses nobody and is left for a person.
3. Consents are withdrawn and addresses suppressed, then the outcomes are kept, then the mails are marked as done. Who
   is struck down in between does it again: each step is without effect the second time, and what has been told of a
   message once (its kind, from mail) is not news again, wherever the mail lies by then.

A hard bounce suppresses the customer's address only where that is the one which bounced: nothing of the customer has
changed since the run was planned, or the report names the address. Who complains or wants to be left in peace is, by
whatever address they have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Engine

from habitue import outcomes, suppressions, tokens
from habitue.limits import Breaker
from habitue.mailboxes import Mailbox
from habitue.outcomes import Event
from habitue.returned_mail import Kind, Returned, read
from habitue.statements import statement
from habitue.suppressions import MarkKey, Suppression
from habitue.tables import Channel, OutcomeKind, SuppressionReason


class Became(StrEnum):
    """What became of a mail in the mailbox: exactly one of these."""

    HARD_BOUNCE = "hard bounces"
    BLOCKED = "blocked"
    DEFERRED = "deferred"
    DELIVERED = "delivered"
    COMPLAINT = "complaints"
    UNSUBSCRIBED = "unsubscribed"
    KNOWN = "known before"
    """it was told of that message by mail already"""
    NO_NEWS = "without news"
    """a report of something that we don't keep"""
    AUTOMATIC = "automatic answers"
    PERSON = "left for a person"


SOURCES = {
    OutcomeKind.COMPLAINT: "feedback",
    OutcomeKind.UNSUBSCRIBED: "reply",
    OutcomeKind.HARD_BOUNCE: "bounce",
    OutcomeKind.BLOCKED: "bounce",
    OutcomeKind.DEFERRED: "bounce",
    OutcomeKind.DELIVERED: "bounce",
}
"""Who told it, as `outcome.source` and `suppression.source` name them."""

_NEVER_AGAIN = {
    OutcomeKind.COMPLAINT: SuppressionReason.SPAM_COMPLAINT,
    OutcomeKind.UNSUBSCRIBED: SuppressionReason.UNSUBSCRIBED,
    OutcomeKind.HARD_BOUNCE: SuppressionReason.HARD_BOUNCE,
}
_OBJECTIONS = (OutcomeKind.COMPLAINT, OutcomeKind.UNSUBSCRIBED)
_OLDEST = timedelta(days=60)
"""What a mail says of its own time is believed so far back; mail servers give up after a week."""

RULES = {
    "too_large": "it is larger than any report or reply",
    "too_many_parts": "it has more parts than any report or reply",
    "broken": "it can't be taken apart",
    "no_delivery_status": "a mail server's own words, without a report that programs read (RFC 3464)",
    "no_recipient": "a delivery report that names no recipient and what became of it",
    "no_feedback_type": "a complaint that says not of what kind",
    "not_ours": "it is about no mail that the ledger knows",
    "perhaps_unsubscribes": "somebody wrote, perhaps to unsubscribe",
    "reply": "somebody wrote",
}
"""Why a mail is left for a person."""


@dataclass
class Gathered:
    """What a pass through the mailbox came to; `became` adds up to `read`."""

    read: int = 0
    became: Counter[Became] = field(default_factory=Counter)
    suppressed: int = 0
    withdrawn: int = 0
    settled: int = 0
    paused: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    """keys of mails in the mailbox that a person must read, and the rule"""


@dataclass(frozen=True, slots=True)
class _News:
    """What a mail says of a message of ours. `certain`: about the address that the customer has today."""

    message_id: UUID
    customer_id: str
    kind: OutcomeKind
    address: str | None
    certain: bool
    occurred_at: datetime


def gather(
    engine: Engine,
    mailbox: Mailbox,
    *,
    key: MarkKey,
    token_keys: Sequence[bytes],
    rules: Breaker,
    at: datetime,
    known: Collection[str] = (),
    on_progress: Callable[[int], object] = lambda done: None,
) -> Gathered:
    """Reads what waits in the mailbox, but for the keys in `known`. `token_keys` read the tokens of unsubscribe links
    that come back as subjects. MailboxError where the mailbox fails: what was done
    is done, and the rest waits for the next pass."""
    found = Gathered()
    with engine.connect() as connection:
        suppressions.check_key(connection, key)
    for batch in mailbox.waiting(known):
        mails = {
            letter.key: Returned(Kind.UNREADABLE, rule="too_large")
            if letter.raw is None
            else read(letter.raw, lambda token: tokens.read(token, *token_keys))
            for letter in batch
        }
        became = _apply(engine, mails, found, key=key, rules=rules, at=at)
        mailbox.done([name for name, what in became.items() if what is not Became.PERSON])
        mailbox.leave([name for name, what in became.items() if what is Became.PERSON])
        found.read += len(mails)
        found.became.update(became.values())
        on_progress(found.read)
    return found


def _apply(
    engine: Engine, mails: dict[str, Returned], found: Gathered, *, key: MarkKey, rules: Breaker, at: datetime
) -> dict[str, Became]:
    """Keeps what is news in a batch; what became of each mail, by its key."""
    ledger = _messages(engine, {one for mail in mails.values() for one in mail.about})
    news: list[_News] = []
    became: dict[str, Became] = {}
    told = {(row.message_id, kind) for row in ledger.values() for kind in row.told}
    for name, mail in mails.items():
        judged = _judge(mail, ledger, at)
        if isinstance(judged, _News) and (judged.message_id, judged.kind) in told:
            became[name] = Became.KNOWN
        elif isinstance(judged, _News):
            told.add((judged.message_id, judged.kind))
            news.append(judged)
            became[name] = _BECAME[judged.kind]
        elif isinstance(judged, str) and judged in RULES:
            found.left[name] = judged
            became[name] = Became.PERSON
        else:
            became[name] = Became.AUTOMATIC if mail.kind is Kind.AUTOMATIC else Became.NO_NEWS
    objections = {one.customer_id: SOURCES[one.kind] for one in news if one.kind in _OBJECTIONS}
    found.withdrawn += withdraw(engine, objections, at=at)
    found.suppressed += suppressions.add(engine, _suppressions(news), key=key, at=at)
    recorded = outcomes.record(engine, [_event(one) for one in news], rules=rules, at=at)
    found.settled += recorded.settled
    found.paused |= recorded.paused
    return became


_BECAME = {
    OutcomeKind.HARD_BOUNCE: Became.HARD_BOUNCE,
    OutcomeKind.BLOCKED: Became.BLOCKED,
    OutcomeKind.DEFERRED: Became.DEFERRED,
    OutcomeKind.DELIVERED: Became.DELIVERED,
    OutcomeKind.COMPLAINT: Became.COMPLAINT,
    OutcomeKind.UNSUBSCRIBED: Became.UNSUBSCRIBED,
}


def _messages(engine: Engine, ids: set[UUID]) -> dict[UUID, Any]:
    if not ids:
        return {}
    asked = {"ids": list(ids), "sources": sorted(set(SOURCES.values()))}
    with engine.connect() as connection:
        return {row.message_id: row for row in connection.execute(statement("returns/messages"), asked)}


def _judge(mail: Returned, ledger: dict[UUID, Any], at: datetime) -> _News | str | None:
    """What a mail says of a message; or the rule by which a person must read it; or None where it says nothing."""
    if mail.rule is not None:
        return mail.rule
    if mail.kind is Kind.AUTOMATIC:
        return None
    row = next((ledger[one] for one in mail.about if one in ledger), None)
    if row is None:
        return "not_ours"
    address = suppressions.email(row.email) if row.email else None
    match mail.kind:
        case Kind.COMPLAINT:
            kind: OutcomeKind | None = OutcomeKind.COMPLAINT
        case Kind.STOP:
            kind = OutcomeKind.UNSUBSCRIBED
        case _:
            kind = mail.said_of(address)
    if kind is None:
        return None
    certain = kind in _OBJECTIONS or row.unchanged or (address is not None and mail.names(address))
    return _News(row.message_id, row.customer_id, kind, address, certain, _moment(mail.dated, at))


def _moment(dated: datetime | None, at: datetime) -> datetime:
    """When it happened, by the mail's own words where these can be."""
    return dated if dated is not None and at - _OLDEST <= dated <= at else at.astimezone(UTC)


def _suppressions(news: Iterable[_News]) -> Iterable[Suppression]:
    for one in news:
        if one.kind in _NEVER_AGAIN and one.address is not None and one.certain:
            yield Suppression(Channel.EMAIL, one.address, _NEVER_AGAIN[one.kind], SOURCES[one.kind])


def _event(one: _News) -> Event:
    """Each kind once a message, from mail: a bounce that is read again, or comes again, is the same event."""
    key = f"{one.message_id}:{one.kind}"
    return Event(one.message_id, one.kind, one.occurred_at, SOURCES[one.kind], key)


def withdraw(engine: Engine, said: Mapping[str, str], *, at: datetime) -> int:
    """Withdraws these customers' consent to marketing mail, given who told it (customer to source): one row each,
    unless their latest word says so already. Returns how many were written."""
    if not said:
        return 0
    with engine.begin() as connection:
        asked = {"customers": list(said), "sources": list(said.values()), "at": at}
        return connection.execute(statement("returns/withdraw"), asked).rowcount
