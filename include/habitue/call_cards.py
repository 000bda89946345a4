"""The card of a customer to ring: everything that the agent must know, read from the base at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Text, cast, select

from habitue import call_gate, calling
from habitue.calls import display_number
from habitue.campaigns import Campaign
from habitue.desk import grouped
from habitue.house import House
from habitue.salutations import name
from habitue.statements import statement
from habitue.tables import run, segment
from habitue.texts import typography


@dataclass(frozen=True, slots=True)
class Proof:
    """The last word about calls, and where it stands."""

    status: str
    recorded_at: datetime
    until: date | None
    """the last day on which they may be called"""
    source: str | None
    wording_version: str | None
    basis: str | None
    direct: bool


@dataclass(frozen=True, slots=True)
class Attempt:
    attempt_id: int
    run_id: str
    agent: str
    dialled_at: datetime
    ended_at: datetime | None
    disposition: str | None
    """None: still under way, or never finished where `ended_at` stands"""
    reason: str | None
    notes: str | None
    source: str
    """desk or import"""
    barrier: str | None
    """the rule that the call broke, where it was made off the desk"""


@dataclass(frozen=True, slots=True)
class Contact:
    """A message of any campaign and channel, and the last thing that was heard of it."""

    campaign: str
    on: date
    channel: str
    state: str
    outcome: str | None
    outcome_at: datetime | None


@dataclass(frozen=True, slots=True)
class Trouble:
    """A complaint. `due`: until when an answer is promised."""

    complaint_id: int
    opened_at: datetime
    due: datetime
    owner: str
    about: str | None
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Card:
    message_id: UUID
    run_id: str
    campaign: str
    title: dict[str, str]
    """of the campaign, by language"""
    rank: int
    expires_at: datetime
    reserved_until: datetime | None
    attempt_id: int | None
    """under way: dialled and not finished"""
    customer_id: str
    customer: dict[str, Any]
    """civility, first_name, last_name, name, language: as scripts know it"""
    language: str
    phone: str
    """E.164, for `tel:`"""
    dial: str
    """as it is dialled from the shop's country"""
    timezone: str
    local_time: datetime
    closes: datetime | None
    """until when they may be rung now"""
    country: str | None
    segment: str
    template: str
    """of the script: CallScript.load(template, language, shop)"""
    offer: dict[str, Any]
    """code, text, valid_until, as scripts know it"""
    facts: dict[str, Any]
    """last_purchase, favourite, purchases, this_year, as scripts know it"""
    favourites: tuple[str, ...]
    first_purchase: date | None
    last_purchase: date | None
    value_cents: int
    visits: int
    consent: Proof | None
    callback_at: datetime | None
    """an agreed moment, where this is a callback"""
    refused: dict[str, date]
    """channels that they said no to, and since when"""
    complaints: tuple[Trouble, ...]
    attempts: tuple[Attempt, ...]
    """over all lists, the latest first"""
    attempts_left: int
    contacts: tuple[Contact, ...]
    """the last ones of every channel, the latest first"""


LATEST = 20
"""Attempts, contacts and complaints on a card, at most of each."""


def card(house: House, message_id: UUID, at: datetime) -> Card | None:
    """The card of a line, whoever holds it; None where there is none, or its customer was erased."""
    shop = house.shop
    with house.engine.connect() as connection:
        asked = call_gate.ask(connection, [message_id], at=at, shop=shop).get(message_id)
        if asked is None or not asked.row["known"] or not asked.row["phone"]:
            return None
        row = asked.row
        who = {"customer_id": row["customer_id"], "at": at, "zone": shop.timezone}
        proof = connection.execute(
            statement("calls/consent"), {**who, "call_days": shop.calls.consent_days}
        ).one_or_none()
        refused = connection.execute(statement("calls/refused"), who).all()
        few = {"customer_id": row["customer_id"], "most": LATEST}
        attempts = connection.execute(statement("calls/attempts"), few).all()
        contacts = connection.execute(statement("calls/contacts"), {**few, "message_id": message_id}).all()
        troubles = connection.execute(statement("calls/complaints"), few).all()
        stands = connection.execute(select(segment).where(segment.c.customer_id == row["customer_id"])).one_or_none()
    campaign, on = _campaign(house, row["run_id"])
    offer = campaign.offer(row["segment"], row["arm"])
    zone = ZoneInfo(row["timezone"]) if calling.is_zone(row["timezone"]) else shop.tz
    favourites = tuple(row["favourites"] or ())
    return Card(
        message_id=message_id,
        run_id=row["run_id"],
        campaign=campaign.name,
        title={str(language): title for language, title in campaign.title.items()},
        rank=row["rank"],
        expires_at=row["expires_at"],
        reserved_until=row["reserved_until"],
        attempt_id=row["attempt_id"],
        customer_id=row["customer_id"],
        customer={
            "civility": row["civility"],
            "first_name": row["first_name"],
            "last_name": row["last_name"],
            "name": name(row["first_name"], row["last_name"]),
            "language": row["language"],
        },
        language=row["language"],
        phone=row["phone"],
        dial=display_number(row["phone"], shop.country),
        timezone=row["timezone"] or shop.timezone,
        local_time=at.astimezone(zone),
        closes=asked.verdict(at).closes,
        country=row["country"] or row["phone_region"],
        segment=row["segment"],
        template=row["template"],
        offer={
            "code": grouped(row["offer_code"]),
            "text": typography(offer.text[row["language"]], row["language"]),
            "valid_until": offer.valid_until(on),
        },
        facts={
            "last_purchase": stands.last_day if stands else None,
            "favourite": favourites[0] if favourites else None,
            "purchases": stands.lifetime_days if stands else 0,
            "this_year": stands.purchase_days if stands else 0,
        },
        favourites=favourites,
        first_purchase=stands.first_day if stands else None,
        last_purchase=stands.last_day if stands else None,
        value_cents=row["value_cents"],
        visits=stands.lifetime_days if stands else 0,
        consent=Proof(**proof._mapping) if proof else None,
        callback_at=row["callback_at"],
        refused={one.channel: one.since for one in refused},
        complaints=tuple(Trouble(**one._mapping) for one in troubles),
        attempts=tuple(Attempt(**one._mapping) for one in attempts),
        attempts_left=calling.attempts_left(asked.standing, at),
        contacts=tuple(Contact(**one._mapping) for one in contacts),
    )


@lru_cache(maxsize=64)
def _frozen(settings: str) -> Campaign:
    return Campaign.model_validate_json(settings)


def _campaign(house: House, run_id: str) -> tuple[Campaign, date]:
    """The run's campaign as it was planned."""
    with house.engine.connect() as connection:
        row = connection.execute(
            select(cast(run.c.settings, Text).label("settings"), run.c.on_date).where(run.c.run_id == run_id)
        ).one()
    return _frozen(row.settings), row.on_date
