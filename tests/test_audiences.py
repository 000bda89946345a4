"""Whom a campaign's own question finds: given these people on that day, expect those."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, insert, text

from habitue.statements import statement
from habitue.tables import customer, segment
from people import ANNA, BORIS, CLARA, DAVID, EMMA, FELIX, HUGO, ON, move_in, person, standing

Find = Callable[..., list[str]]


@pytest.fixture
def find(base: Engine) -> Iterator[Find]:
    """Asks an audience's question as a plan does, where everyone stands as the base says."""
    with base.connect() as connection:
        connection.execute(text("create temp view standing as select * from segment"))

        def ask(name: str, *, on: date = ON, **parameters: Any) -> list[str]:
            return sorted(connection.execute(statement(f"audience/{name}"), {"on": on, **parameters}).scalars())

        yield ask


def buyers(engine: Engine, **bought: dict[str, Any]) -> None:
    """People by name, each with what differs from a regular customer's standing."""
    with engine.begin() as connection:
        connection.execute(insert(customer), [person(name) for name in bought])
        connection.execute(
            insert(segment),
            [{**standing(name, "occasional_light"), "tier": "other", **known} for name, known in bought.items()],
        )


def born(engine: Engine, **birthdays: date | None) -> None:
    with engine.begin() as connection:
        connection.execute(insert(customer), [person(name, birth_date=day) for name, day in birthdays.items()])
        connection.execute(insert(segment), [standing(name, "regular_light") for name in birthdays])


def ago(days: int) -> date:
    return ON - timedelta(days=days)


def once(days: int) -> dict[str, Any]:
    """One purchase, so many days ago."""
    return {"first_day": ago(days), "last_day": ago(days), "lifetime_days": 1}


def rhythm(*, gap: int, days: int, silent: int, group: str = "regular_light") -> dict[str, Any]:
    """`days` purchases, `gap` days apart, the last one `silent` days ago."""
    first, last = ago(silent + gap * (days - 1)), ago(silent)
    return {"first_day": first, "last_day": last, "lifetime_days": days, "segment": group}


NEVER = {"first_day": None, "last_day": None, "lifetime_days": 0, "segment": "prospect", "tier": None}


def test_who_bought_for_the_first_time_this_week_is_thanked(base: Engine, find: Find) -> None:
    buyers(base, today=once(0), yesterday=once(1), six=once(6), seven=once(7), eight=once(8), tomorrow=once(-1))
    assert find("first_purchase", days=7) == ["six", "today", "yesterday"]
    assert find("first_purchase", days=8) == ["seven", "six", "today", "yesterday"]
    assert find("first_purchase", days=1) == ["today"]
    assert find("first_purchase", on=ON + timedelta(days=1), days=1) == ["tomorrow"]


def test_who_came_back_or_never_came_is_not_thanked_for_a_first_visit(base: Engine, find: Find) -> None:
    back = {"first_day": ago(3), "last_day": ago(1), "lifetime_days": 2}
    brought_back = {**once(2), "lifetime_cents": 0, "amount_cents": 0}
    buyers(base, back=back, never=NEVER, twice_that_day={**once(2), "orders": 2}, brought_back=brought_back)
    assert find("first_purchase", days=7) == ["brought_back", "twice_that_day"]


@pytest.mark.parametrize(
    ("on", "ahead", "expected"),
    [
        (date(2026, 10, 1), 1, ["second"]),
        (date(2026, 10, 1), 7, ["eighth", "second"]),
        (date(2026, 10, 1), 8, ["eighth", "ninth", "second"]),
        (date(2026, 9, 30), 1, ["first"]),
        (date(2026, 10, 8), 1, ["ninth"]),
        (date(2026, 10, 9), 7, []),
    ],
)
def test_a_birthday_is_seen_from_the_eve_to_so_many_days_before(
    base: Engine, find: Find, on: date, ahead: int, expected: list[str]
) -> None:
    born(
        base,
        first=date(1980, 10, 1),
        second=date(1999, 10, 2),
        eighth=date(1955, 10, 8),
        ninth=date(2000, 10, 9),
        nobody_asked=None,
    )
    assert find("birthday", on=on, ahead=ahead) == expected


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        (date(2026, 12, 24), ["sylvester"]),
        (date(2026, 12, 25), ["new_year", "sylvester"]),
        (date(2026, 12, 30), ["new_year", "sixth", "sylvester"]),
        (date(2026, 12, 31), ["new_year", "seventh", "sixth"]),
        (date(2027, 1, 1), ["seventh", "sixth"]),
    ],
)
def test_birthdays_do_not_stop_at_new_years_eve(base: Engine, find: Find, on: date, expected: list[str]) -> None:
    born(
        base,
        sylvester=date(1970, 12, 31),
        new_year=date(1971, 1, 1),
        sixth=date(1972, 1, 6),
        seventh=date(1988, 1, 7),
    )
    assert find("birthday", on=on, ahead=7) == expected


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        (date(2027, 2, 26), []),
        (date(2027, 2, 27), ["leap", "twenty_eighth"]),
        (date(2027, 2, 28), ["march"]),
        (date(2028, 2, 27), ["twenty_eighth"]),
        (date(2028, 2, 28), ["leap"]),
        (date(2028, 2, 29), ["march"]),
        (date(2100, 2, 27), ["leap", "twenty_eighth"]),
    ],
)
def test_who_was_born_on_29_february_celebrates_every_year(
    base: Engine, find: Find, on: date, expected: list[str]
) -> None:
    born(base, leap=date(1988, 2, 29), twenty_eighth=date(1990, 2, 28), march=date(1991, 3, 1))
    assert find("birthday", on=on, ahead=1) == expected


def test_29_february_of_next_year_is_seen_from_the_year_before(base: Engine, find: Find) -> None:
    born(base, leap=date(2000, 2, 29))
    assert find("birthday", on=date(2027, 12, 31), ahead=59) == []
    assert find("birthday", on=date(2027, 12, 31), ahead=60) == ["leap"]
    assert find("birthday", on=date(2026, 12, 31), ahead=59) == ["leap"]


def test_everyone_has_one_birthday_a_year(base: Engine, find: Find) -> None:
    born(base, leap=date(2000, 2, 29), today=date(1980, 10, 1), nobody_asked=None)
    seen = [name for days in range(365) for name in find("birthday", on=ON + timedelta(days=days), ahead=1)]
    assert sorted(seen) == ["leap", "today"]
    assert find("birthday", ahead=800) == ["leap", "today"]


@pytest.mark.parametrize(("silent", "found"), [(59, False), (60, False), (61, True), (364, True)])
def test_silence_counts_from_beyond_twice_the_usual_gap(base: Engine, find: Find, silent: int, found: bool) -> None:
    buyers(base, anna=rhythm(gap=30, days=6, silent=silent))
    assert find("slowing_down", factor=2.0, least_days=30) == ([ANNA] if found else [])


@pytest.mark.parametrize(("silent", "found"), [(29, False), (30, True), (31, True)])
def test_who_comes_every_week_is_not_missed_before_the_least_days(
    base: Engine, find: Find, silent: int, found: bool
) -> None:
    buyers(base, anna=rhythm(gap=7, days=20, silent=silent))
    assert find("slowing_down", factor=2, least_days=30) == ([ANNA] if found else [])


def test_a_gap_between_two_whole_numbers_of_days_is_not_rounded(base: Engine, find: Find) -> None:
    """Ten days in four purchases: a gap of 3 1/3 days, so that twice the gap is passed on the seventh day."""
    known = {"lifetime_days": 4, "segment": "regular_light"}
    for days, name in ((6, "six"), (7, "seven")):
        buyers(base, **{name: {**known, "first_day": ago(days + 10), "last_day": ago(days)}})
    assert find("slowing_down", factor=2.0, least_days=1) == ["seven"]


def test_it_takes_four_purchases_to_have_a_habit_and_a_year_to_lose_it(base: Engine, find: Find) -> None:
    buyers(
        base,
        one={**once(100), "segment": "occasional_light"},
        three=rhythm(gap=10, days=3, silent=100),
        four=rhythm(gap=10, days=4, silent=100),
        gone=rhythm(gap=10, days=4, silent=400, group="lapsed"),
        never=NEVER,
        faithful=rhythm(gap=10, days=4, silent=0),
    )
    assert find("slowing_down", factor=2.0, least_days=30) == ["four"]


def test_only_the_best_fifth_is_invited(base: Engine, find: Find) -> None:
    buyers(base, best={"tier": "top_20"}, next={"tier": "next_40"}, other={"tier": "other"}, gone=NEVER)
    assert find("best_customers") == ["best"]


def test_a_question_says_who_and_leaves_who_may_be_written_to_to_the_plan(base: Engine, find: Find) -> None:
    """Clara, who asked us to stop, is found, so that the run's exclusions can say why she got nothing."""
    move_in(base)
    with base.begin() as connection:
        connection.execute(segment.update().values(tier="top_20", first_day=ago(160), last_day=ago(100)))
        connection.execute(segment.update().where(segment.c.customer_id == HUGO).values(tier="other"))
    assert {ANNA, BORIS, CLARA, DAVID, EMMA, FELIX} <= set(find("best_customers"))
    slowing = find("slowing_down", factor=2.0, least_days=30)
    assert {ANNA, CLARA, EMMA, FELIX, HUGO} <= set(slowing)
    assert not {BORIS, DAVID} & set(slowing)  # they have lapsed
    assert find("birthday", on=date(2026, 5, 4), ahead=1) == [HUGO]
