"""Funnels: everybody of the audience stands in exactly one place, by group, channel and arm."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import Engine, delete, select

from habitue import funnels, outcome_parts, outcomes, overview
from habitue.dag_runs import DagRun, note, of_run, run_of
from habitue.ledger import Outcome, claim, settle
from habitue.outcomes import Event
from habitue.plans import shards
from habitue.tables import OutcomeKind, State, exclusion, message
from people import ANNA, AT, BORIS, DAVID, EMMA, FELIX, ON
from test_plans import CAPS, SHOP, campaign, planned, town

__all__ = ["town"]

KINDS = OutcomeKind


def left(engine: Engine, run_id: str, refused: frozenset[str] = frozenset()) -> dict[str, UUID]:
    """All the run's messages leave, but those refused; returns each customer's message."""
    with engine.connect() as connection:
        ids = dict(
            connection.execute(
                select(message.c.customer_id, message.c.message_id).where(message.c.run_id == run_id)
            ).all()
        )
    no = {ids[who] for who in refused}
    for shard in shards(engine, run_id):
        claimed = claim(engine, shard, worker="w", on=ON, at=AT, shop=SHOP, caps=CAPS, most=99)
        told = [Outcome(one, State.REFUSED if one in no else State.ACCEPTED) for one in claimed.messages]
        settle(engine, told, worker="w", at=AT)
    return ids


def hear(engine: Engine, *told: tuple[UUID, OutcomeKind, int]) -> None:
    """What is told of messages, so many hours after they left."""
    events = [
        Event(one, kind, AT + timedelta(hours=hours), "test", f"{one}/{kind}/{hours}") for one, kind, hours in told
    ]
    outcomes.record(engine, events, rules=SHOP.breaker, at=AT)


def test_everybody_of_the_audience_stands_in_one_place(town: Engine) -> None:
    done = planned(town, campaign("letter", "email", holdout=0.3))
    found = funnels.funnel(town, done.run_id, at=AT)
    assert found is not None
    whole = found.whole
    assert (whole.audience, whole.planned, whole.held_out, whole.excluded) == (
        done.audience,
        done.planned,
        done.held_out,
        done.excluded,
    )
    assert whole.waiting == done.planned
    assert whole.cost_micros == done.cost_micros
    assert (whole.gap, whole.spent_micros) == (0, 0)
    for what in ("segment", "channel", "arm"):
        assert funnels.total(found.by(what).values()) == whole
    assert {name for name, part in found.by("channel").items() if part.excluded} == {""}


def test_the_last_word_of_provider_post_and_desk_counts(town: Engine) -> None:
    run_id = planned(town, campaign("call", "letter", "email")).run_id
    ids = left(town, run_id, refused=frozenset({FELIX}))
    hear(
        town,
        (ids[ANNA], KINDS.MAILED, 1),
        (ids[ANNA], KINDS.RETURNED, 200),  # the post has thought better of it
        (ids[BORIS], KINDS.NOT_REACHED, 1),
        (ids[BORIS], KINDS.REACHED, 2),
        (ids[EMMA], KINDS.DELIVERED, 1),
        (ids[EMMA], KINDS.CLICKED, 2),
        (ids[EMMA], KINDS.UNSUBSCRIBED, 3),
    )
    found = funnels.funnel(town, run_id, at=AT)
    assert found is not None
    by = found.by("channel")
    assert (by["letter"].accepted, by["letter"].failed, by["letter"].no_news) == (2, 1, 1)  # David's is on its way
    assert (by["call"].arrived, by["call"].failed) == (1, 0)
    mails = by["email"]
    assert (mails.planned, mails.refused, mails.accepted) == (2, 1, 1)
    assert (mails.arrived, mails.opened, mails.clicked, mails.objected) == (1, 1, 1, 1)
    assert found.whole.gap == 0
    assert found.whole.spent_micros == found.whole.cost_micros - 1_000_000  # what was refused costs nothing


def test_a_mail_of_which_nothing_is_told_is_no_news(town: Engine) -> None:
    run_id = planned(town, campaign("email")).run_id
    ids = left(town, run_id)
    hear(town, (ids[DAVID], KINDS.DEFERRED, 1), (ids[ANNA], KINDS.HARD_BOUNCE, 1))
    found = funnels.funnel(town, run_id, at=AT)
    assert found is not None
    assert (found.whole.failed, found.whole.arrived) == (1, 0)
    assert found.whole.no_news == found.whole.accepted - 1


def test_each_arm_of_a_test_is_told_apart(town: Engine) -> None:
    run_id = planned(town, campaign("letter", "email", arms={"plain": 0.5, "rich": 0.5})).run_id
    found = funnels.funnel(town, run_id, at=AT)
    assert found is not None
    arms = found.by("arm")
    assert set(arms) <= {"", "plain", "rich"}
    assert arms["plain"].planned + arms["rich"].planned == found.whole.planned
    assert arms[""].planned == 0


def test_a_large_run_is_shown_as_it_was_counted_last(town: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = planned(town, campaign("email")).run_id
    with monkeypatch.context() as large:
        large.setattr(funnels, "LIVE", 3)
        assert funnels.funnel(town, run_id, at=AT) is None
        assert funnels.refresh(town, since=ON, until=ON, at=AT) == 1
        kept = funnels.funnel(town, run_id, at=AT)
        assert kept is not None
        assert kept.counted_at == AT
        left(town, run_id)
        assert funnels.funnel(town, run_id, at=AT) == kept
        later = AT + timedelta(hours=1)
        funnels.keep(town, run_id, at=later)
        counted = funnels.funnel(town, run_id, at=AT)
        assert counted is not None
        assert (counted.counted_at, counted.whole.waiting) == (later, 0)
    now = funnels.funnel(town, run_id, at=AT)
    assert now is not None
    assert now.counted_at == AT
    assert now.parts == counted.parts


def test_of_a_large_run_whom_it_left_out_is_counted_with_it(town: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its page reads what was kept; of a moment before that, it counts."""
    run_id = planned(town, campaign("email")).run_id
    monkeypatch.setattr(outcome_parts, "LIVE", 3)
    later = AT + timedelta(hours=1)
    told = overview.view(town, run_id, shop=SHOP, at=AT).exclusions
    assert sum(told.values()) > 0
    funnels.keep(town, run_id, at=later)
    with town.begin() as connection:
        connection.execute(delete(exclusion).where(exclusion.c.run_id == run_id))
    assert overview.view(town, run_id, shop=SHOP, at=later).exclusions == told
    assert overview.view(town, run_id, shop=SHOP, at=AT).exclusions == {}
    funnels.refresh(town, since=ON, until=ON, at=later + timedelta(hours=1))
    assert overview.view(town, run_id, shop=SHOP, at=later + timedelta(hours=1)).exclusions == {}


def test_of_a_run_that_is_not_planned_there_is_no_funnel(town: Engine) -> None:
    assert funnels.funnel(town, "spring:2026-01-01", at=AT) is None


def test_a_run_and_its_dag_runs_find_each_other(base: Engine) -> None:
    first, second = DagRun("spring", "scheduled__2026-10-01T06:00:00+00:00"), DagRun("spring", "manual__x")
    note(base, first, "spring:2026-10-01", at=AT)
    note(base, second, "spring:2026-10-01", at=AT + timedelta(hours=1))
    note(base, first, "spring:2026-10-01", at=AT + timedelta(hours=2))  # cleared, and planned again
    assert of_run(base, "spring:2026-10-01") == [second, first]
    assert run_of(base, first) == "spring:2026-10-01"
    assert run_of(base, DagRun("autumn", first.dag_run_id)) is None
