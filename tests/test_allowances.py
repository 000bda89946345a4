"""A new domain is warmed up and a day has its cap: however many workers and runs, no more e-mails leave in a day."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timedelta
from io import StringIO
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select, text, update
from typer.testing import CliRunner

from habitue import allowances, ledger, overview
from habitue.allowances import Allowance, days_needed
from habitue.cli import app
from habitue.desk import Desk
from habitue.errors import SettingError, Waiting
from habitue.house import House
from habitue.ledger import Claim, Outcome
from habitue.plans import Shard, shards
from habitue.recipients import Run
from habitue.shop import Shop, WarmUp, load_shop
from habitue.tables import State, mail_day, message
from habitue.texts import long_date
from ops_site import Site
from people import AT, ON
from test_controls import CAPS, a_crowd, mailed, states, town
from test_plans import campaign, planned

__all__ = ["town"]

DAY = timedelta(days=1)


def shop(**sender: Any) -> Shop:
    chosen = {"kind": "smtp", "smtp": {"host": "mail.shop.example"}, **sender}
    return load_shop(overrides={"sender": chosen})


def claimed(
    town: Engine, part: Shard, here: Shop, *, worker: str = "one", at: datetime = AT, most: int = 1000
) -> Claim:
    allowance = Allowance.of(here, at)
    return ledger.claim(town, part, worker=worker, on=ON, at=at, shop=here, caps=CAPS, most=most, allowance=allowance)


def settled(town: Engine, claim: Claim, state: State, *, worker: str = "one", at: datetime = AT) -> None:
    outcomes = [Outcome(one, state) for one in claim.messages]
    ledger.settle(town, outcomes, worker=worker, at=at, counted=claim.counted)


def counted(town: Engine) -> dict[date, int]:
    with town.connect() as connection:
        return {row.day: row.mails for row in connection.execute(select(mail_day))}


# The plan of a new domain


@pytest.mark.parametrize(
    ("days", "most"),
    [
        (-1, 0),
        (0, 200),
        (1, 200),
        (2, 400),
        (3, 400),
        (4, 800),
        (15, 25_600),
        (16, 50_000),
        (17, 50_000),
        (9999, 50_000),
    ],
)
def test_a_new_domain_begins_with_two_hundred_and_doubles_every_two_days(days: int, most: int) -> None:
    assert WarmUp(since=ON).most_on(ON + timedelta(days=days)) == most


@given(st.integers(1, 500), st.integers(1, 9), st.integers(500, 10**9), st.integers(0, 4000))
def test_a_warm_up_never_grows_faster_than_it_says(first: int, every: int, until: int, days: int) -> None:
    plan = WarmUp(since=ON, first=first, double_every_days=every, until=until)
    today, then = plan.most_on(ON + timedelta(days=days)), plan.most_on(ON + timedelta(days=days + every))
    assert first <= today <= then <= min(2 * today, until)


def test_the_smaller_of_warm_up_and_cap_counts_and_an_outbox_knows_none() -> None:
    warm = {"since": ON, "first": 200}
    assert shop(warm_up=warm, daily_cap=150).sender.most_on(ON) == 150
    assert shop(warm_up=warm, daily_cap=150).sender.most_on(ON - DAY) == 0
    assert shop().sender.most_on(ON) is None
    assert Allowance.of(shop(kind="outbox", daily_cap=150), AT) is None


@pytest.mark.parametrize(
    "sender",
    [
        {"daily_cap": 0},
        {"warm_up": {"first": 200}},
        {"warm_up": {"since": "soon"}},
        {"warm_up": {"since": "2026-10-01", "until": 100}},
        {"warm_up": {"since": "2026-10-01", "double_every_days": 0}},
    ],
)
def test_a_wrong_limit_is_a_sentence(sender: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=r"shop\.yaml, line \d+: sender"):
        shop(**sender)


def test_the_day_is_the_shops_own() -> None:
    """At half past ten in the evening in London it is tomorrow in Paris."""
    late = datetime.fromisoformat("2026-10-01T22:30:00+00:00")
    found = Allowance.of(shop(daily_cap=5), late)
    assert found is not None
    assert found.day == ON + DAY
    assert found.begins.isoformat() == "2026-10-02T00:00:00+02:00"
    assert found.ends.isoformat() == "2026-10-03T00:00:00+02:00"


# At the claim


def test_when_the_days_mails_have_left_the_rest_waits_and_goes_on_the_next_day(town: Engine) -> None:
    done, part = mailed(town)
    here = shop(daily_cap=2)
    first = claimed(town, part, here)
    assert len(first.messages) == 2
    settled(town, first, State.ACCEPTED)
    assert claimed(town, part, here).shut == "used_up"
    assert counted(town) == {ON: 2}
    later = claimed(town, part, here, at=AT + DAY)
    assert len(later.messages) == 2
    assert not first.messages & later.messages
    assert counted(town) == {ON: 2, ON + DAY: 2}
    assert states(town, done.run_id) == {"accepted": 2, "claimed": 2, "planned": done.planned - 4}


def test_where_nothing_is_left_to_leave_nothing_waits(town: Engine) -> None:
    done, part = mailed(town)
    here = shop(daily_cap=done.planned)
    settled(town, claimed(town, part, here), State.ACCEPTED)
    last = claimed(town, part, here)
    assert (last.shut, bool(last)) == (None, False)


def test_all_runs_share_a_days_mails(town: Engine) -> None:
    here = shop(daily_cap=7)
    parts = [mailed(town)[1]]
    other = planned(town, campaign("email", name="autumn", pause_days={}, caps={}))
    parts += shards(town, other.run_id)
    taken = [len(claimed(town, part, here, most=4).messages) for part in [*parts, *parts]]
    assert sum(taken) == 7
    assert taken[:2] == [4, 3]


@pytest.mark.parametrize(
    ("state", "left"), [(State.PLANNED, 2), (State.REFUSED, 2), (State.UNKNOWN, 0), (State.ACCEPTED, 0)]
)
def test_what_certainly_did_not_leave_is_given_back_to_its_day(town: Engine, state: State, left: int) -> None:
    _, part = mailed(town)
    here = shop(daily_cap=2)
    settled(town, claimed(town, part, here), state, at=AT + DAY)  # the answer came after midnight
    assert counted(town) == {ON: 2 - left}
    assert len(claimed(town, part, here, worker="two").messages) == left


def test_a_cap_that_is_set_at_noon_knows_what_left_in_the_morning(town: Engine) -> None:
    done, part = mailed(town)
    free = shop()
    one, two = (claimed(town, part, free, most=1) for _ in range(2))
    settled(town, one, State.ACCEPTED)
    settled(town, two, State.UNKNOWN, at=AT - DAY)  # yesterday's
    claimed(town, part, free, most=1)  # in a worker's hands
    capped = shop(daily_cap=3)
    found = allowances.used(town, capped, at=AT)
    assert found is not None
    assert (found.mails, found.left) == (2, 1)
    assert len(claimed(town, part, capped, worker="two").messages) == 1
    assert states(town, done.run_id)["planned"] == done.planned - 4


def test_a_restored_database_counts_what_the_journal_says_has_left(town: Engine) -> None:
    _, part = mailed(town)
    here = shop(daily_cap=3)
    gone = claimed(town, part, here)
    with town.begin() as connection:  # a copy of this morning
        connection.execute(update(message).values(state=State.PLANNED, attempt=0, claimed_by=None))
        connection.execute(update(mail_day).values(mails=0))
    assert ledger.doubt(town, dict.fromkeys(gone.messages, 1), at=AT) == 3
    assert claimed(town, part, here).shut == "used_up"


ENDS = (State.ACCEPTED, State.ACCEPTED, State.UNKNOWN, State.REFUSED, State.PLANNED)


@pytest.mark.parametrize("seed", range(4))
def test_four_workers_never_let_more_leave_than_the_day_allows(town: Engine, seed: int) -> None:
    """Each claims, hands over and settles at random, some of it back; whoever has what, the sum is never above."""
    a_crowd(town, 120)
    done, part = mailed(town)
    cap = random.Random(seed).randint(1, 90)
    here, above = shop(daily_cap=cap), []
    left: Counter[UUID] = Counter()

    def work(number: int) -> None:
        chance = random.Random(seed * 10 + number)
        for turn in range(25):
            worker = f"{number}-{turn}"
            found = claimed(town, part, here, worker=worker, most=chance.randint(1, 9))
            if found.shut == "used_up":
                continue
            outcomes = [Outcome(one, chance.choice(ENDS)) for one in found.messages]
            with town.connect() as connection:
                asked = text("select count(*) from message where state in ('claimed', 'accepted', 'unknown')")
                above.append(connection.scalar(asked))
            ledger.settle(town, outcomes, worker=worker, at=AT, counted=found.counted)
            left.update(one.message_id for one in outcomes if one.state in (State.ACCEPTED, State.UNKNOWN))

    workers = [Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert max(above) <= cap
    assert sum(left.values()) == len(left) == counted(town)[ON] <= cap
    assert states(town, done.run_id).get("claimed", 0) == 0


# What people see of it


def test_a_delivery_waits_for_the_next_days_hours(town: Engine, tmp_path: Path) -> None:
    done, part = mailed(town, window={"days": 7, "hours": "09:00-20:00"})
    house = House.of(
        {"HABITUE_DATABASE_URL": town.url.render_as_string(hide_password=False), "HABITUE_OUT": str(tmp_path)}
    )
    desk = Desk(replace(house, shop=shop(daily_cap=1)), Run.of(town, done.run_id), "one")
    at = AT + timedelta(hours=1)
    allowance = Allowance.of(desk.house.shop, at)
    asked: dict[str, Any] = {"on": ON, "at": at, "most": 9, "again": False, "allowance": allowance}
    assert len(desk.claim(part, **asked).messages) == 1
    with pytest.raises(Waiting, match="1 e-mails may leave on 2026-10-01") as waiting:
        desk.claim(part, **asked)
    house.engine.dispose()
    assert waiting.value.why == "used_up"
    assert waiting.value.until is not None
    assert waiting.value.until.isoformat() == "2026-10-02T09:00:00+02:00"


def test_a_warm_up_that_begins_next_week_waits_for_it() -> None:
    here = shop(warm_up={"since": ON + 7 * DAY})
    allowance = Allowance.of(here, AT)
    assert allowance is not None
    assert allowance.most == 0
    assert allowances.opens_again(allowance, here, lambda _: None).date() == ON + 7 * DAY


@pytest.mark.parametrize(
    ("mails", "limits", "days"),
    [
        (0, {"daily_cap": 10}, 0),
        (10, {"daily_cap": 10}, 1),
        (11, {"daily_cap": 10}, 2),
        (1000, {"warm_up": {"since": ON}}, 4),  # 200 + 200 + 400 + 200
        (1000, {"warm_up": {"since": ON}, "daily_cap": 250}, 5),  # 200 + 200 + 250 + 250 + 100
        (10, {"warm_up": {"since": ON + 2 * DAY}}, 3),
        (10**9, {"warm_up": {"since": ON}}, 16 + 19_998),  # 102,000 in sixteen days, then 50,000 a day
        (10**9, {}, None),
    ],
)
def test_so_many_days_are_needed(mails: int, limits: dict[str, Any], days: int | None) -> None:
    assert days_needed(shop(**limits).sender, mails, on=ON) == days


@pytest.mark.parametrize(("cap", "said"), [(1, True), (5, False)])
def test_a_rehearsal_says_that_the_window_is_too_short_for_the_days_that_are_needed(
    town: Engine, cap: int, said: bool
) -> None:
    """Five mails, one a day, and three days for them."""
    from rich.console import Console

    from habitue.rehearsal_page import rehearsal_table, render_rehearsal
    from test_rehearsals import rehearsed

    here = shop(daily_cap=cap)
    found = rehearsed(town, campaign("email", window={"days": 3}), shop=here)
    assert (found.mail_days, found.too_slow) == (5 if said else 1, said)
    console = Console(width=200, record=True, file=StringIO())
    console.print(rehearsal_table(found, shop=here))
    assert ("they need 5 days; the window has 3" in console.export_text()) is said
    assert ("il leur faut 5" in render_rehearsal(found, [], shop=here)) is said


@pytest.mark.parametrize(("cap", "said"), [(2, True), (50, False)])
def test_the_runs_page_says_until_when_its_mails_wait(town: Engine, tmp_path: Path, cap: int, said: bool) -> None:
    done, part = mailed(town)
    here = shop(daily_cap=cap)
    settled(town, claimed(town, part, here, most=2), State.ACCEPTED)
    url = town.url.render_as_string(hide_password=False)
    house = replace(House.of({"HABITUE_DATABASE_URL": url, "HABITUE_OUT": str(tmp_path)}), shop=here)
    page = Site(house, AT).get("olga", f"/runs/{done.run_id}", language="fr").text
    house.engine.dispose()
    assert (f"attendent le {long_date(ON + DAY, 'fr')}" in page) is said


def test_whoever_looks_at_the_runs_sees_that_todays_are_used_up(
    town: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, part = mailed(town)
    here = shop(daily_cap=2)
    settled(town, claimed(town, part, here), State.ACCEPTED)
    monkeypatch.setattr("habitue.sources.load_shop", lambda **_: here)
    monkeypatch.setattr("habitue.clock.now", lambda *_: AT)
    settings = {
        "HABITUE_DATABASE_URL": town.url.render_as_string(hide_password=False),
        "HABITUE_OUT": str(tmp_path),
        "HABITUE_SMTP_PASSWORD": "x",
    }
    said = CliRunner().invoke(app, ["runs"], env=settings).output
    assert "E-mails of 2026-10-01: 2 of 2 have left" in said
    assert f"{done.planned - 2} e-mails wait until 2026-10-02" in said
    assert overview.one_run(town, done.run_id, at=AT).mails_waiting == done.planned - 2
