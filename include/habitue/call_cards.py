"""The card of a customer to ring: everything that the agent must know, read from the base at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from habitue.house import House


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


def card(house: House, message_id: UUID, at: datetime) -> Card | None:
    """The card of a line, whoever holds it; None where there is none, or its customer was erased."""
    raise NotImplementedError
