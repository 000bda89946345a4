"""Each rule that keeps somebody out, as a sentence: what it is called, what it saw, and what comes before it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import Engine, delete, insert, select, text, update

from habitue import suppressions
from habitue.ledger import Outcome, claim, settle
from habitue.plans import Plan, shards
from habitue.shop import Shop, load_shop
from habitue.suppressions import Suppression
from habitue.tables import (
    Channel,
    Hold,
    State,
    SuppressionReason,
    consent,
    customer,
    exclusion,
    hold,
    holdout,
    segment,
    shop_holdout,
    suppression,
)
from people import ANNA, AT, BORIS, CLARA, DAVID, EMMA, FELIX, GILLES, HUGO, KEY, ON, event, marked, person, standing
from test_controls import until_somebody_waits
from test_plans import CAPS, SHOP, campaign, left_out, planned, town, written_to

__all__ = ["town"]

JUNE = datetime(2026, 6, 3, 22, 30, tzinfo=UTC)
"""The fourth of June in Paris."""


def why(engine: Engine, done: Plan, who: str = ANNA) -> tuple[str, str | None] | None:
    """The rule that kept her out, and what it saw."""
    found = select(exclusion.c.rule, exclusion.c.value).where(
        exclusion.c.run_id == done.run_id, exclusion.c.customer_id == who
    )
    with engine.connect() as connection:
        row = connection.execute(found).one_or_none()
    return row and (row.rule, row.value)  # type: ignore[return-value]


def now(engine: Engine, who: str = ANNA, **known: Any) -> None:
    """From now on the shop knows this of her."""
    with engine.begin() as connection:
        connection.execute(update(customer).where(customer.c.customer_id == who).values(**known))


def held(engine: Engine, reason: Hold, who: str = ANNA, **known: Any) -> None:
    row = {"customer_id": who, "reason": reason, "opened_at": JUNE, "opened_by": "olga", **known}
    with engine.begin() as connection:
        connection.execute(insert(hold).values(**row))


def suppress(engine: Engine, channel: Channel, value: str, reason: SuppressionReason) -> None:
    suppressions.add(engine, [Suppression(channel, value, reason, "person")], key=KEY, at=JUNE)


def arrivals(engine: Engine, *people: tuple[dict[str, Any], int]) -> None:
    """New customers, regular ones, each with what they have spent; all may be written to."""
    with engine.begin() as connection:
        connection.execute(insert(customer), [marked(who) for who, _ in people])
        connection.execute(
            insert(segment), [standing(who["customer_id"], "regular_light", worth=worth) for who, worth in people]
        )
        connection.execute(insert(consent), [event(who["customer_id"], "email", "granted", AT) for who, _ in people])


# The person


@pytest.mark.parametrize(
    ("reason", "rule"),
    [(Hold.ERASED, "erased"), (Hold.COMPLAINT, "complaint_open"), (Hold.PAYMENT_INCIDENT, "payment_incident")],
)
def test_who_is_held_gets_nothing_until_somebody_closes_it(town: Engine, reason: Hold, rule: str) -> None:
    held(town, reason)
    assert why(town, planned(town, campaign("letter", "email"))) == (rule, "2026-06-04")
    with town.begin() as connection:
        connection.execute(update(hold).values(closed_at=AT))
    assert ANNA in written_to(town, planned(town, campaign("letter", name="after")).run_id)


def test_hugo_is_sixteen_and_gilles_is_dead(town: Engine) -> None:
    done = planned(town, campaign("letter"))
    assert why(town, done, HUGO) == ("minor", "16")
    assert why(town, done, GILLES) == ("deceased", "2026-06-03")


@pytest.mark.parametrize(
    ("born", "on", "age"),
    [
        (date(2008, 10, 1), ON, None),  # eighteen today
        (date(2008, 10, 2), ON, "17"),
        (date(2008, 2, 29), date(2026, 2, 28), "17"),
        (date(2008, 2, 29), date(2026, 3, 1), None),
        (date(2010, 2, 28), date(2028, 2, 29), None),
    ],
)
def test_eighteen_is_of_age_also_after_a_birthday_in_a_leap_year(
    town: Engine, born: date, on: date, age: str | None
) -> None:
    now(town, birth_date=born)
    assert why(town, planned(town, campaign("letter"), on=on)) == (age and ("minor", age))


def test_of_all_that_speaks_against_anna_the_first_rule_is_told(town: Engine) -> None:
    held(town, Hold.PAYMENT_INCIDENT)
    held(town, Hold.COMPLAINT)
    held(town, Hold.ERASED)
    now(town, birth_date=date(2010, 1, 1), deceased_on=ON, letter_barrier="bad_postcode")
    seen = []
    for place, undone in enumerate(
        (
            lambda: None,
            lambda: drop_hold(town, Hold.ERASED),
            lambda: now(town, birth_date=None),
            lambda: now(town, deceased_on=None),
            lambda: drop_hold(town, Hold.COMPLAINT),
            lambda: drop_hold(town, Hold.PAYMENT_INCIDENT),
        )
    ):
        undone()
        seen.append((why(town, planned(town, campaign("letter", name=f"c{place}"))) or ("",))[0])
    expected = ["erased", "minor", "deceased", "complaint_open", "payment_incident", "unreachable"]
    assert seen == expected


def drop_hold(engine: Engine, reason: Hold) -> None:
    with engine.begin() as connection:
        connection.execute(delete(hold).where(hold.c.reason == reason))


# The channel


def test_each_way_that_was_tried_says_why_it_is_closed(town: Engine) -> None:
    now(town, DAVID, letter_barrier="bad_postcode")
    with town.begin() as connection:
        connection.execute(
            insert(consent), [event(DAVID, "email", "refused", datetime(2026, 9, 30, 22, 30, tzinfo=UTC))]
        )
    done = planned(town, campaign("call", "letter", "email"))
    assert why(town, done, DAVID) == (
        "no_consent",
        "call no_consent, letter unreachable bad_postcode, email objected 2026-10-01",
    )


def test_clara_asked_us_to_stop_and_the_day_is_told(town: Engine) -> None:
    assert why(town, planned(town, campaign("letter")), CLARA) == ("objected", "letter objected 2026-08-01")


@pytest.mark.parametrize(
    ("given", "until", "ended"),
    [
        (JUNE - timedelta(days=365), None, "2026-06-04"),
        (JUNE - timedelta(days=365), date(2027, 1, 1), "2026-06-04"),  # it names a later day; a year is a year
        (JUNE, date(2026, 9, 30), "2026-09-30"),
    ],
)
def test_a_consent_to_be_called_ends_after_a_year_or_on_the_day_it_names(
    town: Engine, given: datetime, until: date | None, ended: str
) -> None:
    with town.begin() as connection:
        connection.execute(insert(consent), [event(DAVID, "call", "granted", given, valid_until=until)])
    assert why(town, planned(town, campaign("call")), DAVID) == ("consent_expired", f"call consent_expired {ended}")


def test_a_suppressed_address_number_or_letter_box_is_used_no_more(town: Engine) -> None:
    home = suppressions.letter_box("BorisExemple", "12, RUE DES LILAS", "69003")
    suppress(town, Channel.EMAIL, suppressions.email("Boris@Example.fr"), SuppressionReason.HARD_BOUNCE)
    suppress(town, Channel.EMAIL, suppressions.email("boris@example.fr"), SuppressionReason.UNSUBSCRIBED)
    suppress(town, Channel.CALL, suppressions.phone("+33199001234"), SuppressionReason.REFUSED_CALLS)
    suppress(town, Channel.LETTER, home, SuppressionReason.RETURNED_LETTER)
    done = planned(town, campaign("letter", "email", "call"))
    assert why(town, done, BORIS) == (
        "suppressed",
        "letter suppressed returned_letter 2026-06-04, email suppressed hard_bounce 2026-06-04, "
        "call suppressed refused_calls 2026-06-04",
    )
    with town.begin() as connection:
        connection.execute(update(suppression).where(suppression.c.channel == "letter").values(lifted_at=AT))
    assert written_to(town, planned(town, campaign("letter", name="after")).run_id)[BORIS] == "letter"


def test_a_cap_counts_this_channel_and_another_counts_all(town: Engine) -> None:
    for number, way in enumerate(("letter", "email")):
        planned(town, campaign(way, name=f"before{number}"), on=ON - timedelta(days=10))
    with town.begin() as connection:  # what is still planned after its window is no contact
        connection.execute(text("update message set state = 'accepted'"))
    capped: dict[str, Any] = {"letter": {"most": 1, "days": 11}, "any": {"most": 2, "days": 11}}
    both = planned(town, campaign("letter", "email", name="both", caps=capped))
    assert why(town, both) == (
        "frequency_cap",
        "letter frequency_cap 1 by letter in 11 days, email frequency_cap 2 in 11 days",
    )
    shorter: dict[str, Any] = {"letter": {"most": 1, "days": 10}, "any": {"most": 2, "days": 10}}
    assert ANNA in written_to(town, planned(town, campaign("letter", name="shorter", caps=shorter)).run_id)


@pytest.mark.parametrize(("state", "counts"), [(s, s not in (State.REFUSED, State.CANCELLED)) for s in State])
def test_what_never_left_and_never_will_is_no_contact(town: Engine, state: State, counts: bool) -> None:
    before = planned(town, campaign("letter", name="before"), on=ON - timedelta(days=1))
    with town.begin() as connection:
        connection.execute(text("update message set state = :state"), {"state": state})
    done = planned(town, campaign("letter", pause_days={"letter": 2}))
    assert why(town, done) == (("recently_contacted", f"letter recently_contacted {before.run_id}") if counts else None)


# Seats


def test_one_letter_a_household_and_felix_is_told_who_has_it(town: Engine) -> None:
    done = planned(town, campaign("letter"))
    assert written_to(town, done.run_id)[ANNA] == "letter"
    assert why(town, done, FELIX) == ("household_served", "letter household_served anna")


def test_between_equals_of_a_household_who_came_last_gets_the_letter(town: Engine) -> None:
    """As at the desk and in the budget."""
    with town.begin() as connection:
        both = segment.c.customer_id.in_([ANNA, FELIX])
        connection.execute(update(segment).where(both).values(lifetime_cents=5_000, last_day=date(2026, 9, 1)))
        connection.execute(update(segment).where(segment.c.customer_id == FELIX).values(last_day=date(2026, 9, 2)))
    assert FELIX in written_to(town, planned(town, campaign("letter")).run_id)


def test_who_is_there_twice_gets_one_mail_and_two_at_one_address_one_each(town: Engine) -> None:
    zoe = {"first_name": "Zoé", "last_name": "Deux"}
    arrivals(
        town,
        (person("zoe1", email="nous@example.fr", **zoe), 5_000),
        (person("zoe2", email="nous@example.fr", first_name="ZOE", last_name="Deux"), 9_000),
        (person("yann", email="nous@example.fr", first_name="Yann", last_name="Deux"), 1_000),
    )
    done = planned(town, campaign("email"))
    assert {"zoe2", "yann"} <= written_to(town, done.run_id).keys()
    assert why(town, done, "zoe1") == ("household_served", "email household_served zoe2")


def test_who_lost_the_letter_tries_the_next_way_and_a_seat_taken_before_stays_taken(town: Engine) -> None:
    arrivals(town, (person("late", household="lilas 12"), 200_000))
    now(town, "late", email_barrier="no_email")
    treatments = {
        "regular_heavy": ["letter"],
        "regular_light": ["email", "letter"],
    }
    offer = {"text": {"fr": "Un thé offert.", "en": "A free tea."}}
    ways = {
        group: {"ways": [{"channel": way, "template": "x"} for way in found], "offer": offer}
        for group, found in treatments.items()
    }
    done = planned(town, campaign("letter", treatments=ways))
    assert written_to(town, done.run_id)[ANNA] == "letter"  # her first way
    assert why(town, done, "late") == (
        "unreachable",
        "email unreachable no_email, letter household_served anna",
    )


def test_the_budget_serves_the_best_first_and_nobody_behind_the_first_it_does_not_reach(town: Engine) -> None:
    done = planned(town, campaign("letter", budget=2.00))
    assert written_to(town, done.run_id).keys() == {ANNA, BORIS}  # a letter costs one euro here
    assert done.cost_micros == 2_000_000
    assert why(town, done, DAVID) == ("over_budget", "letter 3.00")


def test_beyond_the_capacity_one_is_told_how_far(town: Engine) -> None:
    done = planned(town, campaign("letter", capacity={"letter": 2}))
    assert written_to(town, done.run_id).keys() == {ANNA, BORIS}
    assert why(town, done, DAVID) == ("over_capacity", "letter 3 of 2")


def test_whoever_may_bring_most_if_won_back_is_called_first(town: Engine) -> None:
    """David spent less than Boris until now, and promises more."""
    with town.begin() as connection:
        for who, promised in ((BORIS, 1_000), (DAVID, 9_000)):
            connection.execute(
                update(segment).where(segment.c.customer_id == who).values(won_back_cents=promised, alive=0.1)
            )
        connection.execute(insert(consent), [event(DAVID, "call", "granted", AT, valid_until=date(2027, 4, 2))])
    done = planned(town, campaign("call", capacity={"call": 1}))
    assert why(town, done, BORIS) == ("over_capacity", "call 2 of 1")


def test_nobody_is_called_by_a_desk_without_capacity(town: Engine) -> None:
    done = planned(town, campaign("call", "email", capacity={"call": 0}))
    assert why(town, done, BORIS) == ("over_capacity", "call 1 of 0")


# Holdout


def out_of(engine: Engine, done: Plan) -> dict[str, str]:
    with engine.connect() as connection:
        rows = connection.execute(
            select(holdout.c.customer_id, holdout.c.scope).where(holdout.c.run_id == done.run_id)
        ).all()
    return {row.customer_id: row.scope for row in rows}


def shop_without(share: float) -> Shop:
    return load_shop(overrides={"holdout": {"share": share}})


def test_the_holdout_is_drawn_among_those_who_would_have_been_written_to(town: Engine) -> None:
    everybody = planned(town, campaign("letter", "email", name="all"))
    done = planned(town, campaign("letter", "email", holdout=0.6))
    assert out_of(town, done).keys() | written_to(town, done.run_id).keys() == written_to(town, everybody.run_id).keys()
    assert out_of(town, done)
    assert left_out(town, done.run_id) == left_out(town, everybody.run_id)


def test_nobody_steps_in_for_who_is_held_out(town: Engine) -> None:
    """Anna's letter box stays empty: else her household would have been written to after all."""
    with town.begin() as connection:
        connection.execute(insert(shop_holdout).values(year=2026, customer_id=ANNA, draw=0.0, known_at=AT))
    done = planned(town, campaign("letter"))
    assert out_of(town, done) == {ANNA: "shop"}
    assert why(town, done, FELIX) == ("household_served", "letter household_served anna")


def test_whom_the_shop_draws_is_left_in_peace_by_every_campaign_of_the_year_and_of_no_other(town: Engine) -> None:
    first = planned(town, campaign("email", name="first"), shop=shop_without(0.5))
    drawn = out_of(town, first)
    assert 0 < len(drawn) < first.planned + first.held_out
    assert set(drawn.values()) == {"shop"}
    second = planned(town, campaign("email", name="second"), shop=shop_without(0.0))  # drawn is drawn
    assert out_of(town, second) == drawn
    next_year = planned(town, campaign("email", name="third"), on=date(2027, 1, 1), shop=shop_without(0.0))
    assert out_of(town, next_year) == {}


def test_the_shops_holdout_goes_before_the_campaigns_own(town: Engine) -> None:
    done = planned(town, campaign("email", holdout=0.99), shop=shop_without(0.99))
    assert set(out_of(town, done).values()) == {"shop"}


# At the claim


def test_a_grant_of_tomorrow_allows_no_call_today_and_an_objection_of_tomorrow_counts(town: Engine) -> None:
    done = planned(town, campaign("email"))
    (part,) = shards(town, done.run_id)
    tomorrow = AT + timedelta(days=1)
    with town.begin() as connection:
        connection.execute(
            insert(consent),
            [
                event(ANNA, "email", "withdrawn", AT),
                event(ANNA, "email", "granted", tomorrow),
                event(EMMA, "email", "withdrawn", tomorrow),
            ],
        )
    taken = claim(town, part, worker="one", on=ON, at=AT, shop=SHOP, caps=CAPS, most=100)
    assert taken.cancelled == 2
    assert len(taken.messages) == done.planned - 2


def test_what_another_run_let_go_meanwhile_counts_and_what_it_only_plans_does_not(town: Engine) -> None:
    capped: dict[str, Any] = {"email": {"most": 1, "days": 30}}
    strict = planned(town, campaign("email", name="strict", caps=capped))
    other = planned(town, campaign("email", name="other"))
    (ours,), (theirs,) = shards(town, strict.run_id), shards(town, other.run_id)
    caps = campaign("email", caps=capped).effective_caps(SHOP)
    gone = claim(town, theirs, worker="x", on=ON, at=AT, shop=SHOP, caps=CAPS, most=2).messages
    first, *rest = sorted(gone)
    settle(town, [Outcome(first, State.REFUSED), *(Outcome(one, State.ACCEPTED) for one in rest)], worker="x", at=AT)
    taken = claim(town, ours, worker="one", on=ON, at=AT, shop=SHOP, caps=caps, most=100)
    assert (taken.cancelled, len(taken.messages)) == (1, strict.planned - 1)


def test_a_plan_and_a_load_wait_for_each_other(town: Engine) -> None:
    done: list[Plan] = []
    planning = Thread(target=lambda: done.append(planned(town, campaign("letter"))))
    with town.begin() as connection:
        connection.execute(text("select pg_advisory_xact_lock(hashtext('habitue.load'))"))
        planning.start()
        until_somebody_waits(town, 1)
        assert done == []
    planning.join()
    assert done[0].planned
