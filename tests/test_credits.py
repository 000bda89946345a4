"""Purchases are credited once, to the right message, and what is brought back is taken back: histories made by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from earlier_runs import earlier_message, earlier_run, moment
from habitue import gathering
from habitue.house import House
from habitue.tables import OutcomeKind
from people import ANNA, BORIS, CLARA, DAVID
from purchase_histories import Line, book, gathered, house_on, night

FIRST = date(2026, 9, 1)
SETTINGS = {"treatments": {"lapsed": {"offer": {"valid_days": 30}}}}
LAST = FIRST + timedelta(days=30)


@pytest.fixture
def shop(base: Engine, tmp_path: Path) -> Iterator[House]:
    house = house_on(base, tmp_path)
    yield house
    house.engine.dispose()


def sent(house: House, who: str, campaign: str = "spring", on: date = FIRST, **known: object) -> object:
    """A message that left at ten in UTC, noon in the shop, and holds for thirty days."""
    with house.engine.begin() as connection:
        earlier_run(connection, campaign, on, settings=SETTINGS)
        return earlier_message(connection, campaign, on, who, **known)  # type: ignore[arg-type]


def test_a_purchase_in_the_window_is_the_last_message_s(shop: House) -> None:
    sent(shop, ANNA)
    told = gathered(
        shop,
        date(2026, 10, 10),
        [
            Line("before", ANNA, FIRST, 1000, hour=11),
            Line("same day", ANNA, FIRST, 1100, hour=13),
            Line("last day", ANNA, LAST, 1200),
            Line("too late", ANNA, LAST + timedelta(days=1), 1300),
            Line("not written to", BORIS, FIRST + timedelta(days=2), 1400),
        ],
    )
    assert (told["new"], told["changed"], told["taken_back"]) == (2, 0, 0)
    assert book(shop.engine) == {
        ("same day", "spring:2026-09-01"): ("last_message", 1100, 0),
        ("last day", "spring:2026-09-01"): ("last_message", 1200, 0),
    }


def test_of_two_campaigns_in_one_window_the_later_message_has_it(shop: House) -> None:
    sent(shop, ANNA)
    sent(shop, ANNA, "summer", date(2026, 9, 10))
    gathered(
        shop,
        date(2026, 10, 20),
        [
            Line("1", ANNA, date(2026, 9, 5), 1000),
            Line("2", ANNA, date(2026, 9, 15), 2000),
            Line("3", ANNA, date(2026, 10, 8), 3000),  # in the summer's window alone
        ],
    )
    assert book(shop.engine) == {
        ("1", "spring:2026-09-01"): ("last_message", 1000, 0),
        ("2", "summer:2026-09-10"): ("last_message", 2000, 0),
        ("3", "summer:2026-09-10"): ("last_message", 3000, 0),
    }


def test_a_code_goes_before_the_last_message_and_counts_whoever_uses_it(shop: House) -> None:
    sent(shop, ANNA, offer_code="ACDEFGHJKM")
    sent(shop, ANNA, "summer", date(2026, 9, 10), offer_code="NPRTWXACDE")
    sent(shop, BORIS, "summer", date(2026, 9, 10), offer_code="WWWWWWWWWW")
    gathered(
        shop,
        date(2026, 10, 20),
        [
            Line("hers", ANNA, date(2026, 9, 15), 1000, code=" acdef-ghjkm"),
            Line("a friend's", CLARA, date(2026, 9, 15), 1000, code="ACDEF GHJKM"),
            Line("a friend's", CLARA, date(2026, 9, 15), 500, "CUP"),
            Line("Boris with hers", BORIS, date(2026, 9, 16), 2000, code="ACDEFGHJKM"),
            Line("everybody's code", BORIS, date(2026, 9, 17), 3000, code="NOEL-25"),
            Line("too late", CLARA, date(2026, 10, 2), 3000, code="ACDEFGHJKM"),
        ],
    )
    assert book(shop.engine) == {
        ("hers", "spring:2026-09-01"): ("offer_code", 1000, 0),
        ("a friend's", "spring:2026-09-01"): ("offer_code", 1500, 0),
        ("Boris with hers", "spring:2026-09-01"): ("offer_code", 2000, 0),
        ("everybody's code", "summer:2026-09-10"): ("last_message", 3000, 0),
    }
    with shop.engine.connect() as connection:
        buyers = connection.scalars(text("select customer_id from credit where order_id = 'a friend''s'")).all()
    assert buyers == [CLARA]


def test_what_is_brought_back_is_taken_back_and_both_figures_stay(shop: House) -> None:
    sent(shop, ANNA)
    bought = [
        Line("1", ANNA, date(2026, 9, 5), 1000),
        Line("1", ANNA, date(2026, 9, 5), 700, "CUP"),
        Line("2", ANNA, date(2026, 9, 8), 900, "CUP"),
    ]
    gathered(shop, date(2026, 9, 10), bought)
    # The cup of the 8th came back first, then the tea, more of it than was bought; a pot was never bought from us.
    back = [
        Line("A1", ANNA, date(2026, 9, 12), -900, "CUP"),
        Line("A2", ANNA, date(2026, 11, 2), -1500),
        Line("A3", ANNA, date(2026, 11, 3), -4000, "POT"),
    ]
    told = gathered(shop, date(2026, 11, 5), bought + back)
    assert (told["new"], told["changed"], told["taken_back"]) == (0, 2, 0)
    assert book(shop.engine, until=date(2026, 9, 10)) == {
        ("1", "spring:2026-09-01"): ("last_message", 1700, 0),
        ("2", "spring:2026-09-01"): ("last_message", 900, 0),
    }
    assert book(shop.engine) == {
        ("1", "spring:2026-09-01"): ("last_message", 1700, 1000),
        ("2", "spring:2026-09-01"): ("last_message", 900, 900),
    }


def test_goods_changed_for_others_at_the_till_and_a_discount_are_no_return_of_something_else(shop: House) -> None:
    sent(shop, ANNA)
    gathered(
        shop,
        date(2026, 9, 20),
        [
            Line("1", ANNA, date(2026, 9, 5), 1000),
            Line("2", ANNA, date(2026, 9, 8), 3000, "CUP"),
            Line("2", ANNA, date(2026, 9, 8), -1000),  # the tea of the 5th
            Line("2", ANNA, date(2026, 9, 8), -500, "VOUCHER"),
            Line("3", ANNA, date(2026, 9, 9), 2000, "POT"),
            Line("3", ANNA, date(2026, 9, 9), -2000, "POT"),  # thought better of it
        ],
    )
    assert book(shop.engine) == {
        ("1", "spring:2026-09-01"): ("last_message", 1000, 1000),
        ("2", "spring:2026-09-01"): ("last_message", 2500, 0),
        ("3", "spring:2026-09-01"): ("last_message", 2000, 2000),
    }


def test_an_order_that_the_shop_takes_out_again_is_taken_back_whole(shop: House) -> None:
    sent(shop, ANNA)
    line = Line("1", ANNA, date(2026, 9, 5), 1000)
    gathered(shop, date(2026, 9, 10), [line])
    assert gathered(shop, date(2026, 9, 11), [])["taken_back"] == 1
    assert book(shop.engine) == {}
    assert gathered(shop, date(2026, 9, 12), [line])["new"] == 1
    assert list(book(shop.engine).values()) == [("last_message", 1000, 0)]


def test_who_was_held_out_or_not_written_to_yet_has_no_credit(shop: House) -> None:
    for who, state in ((ANNA, "planned"), (BORIS, "cancelled"), (CLARA, "unknown"), (DAVID, "refused")):
        sent(shop, who, state=state, settled_at=None)
    bought = [Line(who, who, date(2026, 9, 5), 1000) for who in (ANNA, BORIS, CLARA, DAVID, "held out")]
    gathered(shop, date(2026, 9, 10), bought)
    assert book(shop.engine) == {}


def test_a_code_proves_that_a_message_in_doubt_had_left(shop: House) -> None:
    sent(shop, ANNA, state="unknown", offer_code="ACDEFGHJKM")
    gathered(shop, date(2026, 9, 10), [Line("1", ANNA, date(2026, 9, 5), 1000, code="ACDEFGHJKM")])
    assert list(book(shop.engine).values()) == [("offer_code", 1000, 0)]


def test_news_that_come_late_move_the_credit(shop: House) -> None:
    """A bounce, a code that the till sent on later: the first message had reached her, the second not."""
    sent(shop, ANNA, offer_code="ACDEFGHJKM")
    late = sent(shop, ANNA, "summer", date(2026, 9, 10))
    line = Line("1", ANNA, date(2026, 9, 15), 1000)
    gathered(shop, date(2026, 9, 16), [line])
    assert book(shop.engine) == {("1", "summer:2026-09-10"): ("last_message", 1000, 0)}
    with shop.engine.begin() as connection:
        told = {"id": late, "kind": OutcomeKind.HARD_BOUNCE, "at": moment(date(2026, 9, 11)), "now": moment(LAST)}
        connection.execute(
            text(
                "insert into outcome (message_id, kind, occurred_at, recorded_at, source, source_key) "
                "values (:id, :kind, :at, :now, 'bounce', '1')"
            ),
            told,
        )
    told = gathered(shop, date(2026, 9, 17), [line])
    assert (told["new"], told["taken_back"]) == (1, 1)
    assert book(shop.engine) == {("1", "spring:2026-09-01"): ("last_message", 1000, 0)}
    coded = Line("1", ANNA, date(2026, 9, 15), 1000, code="ACDEFGHJKM")
    gathered(shop, date(2026, 9, 18), [coded])
    assert book(shop.engine) == {("1", "spring:2026-09-01"): ("offer_code", 1000, 0)}
    assert book(shop.engine, until=date(2026, 9, 16)) == {("1", "summer:2026-09-10"): ("last_message", 1000, 0)}


def test_the_round_that_comes_again_writes_nothing(shop: House) -> None:
    sent(shop, ANNA)
    lines = [Line("1", ANNA, date(2026, 9, 5), 1000)]
    assert gathered(shop, date(2026, 9, 10), lines)["new"] == 1
    assert gathering.credited_purchases(shop, at=datetime(2026, 9, 10, 5, tzinfo=UTC))["already"]
    night(shop, date(2026, 9, 11), lines)
    again = gathering.credited_purchases(shop, at=moment(date(2026, 9, 11)))
    assert (again["new"], again["changed"], again["taken_back"]) == (0, 0, 0)
    with shop.engine.connect() as connection:
        assert connection.scalar(text("select count(*) from credit")) == 1


def test_a_campaign_s_own_response_window_goes_before_its_offer_s(shop: House) -> None:
    with shop.engine.begin() as connection:
        earlier_run(connection, "spring", FIRST, settings={**SETTINGS, "response_days": 10})
        earlier_message(connection, "spring", FIRST, ANNA, offer_code="ACDEFGHJKM")
    eleventh = FIRST + timedelta(days=11)
    lines = [Line("1", ANNA, eleventh, 1000), Line("2", ANNA, eleventh, 2000, code="ACDEFGHJKM")]
    gathered(shop, date(2026, 10, 20), lines)
    assert list(book(shop.engine)) == [("2", "spring:2026-09-01")]  # the code holds for thirty days


def test_what_is_settled_is_not_looked_at_again(shop: House) -> None:
    sent(shop, ANNA)
    line = Line("1", ANNA, date(2026, 9, 5), 1000)
    gathered(shop, date(2026, 9, 10), [line])
    told = gathered(shop, LAST + timedelta(days=121), [line, Line("A1", ANNA, LAST + timedelta(days=1), -1000)])
    assert told == {"snapshot": "2027-01-30", "since": None}
    assert list(book(shop.engine).values()) == [("last_message", 1000, 0)]
