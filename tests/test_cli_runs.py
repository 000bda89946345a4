"""Ops at the command line: pause, cancel, approve, settle; hold a customer, suppress an address. Never a name."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import get_args

import pytest
from click.testing import Result
from sqlalchemy import Engine, func, insert, select, text, update
from typer.testing import CliRunner

from habitue import cli_holds, cli_runs, doubts, ledger, overview
from habitue.campaigns import Campaign
from habitue.cli import app
from habitue.errors import LedgerError
from habitue.plans import Shard
from habitue.shop import load_shop
from habitue.tables import (
    Channel,
    Hold,
    RunState,
    State,
    SuppressionReason,
    customer,
    hold,
    message,
    run,
    shard,
    suppression,
)
from people import ANNA, AT, KEY, ON, SECRET
from test_plans import CAPS, SHOP, campaign, planned, town

__all__ = ["town"]

LATER = AT + timedelta(hours=1)
MAILED = frozenset({Channel.LETTER, Channel.CALL})
"""Made once whatever happens, where mails leave by a provider."""


class Ops:
    """One of ops at a terminal."""

    def __init__(self, settings: dict[str, str]) -> None:
        self.settings = settings

    def tries(self, *words: str, typing: str | None = None) -> Result:
        return CliRunner().invoke(app, words, input=typing, env=self.settings)

    def says(self, *words: str, typing: str | None = None) -> str:
        done = self.tries(*words, typing=typing)
        assert done.exit_code == 0, done.exception or done.output
        return done.output

    def is_refused(self, *words: str, typing: str | None = None) -> str:
        done = self.tries(*words, typing=typing)
        assert isinstance(done.exception, LedgerError), done.output
        return str(done.exception)


@pytest.fixture
def ops(town: Engine, tmp_path: Path) -> Ops:
    return Ops(
        {
            "HABITUE_DATABASE_URL": town.url.render_as_string(hide_password=False),
            "HABITUE_OUT": str(tmp_path),
            "HABITUE_SECRET": SECRET.decode(),
            "HABITUE_TODAY": ON.isoformat(),
        }
    )


@pytest.fixture
def spring(town: Engine) -> str:
    """A run of five mails: to Anna, Boris, David, Emma and Felix."""
    return planned(town, campaign("email")).run_id


def states(engine: Engine, run_id: str) -> dict[str, int]:
    with engine.connect() as connection:
        counted = select(message.c.state, func.count()).where(message.c.run_id == run_id).group_by(message.c.state)
        return {row[0]: row[1] for row in connection.execute(counted)}


def lose_a_worker(engine: Engine, run_id: str, most: int = 3, channel: Channel = Channel.EMAIL) -> None:
    """A worker claims and is never heard of again: an hour before everything else here happens."""
    part, before = Shard(run_id, channel, 1), AT - timedelta(days=1)
    taken = ledger.claim(engine, part, worker="dies", on=ON, at=before, shop=SHOP, caps=CAPS, most=most)
    assert len(taken.messages) == most


def tallies_agree(engine: Engine, run_id: str) -> bool:
    with engine.connect() as connection:
        line = overview.one_run(engine, run_id, at=AT)
        counted = {state: number for state, number in line.states.items() if number}
        return line.gap == 0 and counted == states(engine, run_id) and bool(connection.execute(select(shard)).all())


def test_the_list_of_runs_adds_up(ops: Ops, town: Engine, spring: str) -> None:
    told = ops.says("runs")
    assert "spring:2026-10-01  open" in told
    sums = [[int(number) for number in re.findall(r"\d+", line)] for line in told.splitlines() if "= planned" in line]
    (audience, *parts), (all_planned, *by_state) = (sums[0][:4], sums[1])
    assert audience == sum(parts) == 8
    assert all_planned == sum(by_state) == 5
    lose_a_worker(town, spring)
    ledger.expire(town, Shard(spring, Channel.EMAIL, 1), at=AT)
    assert "planned 5 = planned 2 + claimed 0 + accepted 0 + refused 0 + unknown 3 + cancelled 0" in ops.says("runs")


def test_a_program_reads_the_same_as_json(ops: Ops, spring: str) -> None:
    (found,) = json.loads(ops.says("runs", "--json"))
    assert (found["run_id"], found["standing"], found["planned"]) == (spring, "open", 5)
    assert found["states"]["planned"] == 5
    assert found["cost_micros"] == 5_000_000


def test_a_shop_without_runs_is_told_so(ops: Ops) -> None:
    assert ops.says("runs") == "no run is planned yet\n"
    assert json.loads(ops.says("runs", "--json")) == []


def test_a_paused_run_lets_nothing_go_until_it_is_resumed(ops: Ops, town: Engine, spring: str) -> None:
    assert "is paused: 5 messages wait" in ops.says("pause", spring, "--why", "the printer is ill", "--by", "olga")
    assert "was already paused" in ops.says("pause", spring, "--why", "the printer is ill", "--by", "olga")
    told = ops.says("runs")
    assert "paused (olga, " in told
    assert "the printer is ill" in told
    claimed = ledger.claim(
        town, Shard(spring, Channel.EMAIL, 1), worker="w", on=ON, at=AT, shop=SHOP, caps=CAPS, most=9
    )
    assert claimed.shut == "paused"
    assert "goes on: 5 messages wait" in ops.says("resume", spring, "--by", "olga")
    assert "was not paused" in ops.says("resume", spring)


def test_cancelling_asks_first_and_ends_what_waits(ops: Ops, town: Engine, spring: str) -> None:
    assert ops.tries("cancel", spring, "--why", "wrong offer", typing="n\n").exit_code == 1
    assert states(town, spring) == {"planned": 5}
    assert "5 messages ended" in ops.says("cancel", spring, "--why", "wrong offer", typing="y\n")
    assert states(town, spring) == {"cancelled": 5}
    assert "0 messages ended" in ops.says("cancel", spring, "--why", "wrong offer", "--yes")
    assert "stays so" in ops.is_refused("resume", spring)


def test_the_kill_switch_holds_every_run(ops: Ops, spring: str) -> None:
    assert "Nothing leaves" in ops.says("stop", "--why", "a wrong price", "--by", "olga")
    assert "already" in ops.says("stop", "--why", "again")
    assert f"{spring}  stopped" in ops.says("runs")
    assert "may leave again" in ops.says("go")
    assert "nothing was stopped" in ops.says("go")
    assert f"{spring}  open" in ops.says("runs")


def test_a_run_that_is_not_planned_is_told_which_there_are(ops: Ops, spring: str) -> None:
    why = {"pause": ["--why", "x"], "cancel": ["--why", "x"]}
    for command in ("pause", "resume", "cancel", "approve", "accept", "settle"):
        assert f"the last ones are {spring}" in ops.is_refused(command, "autumn:2026-10-01", *why.get(command, []))


def test_two_persons_approve_a_large_run_and_not_one_twice(ops: Ops, town: Engine) -> None:
    large = planned(town, campaign("email", approval={"recipients": 1, "second_recipients": 2})).run_id
    assert f"{large}  unapproved" in ops.says("runs")
    assert "1 of 2 approvals" in ops.says("approve", large, "--by", "olga")
    assert "somebody else" in ops.is_refused("approve", large, "--by", "olga")
    assert "2 of 2 approvals" in ops.says("approve", large, "--by", "paul")
    assert f"{large}  open" in ops.says("runs")


def test_changed_texts_are_taken_in_and_ask_for_approval_again(
    ops: Ops, town: Engine, spring: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "nothing has changed" in ops.says("accept", spring)
    monkeypatch.setattr(Campaign, "template_files", lambda self, languages: {"copy": "1"})
    assert "copy changed after this run was planned" in ops.is_refused("approve", spring)
    told = ops.says("accept", spring, "--by", "olga")
    assert "  copy\n" in told
    assert "1 taken in; it has 0 of 1 approvals" in told
    assert "rendered and approved again" in told
    assert f"{spring}  unapproved" in ops.says("runs")
    ops.says("approve", spring, "--by", "olga")
    assert f"{spring}  open" in ops.says("runs")


def test_a_text_that_is_gone_is_named(
    ops: Ops, town: Engine, spring: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gone = tmp_path / "x.fr.j2"
    monkeypatch.setattr(Campaign, "template_files", lambda self, languages: {"copy": str(gone.stat())})
    assert "x.fr.j2 (it is gone) changed" in ops.is_refused("approve", spring)
    assert "x.fr.j2 (it is gone); put it back" in ops.is_refused("accept", spring)


def test_what_a_dead_worker_held_is_in_doubt_until_a_person_decides(ops: Ops, town: Engine, spring: str) -> None:
    assert "nothing is in doubt" in ops.says("settle", spring)
    lose_a_worker(town, spring)
    assert doubts.expire(town, spring, once=MAILED, at=AT) == {State.UNKNOWN: 3, State.PLANNED: 0}
    told = ops.says("settle", spring)
    assert "email: 3 in doubt since 2026-10-01" in told
    assert states(town, spring) == {"planned": 2, "unknown": 3}
    done = ops.says("settle", spring, "--as", "accepted", "--by", "olga", typing="y\n")
    assert "3 email; 3 settled as accepted" in done
    assert states(town, spring) == {"planned": 2, "accepted": 3}
    assert tallies_agree(town, spring)
    with town.connect() as connection:
        assert connection.scalar(select(message.c.reason).where(message.c.state == "accepted").limit(1)) == (
            "told by olga"
        )


def test_only_a_person_who_was_told_the_risk_sends_again(ops: Ops, town: Engine, spring: str) -> None:
    lose_a_worker(town, spring)
    doubts.expire(town, spring, once=MAILED, at=AT)
    asked = ops.tries("settle", spring, "--as", "planned", typing="n\n")
    assert "those customers get the same one twice" in asked.output
    assert states(town, spring) == {"planned": 2, "unknown": 3}
    ops.says("settle", spring, "--as", "planned", "--yes")
    assert states(town, spring) == {"planned": 5}
    assert tallies_agree(town, spring)
    again = ledger.claim(
        town, Shard(spring, Channel.EMAIL, 1), worker="next", on=ON, at=AT, shop=SHOP, caps=CAPS, most=9
    )
    assert len(again.messages) == 5


def test_what_is_settled_as_refused_never_leaves(ops: Ops, town: Engine, spring: str) -> None:
    lose_a_worker(town, spring)
    doubts.expire(town, spring, once=MAILED, at=AT)
    ops.says("settle", spring, "--as", "refused", "--yes")
    assert states(town, spring) == {"planned": 2, "refused": 3}
    assert tallies_agree(town, spring)


def test_a_decision_about_three_is_none_about_five(town: Engine, spring: str) -> None:
    lose_a_worker(town, spring, most=5)
    doubts.expire(town, spring, once=MAILED, at=AT)
    with pytest.raises(LedgerError, match="5 messages are in doubt by now, not 3"):
        doubts.settle(town, spring, State.ACCEPTED, seen=3, by="olga", at=AT)
    assert states(town, spring) == {"unknown": 5}
    with pytest.raises(LedgerError, match="cancelled is none of them"):
        doubts.settle(town, spring, State.CANCELLED, seen=5, by="olga", at=AT)


def test_a_claim_that_is_still_held_is_nobodys_business(ops: Ops, town: Engine, spring: str) -> None:
    ledger.claim(town, Shard(spring, Channel.EMAIL, 1), worker="works", on=ON, at=AT, shop=SHOP, caps=CAPS, most=2)
    assert doubts.expire(town, spring, once=MAILED, at=AT) == {State.UNKNOWN: 0, State.PLANNED: 0}
    with town.connect() as connection:
        (found,) = doubts.doubts(connection, spring, at=AT)
    assert (found.in_hand, found.silent, found.unknown, found.since) == (2, 0, 0, None)


def test_a_campaign_that_says_at_least_once_plans_them_again(town: Engine) -> None:
    run_id = planned(town, campaign("email", delivery="at_least_once")).run_id
    lose_a_worker(town, run_id)
    assert doubts.expire(town, run_id, once=MAILED, at=AT) == {State.UNKNOWN: 0, State.PLANNED: 3}
    assert states(town, run_id) == {"planned": 5}


def test_letters_of_a_dead_worker_wait_for_the_next_delivery(ops: Ops, town: Engine) -> None:
    run_id = planned(town, campaign("letter")).run_id
    lose_a_worker(town, run_id, channel=Channel.LETTER)
    told = ops.says("settle", run_id, "--as", "accepted", "--yes")
    assert "letter: 0 in doubt, 0 in hand, 3 of silent workers" in told
    assert "made again, once" in told
    assert states(town, run_id)["claimed"] == 3


@pytest.mark.parametrize("delivery", ["at_most_once", "at_least_once"])
def test_of_a_cancelled_run_all_is_in_doubt_and_nothing_is_sent_again(ops: Ops, town: Engine, delivery: str) -> None:
    run_id = planned(town, campaign("letter", "email", delivery=delivery)).run_id
    lose_a_worker(town, run_id, channel=Channel.LETTER)
    lose_a_worker(town, run_id, most=2)
    ops.says("cancel", run_id, "--why", "x", "--yes")
    told = ops.says("settle", run_id)
    assert "5 claims of silent workers ran out: 5 in doubt, 0 planned again" in told
    assert "is cancelled and stays so" in ops.is_refused("settle", run_id, "--as", "planned", "--yes")
    assert "2 email + 3 letter; 5 settled as refused" in ops.says("settle", run_id, "--as", "refused", "--yes")
    assert states(town, run_id) == {"refused": 5}
    assert tallies_agree(town, run_id)


def test_where_a_provider_carries_the_mails_they_are_not_made_twice() -> None:
    shop = load_shop()
    assert doubts.made_once(shop) == {Channel.LETTER, Channel.CALL, Channel.EMAIL}
    by_provider = shop.model_copy(update={"sender": shop.sender.model_copy(update={"kind": "smtp"})})
    assert doubts.made_once(by_provider) == MAILED


def test_who_complained_is_left_in_peace_until_released(ops: Ops, town: Engine, spring: str) -> None:
    assert ops.says("hold", ANNA, "--reason", "complaint", "--by", "olga") == "1 held for complaint\n"
    assert "0 held for complaint" in ops.says("hold", ANNA, "--reason", "complaint")
    part = Shard(spring, Channel.EMAIL, 1)
    taken = ledger.claim(town, part, worker="w", on=ON, at=AT, shop=SHOP, caps=CAPS, most=9)
    assert (len(taken.messages), taken.cancelled) == (4, 1)
    assert ops.says("release", ANNA, "--reason", "complaint", "--by", "paul") == "1 released from complaint\n"
    assert "0 released" in ops.says("release", ANNA, "--reason", "complaint")
    with town.connect() as connection:
        row = connection.execute(select(hold)).mappings().one()
    assert (row["opened_by"], row["closed_by"]) == ("olga", "paul")


def test_nobody_is_held_whom_the_base_does_not_know_and_the_erased_stay_so(ops: Ops, town: Engine) -> None:
    refused = ops.is_refused("hold", "anna@example.fr", "--reason", "complaint")
    assert "knows no customer of this id" in refused
    assert "anna" not in refused
    with town.begin() as connection:
        connection.execute(insert(hold).values(customer_id=ANNA, reason=Hold.ERASED, opened_at=AT, opened_by="law"))
    assert "never released" in ops.is_refused("release", ANNA, "--reason", "erased")
    assert ops.tries("hold", ANNA, "--reason", "erased").exit_code == 2


@pytest.mark.parametrize(
    ("channel", "typed", "mark"),
    [
        ("email", "  Anna@Example.FR ", "email_mark"),
        ("call", "01 99 00 12 34", "phone_mark"),
        ("letter", "Anna Exemple; 12, rue des Lilas; 69003", "letter_mark"),
    ],
)
def test_a_suppressed_address_is_the_one_of_the_base_however_it_is_typed(
    ops: Ops, town: Engine, channel: str, typed: str, mark: str
) -> None:
    add = ["suppress", "add", "--channel", channel, "--reason", "unsubscribed"]
    told = ops.says(*add, typed)
    assert told == "1 read = 1 suppressed + 0 suppressed before\n"
    with town.connect() as connection:
        kept = connection.execute(select(suppression)).mappings().one()
        known = connection.scalar(select(getattr(customer.c, mark)).where(customer.c.customer_id == ANNA))
    assert bytes(kept["mark"]) == bytes(known)
    assert (kept["mark_key"], kept["source"]) == (KEY.id, "person")
    assert "0 suppressed + 1 suppressed before" in ops.says(*add, typed)
    assert "1 read, 1 suppressions lifted" in ops.says("suppress", "lift", "--channel", channel, typed, "--by", "olga")
    assert re.search(r"total +0", ops.says("suppress", "list"))


def test_many_addresses_come_one_a_line_and_none_is_told(ops: Ops, town: Engine) -> None:
    add = ["suppress", "add", "--channel", "email", "--reason", "hard_bounce", "-"]
    lines = "anna@example.fr\n\nboris@example.fr\nANNA@example.fr\n"
    assert ops.says(*add, typing=lines) == "2 read = 2 suppressed + 0 suppressed before\n"
    refused = ops.is_refused(*add, typing="felix@example.fr\nnot an address\n\nnor@this@one\n")
    assert refused == "line 2, 4: not an e-mail address; nothing was changed"
    listed = ops.says("suppress", "list")
    assert re.search(r"email +hard_bounce +2\n", listed)
    assert re.search(r"total +2\n", listed)
    with town.connect() as connection:
        assert connection.scalar(text("select count(*) from suppression")) == 2


def test_the_commands_know_the_same_closed_lists_as_the_tables() -> None:
    assert set(get_args(cli_holds.Way)) == set(Channel)
    assert set(get_args(cli_holds.Reason)) == set(SuppressionReason)
    assert set(get_args(cli_holds.Held)) == set(Hold) == {*get_args(cli_holds.Trouble), Hold.ERASED}
    assert {one.value for one in cli_runs.Saying} == set(doubts.SAYINGS)


def test_no_command_tells_a_customer(ops: Ops, town: Engine, spring: str) -> None:
    lose_a_worker(town, spring)
    doubts.expire(town, spring, once=MAILED, at=AT)
    told = "".join(
        [
            ops.says("runs"),
            ops.says("runs", "--json"),
            ops.says("settle", spring),
            ops.says("hold", ANNA, "--reason", "complaint"),
            ops.says("suppress", "add", "--channel", "email", "--reason", "unsubscribed", "anna@example.fr"),
            ops.says("cancel", spring, "--why", "x", "--yes"),
        ]
    ).lower()
    assert "anna" not in told
    assert "example" not in told


def test_a_late_run_says_so_and_leaves_when_a_person_resumes_it(ops: Ops, town: Engine, spring: str) -> None:
    with town.begin() as connection:
        connection.execute(update(run).values(deliver_until=AT - timedelta(days=1)))
    assert f"{spring}  late" in ops.says("runs")
    assert "goes on" in ops.says("resume", spring)
    assert f"{spring}  open" in ops.says("runs")
    assert overview.one_run(town, spring, at=LATER).state is RunState.OPEN
