"""What the report says of a run is what plain SQL over the lake says, of both sides and of the credited sales."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pytest
from sqlalchemy import Engine, insert

from earlier_runs import earlier_message, earlier_run
from habitue.house import House
from habitue.measures import measures_of, results_of
from habitue.tables import holdout, shard
from purchase_histories import Line, gathered, house_on

FIRST, DAYS = date(2026, 9, 1), 30
LAST = FIRST + timedelta(days=DAYS)
RUN = f"spring:{FIRST}"
KNOWN = datetime(2027, 6, 1, tzinfo=UTC)
WRITTEN = [f"w{number:03d}" for number in range(240)]
HELD = [f"h{number:03d}" for number in range(60)]


def history() -> list[Line]:
    """Some buy before, within and after the window, once or several times; some bring things back, late too."""
    rng, lines = np.random.default_rng(12), []
    for who in (*WRITTEN, *HELD):
        for visit in range(int(rng.poisson(0.9 if who in WRITTEN else 0.6))):
            order, day = f"{who}-{visit}", FIRST + timedelta(days=int(rng.integers(-20, DAYS + 20)))
            for product in (f"TEA{visit}", f"CUP{visit}")[: int(rng.integers(1, 3))]:  # none is bought twice
                paid = int(rng.integers(300, 9000))
                lines.append(Line(order, who, day, paid, product, hour=15))
                if rng.random() < 0.1:
                    lines.append(
                        Line(f"{order}-back", who, day + timedelta(days=int(rng.integers(2, 70))), -paid, product)
                    )
    return lines


@pytest.fixture
def shop(base: Engine, tmp_path: Path) -> Iterator[House]:
    house = house_on(base, tmp_path)
    with base.begin() as connection:
        settings = {"response_days": DAYS, "treatments": {}}
        earlier_run(connection, "spring", FIRST, settings=settings, shop={"margin": {"gross": 0.5}, "currency": "EUR"})
        for place, who in enumerate(WRITTEN):
            arm, state = "ab"[place % 2], "cancelled" if place % 10 == 0 else "accepted"
            earlier_message(connection, "spring", FIRST, who, arm=arm, state=state, cost_micros=1000)
        out = {"run_id": RUN, "segment": "lapsed", "channel": "email", "draw": 0.01}
        connection.execute(insert(holdout), [{**out, "customer_id": who} for who in HELD])
        part = {"run_id": RUN, "channel": "email", "shard": 1, "messages": len(WRITTEN), "audience_sha256": ""}
        connection.execute(insert(shard).values(**part, accepted=216, cancelled=24))
    yield house
    house.engine.dispose()


def asked(house: House, question: str) -> list[tuple[int, ...]]:
    """Plain SQL over the last snapshot's orders; every line that came back is of a purchase of the same product."""
    found = house.lake.latest()
    assert found is not None
    with duckdb.connect() as con:
        con.read_parquet([str(path) for path in found.orders]).create_view("orders")
        bounds = {"first": FIRST, "last": LAST}
        return con.execute(question, bounds).fetchall()


SIDES = """
with bought as (
    select customer_id, sum(amount_cents) as paid
    from orders
    where amount_cents > 0 and cast(ordered_at as date) between $first and $last
    group by customer_id
), back as (
    select o.customer_id, sum(o.amount_cents) as back
    from orders o
    where o.amount_cents < 0 and exists (
        from orders p
        where p.order_id || '-back' = o.order_id and p.product_code = o.product_code
            and cast(p.ordered_at as date) between $first and $last
    )
    group by o.customer_id
)
select customer_id[1] = 'w' as written, count(*)::int, sum(paid + coalesce(back, 0))::int
from bought left join back using (customer_id)
group by 1 order by 1
"""


def test_both_sides_of_the_effect_are_those_of_plain_sql_over_the_lake(shop: House) -> None:
    assert gathered(shop, LAST + timedelta(days=90), history())["runs"] == 1
    found = results_of(shop.engine, RUN, known=KNOWN)
    assert found is not None
    assert found.whole is not None
    assert found.whole.revenue is not None
    assert found.closed
    (_, held_buyers, held_cents), (_, buyers, cents) = asked(shop, SIDES)
    assert (found.whole.buyers.control.size, found.whole.buyers.treated.size) == (len(HELD), len(WRITTEN))
    assert (found.whole.buyers.control.responded, found.whole.buyers.treated.responded) == (held_buyers, buyers)
    assert (found.whole.revenue.treated.total, found.whole.revenue.control.total) == (cents, held_cents)
    assert found.trial is not None
    assert sum(one.buyers.treated.size for one in found.arms) == len(WRITTEN)


def test_credited_orders_are_those_of_the_written_to_within_the_window(shop: House) -> None:
    gathered(shop, LAST + timedelta(days=90), history())
    counted = measures_of(shop.engine, RUN, known=KNOWN)
    left = "', '".join(who for place, who in enumerate(WRITTEN) if place % 10)
    (orders,) = asked(
        shop,
        "select count(distinct order_id)::int from orders where amount_cents > 0 "  # noqa: S608 - our own numbers
        f"and customer_id in ('{left}') and cast(ordered_at as date) between $first and $last",
    )
    assert counted.all.orders == orders[0]
    assert counted.all.sent == 216
    assert counted.by("arm")["a"].orders + counted.by("arm")["b"].orders == counted.all.orders


def test_late_returns_restate_the_figures_and_both_are_shown(shop: House) -> None:
    lines = history()
    first, later = LAST + timedelta(days=5), LAST + timedelta(days=80)
    gathered(shop, first, lines)
    gathered(shop, later, lines)
    found = results_of(shop.engine, RUN, known=KNOWN)
    assert found is not None
    assert found.first is not None
    assert found.whole is not None
    assert found.first.whole is not None
    assert found.whole.revenue is not None
    assert found.first.whole.revenue is not None
    assert found.whole.revenue.treated.total < found.first.whole.revenue.treated.total
    assert found.whole.buyers == found.first.whole.buyers
    assert found.first.snapshot_id == first.isoformat()
    then = measures_of(shop.engine, RUN, known=datetime.combine(first, datetime.min.time(), UTC) + timedelta(days=1))
    assert then.all.revenue_cents > measures_of(shop.engine, RUN, known=KNOWN).all.revenue_cents
