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
