"""What one mail that came back says: a delivery report (RFC 3464), a complaint (RFC 5965), a wish to be left in peace,
an automatic answer, or something for a person to read.

It only reads: which message a mail is about is a list of ids that the ledger may or may not know. They stand in the
return path (VERP), in the Message-ID of our mail that was sent back, in In-Reply-To and References.
An address in a report identifies nobody: anybody can write one down.

What a report of a delivery says of the address (RFC 3463, and IANA's registry of enhanced status codes):

    delivered                       the recipient's server has it            delivered
    delayed                         it tries on                              deferred
    failed 5.1.1 .2 .3 .4 .6 .10    no such mailbox, domain or spelling;     hard bounce: the address is suppressed
                                    moved away; a domain that takes no mail
    failed 5.1.7 .8                 our own address is not to its liking     blocked
    failed 5.1.0, 5.2.1             said of full, slow and unloved mail too  blocked
    failed 5.2.2, 5.3, 5.4, 5.6     full, system, way there, content         blocked
    failed 5.7                      policy: says nothing of the address      blocked
    failed 4.x                      gave up waiting                          blocked
    failed 5.0.0, no code           nothing certain (550 may be policy, too) blocked
    relayed, expanded               handed on to where no report is made     no news

Only the first line that says hard bounce ever suppresses. A status x.0.x is made precise by the enhanced code of the
SMTP answer that the report quotes, where there is one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from email.parser import HeaderParser
from email.utils import getaddresses, parseaddr, parsedate_to_datetime
from enum import StrEnum
from uuid import UUID

from habitue import suppressions
from habitue.mail_parts import LARGEST, Part, TooMuch, inner, taken_apart, words
from habitue.return_paths import ID, named
from habitue.stop_requests import Wish, wish_of
from habitue.tables import OutcomeKind


class Kind(StrEnum):
    BOUNCE = "bounce"
    """a delivery report, good or bad"""
    COMPLAINT = "complaint"
    STOP = "stop"
    """asks not to be written to any more"""
    AUTOMATIC = "automatic"
    """a machine's answer: out of office, read, and the like"""
    REPLY = "reply"
    """somebody wrote to us"""
    UNSURE = "unsure"
    """somebody wrote to us, perhaps to unsubscribe"""
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Group:
    """What a report says of one recipient. `said` is None where it says nothing that we keep."""

    said: OutcomeKind | None
    addresses: frozenset[str]
    """canonical values"""


@dataclass(frozen=True, slots=True)
class Returned:
    """What one mail says. `about`: message ids, the surest first; `written_to`: canonical values of whom our mail that
    was sent back had been addressed to; `rule`: why a person must look at it."""

    kind: Kind
    about: tuple[UUID, ...] = ()
    groups: tuple[Group, ...] = ()
    written_to: frozenset[str] = frozenset()
    dated: datetime | None = None
    rule: str | None = None

    def said_of(self, address: str | None) -> OutcomeKind | None:
        """What the report says of this canonical address: by the recipients that it names so, else by all; where one
        of several got it, or may yet get it, that counts."""
        groups = [group for group in self.groups if address in group.addresses] or self.groups
        return min((group.said for group in groups), key=_MILDEST.index, default=None)

    def names(self, address: str) -> bool:
        return address in self.written_to or any(address in group.addresses for group in self.groups)


_MILDEST = (None, OutcomeKind.DELIVERED, OutcomeKind.DEFERRED, OutcomeKind.BLOCKED, OutcomeKind.HARD_BOUNCE)

NO_SUCH_ADDRESS = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.4", "5.1.6", "5.1.10"})
"""The enhanced status codes (RFC 3463; 5.1.10: RFC 7505) by which an address is never written to again."""

ACTIONS = ("failed", "delayed", "delivered", "relayed", "expanded")

_MOST_RECIPIENTS = 50
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_OURS = re.compile(rf"<({ID})@", re.IGNORECASE)
_TOKEN = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_.-]{20,200}(?![A-Za-z0-9_-])")
_ENVELOPE = ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "To")
_OUT_OF_OFFICE = re.compile(
    r"^(?:automatic reply|auto(?:matic)?[- ]?reply|out of (?:the )?office|réponse automatique|absen(?:ce|t))\b",
    re.IGNORECASE,
)
_WORDS_OF_MACHINES = frozenset({"auto_reply", "auto-reply", "bulk", "junk"})


def read(raw: bytes, token: Callable[[str], UUID | None]) -> Returned:
    """What this mail says. `token` tells the message that an unsubscribe token was made for, None for what is none.

    It raises nothing, whatever the bytes are.
    """
    if len(raw) > LARGEST:
        return Returned(Kind.UNREADABLE, rule="too_large")
    try:
        mail = taken_apart(raw)
        return _read(mail, token)
    except TooMuch:
        return Returned(Kind.UNREADABLE, rule="too_many_parts")
    except Exception:  # a stranger's bytes in the standard library's parsers: whatever they stumble over
        return Returned(Kind.UNREADABLE, rule="broken")


def verdict(action: str, status: str) -> OutcomeKind | None:
    """What becomes of a mail by a report's Action and Status (RFC 3464): see the table above."""
    match action:
        case "delivered":
            return OutcomeKind.DELIVERED
        case "delayed":
            return OutcomeKind.DEFERRED
        case "failed":
            return OutcomeKind.HARD_BOUNCE if status in NO_SUCH_ADDRESS else OutcomeKind.BLOCKED
    return None


def _read(mail: Part, token: Callable[[str], UUID | None]) -> Returned:
    headers = mail.headers
    dated = _dated(headers)
    if about := _by_token(headers, token):
        return Returned(Kind.STOP, (about,), dated=dated)
    parts = list(inner(mail))
    kinds = [part.kind for part in parts]
    if "message/delivery-status" in kinds or "message/global-delivery-status" in kinds:
        return _report(mail, parts, dated)
    if "message/feedback-report" in kinds:
        return _complaint(mail, parts, dated)
    if _is_automatic(headers) and not _from_a_mail_server(headers):
        return Returned(Kind.AUTOMATIC, dated=dated)
    if _from_a_mail_server(headers) or _return_path(headers) == "<>":
        return Returned(Kind.UNREADABLE, rule="no_delivery_status", dated=dated)
    wish = wish_of(mail)
    kind = {Wish.STOP: Kind.STOP, Wish.UNSURE: Kind.UNSURE, Wish.NONE: Kind.REPLY}[wish]
    rule = {Wish.STOP: None, Wish.UNSURE: "perhaps_unsubscribes", Wish.NONE: "reply"}[wish]
    return Returned(kind, _about(headers), dated=dated, rule=rule)


def _by_token(headers: Message, token: Callable[[str], UUID | None]) -> UUID | None:
    """A mail written by the mailto: form of List-Unsubscribe: its subject holds a token that we signed."""
    for found in _TOKEN.findall(words(headers.get("Subject")))[:3]:
        if (message := token(found)) is not None:
            return message
    return None


def _report(mail: Part, parts: list[Part], dated: datetime | None) -> Returned:
    returned, written_to = _sent_back(parts)
    status = next(part for part in parts if part.kind.endswith("delivery-status"))
    groups = tuple(_groups(status.text()))
    if not groups:
        return Returned(Kind.UNREADABLE, rule="no_recipient", dated=dated)
    return Returned(Kind.BOUNCE, _about(mail.headers, returned), groups, written_to, dated)


def _groups(text: str) -> Iterator[Group]:
    """One for each recipient that the report names together with what became of it."""
    blocks = text.strip("\n").split("\n\n", _MOST_RECIPIENTS)[:_MOST_RECIPIENTS]
    for block in blocks:
        fields = HeaderParser().parsestr(block.strip("\n") + "\n\n")
        action = str(fields.get("Action", "")).split("(")[0].strip().lower()
        if action not in ACTIONS or "Final-Recipient" not in fields:
            continue
        named_so = (str(fields.get(name, "")) for name in ("Final-Recipient", "Original-Recipient"))
        yield Group(
            verdict(action, _status(fields)),
            frozenset(suppressions.email(address) for value in named_so if (address := _address(value))),
        )


def _status(fields: Message) -> str:
    """The enhanced code: of Status or, where that says nothing precise, of the SMTP answer that is quoted."""
    found = _STATUS.search(str(fields.get("Status", "")))
    status = found[1] if found else ""
    if status and status.split(".")[1] != "0":
        return status
    quoted = _STATUS.search(str(fields.get("Diagnostic-Code", ""))[:2_000])
    return quoted[1] if quoted and quoted[1][0] == (status or "5")[0] else status


def _address(value: str) -> str:
    """Of `rfc822; anna@example.fr`."""
    return value.rpartition(";")[2].split("(")[0].strip().strip("<>")


def _complaint(mail: Part, parts: list[Part], dated: datetime | None) -> Returned:
    """A report of a feedback loop. `abuse` and `fraud` are complaints; those of other kinds are no person's word."""
    returned, written_to = _sent_back(parts)
    text = next(part for part in parts if part.kind == "message/feedback-report").text()
    fields = HeaderParser().parsestr(text.strip("\n") + "\n\n")
    about = (*named(str(fields.get("Original-Mail-From", ""))), *_about(mail.headers, returned))
    match str(fields.get("Feedback-Type", "")).strip().lower():
        case "abuse" | "fraud":
            return Returned(Kind.COMPLAINT, about, written_to=written_to, dated=dated)
        case "opt-out" | "opt-out-list":
            return Returned(Kind.STOP, about, written_to=written_to, dated=dated)
        case "":
            return Returned(Kind.UNREADABLE, rule="no_feedback_type", dated=dated)
    return Returned(Kind.AUTOMATIC, dated=dated)


def _sent_back(parts: list[Part]) -> tuple[Message, frozenset[str]]:
    """The headers of our mail in a report, none where it holds none, and to whom they say it was addressed."""
    for part in parts:
        if part.kind in ("message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "message/global-headers"):
            headers = part.embedded()
            pairs = getaddresses([str(value)[:2_000] for value in headers.get_all("To", [])])
            return headers, frozenset(suppressions.email(address) for _, address in pairs[:10] if address)
    return Message(), frozenset()


def _about(headers: Message, returned: Message | None = None) -> tuple[UUID, ...]:
    """Ids of messages of ours, the surest first, each once."""
    found: list[UUID] = []
    for name in _ENVELOPE:
        found += [one for value in headers.get_all(name, []) for one in named(str(value))]
    if returned is not None:
        found += named(str(returned.get("Return-Path", "")))
        found += _ids(returned, "Message-ID")
    found += _ids(headers, "In-Reply-To")
    found += reversed(_ids(headers, "References"))
    return tuple(dict.fromkeys(found[:40]))


def _ids(headers: Message, name: str) -> list[UUID]:
    return [UUID(found) for found in _OURS.findall(str(headers.get(name, ""))[-10_000:])]


def _is_automatic(headers: Message) -> bool:
    """RFC 3834's header, and what was used before it."""
    submitted = str(headers.get("Auto-Submitted", "no")).split(";")[0].strip().lower()
    precedence = str(headers.get("Precedence", "")).strip().lower()
    receipt = str(headers.get_param("report-type", "")).lower() == "disposition-notification"
    other = any(headers.get(name) for name in ("X-Autoreply", "X-Autorespond", "X-Auto-Reply"))
    away = bool(_OUT_OF_OFFICE.match(words(headers.get("Subject"))))
    return submitted != "no" or precedence in _WORDS_OF_MACHINES or receipt or other or away


def _from_a_mail_server(headers: Message) -> bool:
    """A bounce in a form of its own (qmail, Exim without RFC 3464), or a report of which a part is missing."""
    sender = parseaddr(str(headers.get("From", ""))[:1_000])[1].partition("@")[0].lower()
    report = str(headers.get_param("report-type", "")).lower()
    return sender in ("mailer-daemon", "postmaster") or "X-Failed-Recipients" in headers or report == "delivery-status"


def _return_path(headers: Message) -> str:
    return str(headers.get("Return-Path", "")).strip()


def _dated(headers: Message) -> datetime | None:
    """When it was written, by its own words; aware."""
    try:
        found = parsedate_to_datetime(str(headers.get("Date", ""))[:200])
        return found.astimezone(UTC) if found.tzinfo else None
    except (ValueError, OverflowError, TypeError):
        return None
