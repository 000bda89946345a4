"""May this person be rung at this moment, by which rule not, and when next? Pure: no base, no clock.

What a country's law asks stands in include/calling, a file a country; here is how it is asked. Days and hours are those
of the clock of the person called. What nobody knows is not lawful: an unknown country, an unknown time zone.

The rules, in the order in which they are named:

    country_unknown   no file of include/calling is for the country where they live
    timezone_unknown  nobody knows which clock they live by
    objected          they refused, or took their consent back: for good, until they say otherwise themselves
    no_consent        nobody can show that they agreed before
    consent_expired   they agreed longer ago than consent lasts, or than they said
    not_screened      the country's register was not looked at lately (shop.yaml `calls.screened`)
    attempts_used     rung as often as the law allows within its days, answered or not, over all lists
    closed_weekday    a day of the week on which nobody is rung
    holiday           a public holiday
    outside_hours     before, between or after the hours

The last three, and only these, give way to an exact date and time that the person agreed to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cache
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from habitue.settings import INCLUDE, Count, Strict, Whole, Words, read_yaml, validate

FOLDER = INCLUDE / "calling"
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Barrier(StrEnum):
    """The rule that says no."""

    COUNTRY_UNKNOWN = "country_unknown"
    TIMEZONE_UNKNOWN = "timezone_unknown"
    OBJECTED = "objected"
    NO_CONSENT = "no_consent"
    CONSENT_EXPIRED = "consent_expired"
    NOT_SCREENED = "not_screened"
    ATTEMPTS_USED = "attempts_used"
    CLOSED_WEEKDAY = "closed_weekday"
    HOLIDAY = "holiday"
    OUTSIDE_HOURS = "outside_hours"


BY_THE_CLOCK = frozenset({Barrier.CLOSED_WEEKDAY, Barrier.HOLIDAY, Barrier.OUTSIDE_HOURS})
"""What an agreed slot opens."""

NO_LAWFUL_DAY = "no_lawful_day"
"""What a plan says where a run's window holds no moment at which somebody may be rung."""


def _span(written: object) -> object:
    if not isinstance(written, str):
        return written
    first, _, last = written.partition("-")
    return (time.fromisoformat(first), time.fromisoformat(last))


Span = Annotated[
    tuple[time, time],
    BeforeValidator(_span),
    PlainSerializer(lambda span: f"{span[0]:%H:%M}-{span[1]:%H:%M}", return_type=str),
]
"""From, included, to, left out; written `10:00-13:00`."""


class Attempts(Strict):
    """At most so many attempts within so many calendar days, the day of the next one included."""

    most: Count
    days: Count


class Screening(Strict):
    """A register of numbers that must have been looked at within so many days; or need not where the person agreed to
    our calls, which is asked before."""

    register_name: Words = Field(alias="register")
    days: Count
    unless_agreed: bool


class Profile(Strict):
    """What a country's law, or the house where it says nothing, allows."""

    name: str
    country: str = Field(pattern=r"^[A-Z]{2}$")
    territories: list[str] = Field(default_factory=list, description="other country codes under the same law")
    postcodes: list[Words] = Field(default_factory=list, description="a part of the country alone, by its postcodes")
    consent_days: Count = Field(le=365, description="how long consent lasts from the day it was given")
    proof_years: Count
    days: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]] = Field(min_length=1)
    hours: list[Span] = Field(min_length=1)
    holidays: str | None = Field(None, description="the country's name in the package `holidays`; none: no day is off")
    local_holidays: dict[str, str] = Field(default_factory=dict, description="by place, the part's name in `holidays`")
    attempts: Attempts
    slot_minutes: Whole = Field(description="how long an agreed moment opens the line; 0: nothing is opened")
    screening: Screening | None = None
    rules: dict[Barrier, Words] = Field(description="the source of each rule")

    @model_validator(mode="after")
    def _hours_follow_one_another(self) -> Profile:
        flat = [moment for span in self.hours for moment in span]
        if flat != sorted(set(flat)):
            raise ValueError("hours: from earlier to later, one span after the other")
        return self

    @property
    def slot(self) -> timedelta:
        return timedelta(minutes=self.slot_minutes)

    @property
    def hours_in_words(self) -> str:
        return ", ".join(f"{first:%H:%M}–{last:%H:%M}" for first, last in self.hours)


@dataclass(frozen=True, slots=True)
class Law:
    """A profile, and the part of the country whose own days off are kept too."""

    profile: Profile
    part: str | None = None

    @property
    def key(self) -> str:
        """Names it: `fr`, `fr/974`."""
        return f"{self.profile.name}/{self.part}" if self.part else self.profile.name

    def is_holiday(self, day: date) -> bool:
        return day in _holidays(self.profile.holidays, self.part, day.year)


@cache
def _holidays(country: str | None, part: str | None, year: int) -> frozenset[date]:
    if country is None:
        return frozenset()
    from holidays import country_holidays

    return frozenset(country_holidays(country, subdiv=part, years=year))


@cache
def profiles() -> dict[str, Profile]:
    """Every profile by its name, the file's; SettingError says which file, line and key is wrong."""
    files = sorted(FOLDER.glob("*.yaml"))
    return {path.stem: validate(path, Profile, read_yaml(path), ours={"name": path.stem}) for path in files}


@cache
def places(*, local_holidays: bool = False) -> dict[str, Law]:
    """Laws by the beginning of `country-postcode`: the longest that fits is in force. `FR-` → France."""
    found: dict[str, Law] = {}
    for profile in profiles().values():
        for country in (profile.country, *profile.territories):
            for postcode in profile.postcodes or [""]:
                found[f"{country}-{postcode}"] = Law(profile)
        if local_holidays:
            for place, part in profile.local_holidays.items():
                found[place if "-" in place else f"{place}-"] = Law(profile, part)
    return found


def law_at(country: str | None, postcode: str | None, *, local_holidays: bool = False) -> Law | None:
    """What is in force where somebody lives; None where no file is for it."""
    if country is None:
        return None
    known, place = places(local_holidays=local_holidays), f"{country}-{postcode or ''}"
    return next((known[place[:end]] for end in range(len(place), 0, -1) if place[:end] in known), None)


@cache
def law_of(key: str) -> Law:
    """By its own name."""
    name, _, part = key.partition("/")
    return Law(profiles()[name], part or None)


@dataclass(frozen=True, slots=True)
class Consent:
    """The last word about calls."""

    granted: bool
    recorded_at: datetime
    valid_until: date | None = None
    """the last day, where one was said"""


@dataclass(frozen=True, slots=True)
class Standing:
    """One person before the law. Every moment bears a time zone."""

    law: Law | None
    timezone: str | None
    """IANA name of the clock they live by"""
    consent: Consent | None
    attempts: tuple[datetime, ...] = ()
    """every time that they, or their number, were dialled, whatever the list"""
    slots: tuple[datetime, ...] = ()
    """moments at which they agreed, provably, to be rung"""
    screened_on: date | None = None
    """when the country's register was last looked at"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`barrier` None: they may be rung, until `closes`. Else `opens`: the first moment at which they may be, if nothing
    new is learnt; None where there is none. `rule`: the source."""

    barrier: Barrier | None = None
    rule: str | None = None
    opens: datetime | None = None
    closes: datetime | None = None

    def __bool__(self) -> bool:
        return self.barrier is None


def may_call(standing: Standing, at: datetime) -> Verdict:
    """Whether this person may be rung at the moment `at`, which bears a time zone."""
    if at.tzinfo is None:
        raise ValueError("a moment without a time zone says nothing of another clock")
    if standing.law is None:
        return Verdict(Barrier.COUNTRY_UNKNOWN)
    if standing.timezone is None or not is_zone(standing.timezone):
        return Verdict(Barrier.TIMEZONE_UNKNOWN)
    asked = _Asked(standing, standing.law, ZoneInfo(standing.timezone))
    if (barrier := asked.barrier(at)) is None:
        return Verdict(closes=asked.closes(at))
    return Verdict(barrier, standing.law.profile.rules.get(barrier), asked.opens(at))


def within(standing: Standing, since: datetime, until: datetime) -> str | None:
    """Why they may not be rung at any moment from `since` until `until`, itself outside: a Barrier, or NO_LAWFUL_DAY
    where only the days and hours stand against it. None: at some moment they may."""
    verdict = may_call(standing, since)
    if verdict or (verdict.opens is not None and verdict.opens < until):
        return None
    return NO_LAWFUL_DAY if verdict.barrier in BY_THE_CLOCK else verdict.barrier


def openings(wanted: Law, timezone: str, since: date, until: date) -> Iterator[tuple[date, datetime, datetime]]:
    """The hours at which anybody under this law and clock may be rung, on the days from `since` to `until`, both
    included: day, opens, closes (UTC)."""
    zone = ZoneInfo(timezone)
    day = since
    while day <= until:
        if _day_barrier(wanted, day) is None:
            for first, last in wanted.profile.hours:
                opens, closes = (datetime.combine(day, wall, zone).astimezone(UTC) for wall in (first, last))
                if opens < closes:
                    yield day, opens, closes
        day += timedelta(days=1)


@cache
def is_zone(timezone: str | None) -> bool:
    """Whether it is a clock that we know."""
    if not timezone:
        return False
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Asked:
    """A standing whose law and clock are known."""

    standing: Standing
    law: Law
    zone: ZoneInfo

    def barrier(self, at: datetime) -> Barrier | None:
        day, profile = self.day(at), self.law.profile
        if barrier := self._consent_barrier(at, day):
            return barrier
        if profile.screening and not profile.screening.unless_agreed:
            screened = self.standing.screened_on
            if screened is None or not 0 <= (day - screened).days <= profile.screening.days:
                return Barrier.NOT_SCREENED
        if self._attempts(day) >= profile.attempts.most:
            return Barrier.ATTEMPTS_USED
        if any(opens <= at < closes for opens, closes in self._slots()):
            return None
        if barrier := _day_barrier(self.law, day):
            return barrier
        if not any(opens <= at < closes for _, opens, closes in self._hours(day, day)):
            return Barrier.OUTSIDE_HOURS
        return None

    def opens(self, at: datetime) -> datetime | None:
        """The first lawful moment from `at` on; looked for as long as the consent holds."""
        consent = self.standing.consent
        if consent is None or not consent.granted:
            return None
        since = max(at, consent.recorded_at)
        hours = self._hours(self.day(since), self._last_day(consent))
        by_hours = (max(since, opens) for _, opens, closes in hours if closes > since)
        found = next((moment for moment in by_hours if self.barrier(moment) is None), None)
        agreed = [max(since, opens) for opens, closes in self._slots() if closes > since]
        lawful = [moment for moment in agreed if self.barrier(moment) is None]
        return min([*lawful, *([found] if found else [])], default=None)

    def closes(self, at: datetime) -> datetime:
        """When the hours or the agreed slot end in which this lawful moment lies."""
        day = self.day(at)
        spans = [*((opens, closes) for _, opens, closes in self._hours(day, day)), *self._slots()]
        return max(closes for opens, closes in spans if opens <= at < closes)

    def day(self, at: datetime) -> date:
        return at.astimezone(self.zone).date()

    def _consent_barrier(self, at: datetime, day: date) -> Barrier | None:
        consent = self.standing.consent
        if consent is None:
            return Barrier.NO_CONSENT
        if not consent.granted:
            return Barrier.OBJECTED
        if consent.recorded_at > at:
            return Barrier.NO_CONSENT
        return Barrier.CONSENT_EXPIRED if day > self._last_day(consent) else None

    def _last_day(self, consent: Consent) -> date:
        """The last day, by their own clock, on which the consent holds."""
        last = self.day(consent.recorded_at) + timedelta(days=self.law.profile.consent_days)
        return min(last, consent.valid_until) if consent.valid_until else last

    def _attempts(self, day: date) -> int:
        """How many attempts count on that day of theirs: its own, and those of the days that the law looks back to."""
        made = (self.day(moment) for moment in self.standing.attempts)
        return sum(0 <= (day - one).days < self.law.profile.attempts.days for one in made)

    def _slots(self) -> list[tuple[datetime, datetime]]:
        return [(slot, slot + self.law.profile.slot) for slot in self.standing.slots]

    def _hours(self, since: date, until: date) -> Iterator[tuple[date, datetime, datetime]]:
        return openings(self.law, self.zone.key, since, until)


def attempts_left(standing: Standing, at: datetime) -> int:
    """How often they may still be dialled on the day of that moment."""
    if standing.law is None or not is_zone(standing.timezone):
        return 0
    asked = _Asked(standing, standing.law, ZoneInfo(standing.timezone or "UTC"))
    return max(0, standing.law.profile.attempts.most - asked._attempts(asked.day(at)))


def _day_barrier(wanted: Law, day: date) -> Barrier | None:
    if WEEKDAYS[day.weekday()] not in wanted.profile.days:
        return Barrier.CLOSED_WEEKDAY
    if wanted.is_holiday(day):
        return Barrier.HOLIDAY
    return None
