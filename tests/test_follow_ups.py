"""Whom a campaign did not reach gets the next channel, once: given messages and outcomes, the expected customers."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
import yaml
from sqlalchemy import Engine, insert, select, text

from conftest import ROOT
from earlier_runs import earlier_message
from habitue import ledger, outcomes
from habitue.campaigns import NOT_REACHED, Campaign
from habitue.ledger import Outcome
from habitue.outcomes import Event
from habitue.plans import shards
from habitue.statements import statement
from habitue.tables import OutcomeKind, State, consent, credit, message, segment
from people import ANNA, AT, BORIS, CLARA, DAVID, EMMA, FELIX, ON, event, move_in, standing
from test_plans import CAPS, SHOP, campaign, left_out, planned, written_to

CASES = sorted((ROOT / "tests" / "sql" / NOT_REACHED).glob("*.yaml"))


CREDITED = {
    "run_id": "spring:2026-10-01",
    "customer_id": "a friend",
    "order_id": "1",
    "ordered_on": date(2026, 10, 3),
    "rule": "offer_code",
    "rules_version": "1",
    "sold_cents": 0,
    "returned_cents": 0,
    "snapshot_id": "2026-10-10",
    "known_at": AT,
}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path, base: Engine) -> None:
    case = yaml.safe_load(path.read_text("utf-8"))
    asked = {"campaign": "spring", "after_days": 14, "unanswered": case.get("unanswered", False), "on": case["day"]}
    with base.begin() as connection:
        connection.execute(text("create temp view standing as select * from segment"))
        for who, day in case.get("bought", {}).items():
            connection.execute(insert(segment).values(standing(who, "lapsed", last=day)))
        for given in case["given"]:
            sent = earlier_message(
                connection,
                given.get("campaign", "spring"),
                given.get("run", date(2026, 10, 1)),
                given["who"],
                channel=given.get("channel", "email"),
                state=given.get("state", "accepted"),
                outcomes=[
                    (kind, datetime.fromisoformat(at).replace(tzinfo=UTC)) for kind, at in given.get("outcomes", [])
                ],
            )
            for orders in [] if "credited" not in given else [1, given["credited"] - 1]:
                connection.execute(insert(credit).values(**CREDITED, message_id=sent, orders=orders))
        found = connection.scalars(statement(f"audience/{NOT_REACHED}"), asked).all()
    assert sorted(found) == case["expect"]


def test_there_are_cases() -> None:
    assert len(CASES) >= 9


@pytest.fixture
def town(base: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setattr(Campaign, "template_files", lambda self, languages: {"copy": "0"})
    move_in(base)
    return base


def test_who_was_not_reached_by_mail_gets_a_letter_a_fortnight_later_and_only_one(town: Engine) -> None:
    spring = campaign("email", then={"channel": "letter", "template": "y", "after_days": 14})
    first = planned(town, spring)
    ids = _answered(town, first.run_id, refused={ANNA, DAVID, EMMA, FELIX})
    bounced = Event(ids[BORIS], OutcomeKind.HARD_BOUNCE, AT + timedelta(hours=1), "sendgrid", "1")
    outcomes.record(town, [bounced], rules=SHOP.breaker, at=AT + timedelta(hours=1))
    with town.begin() as connection:  # David has had enough
        connection.execute(insert(consent), [event(DAVID, "letter", "withdrawn", AT + timedelta(days=3))])
    follow_up = spring.follow_up()
    assert follow_up is not None
    assert planned(town, follow_up, on=ON + timedelta(days=13)).audience == 0
    done = planned(town, follow_up, on=ON + timedelta(days=14))
    assert written_to(town, done.run_id) == {ANNA: "letter", BORIS: "letter"}
    assert left_out(town, done.run_id) == {DAVID: "objected", EMMA: "unreachable", FELIX: "household_served"}
    assert CLARA not in written_to(town, first.run_id)  # she was never written to: there is nothing to follow up
    # What was not theirs yesterday is not theirs today: Felix shares a letter box with Anna.
    again = planned(town, follow_up, on=ON + timedelta(days=15))
    assert written_to(town, again.run_id) == {}
    _answered(town, done.run_id, refused=set())
    assert written_to(town, planned(town, follow_up, on=ON + timedelta(days=30)).run_id) == {}


def _answered(town: Engine, run_id: str, *, refused: set[str]) -> dict[str, UUID]:
    """Lets the run go; its provider refuses some. Returns each customer's message."""
    (shard,) = shards(town, run_id)
    at = datetime.combine(shard.on, AT.timetz())
    claimed = ledger.claim(town, shard, worker="w", on=shard.on, at=at, shop=SHOP, caps=CAPS, most=100)
    with town.connect() as connection:
        columns = (message.c.customer_id, message.c.message_id)
        ids = {row[0]: row[1] for row in connection.execute(select(*columns).where(message.c.run_id == run_id))}
    assert set(ids.values()) == claimed.messages
    answers = [Outcome(one, State.REFUSED if who in refused else State.ACCEPTED) for who, one in ids.items()]
    assert ledger.settle(town, answers, worker="w", at=at) == len(answers)
    return ids
