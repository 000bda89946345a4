"""The calendar: past and coming runs of a quarter, collisions within a pause, groups without a letter."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, insert

from habitue import calendars
from habitue.calendars import Calendar, Span, calendar
from habitue.campaigns import Campaign
from habitue.controls import cancel
from habitue.errors import SettingError
from habitue.shop import load_shop
from habitue.tables import Channel, RunState, Segment
from habitue.tables import run as runs
from people import AT, ON
from test_plans import campaign, planned, town

__all__ = ["town"]

SHOP = load_shop()
Q4 = Span.named("2026-Q4")


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> list[Campaign]:
    """The campaigns that there are."""
    found: list[Campaign] = []
    monkeypatch.setattr(calendars, "campaigns", lambda broken=None: iter(found))
    return found


def shown(engine: Engine, span: Span = Q4, at: datetime = AT) -> Calendar:
    return calendar(engine, SHOP, span, at=at)


def days(found: Calendar, name: str) -> list[tuple[str, str]]:
    return [(f"{day.on:%m-%d}", day.standing) for day in found.days if day.campaign.name == name]


def every(cron: str, *ways: str, **changes: Any) -> Campaign:
    return campaign(*ways, schedule={"cron": cron}, **changes)


def test_a_span_is_a_quarter_or_a_year_and_knows_its_neighbours() -> None:
    assert (Q4.first, Q4.last, Q4.name) == (date(2026, 10, 1), date(2026, 12, 31), "2026-Q4")
    assert (Q4.before.name, Q4.after.name) == ("2026-Q3", "2027-Q1")
    year = Span.named("2026")
    assert (year.days, year.name, year.after.name, len(year.months)) == (365, "2026", "2027", 12)
    assert [one.name for one in year.quarters] == ["2026-Q1", "2026-Q2", "2026-Q3", "2026-Q4"]
    assert Q4.quarters == [Q4]
    assert Span.around(date(2026, 3, 31)).name == "2026-Q1"
    for wrong in ("", "2026-Q5", "2026-Q", "26-Q1", "2026-Q1x", "²026", "0000", "9999"):
        with pytest.raises(SettingError, match="a quarter"):
            Span.named(wrong)


def test_what_has_run_and_what_will_stand_in_one_calendar(town: Engine, known: list[Campaign]) -> None:
    known.append(every("0 8 1,15 * *", "letter", "email"))
    planned(town, known[0])
    found = shown(town)
    assert days(found, "spring") == [
        ("10-01", "past"),
        *((f"{month}-{day}", "coming") for month, day in (("10", "15"), ("11", "01"), ("11", "15"))),
        ("12-01", "coming"),
        ("12-15", "coming"),
    ]
    past = found.days[0]
    assert (past.run_id, past.planned, past.left, past.state) == (f"spring:{ON}", 5, 0, RunState.OPEN)
    assert past.channels == [Channel.LETTER, Channel.EMAIL]


def test_a_slot_that_passed_without_a_run_is_missed_once_the_campaign_is_at_work(
    town: Engine, known: list[Campaign]
) -> None:
    known.append(every("0 8 1,15 * *", "email"))
    late = datetime(2026, 11, 20, 9, tzinfo=UTC)
    assert [one for one in days(shown(town, at=late), "spring") if one[1] == "missed"] == []
    planned(town, known[0])
    missed = [day for day, standing in days(shown(town, at=late), "spring") if standing == "missed"]
    assert missed == ["10-15", "11-01", "11-15"]


def test_a_slot_stands_on_the_shops_day(town: Engine, known: list[Campaign]) -> None:
    known.append(campaign("email", schedule={"cron": "30 23 31 10 *", "timezone": "America/New_York"}))
    assert days(shown(town), "spring") == [("11-01", "coming")]  # it is morning in Lyon


def test_a_campaign_that_runs_every_hour_is_a_run_a_day(town: Engine, known: list[Campaign]) -> None:
    known.append(every("0 * * * *", "email"))
    found = shown(town)
    assert len(found.days) == len({day.on for day in found.days}) == 92


def test_who_gets_the_letter_does_not_get_the_invitation_three_weeks_later(town: Engine, known: list[Campaign]) -> None:
    known += [
        every("0 8 1 10 *", "letter", name="letter"),
        every("0 8 20 10 *", "letter", "email", name="invitation", pause_days={"letter": 30, "email": 5}),
    ]
    planned(town, known[0])
    (one,) = shown(town).collisions
    assert (one.first.campaign.name, [day.on for day in one.second]) == ("letter", [date(2026, 10, 20)])
    assert (one.days, one.channels, len(one.groups), one.partly) == (19, (Channel.LETTER,), 5, False)


def test_a_pause_that_is_over_or_another_group_or_channel_is_no_collision(town: Engine, known: list[Campaign]) -> None:
    known += [
        every("0 8 1 10 *", "letter", name="letter"),
        every("0 8 31 10 *", "letter", name="after", pause_days={"letter": 30}),
        every("0 8 10 10 *", "email", name="mail", pause_days={"email": 30, "letter": 30}),
    ]
    assert shown(town, at=datetime(2026, 9, 30, tzinfo=UTC)).collisions == []


def test_a_follow_up_does_not_collide_with_what_it_follows(town: Engine, known: list[Campaign]) -> None:
    first = every(
        "0 8 1 10 *", "letter", pause_days={"email": 90}, then={"channel": "email", "template": "x", "after_days": 5}
    )
    follow_up = first.follow_up()
    assert follow_up is not None
    known += [first, follow_up]
    assert shown(town, at=datetime(2026, 9, 30, tzinfo=UTC)).collisions == []


def test_of_a_daily_campaign_the_days_in_a_row_are_one_collision(town: Engine, known: list[Campaign]) -> None:
    known += [
        every("0 9 * * *", "letter", name="birthday", pause_days={"letter": 7}, audience={"sql": "birthday"}),
        every("0 8 15 11 *", "letter", name="letter", pause_days={"letter": 7}),
    ]
    first, second = shown(town, at=datetime(2026, 9, 30, tzinfo=UTC)).collisions
    assert (first.first.on, first.second[0].on) == (date(2026, 11, 9), date(2026, 11, 15))
    assert (second.first.campaign.name, len(second.second)) == ("letter", 6)
    assert first.partly
    assert second.partly


def test_a_cancelled_run_collides_with_nothing_and_reaches_nobody(town: Engine, known: list[Campaign]) -> None:
    known += [every("0 8 1 10 *", "letter", name="letter"), every("0 8 9 10 *", "letter", name="next")]
    known[1] = known[1].model_copy(update={"pause_days": {Channel.LETTER: 30}})
    done = planned(town, known[0])
    assert len(shown(town).collisions) == 1
    cancel(town, done.run_id, by="olga", reason="x", at=AT)
    assert shown(town).collisions == []
    reached = {one.group: one.whole for one in shown(town).reached if one.channel is Channel.LETTER}
    assert set(reached.values()) == {(date(2026, 10, 9),)}


def test_a_group_without_a_letter_in_a_quarter_is_a_gap(town: Engine, known: list[Campaign]) -> None:
    letter = campaign("letter").treatments[Segment.LAPSED].model_dump()
    known += [
        every("0 8 5 11 *", "email", name="mail"),
        every("0 8 1 10 *", name="letter", treatments={"regular_heavy": letter}),
        every("0 8 7 11 *", name="some", treatments={"lapsed": letter}, audience={"sql": "birthday"}),
    ]
    found = shown(town, at=datetime(2026, 9, 30, tzinfo=UTC))
    assert [one.group for one in found.gaps] == [one for one in calendars.GROUPS if one is not Segment.REGULAR_HEAVY]
    lapsed = next(one for one in found.gaps if one.group is Segment.LAPSED)
    assert lapsed.partly == 1
    assert [one for one in found.reached if one.channel is Channel.EMAIL and one.none] == []
    year = shown(town, Span.named("2027"), at=datetime(2026, 9, 30, tzinfo=UTC))
    assert {one.quarter.name for one in year.gaps if one.group is Segment.REGULAR_HEAVY} == {
        "2027-Q1",
        "2027-Q2",
        "2027-Q3",
    }


def test_a_run_of_a_campaign_whose_file_is_gone_is_still_there(town: Engine, known: list[Campaign]) -> None:
    planned(town, campaign("email"))
    assert days(shown(town), "spring") == [("10-01", "past")]


def test_a_run_that_an_older_version_planned_in_other_words_is_shown_as_the_file_is_now(
    town: Engine, known: list[Campaign]
) -> None:
    known.append(campaign("email"))
    planned(town, known[0])
    with town.begin() as connection:
        row = dict(connection.execute(runs.select()).mappings().one())
        del row["number"]
        row |= {"run_id": "spring:2026-10-02", "on_date": date(2026, 10, 2), "settings": {"name": "spring", "old": 1}}
        connection.execute(insert(runs).values(**row))
    assert [day for day, _ in days(shown(town), "spring")] == ["10-01", "10-02"]


def test_the_shops_own_campaigns_fill_a_quarter_and_a_year(base: Engine) -> None:
    found = shown(base, Span.named("2027"), at=AT)
    lanes = found.lanes()
    assert [day.on.month for day in lanes["quarterly_letter"]] == [1, 4, 7, 10]
    assert len(lanes["birthday"]) == 365
    assert [one.name for one in found.manual] == ["private_event"]
    assert found.broken == {}
    assert all(one.second[0].on >= one.first.on for one in found.collisions)


def test_a_file_that_can_not_be_read_is_told_and_hides_none_of_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text("title: 1\n")
    good = calendars.campaign_files()[0]
    monkeypatch.setattr(calendars, "campaign_files", lambda: [file, good])
    broken: dict[str, str] = {}
    assert [one.name for one in calendars.campaigns(broken)] == [good.stem]
    assert list(broken) == ["broken"]
