"""Whatever the base and the campaign: the plan is that of `plan_model`, adds up, and a rule more takes nobody in."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, RowMapping, select, text

from habitue.campaigns import Campaign
from habitue.plans import Base, Plan, plan
from habitue.shop import Shop
from habitue.tables import exclusion, holdout, message, run, shard
from people import AT, ON, SECRET
from plan_model import Fate, Model, Town, drawn
from towns import SHOP, OneTransaction, campaigns, one_rule_more, price, settle_in, shops, towns

BASE = Base(ON.isoformat(), Path("unused"), Path("unused"))
SEATS = ("household_served", "over_capacity", "over_budget")
"""Rules that keep people out for want of a seat, which another may free."""
ORDER = (
    *("erased", "minor", "deceased", "complaint_open", "payment_incident"),
    *("no_consent", "objected", "consent_expired", "suppressed", "unreachable", "frequency_cap"),
    *("fewer_wanted", "recently_contacted"),
    *("country_unknown", "timezone_unknown", "attempts_used", "no_lawful_day"),
    *SEATS,
)


@pytest.fixture(scope="module")
def desk(migrated: Engine) -> Iterator[Connection]:
    """A connection to the empty base, on which nothing is ever kept; these campaigns have no copy to hash."""
    from habitue.tables import metadata

    with migrated.begin() as connection:
        connection.execute(text(f"truncate {', '.join(metadata.tables)}"))
    with pytest.MonkeyPatch.context() as patched, migrated.connect() as connection:
        patched.setattr(Campaign, "template_files", lambda self, languages: {"copy": "0"})
        yield connection


@contextmanager
def living_in(desk: Connection, town: Town) -> Iterator[None]:
    """The town is the base's content, for now."""
    with desk.begin() as transaction:
        settle_in(desk, town)
        yield
        transaction.rollback()


def planned(desk: Connection, campaign: Campaign, shop: Shop = SHOP) -> Plan:
    engine: Engine = OneTransaction(desk)  # type: ignore[assignment]
    return plan(engine, campaign, on=ON, at=AT, shop=shop, base=BASE, secret=SECRET, price=price)


def written(desk: Connection, done: Plan) -> list[RowMapping]:
    rows = select(message).where(message.c.run_id == done.run_id).order_by(message.c.channel, message.c.position)
    return list(desk.execute(rows).mappings())


def fates(desk: Connection, done: Plan) -> dict[str, Fate]:
    """What the run says of each customer; nobody is named twice."""
    rows = [(row["customer_id"], Fate(row["channel"], row["arm"], row["cost_micros"])) for row in written(desk, done)]
    rows += [
        (row.customer_id, Fate(row.channel, held_out=row.scope))
        for row in desk.execute(select(holdout).where(holdout.c.run_id == done.run_id))
    ]
    rows += [
        (row.customer_id, Fate(rule=row.rule, value=row.value))
        for row in desk.execute(select(exclusion).where(exclusion.c.run_id == done.run_id))
    ]
    assert len(rows) == len({who for who, _ in rows})
    return dict(rows)


@given(towns(), campaigns(), shops())
def test_the_plan_is_what_its_rules_say(desk: Connection, town: Town, campaign: Campaign, shop: Shop) -> None:
    model = Model(town, campaign, shop, ON, price)
    with living_in(desk, town):
        found, expected = fates(desk, planned(desk, campaign, shop)), model.fates()
    assert {who: (found.get(who), fate) for who, fate in expected.items() if found.get(who) != fate} == {}
    assert found.keys() == expected.keys()


@settings(max_examples=30)
@given(towns(), campaigns(), shops())
def test_everything_adds_up_and_the_first_rule_is_the_one_recorded(
    desk: Connection, town: Town, campaign: Campaign, shop: Shop
) -> None:
    model = Model(town, campaign, shop, ON, price)
    with living_in(desk, town):
        done = planned(desk, campaign, shop)
        found, rows = fates(desk, done), written(desk, done)
        kept = desk.execute(select(run).where(run.c.run_id == done.run_id)).mappings().one()
        parts = desk.execute(select(shard.c.messages).where(shard.c.run_id == done.run_id)).scalars().all()
    held_out = sum(fate.held_out is not None for fate in found.values())
    excluded = sum(fate.rule is not None for fate in found.values())
    counts = (len(model.audience), len(rows), held_out, excluded)
    assert counts == (done.audience, done.planned, done.held_out, done.excluded)
    assert counts == tuple(kept[name] for name in ("audience", "planned", "held_out", "excluded"))
    assert done.audience == done.planned + done.held_out + done.excluded
    assert sum(parts) == done.planned
    assert sum(row["cost_micros"] for row in rows) == kept["cost_micros"]
    assert campaign.budget is None or kept["cost_micros"] <= campaign.budget * 10_000
    by_channel = Counter(row["channel"] for row in rows)
    assert all(by_channel[way] <= most for way, most in campaign.effective_capacity(shop).items())
    for channel, box in (("letter", "household"), ("email", "person_mark")):
        boxes = Counter(model.audience[row["customer_id"]][box] for row in rows if row["channel"] == channel)
        del boxes[None]
        assert max(boxes.values(), default=1) == 1
    for who, fate in found.items():
        closed = [model.barred(who) or "", *model.rules(who, fate.channel or model.ways(who)[0])]
        rules = [rule.split(" ")[0] for rule in closed if rule]
        assert rules == sorted(rules, key=ORDER.index)
        assert fate.rule == (rules[0] if rules else None) or fate.rule in SEATS
    for channel in by_channel:
        places = [row["position"] for row in rows if row["channel"] == channel]
        assert places == list(range(1, len(places) + 1))
    ranked = [row["customer_id"] for row in rows if row["channel"] == "call"]
    assert ranked == sorted(ranked, key=model.call_turn)


@settings(max_examples=25)
@given(towns(), campaigns(), shops(), st.randoms(use_true_random=True))
def test_neither_the_order_of_rows_nor_a_retry_changes_anything(
    desk: Connection, town: Town, campaign: Campaign, shop: Shop, chance: random.Random
) -> None:
    seen = []
    shuffled = replace(town, **{name: chance.sample(rows, len(rows)) for name, rows in vars(town).items()})
    for one in (town, shuffled):
        with living_in(desk, one):
            done = planned(desk, campaign, shop)
            hashes = desk.execute(select(run.c.audience_sha256).where(run.c.run_id == done.run_id)).scalar_one()
            seen.append((done, hashes, fates(desk, done), written(desk, done)))
            again = planned(desk, campaign, shop)
            assert again == replace(done, already=True)
            assert (fates(desk, again), written(desk, again)) == seen[-1][2:]
    assert seen[0] == seen[1]


@settings(max_examples=20)
@given(towns(), campaigns(scarce=False))
def test_another_seed_draws_others_and_changes_nothing_else(desk: Connection, town: Town, campaign: Campaign) -> None:
    seen = []
    for seed in ("1", "2"):
        with living_in(desk, town):
            found = fates(desk, planned(desk, campaign.model_copy(update={"seed": seed})))
            seen.append({who: fate.channel or fate for who, fate in found.items()})
    assert seen[0] == seen[1]


@settings(max_examples=25)
@given(towns(alone=True), campaigns(scarce=False), shops(), st.randoms(use_true_random=True))
def test_a_rule_more_takes_nobody_in(
    desk: Connection, town: Town, campaign: Campaign, shop: Shop, chance: random.Random
) -> None:
    before, after = with_a_rule_more(desk, town, campaign, shop, chance)
    assert {who for who, fate in after.items() if fate.written_to} <= {
        who for who, fate in before.items() if fate.written_to
    }


@settings(max_examples=25)
@given(towns(), campaigns(), shops(), st.randoms(use_true_random=True))
def test_a_rule_more_takes_in_only_who_had_found_no_seat(
    desk: Connection, town: Town, campaign: Campaign, shop: Shop, chance: random.Random
) -> None:
    before, after = with_a_rule_more(desk, town, campaign, shop, chance)
    for who, fate in after.items():
        if fate.written_to and not before[who].written_to:
            assert any(rule in f"{before[who].rule} {before[who].value}" for rule in SEATS)


def with_a_rule_more(
    desk: Connection, town: Town, campaign: Campaign, shop: Shop, chance: random.Random
) -> tuple[dict[str, Fate], dict[str, Fate]]:
    with living_in(desk, town):
        before = fates(desk, planned(desk, campaign, shop))
    more, campaign, shop = one_rule_more(chance, town, campaign, shop)
    with living_in(desk, more):
        return before, fates(desk, planned(desk, campaign, shop))


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",))))
def test_a_draw_is_the_same_in_the_database_as_outside(desk: Connection, salt: str) -> None:
    with desk.begin():
        assert desk.scalar(text("select draw(:salt)"), {"salt": salt}) == drawn(salt)


def test_holdout_and_arms_are_drawn_apart_and_near_their_shares(desk: Connection) -> None:
    """The ids are fixed, and so are the draws: this holds today as it will tomorrow."""
    crowd = 20_000
    with desk.begin():
        table = desk.execute(
            text(
                "select draw('1:spring:c' || n) < 0.2 as held_out, draw('1:spring/arm/c' || n) < 0.5 as first_arm, "
                "draw('1/shop/2026/c' || n) < 0.1 as shop, count(*) from generate_series(1, :crowd) n group by 1, 2, 3"
            ),
            {"crowd": crowd},
        ).all()
    for held_out, _, shop, count in table:
        share = (0.2 if held_out else 0.8) * 0.5 * (0.1 if shop else 0.9)
        assert abs(count - crowd * share) < 4 * (crowd * share * (1 - share)) ** 0.5
    assert sum(row.count for row in table) == crowd
    assert len(table) == 8
