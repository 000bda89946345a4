"""SendGrid's events: what each means to us, and by which names it is known.

    processed                       accepted
    deferred, delivered             the same
    bounce                          hard_bounce: the address is suppressed; of any type but `bounce`, blocked: it is not
    dropped                         dropped; suppressed where SendGrid says what it knows of the address (DROPPED)
    open, click                     opened (by a machine: machine_opened), clicked; weak signs
    spamreport                      complaint; suppressed, and the customer says no
    unsubscribe, group_unsubscribe  unsubscribed; the same
    group_resubscribe               resubscribed: kept, and allows nothing
    account_status_change           kept apart, for the operator
    any other                       kept apart

Nothing of an event is kept but its type, its moment, ids and a keyed hash of its address.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from habitue import suppressions
from habitue.suppressions import MarkKey
from habitue.tables import Apart, OutcomeKind, SuppressionReason

KINDS = {
    "processed": OutcomeKind.ACCEPTED,
    "deferred": OutcomeKind.DEFERRED,
    "delivered": OutcomeKind.DELIVERED,
    "bounce": OutcomeKind.HARD_BOUNCE,
    "dropped": OutcomeKind.DROPPED,
    "open": OutcomeKind.OPENED,
    "click": OutcomeKind.CLICKED,
    "spamreport": OutcomeKind.COMPLAINT,
    "unsubscribe": OutcomeKind.UNSUBSCRIBED,
    "group_unsubscribe": OutcomeKind.UNSUBSCRIBED,
    "group_resubscribe": OutcomeKind.RESUBSCRIBED,
}
SUPPRESSES = {
    OutcomeKind.HARD_BOUNCE: SuppressionReason.HARD_BOUNCE,
    OutcomeKind.COMPLAINT: SuppressionReason.SPAM_COMPLAINT,
    OutcomeKind.UNSUBSCRIBED: SuppressionReason.UNSUBSCRIBED,
}
DROPPED = {
    "bounced address": SuppressionReason.HARD_BOUNCE,
    "invalid": SuppressionReason.HARD_BOUNCE,
    "spam reporting address": SuppressionReason.SPAM_COMPLAINT,
    "unsubscribed address": SuppressionReason.UNSUBSCRIBED,
}
"""Why SendGrid sends nothing to an address that it knows; its other reasons are about the mail or the account."""
NO = frozenset({SuppressionReason.SPAM_COMPLAINT, SuppressionReason.UNSUBSCRIBED})
"""What a customer says, and not a mail server."""

_WORD = re.compile(r"[A-Za-z0-9_.-]{1,60}")
_REF = re.compile(r"[A-Za-z0-9_.-]{1,200}")
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
_MILLISECONDS = 10**11
"""Marketing campaigns tell moments in these."""
_END_OF_TIME = 253_402_300_800


class Unreadable(ValueError):
    """A post that is not a list of events; it says no word of it."""


@dataclass(frozen=True, slots=True)
class Told:
    """One event as it was told."""

    place: int
    """in its post, from 0"""
    names: tuple[UUID, ...]
    """hashes of its meaning and, where it has one, of SendGrid's id. The first sorts by the moment."""
    apart: Apart | None = None
    """why it belongs to no message; None: it does if the ledger has one of this id"""
    type: str | None = None
    kind: OutcomeKind | None = None
    occurred_at: datetime | None = None
    message_id: UUID | None = None
    provider_ref: str | None = None
    mark: bytes | None = None
    suppresses: SuppressionReason | None = None

    @property
    def meaning(self) -> UUID:
        return self.names[0]

    @property
    def withdraws(self) -> bool:
        return self.suppresses in NO


def read(body: bytes, key: MarkKey) -> list[Told]:
    """The events of a post, in its order; Unreadable where it is not JSON, or no list (one event alone is one)."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise Unreadable("not JSON") from None
    if isinstance(found, dict):
        found = [found]
    if not isinstance(found, list):
        raise Unreadable("not a list of events")
    return [_told(place, one, key) or _unreadable(place, body) for place, one in enumerate(found)]


def _unreadable(place: int, body: bytes) -> Told:
    """Something that is no event; the same where the same post comes again."""
    return Told(place, (UUID(bytes=_hashed(hashlib.sha256(body).hexdigest(), place)),), Apart.UNREADABLE)


def _told(place: int, event: Any, key: MarkKey) -> Told | None:
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        return None
    named = event["event"]
    kind, suppresses = _meant(named.lower(), event)
    second = _second(event.get("timestamp"))
    if kind and second is None:
        return None
    account = named.lower() == "account_status_change"
    message_id, ref, mark = _uuid(event.get("message_id")), event.get("sg_message_id"), _mark(event.get("email"), key)
    ref = ref if isinstance(ref, str) and _REF.fullmatch(ref) else None
    about = [str(message_id or ref), mark.hex() if mark else None, kind or named, suppresses]
    try:
        details = [event.get(name) for name in ("url", "url_offset")]
        meaning = _hashed(*about, second, *details, str(event.get("attempt")))
    except RecursionError:
        return None
    names = [UUID(bytes=(second or 0).to_bytes(5, "big") + meaning[:11])]
    if isinstance(given := event.get("sg_event_id"), str) and given:
        names.append(UUID(bytes=_hashed("id", *about, given)))
    return Told(
        place=place,
        names=tuple(names),
        apart=None if kind else Apart.ACCOUNT if account else Apart.UNKNOWN_TYPE,
        type=named if _WORD.fullmatch(named) else None,
        kind=kind,
        occurred_at=None if second is None else datetime.fromtimestamp(second, UTC),
        message_id=message_id,
        provider_ref=ref,
        mark=mark,
        suppresses=suppresses,
    )


def _meant(named: str, event: Mapping[str, Any]) -> tuple[OutcomeKind | None, SuppressionReason | None]:
    """What an event is to us, and why its address must not be used again."""
    kind = KINDS.get(named)
    if kind is OutcomeKind.HARD_BOUNCE and event.get("type", "bounce") != "bounce":
        kind = OutcomeKind.BLOCKED
    if kind is OutcomeKind.OPENED and event.get("sg_machine_open") in (True, "true"):
        kind = OutcomeKind.MACHINE_OPENED
    if kind is OutcomeKind.DROPPED:
        return kind, DROPPED.get(str(event.get("reason")).strip().lower())
    return kind, SUPPRESSES.get(kind) if kind else None


def _second(told: Any) -> int | None:
    """Unix time: a number, or its digits."""
    if isinstance(told, str) and len(told) <= 14 and told.isascii() and told.isdigit():
        told = int(told)
    if isinstance(told, bool) or not isinstance(told, (int, float)):
        return None
    second = int(told / 1000 if told > _MILLISECONDS else told) if abs(told) < _END_OF_TIME * 1000 else 0
    return second if 0 < second < _END_OF_TIME else None


def _uuid(told: Any) -> UUID | None:
    try:
        return UUID(told) if isinstance(told, str) and len(told) == 36 else None
    except ValueError:
        return None


def _mark(address: Any, key: MarkKey) -> bytes | None:
    if not isinstance(address, str) or "@" not in address or len(address) > 320:
        return None
    try:
        return key.mark(suppressions.email(address))
    except UnicodeEncodeError:  # half a character
        return None


def _hashed(*parts: Any) -> bytes:
    """16 bytes. Text is escaped, so that any is bytes."""
    return hashlib.blake2b(_encode(parts).encode(), digest_size=16).digest()
