"""Whatever the base and the campaign, the plan is that of `plan_model`, adds up, and a rule more takes nobody in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings, Phase
from sqlalchemy import Connection, Engine, select, text

from habitue.campaigns import Campaign
from habitue.plans import Base, Plan, plan
from habitue.shop import Shop
from habitue.tables import exclusion, holdout, message, run
from people import AT, ON, SECRET
from plan_model import Fate, Model, Town
from towns import OneTransaction, campaigns, price, settle_in, shops, towns

BASE = Base(ON.isoformat(), Path("unused"), Path("unused"))


@pytest.fixture(scope="module")
def desk(migrated: Engine) -> Iterator[Connection]:
    """A connection to the empty base, on which nothing is ever kept; these campaigns have no copy to hash."""
    from habitue.tables import metadata

    with migrated.begin() as connection:
        connection.execute(text(f"truncate {', '.join(metadata.tables)}"))
    with pytest.MonkeyPatch.context() as patched, migrated.connect() as connection:
        patched.setattr(Campaign, "template_files", lambda self, languages: {"copy": "0"})
        yield connection


def planned(connection: Connection, campaign: Campaign, shop: Shop) -> Plan:
    engine: Engine = OneTransaction(connection)  # type: ignore[assignment]
    return plan(engine, campaign, on=ON, at=AT, shop=shop, base=BASE, secret=SECRET, price=price)


def fates(connection: Connection, run_id: str) -> dict[str, Fate]:
    """What the run says of each customer; nobody is named twice."""
    rows = [
        (row.customer_id, Fate(row.channel, row.arm, row.cost_micros))
        for row in connection.execute(select(message).where(message.c.run_id == run_id))
    ]
    rows += [
        (row.customer_id, Fate(row.channel, held_out=row.scope))
        for row in connection.execute(select(holdout).where(holdout.c.run_id == run_id))
    ]
    rows += [
        (row.customer_id, Fate(rule=row.rule, value=row.value))
        for row in connection.execute(select(exclusion).where(exclusion.c.run_id == run_id))
    ]
    assert len(rows) == len({who for who, _ in rows})
    return dict(rows)


@settings(phases=[Phase.generate])
@given(towns(), campaigns(), shops())
def test_the_plan_is_what_its_rules_say(desk: Connection, town: Town, campaign: Campaign, shop: Shop) -> None:
    with desk.begin() as transaction:
        settle_in(desk, town)
        done = planned(desk, campaign, shop)
        found, expected = fates(desk, done.run_id), Model(town, campaign, shop, ON, price).fates()
        assert {who: (found.get(who), fate) for who, fate in expected.items() if found.get(who) != fate} == {}
        assert found.keys() == expected.keys()
        transaction.rollback()
