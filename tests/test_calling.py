"""Who may be rung when: the law's boundaries row by row, and what must hold whatever the moment."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from habitue import calling
from habitue.calling import Barrier, Consent, Standing, Verdict, law_at, may_call

PARIS, REUNION = "Europe/Paris", "Indian/Reunion"
FRANCE = law_at("FR", "69003")


def moment(written: str, zone: str = PARIS) -> datetime:
    return datetime.fromisoformat(written).replace(tzinfo=ZoneInfo(zone))


def boris(**known: object) -> Standing:
    """Lives in Lyon, and agreed to be called on 1 September 2026 at noon."""
    agreed = Consent(True, moment("2026-09-01 12:00"))
    return Standing(**({"law": FRANCE, "timezone": PARIS, "consent": agreed} | known))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("at", "why"),
    [
        ("2026-11-26 09:59", "outside_hours"),
        ("2026-11-26 10:00", None),
        ("2026-11-26 12:59", None),
        ("2026-11-26 13:00", "outside_hours"),
        ("2026-11-26 13:59", "outside_hours"),
        ("2026-11-26 14:00", None),
        ("2026-11-26 19:59", None),
        ("2026-11-26 20:00", "outside_hours"),
        ("2026-11-28 11:00", "closed_weekday"),  # a Saturday
        ("2026-11-29 11:00", "closed_weekday"),
        ("2026-11-11 11:00", "holiday"),
    ],
)
def test_boris_is_rung_in_the_hours_of_a_working_day_only(at: str, why: str | None) -> None:
    assert may_call(boris(), moment(at)).barrier == why


@pytest.mark.parametrize(
    "day", ["01-01", "03-29", "05-01", "05-06", "05-08", "05-17", "07-14", "08-15", "11-01", "11-11"]
)
def test_nobody_is_rung_on_a_public_holiday(day: str) -> None:
    standing = boris(consent=Consent(True, moment("2026-12-01 12:00")))
    why = may_call(standing, moment(f"2027-{day} 11:00")).barrier
    assert why == ("holiday" if date.fromisoformat(f"2027-{day}").weekday() < 5 else "closed_weekday")


def test_days_off_of_alsace_are_kept_where_the_shop_wants_it_stricter() -> None:
    good_friday = moment("2027-03-26 11:00")
    strict = law_at("FR", "67000", local_holidays=True)
    assert may_call(boris(law=law_at("FR", "67000")), good_friday)
    assert may_call(boris(law=strict), good_friday).barrier is Barrier.HOLIDAY
    assert may_call(boris(law=law_at("FR", "69003", local_holidays=True)), good_friday)


FOUR_TIMES = tuple(moment(f"2026-10-{day:02} 11:00") for day in (1, 2, 5, 6))


def test_a_fifth_attempt_waits_for_the_thirty_first_day_after_the_first() -> None:
    standing = boris(attempts=FOUR_TIMES)
    on_day_30, on_day_31 = moment("2026-10-30 11:00"), moment("2026-11-02 11:00")  # 31 October is a Saturday
    verdict = may_call(standing, on_day_30)
    assert (verdict.barrier, verdict.opens) == (Barrier.ATTEMPTS_USED, moment("2026-11-02 10:00"))
    assert may_call(standing, on_day_31)
    assert may_call(boris(attempts=FOUR_TIMES[:3]), on_day_30)


def test_the_thirty_first_day_itself_is_lawful() -> None:
    standing = boris(attempts=tuple(moment("2026-09-08 19:59") for _ in range(4)))
    assert may_call(standing, moment("2026-10-07 19:59")).barrier is Barrier.ATTEMPTS_USED
    assert may_call(standing, moment("2026-10-08 10:00"))


def test_in_reunion_the_clock_is_three_hours_ahead_in_winter_and_two_in_summer() -> None:
    for law in (law_at("FR", "97400"), law_at("RE", None)):
        standing = boris(law=law, timezone=REUNION)
        assert may_call(standing, moment("2026-11-26 10:00")).barrier is Barrier.OUTSIDE_HOURS  # 13:00 there
        assert may_call(standing, moment("2026-09-03 10:00"))  # 12:00 there


def test_consent_holds_for_365_days_and_not_for_366() -> None:
    standing = boris(consent=Consent(True, moment("2025-11-24 19:00")))
    assert may_call(standing, moment("2026-11-24 19:30"))
    verdict = may_call(standing, moment("2026-11-25 10:00"))
    assert (verdict.barrier, verdict.opens, verdict.rule) == (Barrier.CONSENT_EXPIRED, None, "R. 223-1 C. conso")


def test_consent_that_was_given_for_less_ends_on_its_own_day() -> None:
    standing = boris(consent=Consent(True, moment("2026-09-01 12:00"), date(2026, 11, 25)))
    assert may_call(standing, moment("2026-11-25 19:59"))
    assert may_call(standing, moment("2026-11-26 10:00")).barrier is Barrier.CONSENT_EXPIRED


def test_consent_comes_before_the_call() -> None:
    verdict = may_call(boris(consent=Consent(True, moment("2026-11-26 15:00"))), moment("2026-11-26 14:59"))
    assert (verdict.barrier, verdict.opens) == (Barrier.NO_CONSENT, moment("2026-11-26 15:00"))


def test_who_refused_is_never_rung_again_and_sixty_days_change_nothing() -> None:
    clara = boris(consent=Consent(False, moment("2026-09-01 12:00")), slots=(moment("2026-11-26 11:00"),))
    for days in range(400):
        verdict = may_call(clara, moment("2026-09-02 11:00") + timedelta(days=days))
        assert (verdict.barrier, verdict.opens) == (Barrier.OBJECTED, None)


def test_who_never_said_yes_is_not_rung() -> None:
    assert may_call(boris(consent=None), moment("2026-11-26 11:00")) == Verdict(Barrier.NO_CONSENT, "L. 223-1 C. conso")


def test_an_agreed_moment_opens_the_line_outside_the_hours_and_for_half_an_hour() -> None:
    saturday = boris(slots=(moment("2026-11-28 09:15"),))
    verdict = may_call(saturday, moment("2026-11-28 09:15"))
    assert verdict
    assert verdict.closes == moment("2026-11-28 09:45")
    assert may_call(saturday, moment("2026-11-28 09:14")).opens == moment("2026-11-28 09:15")
    assert may_call(saturday, moment("2026-11-28 09:45")).barrier is Barrier.CLOSED_WEEKDAY


def test_an_agreed_moment_opens_nothing_else() -> None:
    slots = (moment("2026-10-14 21:00"),)
    assert may_call(boris(slots=slots, attempts=FOUR_TIMES), slots[0]).barrier is Barrier.ATTEMPTS_USED
    assert may_call(boris(slots=slots, consent=None), slots[0]).barrier is Barrier.NO_CONSENT


def test_what_nobody_knows_is_not_lawful() -> None:
    at = moment("2026-11-26 11:00")
    assert may_call(boris(law=law_at("BE", "1000")), at).barrier is Barrier.COUNTRY_UNKNOWN
    assert may_call(boris(law=law_at(None, "69003")), at).barrier is Barrier.COUNTRY_UNKNOWN
    for zone in (None, "", "Europe/Lutetia", "../etc/passwd"):
        assert may_call(boris(timezone=zone), at).barrier is Barrier.TIMEZONE_UNKNOWN


def test_a_moment_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without a time zone"):
        may_call(boris(), datetime(2026, 11, 26, 11, 0))  # noqa: DTZ001 - what is refused


def test_the_hours_follow_the_clock_when_it_changes() -> None:
    # On Sunday 25 October 2026 the clock goes back: ten o'clock is 08:00 UTC before, 09:00 UTC after.
    friday, monday = datetime(2026, 10, 23, 8, 0, tzinfo=UTC), datetime(2026, 10, 26, 8, 0, tzinfo=UTC)
    assert may_call(boris(), friday)
    assert may_call(boris(), monday).opens == datetime(2026, 10, 26, 9, 0, tzinfo=UTC)


def test_in_the_united_states_hours_are_local_and_numbers_are_screened() -> None:
    texas = boris(law=law_at("US", "75001"), timezone="America/Chicago", screened_on=date(2026, 11, 1))
    assert may_call(texas, moment("2026-11-26 20:59", "America/Chicago"))
    assert may_call(texas, moment("2026-11-26 07:59", "America/Chicago")).barrier is Barrier.OUTSIDE_HOURS
    assert may_call(texas, moment("2026-11-26 21:00", "America/Chicago")).barrier is Barrier.OUTSIDE_HOURS
    assert may_call(texas, moment("2026-12-02 12:00", "America/Chicago"))  # 31 days
    assert may_call(texas, moment("2026-12-03 12:00", "America/Chicago")).barrier is Barrier.NOT_SCREENED
    florida = boris(law=law_at("US", "33101"), timezone="America/New_York", screened_on=date(2026, 11, 1))
    assert may_call(florida, moment("2026-11-26 20:00", "America/New_York")).barrier is Barrier.OUTSIDE_HOURS


def test_in_britain_who_agreed_need_not_be_screened() -> None:
    assert may_call(
        boris(law=law_at("GB", "N1"), timezone="Europe/London"), moment("2026-11-26 11:00", "Europe/London")
    )


def test_every_rule_that_a_profile_may_name_has_its_source() -> None:
    always = {
        Barrier.OBJECTED,
        Barrier.NO_CONSENT,
        Barrier.CONSENT_EXPIRED,
        Barrier.ATTEMPTS_USED,
        Barrier.OUTSIDE_HOURS,
    }
    for profile in calling.profiles().values():
        needed = set(always)
        if len(profile.days) < 7:
            needed.add(Barrier.CLOSED_WEEKDAY)
        if profile.holidays:
            needed.add(Barrier.HOLIDAY)
        if profile.screening:
            needed.add(Barrier.NOT_SCREENED)
        assert set(profile.rules) == needed, profile.name


# Whatever the moment

PLACES = st.sampled_from(
    [
        ("FR", "69003", PARIS),
        ("FR", "97400", REUNION),
        ("GP", None, "America/Guadeloupe"),
        ("NC", None, "Pacific/Noumea"),
        ("DE", "10115", "Europe/Berlin"),
        ("GB", None, "Europe/London"),
        ("US", "75001", "America/Chicago"),
        ("US", "33101", "America/New_York"),
        ("BE", "1000", "Europe/Brussels"),
    ]
)
YEAR = st.datetimes(datetime(2026, 8, 11), datetime(2027, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - see timezones


@st.composite
def standings(draw: st.DrawFn) -> Standing:
    country, postcode, zone = draw(PLACES)
    at = draw(YEAR)
    near = st.timedeltas(timedelta(days=-40), timedelta(days=40))
    return Standing(
        law_at(country, postcode, local_holidays=draw(st.booleans())),
        draw(st.sampled_from((zone, zone, zone, None))),
        draw(st.none() | st.builds(Consent, st.sampled_from((True, True, True, False)), YEAR, st.none())),
        tuple(at + one for one in draw(st.lists(near, max_size=8))),
        tuple(at + one for one in draw(st.lists(near, max_size=2))),
        draw(st.none() | st.dates(date(2026, 7, 1), date(2027, 12, 31))),
    )


@given(standings(), YEAR)
def test_nobody_is_rung_against_the_law_whatever_the_moment(standing: Standing, at: datetime) -> None:
    if not may_call(standing, at):
        return
    assert standing.law
    assert standing.timezone
    assert standing.consent
    profile, local = standing.law.profile, at.astimezone(ZoneInfo(standing.timezone))
    given_on = standing.consent.recorded_at.astimezone(local.tzinfo).date()
    assert standing.consent.granted
    assert standing.consent.recorded_at <= at
    assert local.date() <= given_on + timedelta(days=365)
    made = [one.astimezone(local.tzinfo).date() for one in standing.attempts]
    assert sum(local.date() - timedelta(days=30) < day <= local.date() for day in made) < profile.attempts.most
    if any(slot <= at < slot + timedelta(minutes=30) for slot in standing.slots):
        return
    assert any(first <= local.time() < last for first, last in profile.hours)
    assert time(8) <= local.time() < time(21)
    if profile.country != "US":
        assert local.weekday() < 5
        assert not standing.law.is_holiday(local.date())


@given(standings(), YEAR, st.integers(1, 400))
def test_it_opens_at_the_first_lawful_moment(standing: Standing, at: datetime, quarters: int) -> None:
    opens = may_call(standing, at).opens
    if opens is not None:
        assert opens > at
        assert may_call(standing, opens)
    probe = at + timedelta(minutes=15 * quarters)
    if may_call(standing, probe) and not may_call(standing, at):
        assert opens is not None
        assert opens <= probe


@given(standings(), YEAR)
def test_it_closes_when_it_says(standing: Standing, at: datetime) -> None:
    verdict = may_call(standing, at)
    if verdict and verdict.closes:
        assert verdict.closes > at
        assert may_call(standing, verdict.closes - timedelta(microseconds=1))
