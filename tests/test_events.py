"""What SendGrid tells is applied once, whatever the order: outcomes, suppressed addresses, withdrawn consents."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import permutations
from pathlib import Path
from threading import Event as Signal
from threading import Thread
from time import monotonic, sleep
from typing import Any, get_args
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, insert, select, text, update
from sqlalchemy.exc import OperationalError

from habitue import cli_events, events, ledger, suppressions
from habitue.ledger import Outcome, settle
from habitue.limits import Breaker
from habitue.plans import Shard, shards
from habitue.suppressions import MarkKey
from habitue.tables import (
    Apart,
    Channel,
    RunState,
    State,
    SuppressionReason,
    consent,
    event_apart,
    message,
    outcome,
    run,
    shard,
    suppression,
    webhook_post,
)
from people import ANNA, AT, BORIS, EMMA, FELIX, KEY, ON
from sendgrid_posts import body, event, house
from test_cli_runs import Ops, ops
from test_controls import a_crowd, claimed, mailed, run_of, tallies_are_right
from test_plan_properties import desk
from test_plans import campaign, planned, town
from towns import OneTransaction, planned_run
from towns import message as a_message

__all__ = ["desk", "ops", "town"]

RULES = Breaker()
LATER = AT + timedelta(minutes=5)


@dataclass
class Mails:
    """A run of mails that SendGrid has, all accepted."""

    run_id: str
    part: Shard
    ids: dict[str, UUID]
    """by customer"""

    def told(self, kind: str, who: str, at: datetime = AT, **more: Any) -> dict[str, Any]:
        return event(kind, self.ids[who], f"{who}@example.fr", at, **more)


@pytest.fixture
def mails(town: Engine) -> Mails:
    """To Anna, Boris, David, Emma and Felix."""
    done, part = mailed(town)
    ids = claimed(town, part).messages
    settle(town, [Outcome(one, State.ACCEPTED, f"M{place}") for place, one in enumerate(ids)], worker="one", at=AT)
    return Mails(done.run_id, part, of_customers(town, done.run_id))


def of_customers(engine: Engine, run_id: str) -> dict[str, UUID]:
    with engine.connect() as connection:
        rows = connection.execute(select(message.c.customer_id, message.c.message_id).where(message.c.run_id == run_id))
        return {row.customer_id: row.message_id for row in rows}


def post(engine: Engine, *posts: Sequence[dict[str, Any]] | bytes) -> None:
    events.store(engine, [(AT, one if isinstance(one, bytes) else body(one)) for one in posts])


def apply(engine: Engine, *posts: Sequence[dict[str, Any]] | bytes, rules: Breaker = RULES) -> events.Applied:
    if posts:
        post(engine, *posts)
    return events.apply(engine, key=KEY, rules=rules, at=LATER)


def outcomes(engine: Engine) -> Counter[str]:
    with engine.connect() as connection:
        return Counter(connection.scalars(select(outcome.c.kind)))


def suppressed(engine: Engine) -> dict[bytes, str]:
    with engine.connect() as connection:
        rows = connection.execute(select(suppression).where(suppression.c.lifted_at.is_(None)))
        return {row.mark: row.reason for row in rows}


def mark(who: str) -> bytes:
    return KEY.mark(suppressions.email(f"{who}@example.fr"))


def withdrawn(engine: Engine) -> dict[str, datetime]:
    with engine.connect() as connection:
        rows = connection.execute(select(consent).where(consent.c.source == "sendgrid")).all()
    assert all((row.channel, row.purpose, row.status) == ("email", "marketing", "withdrawn") for row in rows)
    return {row.customer_id: row.recorded_at for row in rows}


def apart(engine: Engine) -> Counter[tuple[str, str | None]]:
    with engine.connect() as connection:
        rows = connection.execute(select(event_apart.c.why, event_apart.c.type)).all()
    return Counter((row.why, row.type) for row in rows)


# What an event does


def test_counts_add_up_and_nothing_is_told_twice(town: Engine, mails: Mails) -> None:
    first = [mails.told("processed", ANNA), mails.told("delivered", ANNA), event("delivered", uuid4(), "x@y.fr", AT)]
    done = apply(town, first, [mails.told("delivered", ANNA, sg_event_id="renamed")], b"what?")
    assert (done.posts, done.unreadable, done.events) == (3, 1, 4)
    assert (done.new, done.repeated, done.apart) == (2, 1, 1)
    assert outcomes(town) == {"accepted": 1, "delivered": 1}
    assert apart(town) == {("unknown_message", "delivered"): 1}
    again = apply(town, first)
    assert (again.events, again.new, again.repeated, again.apart) == (3, 0, 3, 0)
    assert apply(town).posts == 0


@pytest.mark.parametrize(
    ("kind", "more", "reason", "says_no"),
    [
        ("bounce", {"type": "bounce"}, SuppressionReason.HARD_BOUNCE, False),
        ("dropped", {"reason": "Bounced Address"}, SuppressionReason.HARD_BOUNCE, False),
        ("spamreport", {}, SuppressionReason.SPAM_COMPLAINT, True),
        ("unsubscribe", {}, SuppressionReason.UNSUBSCRIBED, True),
        ("group_unsubscribe", {"asm_group_id": 1}, SuppressionReason.UNSUBSCRIBED, True),
    ],
)
def test_who_bounced_complained_or_left_gets_no_mail_any_more(
    town: Engine, mails: Mails, kind: str, more: dict[str, Any], reason: SuppressionReason, says_no: bool
) -> None:
    autumn = planned(town, campaign("email", name="autumn"))  # planned before the event, claimed after it
    (part,) = shards(town, autumn.run_id)
    assert apply(town, [mails.told(kind, ANNA, **more)]).suppressed == 1
    assert suppressed(town) == {mark(ANNA): reason}
    assert withdrawn(town) == ({ANNA: AT} if says_no else {})
    assert of_customers(town, autumn.run_id)[ANNA] not in claimed(town, part, at=LATER).messages
    winter = planned(town, campaign("email", name="winter"))
    assert ANNA not in of_customers(town, winter.run_id)
    assert BORIS in of_customers(town, winter.run_id)


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("bounce", {"type": "blocked"}),
        ("dropped", {"reason": "Spam Content"}),
        ("deferred", {"attempt": "3"}),
        ("open", {}),
        ("group_resubscribe", {}),
    ],
)
def test_what_says_nothing_of_the_address_suppresses_nobody(
    town: Engine, mails: Mails, kind: str, more: dict[str, Any]
) -> None:
    done = apply(town, [mails.told(kind, ANNA, **more)])
    assert (done.new, done.suppressed, suppressed(town), withdrawn(town)) == (1, 0, {}, {})


def test_the_address_that_the_event_names_is_suppressed_and_its_customer_says_no(town: Engine, mails: Mails) -> None:
    """Anna had another address when the mail left: that one bounced, not the one she has now."""
    old = {"email": "Old.Anna@example.fr"}
    apply(town, [mails.told("bounce", ANNA, type="bounce") | old, mails.told("unsubscribe", FELIX) | old])
    assert suppressed(town).keys() == {KEY.mark(suppressions.email("old.anna@example.fr"))}
    assert withdrawn(town) == {FELIX: AT}


def test_who_subscribes_again_at_sendgrid_is_still_out_until_consent_says_otherwise(town: Engine, mails: Mails) -> None:
    apply(town, [mails.told("group_unsubscribe", ANNA), mails.told("group_resubscribe", ANNA, LATER)])
    assert outcomes(town) == {"unsubscribed": 1, "resubscribed": 1}
    assert suppressed(town) == {mark(ANNA): "unsubscribed"}


def test_an_event_of_long_ago_does_not_suppress_again_what_was_lifted(town: Engine, mails: Mails) -> None:
    told = [mails.told("unsubscribe", ANNA, sg_event_id="a")]
    apply(town, told)
    suppressions.lift(town, Channel.EMAIL, [suppressions.email("anna@example.fr")], key=KEY, by="olga", at=LATER)
    apply(town, told, [mails.told("unsubscribe", ANNA, sg_event_id="b")])
    assert suppressed(town) == {}
    apply(town, [mails.told("unsubscribe", ANNA, LATER)])
    assert suppressed(town) == {mark(ANNA): "unsubscribed"}


def test_the_shops_other_mails_are_heard_too_and_kept_apart(town: Engine) -> None:
    receipt = event("bounce", None, "anna@example.fr", AT, type="bounce", sg_message_id="Xy.filter0001.1.0")
    done = apply(town, [receipt, event("delivered", None, "boris@example.fr", AT)])
    assert (done.new, done.apart, done.suppressed) == (0, 2, 1)
    assert suppressed(town) == {mark(ANNA): "hard_bounce"}


def test_the_state_of_the_account_is_kept_and_said_loudly(town: Engine, caplog: pytest.LogCaptureFixture) -> None:
    told = [{"event": "account_status_change", "type": "suspended", "timestamp": 1790841600, "email": "ops@shop.fr"}]
    with caplog.at_level(logging.WARNING):
        assert apply(town, told, [event("teleported", None, "x@y.fr", AT)]).accounts == 1
        assert apply(town, told).accounts == 0
    assert caplog.messages == ["SendGrid told of the state of your account: habitue events list --why account"]
    assert apart(town) == {("account", "account_status_change"): 1, ("unknown_type", "teleported"): 1}


def test_the_breaker_pauses_a_run_whose_recipients_complain(town: Engine) -> None:
    a_crowd(town, 30)
    done, part = mailed(town)
    ids = sorted(claimed(town, part, most=20).messages)
    settle(town, [Outcome(one, State.ACCEPTED) for one in ids], worker="one", at=AT)
    told = [event("delivered", one, f"{one}@example.fr", AT) for one in ids]
    angry = [event("spamreport", one, f"{one}@example.fr", AT) for one in ids[:3]]
    found = apply(town, [*told, *angry, *angry], rules=Breaker(after=10))
    assert found.paused == {done.run_id: "3 of 20 recipients complained, more than 0.3%"}
    assert run_of(town, done.run_id)["state"] == RunState.PAUSED


def test_an_event_settles_the_doubt_about_its_message(town: Engine) -> None:
    done, part = mailed(town)
    ids = of_customers(town, done.run_id)
    claimed(town, part)
    doubtful = [ids[who] for who in (ANNA, BORIS, EMMA)]
    settle(town, [Outcome(one, State.UNKNOWN) for one in doubtful], worker="one", at=AT)
    told = Mails(done.run_id, part, ids).told
    assert apply(town, [told("processed", ANNA), told("dropped", BORIS), told("dropped", EMMA)]).settled == 3
    assert apply(town, [told("delivered", EMMA)]).settled == 1  # it had left after all
    with town.connect() as connection:
        rows = dict(connection.execute(select(message.c.message_id, message.c.state)).all())
    assert [rows[one] for one in doubtful] == [State.ACCEPTED, State.REFUSED, State.ACCEPTED]
    assert tallies_are_right(town)


def test_no_mail_falls_back_whatever_comes_late(town: Engine, mails: Mails) -> None:
    apply(town, [mails.told("click", ANNA, url="https://shop.example/"), mails.told("open", BORIS)])
    apply(town, [mails.told("open", EMMA, sg_machine_open=True), mails.told("bounce", FELIX, type="blocked")])
    for late in ("delivered", "deferred", "processed"):
        apply(town, [mails.told(late, who, LATER) for who in (ANNA, BORIS, EMMA)] + [mails.told("deferred", FELIX)])
    found = {(one.got, one.against): one.messages for one in events.standing(town, mails.run_id)}
    assert found == {
        ("clicked", None): 1,
        ("opened", None): 1,
        ("delivered", None): 1,
        ("deferred", "blocked"): 1,
        ("accepted", None): 1,
    }


# Events without our id


def test_an_event_without_our_id_is_matched_by_the_providers(town: Engine, mails: Mails) -> None:
    with town.begin() as connection:
        connection.execute(update(message).values(provider_id="many.at.once"))
        connection.execute(update(message).where(message.c.message_id == mails.ids[BORIS]).values(provider_id="Zz9"))
    ref = "many.at.once.filter0001.16648.5515E0B88.0"
    told = [
        event("unsubscribe", None, "anna@example.fr", AT, sg_message_id=ref),
        event("delivered", None, "somebody.else@example.fr", AT, sg_message_id=ref),
        event("delivered", None, "moved.away@example.fr", AT, sg_message_id="Zz9.filterdrecv-1-2-3.0"),
        event("delivered", None, "x@y.fr", AT, sg_message_id="Zz99.filterdrecv-1-2-3.0"),
    ]
    assert apply(town, told).apart == 4
    assert events.match(town, rules=RULES, at=LATER) == 2
    with town.connect() as connection:
        rows = connection.execute(select(outcome.c.message_id, outcome.c.kind)).all()
    assert {*map(tuple, rows)} == {(mails.ids[ANNA], "unsubscribed"), (mails.ids[BORIS], "delivered")}
    assert withdrawn(town) == {ANNA: AT}
    assert apply(town, told).repeated == 4
    assert events.match(town, rules=RULES, at=LATER) == 0
    assert events.match(town, rules=RULES, at=LATER + timedelta(days=3)) == 0
    assert sum(apart(town).values()) == 2


# Any order


@dataclass(frozen=True)
class Telling:
    """One event as it is told once. Few values, so that ids and meanings meet in every way."""

    who: int
    kind: str
    second: int
    attempt: int
    given_id: str | None

    @property
    def event(self) -> dict[str, Any]:
        name, _, rest = self.kind.partition(" ")
        key = "reason" if name == "dropped" else "type"
        more = {key: rest} if rest else {}
        if self.given_id:
            more["sg_event_id"] = self.given_id
        at = AT + timedelta(seconds=self.second)
        one = None if self.who == 4 else MESSAGES[self.who]
        return event(name, one, f"c{self.who}@example.fr", at, attempt=str(self.attempt), **more)

    def is_the_same_as(self, other: Telling) -> bool:
        if (self.who, self.kind) != (other.who, other.kind):
            return False
        meant = (self.second, self.attempt) == (other.second, other.attempt)
        return meant or (self.given_id is not None and self.given_id == other.given_id)


MESSAGES = [UUID(int=number) for number in range(1, 6)]
"""The last is not in the ledger; and who=4 comes without an id."""
TOLD = (
    *("processed", "deferred", "delivered", "bounce bounce", "bounce blocked", "dropped Unsubscribed Address"),
    *("dropped Spam Content", "open", "click", "spamreport", "unsubscribe", "group_resubscribe", "teleported"),
)


def tellings(whose: list[int], kinds: list[str]) -> st.SearchStrategy[list[Telling]]:
    """Of few mails and kinds at a time: so that tellings are joined by others, told before them or later."""
    ids = st.sampled_from((None, "a", "b", "c"))
    one = st.builds(Telling, st.sampled_from(whose), st.sampled_from(kinds), st.integers(0, 3), st.integers(0, 1), ids)
    return st.lists(one, min_size=1, max_size=12)


TELLINGS = st.one_of(
    tellings([0], ["delivered"]),
    tellings([2, 4], ["dropped Spam Content", "open"]),
    tellings([0, 1, 2, 3, 4], [*TOLD]),
)


def a_run_in_doubt(desk: Connection) -> None:
    """Four mails: one accepted, one held by a worker, two in doubt."""
    spring = planned_run("spring", ON)
    desk.execute(insert(run), [spring])
    states = ("accepted", "claimed", "unknown", "unknown")
    desk.execute(
        insert(message),
        [a_message(spring["run_id"], f"c{place}", "email", place + 1, state) for place, state in enumerate(states)],
    )
    tally = {"messages": 4, "accepted": 1, "unknown": 2, "audience_sha256": ""}
    desk.execute(insert(shard), [{"run_id": spring["run_id"], "channel": "email", "shard": 1, **tally}])


def end_state(desk: Connection, posts: list[list[Telling]], most: list[int]) -> dict[str, Any]:
    """What is known when these posts have been applied, so many at a time; then nothing of it is kept."""
    engine: Any = OneTransaction(desk)
    with desk.begin() as transaction:
        a_run_in_doubt(desk)
        for at_once in most:
            for one in posts[:at_once]:
                events.store(engine, [(AT, body([telling.event for telling in one]))])
            del posts[:at_once]
            told = events.apply(engine, key=KEY, rules=RULES, at=LATER)
            assert told.events == told.new + told.repeated + told.apart
        assert not posts
        assert tallies_are_right(engine)
        shards_told = text("select accepted, refused, unknown, delivered, hard_bounces, complaints from shard")
        kept_apart = select(event_apart.c.why, event_apart.c.type, event_apart.c.mark)

        def rows(*columns: Any) -> list[tuple[Any, ...]]:
            return sorted(map(tuple, desk.execute(select(*columns))))

        found = {
            "outcomes": rows(outcome.c.message_id, outcome.c.kind, outcome.c.occurred_at, outcome.c.source_key),
            "states": rows(message.c.message_id, message.c.state, message.c.reason),
            "suppressed": rows(suppression.c.mark, suppression.c.reason),
            "withdrawn": rows(consent.c.customer_id, consent.c.recorded_at),
            "apart": Counter(map(tuple, desk.execute(kept_apart))),
            "shard": desk.execute(shards_told).one(),
            "standing": events.standing(engine, f"spring:{ON}"),
            "waiting": desk.scalar(select(webhook_post.c.post_id).where(webhook_post.c.applied_at.is_(None))),
        }
        transaction.rollback()
    return found


def distinct(told: list[Telling]) -> list[list[Telling]]:
    """The events that these tellings are of, found by comparing each with each."""
    groups: list[list[Telling]] = []
    for one in told:
        mine = [group for group in groups if any(one.is_the_same_as(other) for other in group)]
        groups = [group for group in groups if group not in mine] + [
            [one, *(other for group in mine for other in group)]
        ]
    return groups


@settings(max_examples=100)
@given(TELLINGS, st.randoms(use_true_random=False))
def test_any_order_any_repetition_and_any_split_into_posts_end_the_same(
    desk: Connection, told: list[Telling], chance: random.Random
) -> None:
    at_once = end_state(desk, [told], [1])
    shuffled = told + chance.choices(told, k=chance.randint(0, 6))
    chance.shuffle(shuffled)
    posts: list[list[Telling]] = []
    while shuffled:
        size = chance.randint(1, 4)
        posts.append(shuffled[:size])
        del shuffled[:size]
    most = []
    while sum(most) < len(posts):
        most.append(chance.randint(1, 3))
    assert end_state(desk, posts, most) == at_once

    ours = [group for group in distinct(told) if group[0].who < 4 and group[0].kind != "teleported"]
    firsts = [min(group, key=lambda one: one.second) for group in ours]
    assert Counter((one, at) for one, _, at, _ in at_once["outcomes"]) == Counter(
        (MESSAGES[first.who], AT + timedelta(seconds=first.second)) for first in firsts
    )
    assert sum(at_once["apart"].values()) == len(distinct(told)) - len(ours)
    gone = {one.who for one in told if one.kind in ("bounce bounce", "spamreport", "unsubscribe", TOLD[5])}
    assert {one for one, _ in at_once["suppressed"]} == {mark(f"c{who}") for who in gone}
    left = {one.who for one in told if one.kind.split(" ")[0] not in ("dropped", "teleported")}
    spoken = left | {one.who for one in told if one.kind.startswith("dropped")}
    for who in (2, 3):
        wanted = State.ACCEPTED if who in left else State.REFUSED if who in spoken else State.UNKNOWN
        assert at_once["states"][who][1] == wanted
    assert at_once["waiting"] is None


def test_two_events_that_a_third_telling_joins_are_one_whichever_comes_first(desk: Connection) -> None:
    early, late = Telling(2, "delivered", 1, 0, "a"), Telling(2, "delivered", 2, 0, "b")
    link = replace(late, given_id="a")
    again = replace(late, given_id="c")
    for order in permutations((early, late, link)):
        found = end_state(desk, [[one] for one in (*order, again)], [1, 1, 1, 1])
        assert [(one, at) for one, _, at, _ in found["outcomes"]] == [(MESSAGES[2], AT + timedelta(seconds=1))], order
        assert found["shard"].delivered == 1


# Several at once, and trouble


def test_several_appliers_apply_each_post_once(town: Engine) -> None:
    a_crowd(town, 200)
    done, part = mailed(town)
    ids = sorted(claimed(town, part).messages)
    posts = [
        [event("delivered", one, f"{one}@example.fr", AT), event("open", one, f"{one}@example.fr", AT)] for one in ids
    ]
    post(town, *posts, *posts)
    total = events.Applied()

    def work() -> None:
        while (some := events.apply(town, key=KEY, rules=RULES, at=LATER, most=7)).posts:
            total.add(some)

    workers = [Thread(target=work) for _ in range(4)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert (total.posts, total.new, total.repeated) == (2 * len(ids), 2 * len(ids), 2 * len(ids))
    assert outcomes(town) == {"delivered": len(ids), "opened": len(ids)}
    with town.connect() as connection:
        assert ledger.tallies(connection, done.run_id)["delivered"] == len(ids)


def test_who_is_struck_down_in_the_middle_has_applied_nothing(town: Engine, mails: Mails) -> None:
    post(town, [mails.told("unsubscribe", ANNA)], [mails.told("delivered", BORIS)])
    failed: list[Exception] = []

    def work() -> None:
        try:
            apply(town)
        except OperationalError as error:
            failed.append(error)

    worker = Thread(target=work)
    with town.connect() as other:
        ledger.lock(other, ledger.OUTCOMES_LOCK)  # it waits here, in the middle
        worker.start()
        blocked = text(
            "select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        )
        while (pid := other.scalar(blocked)) is None:
            sleep(0.01)
            other.execute(text("select pg_stat_clear_snapshot()"))
        other.execute(text("select pg_terminate_backend(:pid)"), {"pid": pid})
        worker.join()
    assert len(failed) == 1
    assert "anna@" not in str(failed[0])
    assert (outcomes(town), suppressed(town), withdrawn(town)) == (Counter(), {}, {})
    assert apply(town).new == 2
    assert suppressed(town) == {mark(ANNA): "unsubscribed"}


@pytest.fixture
def no_clicks(town: Engine) -> Iterator[None]:
    """A base that refuses one kind of outcome: a mistake of ours, such as a migration that was forgotten."""
    with town.begin() as connection:
        connection.execute(text("alter table outcome add constraint no_clicks check (kind <> 'clicked')"))
    yield
    with town.begin() as connection:
        connection.execute(text("alter table outcome drop constraint no_clicks"))


def test_a_post_that_the_base_refuses_does_not_keep_the_others_waiting(
    town: Engine, mails: Mails, no_clicks: None, caplog: pytest.LogCaptureFixture
) -> None:
    done = apply(town, [mails.told("delivered", ANNA)], [mails.told("click", ANNA)], [mails.told("unsubscribe", BORIS)])
    assert (done.posts, done.unreadable, done.new) == (3, 1, 2)
    assert suppressed(town) == {mark(BORIS): "unsubscribed"}
    assert apply(town).posts == 0
    with town.connect() as connection:
        errors = list(connection.scalars(select(webhook_post.c.error).order_by(webhook_post.c.post_id)))
    assert errors == [None, "could not be applied: IntegrityError", None]
    assert "anna@" not in caplog.text


def test_a_batch_holds_so_many_bytes_but_one_post_at_least(
    town: Engine, mails: Mails, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "MOST_BYTES", 10)
    post(town, [mails.told("delivered", ANNA)], [mails.told("delivered", BORIS)])
    assert [apply(town).posts for _ in range(3)] == [1, 1, 0]


def test_the_applier_obeys_soon_survives_trouble_and_stops_when_told(
    town: Engine, mails: Mails, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home, stop = house(town.url, tmp_path, None), Signal()
    key = home.mark_key
    assert key == MarkKey(b"s" * 32)
    worker = Thread(target=events.applier, args=(home, lambda: LATER, stop))
    with caplog.at_level(logging.INFO):
        with town.begin() as connection:
            connection.execute(text("alter table webhook_post rename to elsewhere"))
        worker.start()
        while "trying again" not in caplog.text:
            sleep(0.01)
        with town.begin() as connection:
            connection.execute(text("alter table elsewhere rename to webhook_post"))
        post(town, [mails.told("unsubscribe", ANNA)])
        until = monotonic() + 60
        while not suppressed(town) and monotonic() < until:
            sleep(0.01)
        assert suppressed(town) == {mark(ANNA): "unsubscribed"}
        stop.set()
        worker.join(10)
    assert not worker.is_alive()
    assert "anna@" not in caplog.text
    home.engine.dispose()


# At the command line


def test_ops_apply_list_and_show_without_seeing_an_address(town: Engine, mails: Mails, ops: Ops) -> None:
    post(town, [mails.told("delivered", ANNA), event("teleported", None, "zoe@example.fr", AT)], b"zoe@example.fr")
    said = ops.says("events", "apply")
    assert "2 posts (1 unreadable), 2 events = 1 new + 0 told before + 1 kept apart" in said
    lists = ops.says("events", "list")
    assert [line.split()[:3] for line in lists.splitlines()[:2]] == [
        ["post", "unreadable", "1"],
        ["event", "unknown_type", "teleported"],
    ]
    ids = {line.split()[0]: line.split()[-3] for line in lists.splitlines()[2:]}
    assert ops.says("events", "list", "--why", "account").count("\n") == 2
    assert "not JSON" in (shown := ops.says("events", "show", ids["post"]))
    assert "teleported" in (shown := shown + ops.says("events", "show", ids["event"]))
    assert "zoe" not in said + lists + shown
    assert "is no post and no event" in ops.is_refused("events", "show", "x")
    assert ops.says("events", "standing", mails.run_id).split() == ["accepted", "4", "delivered", "1"]
    assert "has no mails" in ops.is_refused("events", "standing", "nobody:2026-01-01")


def test_every_reason_can_be_asked_for() -> None:
    assert {*get_args(cli_events.Why)} == {*Apart}
