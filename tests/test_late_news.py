"""What is told late moves what was credited within the hour, and once; what was known first stays."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, insert, text

from earlier_runs import earlier_message, earlier_run, moment
from habitue import gathering, outcomes
from habitue.house import House
from habitue.measures import Counts, measures_of, results_of
from habitue.outcomes import Event
from habitue.statements import source, statement
from habitue.tables import OutcomeKind, holdout, shard
from people import ANNA, BORIS, CLARA
from purchase_histories import Line, book, gathered, house_on

FIRST, SECOND, NIGHT = date(2026, 9, 1), date(2026, 9, 10), date(2026, 9, 16)
SPRING, SUMMER = f"spring:{FIRST}", f"summer:{SECOND}"
SETTINGS = {"response_days": 30, "treatments": {}}
BOUGHT = Line("1", ANNA, date(2026, 9, 15), 1000)
TOLD = moment(NIGHT + timedelta(days=2))
"""When the late news come: two days after the customer base was loaded and its purchases credited."""
HOUR = timedelta(hours=1)
NOTHING = {"new": 0, "changed": 0, "taken_back": 0}


@pytest.fixture
def shop(base: Engine, tmp_path: Path) -> Iterator[House]:
    house = house_on(base, tmp_path)
    yield house
    house.engine.dispose()


def sent(house: House, campaign: str, on: date, who: str, state: str = "accepted", channel: str = "letter") -> UUID:
    """A message that left that morning, and the tally of its run."""
    with house.engine.begin() as connection:
        run_id = earlier_run(connection, campaign, on, settings=SETTINGS)
        one: UUID = earlier_message(connection, campaign, on, who, state=state, channel=channel)
        part = {"run_id": run_id, "channel": channel, "shard": 1, "messages": 1, "audience_sha256": ""}
        connection.execute(insert(shard).values(**part, **({} if state == "planned" else {state: 1})))
    return one


def hear(house: House, one: UUID, kind: OutcomeKind, at: datetime, key: str = "1") -> int:
    """It happened then and is told now; how many events were new."""
    return outcomes.record(house.engine, [Event(one, kind, at, "post", key)], rules=house.shop.breaker, at=TOLD).new


def gather(house: House, at: datetime = TOLD) -> dict[str, Any]:
    """The hourly round, and what it told beside the snapshot's name."""
    told = dict(gathering.credited_purchases(house, at=at))
    assert told.pop("snapshot") == NIGHT.isoformat()
    return told


def counts(house: House, run_id: str, known: datetime = TOLD + 9 * HOUR) -> Counts:
    return measures_of(house.engine, run_id, known=known).all


def test_a_letter_that_comes_back_late_gives_its_credit_up_within_the_hour_and_both_figures_stay(shop: House) -> None:
    sent(shop, "spring", FIRST, ANNA)
    summer = sent(shop, "summer", SECOND, ANNA)
    gathered(shop, NIGHT, [BOUGHT])
    assert list(book(shop.engine)) == [("1", SUMMER)]
    assert hear(shop, summer, OutcomeKind.RETURNED, moment(SECOND + timedelta(days=4))) == 1
    told = gather(shop)
    assert (told["new"], told["taken_back"]) == (1, 1)
    assert list(book(shop.engine)) == [("1", SPRING)]
    for known, in_spring, in_summer in ((TOLD - HOUR, 0, 1000), (TOLD, 1000, 0)):
        assert counts(shop, SPRING, known).revenue_cents == in_spring
        assert counts(shop, SUMMER, known).revenue_cents == in_summer


def test_an_event_told_again_changes_nothing_and_nothing_is_worked_out_for_it(
    shop: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent(shop, "spring", FIRST, ANNA)
    summer = sent(shop, "summer", SECOND, ANNA)
    gathered(shop, NIGHT, [BOUGHT])
    came_back = moment(SECOND + timedelta(days=4))
    hear(shop, summer, OutcomeKind.RETURNED, came_back)
    gather(shop)
    before = book(shop.engine)
    # By another source, under another name: it is looked at, and says the same.
    assert hear(shop, summer, OutcomeKind.RETURNED, came_back, key="2") == 1
    assert gather(shop, TOLD + HOUR) == {"since": FIRST.isoformat(), **NOTHING}
    # By the same source twice: it is no news.
    assert hear(shop, summer, OutcomeKind.RETURNED, came_back) == 0
    monkeypatch.setattr("habitue.purchases.opened", no_purchase_is_read)
    assert gather(shop, TOLD + 2 * HOUR) == {"already": True}
    assert book(shop.engine) == before


def no_purchase_is_read(*_: object, **__: object) -> None:
    raise AssertionError("purchases are read though nothing has changed")


@pytest.mark.parametrize("kind", ["accepted", "deferred", "delivered", "opened", "clicked", "complaint", "mailed"])
def test_what_says_nothing_else_of_who_was_reached_is_passed_over(
    shop: House, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    mail = sent(shop, "spring", FIRST, ANNA, channel="email")
    gathered(shop, NIGHT, [BOUGHT])
    monkeypatch.setattr("habitue.purchases.opened", no_purchase_is_read)
    hear(shop, mail, OutcomeKind(kind), moment(NIGHT))
    assert gather(shop) == {"already": True}


def test_a_message_in_doubt_of_which_one_hears_late_had_left_before_she_bought(shop: House) -> None:
    mail = sent(shop, "spring", FIRST, ANNA, state="unknown", channel="email")
    gathered(shop, NIGHT, [BOUGHT])
    assert book(shop.engine) == {}
    hear(shop, mail, OutcomeKind.DELIVERED, moment(FIRST, 11))
    assert gather(shop)["new"] == 1
    assert book(shop.engine) == {("1", SPRING): ("last_message", 1000, 0)}
    # And one of which only the purchase came before the delivery has nothing.
    other = sent(shop, "summer", SECOND, ANNA, state="unknown", channel="email")
    hear(shop, other, OutcomeKind.DELIVERED, moment(NIGHT))
    assert gather(shop, TOLD + HOUR)["new"] == 0


def test_a_call_that_is_never_made_gives_its_credit_up(shop: House) -> None:
    sent(shop, "spring", FIRST, ANNA)
    call = sent(shop, "summer", SECOND, ANNA, channel="call")
    gathered(shop, NIGHT, [BOUGHT])
    assert list(book(shop.engine)) == [("1", SUMMER)]
    with shop.engine.begin() as connection:
        never = {"ids": [call], "reasons": ["released"], "at": TOLD}
        connection.execute(statement("calls/cancel"), never)
    assert gather(shop)["taken_back"] == 1
    assert list(book(shop.engine)) == [("1", SPRING)]


def test_who_was_rung_in_vain_and_reached_later_has_the_credit_again(shop: House) -> None:
    call = sent(shop, "spring", FIRST, ANNA, channel="call")
    gathered(shop, NIGHT, [BOUGHT])
    hear(shop, call, OutcomeKind.NOT_REACHED, moment(FIRST, 12), key="1")
    assert gather(shop)["taken_back"] == 1
    hear(shop, call, OutcomeKind.REACHED, moment(FIRST, 15), key="2")
    assert gather(shop, TOLD + HOUR)["new"] == 1
    assert list(book(shop.engine)) == [("1", SPRING)]


def test_goods_brought_back_late_are_taken_back_with_the_base_that_tells_and_both_figures_stay(shop: House) -> None:
    sent(shop, "spring", FIRST, ANNA)
    gathered(shop, NIGHT, [BOUGHT])
    back = Line("A1", ANNA, NIGHT + timedelta(days=40), -400)
    later = NIGHT + timedelta(days=41)
    assert gathered(shop, later, [BOUGHT, back])["changed"] == 1
    assert counts(shop, SPRING, TOLD).revenue_cents == 1000
    assert counts(shop, SPRING, moment(later)).revenue_cents == 600
    assert gathering.credited_purchases(shop, at=moment(later) + HOUR)["already"]


def test_a_run_that_leaves_after_the_night_has_its_responses_with_the_next_hour(shop: House) -> None:
    sent(shop, "spring", FIRST, ANNA, state="planned")
    sent(shop, "summer", SECOND, BORIS)
    gathered(shop, NIGHT, [BOUGHT])
    assert results_of(shop.engine, SPRING, known=TOLD) is None
    with shop.engine.begin() as connection:
        connection.execute(text("update message set state = 'accepted', settled_at = :at"), {"at": TOLD})
        connection.execute(text("update shard set accepted = 1"))
    assert gather(shop)["runs"] == 1
    found = results_of(shop.engine, SPRING, known=TOLD)
    assert found is not None
    assert found.snapshot_id == NIGHT.isoformat()
    assert book(shop.engine) == {}  # she had bought before


def test_a_figure_that_one_base_tells_twice_stands_there_both_ways(shop: House) -> None:
    sent(shop, "spring", FIRST, ANNA)
    out = {"run_id": SPRING, "segment": "lapsed", "channel": "letter", "draw": 0.01}
    with shop.engine.begin() as connection:
        connection.execute(insert(holdout).values(**out, customer_id=BORIS))
    after = FIRST + timedelta(days=35)
    gathered(shop, after, [BOUGHT])
    with shop.engine.begin() as connection:
        connection.execute(insert(holdout).values(**out, customer_id=CLARA))
        connection.execute(text("update shard set unknown = 1"))
    assert gathering.credited_purchases(shop, at=moment(after) + HOUR)["runs"] == 1
    found = results_of(shop.engine, SPRING, known=moment(after) + HOUR)
    assert found is not None
    assert found.whole is not None
    assert found.first is not None
    assert found.first.whole is not None
    assert (found.whole.buyers.control.size, found.first.whole.buyers.control.size) == (2, 1)
    assert found.first.snapshot_id == found.snapshot_id


def test_both_questions_mean_the_same_by_failed() -> None:
    """What has credits looked at again is what takes a message its credit."""
    asked = [set(re.findall(r"'(\w+)'", found)) for found in re.findall(
        r"kind in \(([^)]*hard_bounce[^)]*)\)", source("credits/news") + source("credits/sent")
    )]  # fmt: skip
    assert len(asked) == 2
    assert asked[0] == asked[1]
