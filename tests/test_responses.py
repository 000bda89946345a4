"""What everyone of a run bought in its window, written to or held out alike; restated figures stand beside the old."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sqlalchemy import Engine, insert, text

from earlier_runs import earlier_message, earlier_run
from habitue import responses
from habitue.house import House
from habitue.tables import holdout, shard
from people import ANNA, BORIS, CLARA, DAVID, EMMA
from purchase_histories import Line, gathered, house_on

FIRST = date(2026, 9, 1)
RUN = f"spring:{FIRST}"
SETTINGS = {"response_days": 30, "treatments": {}}
SHOP = {"margin": {"gross": 0.5}}


@pytest.fixture
def shop(base: Engine, tmp_path: Path) -> Iterator[House]:
    """Anna and Boris were written to, Clara's message never left, David and Emma were held out."""
    house = house_on(base, tmp_path)
    with base.begin() as connection:
        earlier_run(connection, "spring", FIRST, settings=SETTINGS, shop=SHOP)
        earlier_message(connection, "spring", FIRST, ANNA, arm="a")
        earlier_message(connection, "spring", FIRST, BORIS, arm="b")
        earlier_message(connection, "spring", FIRST, CLARA, arm="b", state="cancelled")
        out = {"run_id": RUN, "segment": "lapsed", "channel": "email", "draw": 0.01}
        connection.execute(insert(holdout), [{**out, "customer_id": who} for who in (DAVID, EMMA)])
        part = {"run_id": RUN, "channel": "email", "shard": 1, "messages": 3, "audience_sha256": ""}
        connection.execute(insert(shard).values(**part, accepted=2, cancelled=1))
    yield house
    house.engine.dispose()


LINES = [
    Line("1", ANNA, FIRST, 1000, hour=8),  # before her mail left: still in the window, as it is for those held out
    Line("2", CLARA, date(2026, 9, 20), 3000),
    Line("3", DAVID, date(2026, 9, 15), 1500, "CUP"),
    Line("4", DAVID, date(2026, 10, 1), 500),  # the last day
    Line("5", DAVID, date(2026, 10, 2), 9900),
    Line("6", EMMA, FIRST - timedelta(days=1), 9900),
    Line("7", "somebody else", date(2026, 9, 15), 9900),
]


def figures(engine: Engine, on: date) -> dict[tuple[bool, str | None], Any]:
    with engine.connect() as connection:
        rows = connection.execute(
            text("select * from response where snapshot_id = :id order by response_id"), {"id": on.isoformat()}
        ).all()
    return {(row.treated, row.arm): row for row in rows}


def test_purchases_of_those_held_out_count_beside_those_of_the_written_to_whatever_was_delivered(shop: House) -> None:
    on = date(2026, 10, 10)
    assert gathered(shop, on, LINES)["runs"] == 1
    found = figures(shop.engine, on)
    told = {
        key: (row.customers, row.buyers, row.orders, row.sold_cents, row.squares, row.margin_cents, row.scope)
        for key, row in found.items()
    }
    assert told == {
        (True, "a"): (1, 1, 1, 1000, 1000**2, 500, None),
        (True, "b"): (2, 1, 1, 3000, 3000**2, 1500, None),
        (False, None): (2, 1, 2, 2000, 2000**2, 1000, "campaign"),
    }
    assert all(row.closed and row.until == date(2026, 10, 1) for row in found.values())
    rows = duckdb.read_parquet(f"{shop.out}/runs/spring/{FIRST}/responses.parquet").fetchall()
    assert rows == [
        (ANNA, True, None, "lapsed", "email", "a", 1, 1000, 0, FIRST),
        (BORIS, True, None, "lapsed", "email", "b", 0, 0, 0, None),
        (CLARA, True, None, "lapsed", "email", "b", 1, 3000, 0, date(2026, 9, 20)),
        (DAVID, False, "campaign", "lapsed", "email", None, 2, 2000, 0, date(2026, 9, 15)),
        (EMMA, False, "campaign", "lapsed", "email", None, 0, 0, 0, None),
    ]


def test_a_figure_restated_by_a_late_return_stands_beside_the_old_one(shop: House) -> None:
    first, then, later = date(2026, 10, 10), date(2026, 10, 11), date(2026, 11, 20)
    gathered(shop, first, LINES)
    assert gathered(shop, then, LINES)["runs"] == 0  # no news: nothing is written
    assert figures(shop.engine, then) == {}
    assert gathered(shop, later, [*LINES, Line("A1", DAVID, date(2026, 11, 15), -1500, "CUP")])["runs"] == 1
    assert figures(shop.engine, first)[False, None].returned_cents == 0
    restated = figures(shop.engine, later)[False, None]
    assert (restated.sold_cents, restated.returned_cents, restated.margin_cents) == (2000, 1500, 250)
    assert (restated.buyers, restated.orders) == (1, 2)
    # And what was known on any day can be read again.
    with shop.engine.begin() as connection:
        known = [shop.lake.snapshot(on.isoformat()) for on in (first, later)]
        out = shop.out / "known.parquet"
        back = []
        for one in known:
            assert responses.write(connection, one, RUN, out) == 5
            back.append(duckdb.read_parquet(str(out)).sum("returned_cents").fetchall()[0][0])
    assert back == [0, 1500]


def test_while_the_window_lasts_the_figures_say_so(shop: House) -> None:
    on = date(2026, 9, 16)
    gathered(shop, on, LINES)
    found = figures(shop.engine, on)
    assert not any(row.closed for row in found.values())
    assert {row.until for row in found.values()} == {on}
    assert found[False, None].sold_cents == 1500


def test_a_run_of_which_nothing_left_has_no_responses(shop: House) -> None:
    with shop.engine.begin() as connection:
        connection.execute(text("update shard set accepted = 0"))
    assert gathered(shop, date(2026, 10, 10), LINES)["runs"] == 0
