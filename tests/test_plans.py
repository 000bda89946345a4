"""Who gets what, who does not, and why."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, select, text, update

from habitue.campaigns import Campaign
from habitue.errors import LedgerError
from habitue.ledger import Outcome, claim, expire, settle
from habitue.plans import Base, Plan, Shard, plan, shards
from habitue.shop import Shop, load_shop
from habitue.tables import Channel, State, consent, customer, exclusion, holdout, message, segment
from people import (
    ANNA,
    AT,
    BORIS,
    CLARA,
    DAVID,
    EMMA,
    FELIX,
    GILLES,
    HUGO,
    ON,
    SECRET,
    event,
    move_in,
    person,
    standing,
)

SHOP = load_shop()
CAPS = {name: getattr(SHOP.caps, name) for name in type(SHOP.caps).model_fields}
GROUPS = ("regular_heavy", "regular_light", "occasional_heavy", "occasional_light", "lapsed")


def campaign(*ways: str, name: str = "spring", **changes: object) -> Campaign:
    """A campaign to all five groups by those channels, in order."""
    treatment = {
        "ways": [{"channel": way, "template": "x"} for way in ways],
        "offer": {"text": {"fr": "Un thé offert.", "en": "A free tea."}},
    }
    return Campaign.model_validate(
        {
            "name": name,
            "title": {"fr": "Printemps"},
            "owner": "ops",
            "kind": "image",
            "schedule": {"cron": "manual"},
            "treatments": dict.fromkeys(GROUPS, treatment),
            **changes,
        }
    )


@pytest.fixture
def town(base: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """A base with the people of `people.py`; these campaigns have no copy to hash."""
    monkeypatch.setattr(Campaign, "template_files", lambda self, languages: {"copy": "0"})
    move_in(base)
    return base


def planned(engine: Engine, wanted: Campaign, *, on: date = ON, shop: Shop = SHOP) -> Plan:
    base = Base(ON.isoformat(), Path("unused"), Path("unused"))
    return plan(engine, wanted, on=on, at=AT, shop=shop, base=base, secret=SECRET, price=lambda *_: 1_000_000)


def written_to(engine: Engine, run_id: str) -> dict[str, str]:
    with engine.connect() as connection:
        rows = connection.execute(select(message.c.customer_id, message.c.channel).where(message.c.run_id == run_id))
        return {row.customer_id: row.channel for row in rows}


def left_out(engine: Engine, run_id: str) -> dict[str, str]:
    with engine.connect() as connection:
        rows = connection.execute(select(exclusion.c.customer_id, exclusion.c.rule).where(exclusion.c.run_id == run_id))
        return {row.customer_id: row.rule for row in rows}


def test_each_gets_the_first_way_that_is_lawful_and_possible(town: Engine) -> None:
    done = planned(town, campaign("letter", "email"))
    assert written_to(town, done.run_id) == {
        ANNA: "letter",
        BORIS: "letter",
        DAVID: "letter",
        EMMA: "email",  # no address
        FELIX: "email",  # Anna gets the household's letter
    }
    assert left_out(town, done.run_id) == {CLARA: "objected", GILLES: "deceased", HUGO: "minor"}
    assert (done.audience, done.planned, done.held_out, done.excluded) == (8, 5, 0, 3)


def test_only_who_agreed_to_be_called_is_called_and_the_others_get_a_letter(town: Engine) -> None:
    done = planned(town, campaign("call", "letter"))
    ways = written_to(town, done.run_id)
    assert [who for who, way in ways.items() if way == "call"] == [BORIS]
    assert ways[DAVID] == "letter"


@pytest.mark.parametrize(("days", "called"), [(364, True), (365, True), (366, False)])
def test_consent_to_be_called_holds_for_a_year_and_no_longer(town: Engine, days: int, called: bool) -> None:
    given = datetime(ON.year, ON.month, ON.day, 9, tzinfo=UTC) - timedelta(days=days)
    with town.begin() as connection:
        connection.execute(insert(consent), [event(DAVID, "call", "granted", given)])
    done = planned(town, campaign("call"))
    assert (DAVID in written_to(town, done.run_id)) is called
    assert (left_out(town, done.run_id).get(DAVID) == "consent_expired") is not called


def test_consent_that_names_its_last_day_holds_that_day_and_ends_with_it(town: Engine) -> None:
    with town.begin() as connection:
        connection.execute(update(consent).where(consent.c.customer_id == BORIS).values(valid_until=ON))
    assert written_to(town, planned(town, campaign("call", name="that_day")).run_id)[BORIS] == "call"
    next_day = planned(town, campaign("call", name="next_day"), on=ON + timedelta(days=1))
    assert left_out(town, next_day.run_id)[BORIS] == "consent_expired"


def test_an_objection_and_a_grant_in_the_same_second_count_as_an_objection(town: Engine) -> None:
    moment = datetime(2026, 9, 1, 12, tzinfo=UTC)
    with town.begin() as connection:
        connection.execute(insert(consent), [event(ANNA, "email", way, moment) for way in ("granted", "withdrawn")])
    done = planned(town, campaign("email"))
    assert left_out(town, done.run_id)[ANNA] == "objected"


def test_what_was_said_after_the_date_is_not_known_on_the_date(town: Engine) -> None:
    with town.begin() as connection:
        connection.execute(insert(consent), [event(ANNA, "email", "withdrawn", datetime(2026, 10, 2, tzinfo=UTC))])
    assert ANNA in written_to(town, planned(town, campaign("email")).run_id)


def test_who_left_the_shops_data_is_no_audience(town: Engine) -> None:
    with town.begin() as connection:
        connection.execute(update(customer).where(customer.c.customer_id == ANNA).values(gone="2026-09-30"))
    done = planned(town, campaign("letter"))
    assert done.audience == 7
    assert ANNA not in written_to(town, done.run_id) | left_out(town, done.run_id)


def test_the_desk_calls_its_best_former_customers_up_to_its_capacity(town: Engine) -> None:
    crowd = [f"c{number:02}" for number in range(20)]
    with town.begin() as connection:
        connection.execute(insert(customer), [person(who) for who in crowd])
        connection.execute(
            insert(segment),
            [standing(who, "lapsed", worth=100 * number, last=date(2024, 1, 1)) for number, who in enumerate(crowd)],
        )
        connection.execute(insert(consent), [event(who, "call", "granted", AT) for who in crowd])
    desk = load_shop(overrides={"calls": {"capacity": 5}})
    done = planned(town, campaign("call"), shop=desk)
    with town.connect() as connection:
        ranked = connection.execute(
            select(message.c.customer_id).where(message.c.run_id == done.run_id).order_by(message.c.position)
        ).scalars()
        assert list(ranked) == [BORIS, "c19", "c18", "c17", "c16"]
    assert left_out(town, done.run_id)["c15"] == "over_capacity"


def test_nobody_is_written_to_twice_within_the_pause(town: Engine) -> None:
    first = planned(town, campaign("email", name="first"))
    assert ANNA in written_to(town, first.run_id)
    paused = campaign("email", name="second", pause_days={"email": 10})
    second = planned(town, paused, on=ON + timedelta(days=9))
    assert left_out(town, second.run_id)[ANNA] == "recently_contacted"
    third = planned(town, paused, on=ON + timedelta(days=10))
    assert ANNA in written_to(town, third.run_id)


def test_who_was_called_last_month_gets_no_letter_instead_this_month(town: Engine) -> None:
    first = planned(town, campaign("call", "letter", name="winback"))
    assert written_to(town, first.run_id)[BORIS] == "call"
    monthly = campaign("call", "letter", name="winback", rest_days=60)
    second = planned(town, monthly, on=ON + timedelta(days=31))
    assert not set(written_to(town, first.run_id)) & set(written_to(town, second.run_id))
    assert left_out(town, second.run_id)[BORIS] == "recently_contacted"
    assert BORIS in written_to(town, planned(town, monthly, on=ON + timedelta(days=62)).run_id)


def test_the_holdout_is_the_same_at_every_draw_and_near_its_share(town: Engine) -> None:
    crowd = [f"c{number:04}" for number in range(2000)]
    with town.begin() as connection:
        connection.execute(insert(customer), [person(who) for who in crowd])
        connection.execute(insert(segment), [standing(who, "regular_light") for who in crowd])
    held = []
    for on in (ON, ON + timedelta(days=90)):
        done = planned(town, campaign("letter", holdout=0.2), on=on)
        with town.connect() as connection:
            drawn = connection.execute(select(holdout.c.customer_id).where(holdout.c.run_id == done.run_id)).scalars()
            held.append(set(drawn))
        assert not held[-1] & set(written_to(town, done.run_id))
    assert held[0] == held[1]
    assert 0.17 < len(held[0]) / done.audience < 0.23
    other = planned(town, campaign("letter", name="other", holdout=0.2))
    with town.connect() as connection:
        assert held[0] != set(
            connection.execute(select(holdout.c.customer_id).where(holdout.c.run_id == other.run_id)).scalars()
        )


def test_planning_twice_writes_once(town: Engine) -> None:
    first = planned(town, campaign("letter", "email"))
    before = written_to(town, first.run_id)
    again = planned(town, campaign("letter", "email"))
    assert again.already
    assert written_to(town, first.run_id) == before
    assert (again.audience, again.planned) == (first.audience, first.planned)


def test_a_campaign_changed_under_a_waiting_run_is_refused(town: Engine) -> None:
    planned(town, campaign("letter"))
    with pytest.raises(LedgerError, match="spring:2026-10-01: the campaign changed"):
        planned(town, campaign("letter", holdout=0.3))


def test_letters_come_in_the_order_of_the_post(town: Engine) -> None:
    with town.begin() as connection:
        for who, postcode in ((ANNA, "75001"), (BORIS, "01000"), (DAVID, "33000")):
            connection.execute(update(customer).where(customer.c.customer_id == who).values(postcode=postcode))
    done = planned(town, campaign("letter"))
    with town.connect() as connection:
        ordered = connection.execute(
            select(message.c.customer_id).where(message.c.run_id == done.run_id).order_by(message.c.position)
        ).scalars()
        assert list(ordered) == [BORIS, DAVID, ANNA]


def test_a_message_is_claimed_by_one_worker_only(town: Engine) -> None:
    done = planned(town, campaign("email"))
    (shard,) = shards(town, done.run_id)
    one = claim(town, shard, worker="one", on=ON, at=AT, shop=SHOP, caps=CAPS, most=3)
    two = claim(town, shard, worker="two", on=ON, at=AT, shop=SHOP, caps=CAPS, most=100)
    assert len(one.messages) == 3
    assert not one.messages & two.messages
    assert len(one.messages | two.messages) == done.planned
    assert not claim(town, shard, worker="three", on=ON, at=AT, shop=SHOP, caps=CAPS, most=100)


def test_clara_who_says_no_after_the_plan_is_not_written_to(town: Engine) -> None:
    done = planned(town, campaign("email"))
    with town.begin() as connection:
        connection.execute(insert(consent), [event(ANNA, "email", "withdrawn", AT)])
    (shard,) = shards(town, done.run_id)
    taken = claim(town, shard, worker="one", on=ON, at=AT, shop=SHOP, caps=CAPS, most=100)
    assert taken.cancelled == 1
    with town.connect() as connection:
        row = connection.execute(select(message).where(message.c.customer_id == ANNA)).mappings().one()
    assert (row["state"], row["reason"]) == (State.CANCELLED, "objected")
    assert row["message_id"] not in taken.messages


def test_a_dead_workers_messages_are_in_doubt_and_never_sent_again(town: Engine) -> None:
    done = planned(town, campaign("email"))
    (shard,) = shards(town, done.run_id)
    taken = claim(town, shard, worker="dies", on=ON, at=AT, shop=SHOP, caps=CAPS, most=100)
    assert expire(town, shard, at=AT + timedelta(minutes=9)) == 0
    assert expire(town, shard, at=AT + timedelta(minutes=11)) == len(taken.messages)
    assert not claim(town, shard, worker="next", on=ON, at=AT + timedelta(hours=1), shop=SHOP, caps=CAPS, most=100)
    late = [Outcome(one, State.ACCEPTED) for one in taken.messages]
    assert settle(town, late, worker="somebody else", at=AT) == 0
    assert settle(town, late, worker="dies", at=AT) == len(late)  # its answer came late, and is an answer
    assert settle(town, late, worker="dies", at=AT) == 0


def test_what_can_be_made_twice_without_harm_may_be_claimed_again(town: Engine) -> None:
    done = planned(town, campaign("letter"))
    (shard,) = shards(town, done.run_id)
    first = claim(town, shard, worker="dies", on=ON, at=AT, shop=SHOP, caps=CAPS, most=100, again=True)
    second = claim(town, shard, worker="next", on=ON, at=AT, shop=SHOP, caps=CAPS, most=100, again=True)
    assert first.messages == second.messages
    outcomes = [Outcome(one, State.ACCEPTED, pages=1, first_page=1) for one in second.messages]
    assert settle(town, outcomes, worker="dies", at=AT) == 0
    assert settle(town, outcomes, worker="next", at=AT) == len(second.messages)
    assert settle(town, outcomes, worker="next", at=AT) == 0


def test_the_ledger_refuses_a_second_row_for_the_same_message(town: Engine) -> None:
    planned(town, campaign("letter"))
    with pytest.raises(Exception, match="uq_message_customer_id_run_id_channel"), town.begin() as connection:
        connection.execute(
            text(
                "insert into message (message_id, run_id, customer_id, channel, segment, language, template, shard, "
                "position, state) select gen_random_uuid(), run_id, customer_id, channel, segment, language, template, "
                "shard, position, state from message limit 1"
            )
        )


def test_a_shard_travels_as_text() -> None:
    shard = Shard("quarterly_letter:2026-10-01", Channel.LETTER, 3)
    assert Shard.parse(str(shard)) == shard


def test_the_migrations_make_the_tables_that_the_code_speaks_of(migrated: Engine) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from habitue.tables import metadata

    with migrated.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
