"""What people wish to get from us, said by the link in a message: unsubscribing, and every other choice.

The link names a message, and that its customer. Whoever is no longer in the shop's data, or has asked to be forgotten,
is answered like everybody: what they refuse is kept, so that no later import undoes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, Engine, RowMapping, insert

from habitue import consents, controls, ledger, outcomes, suppressions
from habitue.decisions import end_of_day
from habitue.outcomes import Event
from habitue.shop import Shop
from habitue.statements import statement
from habitue.suppressions import MarkKey
from habitue.tables import Channel, OutcomeKind, SuppressionReason, preference

CALL_DAYS = 365
"""How long consent to calls holds at most (R. 223-1 C. conso)."""


@dataclass(frozen=True, slots=True)
class Choices:
    channels: frozenset[Channel]
    """by which we may write or call"""
    language: str | None
    """None: nothing was said"""
    fewer: bool
    """at most what shop.yaml promises in `caps.fewer`"""


@dataclass(frozen=True, slots=True)
class Standing:
    """How somebody stands with us. `language`: in which they are written to, None where we know none."""

    choices: Choices
    language: str | None
    calls_until: date | None = None
    out_of_use: frozenset[Channel] = frozenset()
    """channels whose address or number came back or was complained of: no choice here changes that"""


@dataclass(frozen=True, slots=True)
class Said:
    """When, where and over which words somebody spoke: the proof of it."""

    at: datetime
    source: str
    wording_version: str


def language_of(connection: Connection, message_id: UUID, shop: Shop) -> str | None:
    """In which language the message's customer is written to; None where we know nobody."""
    who = _person(connection, message_id)
    return _language(who, shop) if who else None


def standing(connection: Connection, message_id: UUID, shop: Shop, *, at: datetime) -> Standing | None:
    """How the message's customer stands; None for a message that is not in the ledger and for who was erased."""
    who = _person(connection, message_id)
    return None if who is None or who["erased"] else _standing(connection, who, shop, at=at)


def unsubscribe(engine: Engine, message_id: UUID, said: Said, *, shop: Shop, key: MarkKey) -> bool:
    """No more e-mails: consent withdrawn, the address suppressed, the outcome kept, in one transaction; done twice it
    is done once. False for a message that is not in the ledger."""
    with engine.begin() as connection:
        who = _person(connection, message_id)
        if who is None:
            return False
        runs = _end_emails(connection, message_id, who, said, key)
    _judge(engine, runs, shop, at=said.at)
    return True


def choose(
    engine: Engine, message_id: UUID, wanted: Choices, said: Said, *, shop: Shop, key: MarkKey
) -> Standing | None:
    """Keeps what has changed of the customer's choices, each with its proof, and says how they stand now; None as in
    `standing`: nothing was kept."""
    runs: frozenset[str] = frozenset()
    with engine.begin() as connection:
        who = _person(connection, message_id)
        if who is None or who["erased"]:
            return None
        ledger.lock(connection, f"habitue.consent/{who['customer_id']}")
        now = _standing(connection, who, shop, at=said.at)
        for channel in sorted(wanted.channels - now.choices.channels):
            _allow(connection, who, channel, said, shop, key)
        for channel in sorted(now.choices.channels - wanted.channels):
            if channel is Channel.EMAIL:
                runs = _end_emails(connection, message_id, who, said, key)
            else:
                _withdraw(connection, who, channel, said)
        _wish(connection, who, wanted, shop, at=said.at)
        who = _person(connection, message_id) or who
        now = _standing(connection, who, shop, at=said.at)
    _judge(engine, runs, shop, at=said.at)
    return now


def _person(connection: Connection, message_id: UUID) -> RowMapping | None:
    return connection.execute(statement("preferences/person"), {"message_id": message_id}).mappings().one_or_none()


def _language(who: RowMapping, shop: Shop) -> str | None:
    wished: str | None = who["wished_language"]
    own: str | None = who["language"]
    return wished if wished in shop.languages else own


def _standing(connection: Connection, who: RowMapping, shop: Shop, *, at: datetime) -> Standing:
    on = at.astimezone(shop.tz).date()
    asked = {
        "customer_id": who["customer_id"],
        "channels": [channel.value for channel in Channel],
        "on": on,
        "end_of_day": end_of_day(on, shop),
        "zone": shop.timezone,
        "call_days": shop.calls.consent_days,
    }
    rows = {Channel(row.channel): row for row in connection.execute(statement("preferences/channels"), asked)}
    chosen = {way for way, row in rows.items() if row.allowed and SuppressionReason.UNSUBSCRIBED not in row.reasons}
    return Standing(
        Choices(frozenset(chosen), who["wished_language"], who["fewer"]),
        _language(who, shop),
        rows[Channel.CALL].valid_until if Channel.CALL in chosen else None,
        frozenset(way for way, row in rows.items() if set(row.reasons) - {SuppressionReason.UNSUBSCRIBED}),
    )


def _withdraw(connection: Connection, who: RowMapping, channel: Channel, said: Said) -> None:
    consents.record(
        connection,
        who["customer_id"],
        channel,
        "withdrawn",
        at=said.at,
        source=said.source,
        wording_version=said.wording_version,
    )


def _allow(connection: Connection, who: RowMapping, channel: Channel, said: Said, shop: Shop, key: MarkKey) -> None:
    until = None
    if channel is Channel.CALL:
        until = said.at.astimezone(shop.tz).date() + timedelta(days=min(shop.calls.consent_days, CALL_DAYS))
    consents.record(
        connection,
        who["customer_id"],
        channel,
        "granted",
        at=said.at,
        source=said.source,
        wording_version=said.wording_version,
        basis="consent",
        valid_until=until,
    )
    if channel is Channel.EMAIL and (mark := _email_mark(who, key)):
        connection.execute(statement("preferences/lift"), {"mark": mark, "at": said.at})


def _end_emails(connection: Connection, message_id: UUID, who: RowMapping, said: Said, key: MarkKey) -> frozenset[str]:
    """Returns the runs that the breaker must judge afterwards."""
    _withdraw(connection, who, Channel.EMAIL, said)
    if mark := _email_mark(who, key):
        connection.execute(
            statement("suppressions/add"),
            {
                "channels": [Channel.EMAIL],
                "marks": [mark],
                "reasons": [SuppressionReason.UNSUBSCRIBED],
                "sources": ["person"],
                "key": key.id,
                "at": said.at,
            },
        )
    told = Event(message_id, OutcomeKind.UNSUBSCRIBED, said.at, "person", f"unsubscribed/{message_id}")
    return outcomes.keep(connection, [told], at=said.at).runs


def _email_mark(who: RowMapping, key: MarkKey) -> bytes | None:
    if who["email_mark"] is not None and who["mark_key"] == key.id:
        return bytes(who["email_mark"])
    return key.mark(suppressions.email(who["email"])) if who["email"] else None


def _wish(connection: Connection, who: RowMapping, wanted: Choices, shop: Shop, *, at: datetime) -> None:
    """A language that is the present one anyway is left to the shop's data."""
    language = who["wished_language"]
    if wanted.language in shop.languages and wanted.language != _language(who, shop):
        language = wanted.language
    if (language, wanted.fewer) != (who["wished_language"], who["fewer"]):
        row = {"customer_id": who["customer_id"], "language": language, "fewer": wanted.fewer, "since": at}
        connection.execute(insert(preference).values(row))


def _judge(engine: Engine, runs: frozenset[str], shop: Shop, *, at: datetime) -> None:
    for run_id in sorted(runs):
        controls.judge(engine, run_id, shop.breaker, at=at)
