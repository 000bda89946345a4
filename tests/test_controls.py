"""What people and the circuit breaker do to a run, and what providers tell of it afterwards."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import Thread
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, insert, select, text, update

from habitue import controls, ledger, suppressions
from habitue.campaigns import Campaign
from habitue.errors import LedgerError
from habitue.journal import Journal
from habitue.ledger import Outcome, claim, doubt, expire, settle
from habitue.limits import Breaker
from habitue.outcomes import Event, record
from habitue.plans import Plan, Shard, shards
from habitue.suppressions import MarkKey, Suppression
from habitue.tables import (
    Channel,
    OutcomeKind,
    RunState,
    State,
    SuppressionReason,
    approval,
    consent,
    customer,
    message,
    run,
    segment,
)
from people import ANNA, AT, KEY, ON, event, marked, person, standing
from test_plans import CAPS, SHOP, campaign, left_out, planned, town, written_to

__all__ = ["town"]

HOUR = timedelta(hours=1)
LATE = AT + timedelta(days=8)
RULES = Breaker()


def mailed(town: Engine, **changes: object) -> tuple[Plan, Shard]:
    done = planned(town, campaign("email", **changes))  # type: ignore[arg-type]
    (part,) = shards(town, done.run_id)
    return done, part


def claimed(
    town: Engine, part: Shard, *, worker: str = "one", at: datetime = AT, again: bool = False, most: int = 1000
) -> ledger.Claim:
    return claim(town, part, worker=worker, on=ON, at=at, shop=SHOP, caps=CAPS, most=most, again=again)


def states(town: Engine, run_id: str) -> dict[str, int]:
    with town.connect() as connection:
        rows = connection.execute(
            text("select state, count(*) from message where run_id = :run group by state"), {"run": run_id}
        )
        return {row.state: row.count for row in rows}


def run_of(town: Engine, run_id: str) -> dict[str, object]:
    with town.connect() as connection:
        return dict(connection.execute(select(run).where(run.c.run_id == run_id)).mappings().one())


def hashes(town: Engine, run_id: str) -> dict[str, str]:
    """What somebody who looks at the run now says yes to."""
    row = run_of(town, run_id)
    return {"audience": str(row["audience_sha256"]), "content": str(row["content_sha256"])}


def a_crowd(town: Engine, size: int) -> None:
    who = [f"x{number:04}" for number in range(size)]
    with town.begin() as connection:
        connection.execute(insert(customer), [person(one) for one in who])
        connection.execute(insert(segment), [standing(one, "regular_light") for one in who])
        connection.execute(insert(consent), [event(one, "email", "granted", AT) for one in who])


# Pause, resume, cancel, stop, go


def test_a_paused_run_lets_nothing_go_and_says_why_and_goes_on_where_it_was(town: Engine) -> None:
    done, part = mailed(town)
    first = claimed(town, part, most=2)
    assert controls.pause(town, done.run_id, by="olga", reason="a wrong date", at=AT)
    assert not controls.pause(town, done.run_id, by="paul", reason="me too", at=AT)
    shut = claimed(town, part, worker="two")
    assert (shut.shut, shut.reason, shut.messages) == ("paused", "a wrong date", frozenset())
    assert run_of(town, done.run_id)["state_by"] == "olga"
    assert controls.resume(town, done.run_id, by="olga", at=AT)
    assert not controls.resume(town, done.run_id, by="olga", at=AT)
    rest = claimed(town, part, worker="two")
    assert len(first.messages | rest.messages) == len(first.messages) + len(rest.messages) == done.planned


def test_a_cancelled_run_is_over_for_good_and_what_had_left_has_left(town: Engine) -> None:
    done, part = mailed(town)
    (sent,) = claimed(town, part, most=1).messages
    settle(town, [Outcome(sent, State.ACCEPTED)], worker="one", at=AT)
    assert controls.cancel(town, done.run_id, by="olga", reason="recall", at=AT) == done.planned - 1
    assert controls.cancel(town, done.run_id, by="paul", reason="again", at=AT) == 0
    assert run_of(town, done.run_id)["state_by"] == "olga"
    assert states(town, done.run_id) == {"accepted": 1, "cancelled": done.planned - 1}
    assert claimed(town, part, worker="two").shut == "cancelled"
    for forbidden in (
        lambda: controls.pause(town, done.run_id, by="olga", reason="x", at=AT),
        lambda: controls.resume(town, done.run_id, by="olga", at=AT),
        lambda: controls.approve(town, done.run_id, by="olga", at=AT, **hashes(town, done.run_id)),
    ):
        with pytest.raises(LedgerError, match="spring:2026-10-01 is cancelled"):
            forbidden()


@pytest.mark.parametrize("way", ["never handed over", "its worker died"])
def test_what_is_put_back_of_a_cancelled_run_is_cancelled_too(town: Engine, way: str) -> None:
    done, part = mailed(town)
    held = claimed(town, part).messages
    controls.cancel(town, done.run_id, by="olga", reason="recall", at=AT)
    if way == "never handed over":
        assert settle(town, [Outcome(one, State.PLANNED) for one in held], worker="one", at=AT) == len(held)
    else:
        assert expire(town, part, at=AT + HOUR, again=True) == 0
    assert states(town, done.run_id) == {"cancelled": done.planned}
    assert tallies_are_right(town)


def test_the_kill_switch_stops_every_run_and_says_why(town: Engine) -> None:
    done, part = mailed(town)
    controls.pause(town, done.run_id, by="olga", reason="a wrong date", at=AT)
    assert controls.stop_all(town, by="olga", reason="the wrong list", at=AT)
    assert not controls.stop_all(town, by="paul", reason="me too", at=AT)
    shut = claimed(town, part)
    assert (shut.shut, shut.reason) == ("stopped", "the wrong list")
    assert controls.go(town, by="olga", at=AT)
    assert not controls.go(town, by="olga", at=AT)
    assert claimed(town, part).shut == "paused"  # as it was


def test_a_run_that_is_not_planned_is_a_sentence(town: Engine) -> None:
    with pytest.raises(LedgerError, match=r"run autumn:2026-10-01 is not planned; the last ones are none"):
        controls.pause(town, "autumn:2026-10-01", by="olga", reason="x", at=AT)


@contextmanager
def a_claim_under_way(town: Engine, run_id: str) -> Iterator[None]:
    """One whose gate was open and which is not committed yet."""
    with town.begin() as connection:
        assert ledger.gate(connection, run_id, at=AT).shut is None
        yield


def until_somebody_waits(town: Engine, how_many: int) -> None:
    """In this database, for a lock."""
    waiting = text(
        "select count(*) from pg_locks where not granted and database = (select oid from pg_database "
        "where datname = current_database())"
    )
    for _ in range(500):
        with town.connect() as connection:
            if connection.scalar(waiting) == how_many:
                return
            connection.execute(text("select pg_sleep(0.01)"))
    raise AssertionError(f"{how_many} were to wait for a lock")


def test_the_kill_switch_waits_for_claims_also_of_a_run_that_was_just_resumed(town: Engine) -> None:
    done, _ = mailed(town)
    paused, part = mailed(town, name="autumn")
    controls.pause(town, paused.run_id, by="olga", reason="later", at=AT)
    seen: list[str | None] = []
    stopping = Thread(target=lambda: controls.stop_all(town, by="olga", reason="the wrong list", at=AT))
    claiming = Thread(target=lambda: seen.append(claimed(town, part).shut))
    with a_claim_under_way(town, done.run_id):
        stopping.start()
        until_somebody_waits(town, 1)
        controls.resume(town, paused.run_id, by="paul", at=AT)
        claiming.start()
        until_somebody_waits(town, 2)
    stopping.join()
    claiming.join()
    assert seen == ["stopped"]
    assert states(town, paused.run_id) == {"planned": paused.planned}


# Approval


def wanted(needed: int) -> dict[str, object]:
    """A campaign of which every run needs so many persons."""
    return {"approval": {"recipients": 0, "second_recipients": 0 if needed == 2 else 50_000}}


def test_two_persons_are_two_persons(town: Engine) -> None:
    done, part = mailed(town, **wanted(2))
    assert done.approvals_needed == 2
    assert claimed(town, part).shut == "unapproved"
    assert controls.approve(town, done.run_id, by="olga", at=AT, **hashes(town, done.run_id)).open == 1
    with pytest.raises(LedgerError, match="two persons"):
        controls.approve(town, done.run_id, by="olga", at=AT, **hashes(town, done.run_id))
    assert claimed(town, part).shut == "unapproved"
    had = controls.approve(town, done.run_id, by="paul", at=AT, **hashes(town, done.run_id))
    assert (had.given, had.open) == (("olga", "paul"), 0)
    assert controls.approve(town, done.run_id, by="olga", at=AT, **hashes(town, done.run_id)).given == ("olga", "paul")
    assert claimed(town, part).messages


def test_one_persons_two_steps_are_not_two_persons(town: Engine) -> None:
    """Whatever has come to stand in the table."""
    done, part = mailed(town, **wanted(2))
    said = hashes(town, done.run_id)
    yes = {"run_id": done.run_id, "decision": "approved", "said_by": "olga", "said_at": AT}
    with town.begin() as connection:
        for step in (1, 2):
            known = {"audience_sha256": said["audience"], "content_sha256": said["content"]}
            connection.execute(insert(approval).values(**yes, **known, step=step))
    assert claimed(town, part).shut == "unapproved"
    assert controls.approvals(town, done.run_id, at=AT).open == 1


def test_a_yes_to_something_else_is_none(town: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    done, part = mailed(town, **wanted(1))
    before = hashes(town, done.run_id)
    for name in before:
        with pytest.raises(LedgerError, match="has changed since it was put to approval"):
            controls.approve(town, done.run_id, by="olga", at=AT, **{**before, name: "another"})
    controls.approve(town, done.run_id, by="olga", at=AT, **before)
    monkeypatch.setattr(Campaign, "template_files", lambda self, languages: {"copy": "changed"})
    with pytest.raises(LedgerError, match="copy changed after this run was planned"):
        controls.check(town, part, SHOP)
    assert controls.accept(town, done.run_id, SHOP, by="paul", at=AT) == ["copy"]
    assert controls.accept(town, done.run_id, SHOP, by="paul", at=AT) == []
    assert claimed(town, part).shut == "unapproved"
    with pytest.raises(LedgerError, match="has changed"):
        controls.approve(town, done.run_id, by="olga", at=AT, **before)
    controls.approve(town, done.run_id, by="olga", at=AT, **hashes(town, done.run_id))
    controls.check(town, part, SHOP)
    assert claimed(town, part).messages


def test_a_message_changed_in_the_ledger_is_noticed(town: Engine) -> None:
    done, part = mailed(town)
    with town.begin() as connection:
        connection.execute(update(message).where(message.c.customer_id == ANNA).values(template="another"))
    with pytest.raises(LedgerError, match="the run's messages in the ledger"):
        controls.check(town, part, SHOP)
    controls.accept(town, done.run_id, SHOP, by="olga", at=AT)
    assert claimed(town, part).shut == "unapproved"  # nobody had to be asked before; now somebody must


@pytest.mark.parametrize("by", ["olga", None])
def test_a_no_and_no_answer_end_the_run(town: Engine, by: str | None) -> None:
    done, _ = mailed(town, **wanted(1))
    assert controls.reject(town, done.run_id, by=by, at=AT) == done.planned
    row = run_of(town, done.run_id)
    expected = "rejected by olga" if by else "nobody approved it in time"
    assert (row["state"], row["state_reason"]) == (RunState.CANCELLED, expected)
    with town.connect() as connection:
        said = connection.execute(select(approval.c.decision, approval.c.said_by)).one()
    assert tuple(said) == ("rejected" if by else "timed_out", by)


@pytest.mark.parametrize("how", ["resume", "approve"])
def test_a_late_run_leaves_when_a_person_says_so_and_for_as_long_as_its_window(town: Engine, how: str) -> None:
    done, part = mailed(town, window={"days": 2})
    late = AT + timedelta(days=2)
    assert claimed(town, part, at=late - timedelta(hours=11), most=1).messages  # until midnight of the second day
    assert claimed(town, part, at=late).shut == "late"
    assert controls.approvals(town, done.run_id, at=late).open == 1
    if how == "resume":
        assert controls.resume(town, done.run_id, by="olga", at=late)
    else:
        assert controls.approve(town, done.run_id, by="olga", at=late, **hashes(town, done.run_id)).open == 0
    assert len(claimed(town, part, worker="two", at=late + timedelta(hours=30)).messages) == done.planned - 1
    assert claimed(town, part, at=late + timedelta(days=2)).shut == "late"


def test_a_late_run_for_two_needs_both_again(town: Engine) -> None:
    done, part = mailed(town, **wanted(2))
    for who in ("olga", "paul"):
        controls.approve(town, done.run_id, by=who, at=AT, **hashes(town, done.run_id))
    controls.approve(town, done.run_id, by="paul", at=LATE, **hashes(town, done.run_id))
    with pytest.raises(LedgerError, match="two persons"):
        controls.approve(town, done.run_id, by="paul", at=LATE, **hashes(town, done.run_id))
    assert claimed(town, part, at=LATE).shut == "late"
    controls.approve(town, done.run_id, by="olga", at=LATE, **hashes(town, done.run_id))
    assert claimed(town, part, at=LATE).messages


# The circuit breaker (limits of Gmail and Yahoo: 0.1 % and 0.3 % complaints)


@pytest.mark.parametrize(
    ("fared", "level"),
    [
        ({"accepted": 5_000, "delivered": 499, "complaints": 4}, None),  # too early: 0.08 % of what was accepted
        ({"accepted": 1_000, "delivered": 1_000, "complaints": 1}, None),  # 0.1 % is not above 0.1 %
        ({"accepted": 1_000, "delivered": 999, "complaints": 1}, "warn"),
        ({"accepted": 1_000, "delivered": 1_000, "complaints": 3}, "warn"),
        ({"accepted": 1_000, "delivered": 999, "complaints": 3}, "stop"),
        ({"accepted": 500, "delivered": 500, "hard_bounces": 10}, None),
        ({"accepted": 511, "delivered": 500, "hard_bounces": 11}, "warn"),
        ({"accepted": 525, "delivered": 500, "hard_bounces": 25}, "warn"),
        ({"accepted": 526, "delivered": 500, "hard_bounces": 26}, "stop"),
        ({"accepted": 9_300, "delivered": 300, "hard_bounces": 9_000}, "stop"),  # next to nothing arrives
        ({"accepted": 499, "delivered": 0, "hard_bounces": 499}, None),
        ({"accepted": 44, "refused": 5}, None),  # 49 answers are too few
        ({"accepted": 45, "refused": 5}, None),
        ({"accepted": 44, "refused": 6}, "stop"),
    ],
)
def test_the_breaker_warns_and_stops_above_its_limits(fared: dict[str, int], level: str | None) -> None:
    known = {**dict.fromkeys(("accepted", "refused", "delivered", "hard_bounces", "complaints"), 0), **fared}
    stops, warns = controls.verdict(known, RULES), controls.warnings(known, RULES)
    assert (stops is not None) == (level == "stop")
    assert bool(warns) == (level == "warn") or level == "stop"


def told(ids: Sequence[UUID], kind: OutcomeKind, source: str = "sendgrid", at: datetime = AT) -> list[Event]:
    return [Event(one, kind, at, source, f"{one} {kind}") for one in ids]


def test_the_breaker_pauses_and_after_a_resume_judges_only_what_came_since(town: Engine) -> None:
    a_crowd(town, 60)
    rules = Breaker(after=20, complaints=(0.01, 0.05))
    done, part = mailed(town)
    ids = sorted(claimed(town, part).messages)
    settle(town, [Outcome(one, State.ACCEPTED) for one in ids], worker="one", at=AT)
    assert record(town, told(ids[:30], OutcomeKind.DELIVERED), rules=rules, at=AT).paused == {}
    paused = record(town, told(ids[:2], OutcomeKind.COMPLAINT), rules=rules, at=AT).paused
    assert paused == {done.run_id: "2 of 30 recipients complained, more than 5.0%"}
    assert run_of(town, done.run_id)["state_by"] == controls.BREAKER
    assert controls.judge(town, done.run_id, rules, at=AT) is None  # once
    controls.resume(town, done.run_id, by="olga", at=AT)
    assert controls.judge(town, done.run_id, rules, at=AT) is None
    record(town, told(ids[30:55], OutcomeKind.DELIVERED), rules=rules, at=AT)
    assert record(town, told(ids[30:31], OutcomeKind.COMPLAINT), rules=rules, at=AT).paused == {}
    assert record(town, told(ids[31:32], OutcomeKind.COMPLAINT), rules=rules, at=AT).paused != {}


def test_what_is_told_of_a_cancelled_run_is_kept_and_stops_nothing(town: Engine) -> None:
    rules = Breaker(after=1)
    done, part = mailed(town)
    ids = sorted(claimed(town, part, most=1).messages)
    settle(town, [Outcome(one, State.ACCEPTED) for one in ids], worker="one", at=AT)
    controls.cancel(town, done.run_id, by="olga", reason="recall", at=AT)
    found = record(town, told(ids, OutcomeKind.DELIVERED) + told(ids, OutcomeKind.COMPLAINT), rules=rules, at=AT)
    assert (found.new, found.paused) == (2, {})
    assert run_of(town, done.run_id)["state"] == RunState.CANCELLED


# Outcomes


def test_events_told_twice_and_in_any_order_count_once(town: Engine) -> None:
    done, part = mailed(town)
    ids = sorted(claimed(town, part).messages)
    settle(town, [Outcome(one, State.ACCEPTED) for one in ids], worker="one", at=AT)
    events = [
        *told(ids, OutcomeKind.ACCEPTED),
        *told(ids[1:], OutcomeKind.DELIVERED),
        *told(ids[:1], OutcomeKind.HARD_BOUNCE),
    ]
    renamed = [
        Event(one.message_id, one.kind, one.occurred_at, one.source, f"again {one.source_key}") for one in events
    ]
    random.Random(1).shuffle(events)
    assert record(town, [*events, *events[:3]], rules=RULES, at=AT).new == len(events)
    assert record(town, events, rules=RULES, at=AT).new == 0
    assert record(town, renamed, rules=RULES, at=AT).new == len(events)  # kept: the source calls it otherwise …
    with town.connect() as connection:
        fared = ledger.tallies(connection, done.run_id)
    assert (fared["delivered"], fared["hard_bounces"]) == (len(ids) - 1, 1)  # … and counted once


def test_events_of_messages_that_nobody_knows_are_left_out(town: Engine) -> None:
    mailed(town)
    assert record(town, told([uuid4()], OutcomeKind.DELIVERED), rules=RULES, at=AT).new == 0
    assert record(town, [], rules=RULES, at=AT).new == 0


SPOKEN = [
    ([OutcomeKind.DELIVERED], State.ACCEPTED),
    ([OutcomeKind.HARD_BOUNCE], State.ACCEPTED),
    ([OutcomeKind.DEFERRED], State.ACCEPTED),
    ([OutcomeKind.DROPPED], State.REFUSED),
    ([OutcomeKind.DROPPED, OutcomeKind.DELIVERED], State.ACCEPTED),
    ([OutcomeKind.DELIVERED, OutcomeKind.DROPPED], State.ACCEPTED),
]


@pytest.mark.parametrize(("kinds", "state"), SPOKEN)
@pytest.mark.parametrize("first", ["the doubt", "the events"])
@pytest.mark.parametrize("doubted", ["its worker died", "no clear answer"])
def test_an_event_settles_a_doubt_whichever_comes_first(
    town: Engine, kinds: list[OutcomeKind], state: State, first: str, doubted: str
) -> None:
    done, part = mailed(town)
    (one,) = claimed(town, part, most=1).messages

    def speak() -> int:
        return sum(record(town, told([one], kind), rules=RULES, at=AT).settled for kind in kinds)

    def fall_in_doubt() -> None:
        if doubted == "its worker died":
            assert expire(town, part, at=AT + HOUR) == (first == "the doubt")
        else:
            settle(town, [Outcome(one, State.UNKNOWN)], worker="one", at=AT)

    if first == "the events":
        assert speak() == 0
        fall_in_doubt()
    else:
        fall_in_doubt()
        if kinds == [OutcomeKind.DROPPED, OutcomeKind.DELIVERED]:  # in one post
            assert record(town, [e for kind in kinds for e in told([one], kind)], rules=RULES, at=AT).settled == 1
        else:
            assert speak() == 1
    assert states(town, done.run_id) == {"planned": done.planned - 1, state: 1}
    assert tallies_are_right(town)
    assert not claimed(town, part, worker="two").messages & {one}


def test_what_was_delivered_is_not_sent_again_even_by_a_campaign_that_would_rather_write_twice(town: Engine) -> None:
    done, part = mailed(town)
    ids = sorted(claimed(town, part).messages)
    record(town, told(ids[:1], OutcomeKind.DELIVERED), rules=RULES, at=AT)
    assert expire(town, part, at=AT + HOUR, again=True) == 0
    assert states(town, done.run_id) == {"accepted": 1, "planned": len(ids) - 1}
    assert claimed(town, part, worker="two").messages == set(ids[1:])


# A restored database


def test_who_was_written_to_before_the_database_was_restored_is_not_written_to_again(
    town: Engine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    journal = Journal(tmp_path_factory.mktemp("claims") / "email-001.log")
    done, part = mailed(town)
    with town.begin() as connection:
        connection.execute(text("create table this_morning as select * from message"))
        connection.execute(text("create table shards_then as select * from shard"))
    sent = claimed(town, part, most=3).messages
    journal.add(sent)
    settle(town, [Outcome(one, State.ACCEPTED) for one in sent], worker="one", at=AT)
    with town.begin() as connection:
        connection.execute(text("truncate message, shard"))
        connection.execute(text("insert into message select * from this_morning"))
        connection.execute(text("insert into shard select * from shards_then"))
        connection.execute(text("drop table this_morning, shards_then"))
    assert doubt(town, journal.claims(), at=AT) == 3
    assert doubt(town, journal.claims(), at=AT) == 0
    rest = claimed(town, part, worker="two").messages
    assert not rest & sent
    assert states(town, done.run_id) == {"unknown": 3, "claimed": done.planned - 3}
    assert tallies_are_right(town)


def test_the_journal_forgets_a_line_that_was_cut_short_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    journal = Journal(tmp_path_factory.mktemp("claims") / "email-001.log")
    one, two, three = (UUID(int=number) for number in (1, 2, 3))
    assert journal.claims() == {}
    journal.add([one, two])
    with journal.path.open("ab") as file:
        file.write(str(three).encode()[:20])
    assert journal.claims() == {one: 1, two: 1}
    journal.add([one])
    assert journal.claims() == {one: 2, two: 1}


# Suppressions


def test_a_mark_is_the_same_in_the_database_as_outside(town: Engine) -> None:
    who = [
        person("plain"),
        person("accents", first_name="Zoé-Éloïse", last_name="D’Arcy Müller", street="3 bis, rue de l’Église"),
        person("composed", first_name="Zoe\u0301", email="zoe\u0301@example.fr"),
        person("capitals", email="  ANNA.Ünal@Example.FR ", street="12 RUE DES LILAS"),
        person("turkish", email="İLKER@example.fr"),
        person("greek", email="ΟΔΥΣΣΕΥΣ@example.gr"),
        person("nothing", first_name=None, last_name=None, email=None, phone=None, street=None, postcode=None),
        person("half", first_name=None, postcode=None),
    ]
    with town.connect() as connection:
        for one in who:
            row = connection.execute(
                text(
                    "select mark(email_value(:email), :inner_pad, :outer_pad) as email_mark, "
                    "mark('phone:' || :phone, :inner_pad, :outer_pad) as phone_mark, "
                    "mark(box_value(:first_name, :last_name, :street, :postcode), :inner_pad, :outer_pad) "
                    "as letter_mark"
                ),
                {**one, **KEY.pads},
            ).one()
            expected = marked(one)
            for name in ("email_mark", "phone_mark", "letter_mark"):
                assert getattr(row, name) == expected[name], (one["customer_id"], name)


@given(st.text(st.characters(max_codepoint=0x24F, exclude_characters="\0"), max_size=30))
def test_any_address_has_one_mark(migrated: Engine, written: str) -> None:
    tidy = written.strip()
    with migrated.connect() as connection:
        assert connection.scalar(text("select email_value(:value)"), {"value": tidy}) == suppressions.email(tidy)
        assert connection.scalar(text("select bare(:value)"), {"value": tidy}) == suppressions.bare(tidy)


def test_a_suppressed_address_closes_its_channel_for_everyone_who_has_it(town: Engine) -> None:
    for one in ("ANNA@example.fr", "anna@EXAMPLE.fr"):
        found = Suppression(Channel.EMAIL, suppressions.email(one), SuppressionReason.HARD_BOUNCE, "sendgrid")
        added = suppressions.add(town, [found], key=KEY, at=AT)
    assert added == 0  # it was known
    done = planned(town, campaign("email", "letter"))
    assert written_to(town, done.run_id)[ANNA] == "letter"
    only_mail = planned(town, campaign("email", name="mail"))
    assert left_out(town, only_mail.run_id)[ANNA] == "suppressed"
    assert suppressions.add(town, [], key=KEY, at=AT) == 0


def test_marks_of_another_key_are_an_error_and_not_silence(town: Engine) -> None:
    found = Suppression(Channel.EMAIL, suppressions.email("anna@example.fr"), SuppressionReason.UNSUBSCRIBED, "person")
    suppressions.add(town, [found], key=MarkKey(b"another" * 5), at=AT)
    with pytest.raises(LedgerError, match="1 suppressions were made with another HABITUE_SECRET"):
        planned(town, campaign("email"))


def test_a_base_marked_with_another_key_is_an_error_as_soon_as_anything_is_suppressed(town: Engine) -> None:
    with town.begin() as connection:
        connection.execute(update(customer).values(mark_key="another"))
    planned(town, campaign("email", name="early"))
    found = Suppression(Channel.EMAIL, suppressions.email("x@example.fr"), SuppressionReason.UNSUBSCRIBED, "person")
    suppressions.add(town, [found], key=KEY, at=AT)
    with pytest.raises(LedgerError, match="loaded with another HABITUE_SECRET"):
        planned(town, campaign("email"))


# What is always so


def tallies_are_right(engine: Engine) -> bool:
    """Each shard's tallies are the counts of its messages by state."""
    with engine.connect() as connection:
        wrong = connection.execute(
            text(
                "select s.run_id, s.channel, s.shard from shard s left join message m using (run_id, channel, shard) "
                "group by s.run_id, s.channel, s.shard having (messages, accepted, refused, unknown, cancelled) <> ("
                "count(m.*), count(*) filter (where m.state = 'accepted'), "
                "count(*) filter (where m.state = 'refused'), count(*) filter (where m.state = 'unknown'), "
                "count(*) filter (where m.state = 'cancelled'))"
            )
        ).all()
    return wrong == []
