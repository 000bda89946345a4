"""Whom a campaign did not reach gets the next channel, once: given messages and outcomes, the expected customers."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
import yaml
from sqlalchemy import Engine, insert, select, text, update

from conftest import ROOT
from earlier_runs import earlier_message
from habitue import follow_ups, holds, ledger, outcomes
from habitue.campaigns import NOT_REACHED, Campaign
from habitue.ledger import Outcome
from habitue.outcomes import Event
from habitue.plans import shards
from habitue.settings import INCLUDE
from habitue.statements import statement
from habitue.tables import Hold, OutcomeKind, State, consent, credit, message, segment
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
        connection.execute(text("drop view standing"))
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


def test_no_answer_to_a_letter_leads_to_a_call_where_that_is_lawful_and_else_to_a_mail(town: Engine) -> None:
    ways = [{"channel": "call", "template": "y"}, {"channel": "email", "template": "y"}]
    spring = campaign("letter", then={"when": "no_answer", "ways": ways, "after_days": 14})
    first = planned(town, spring)
    _answered(town, first.run_id, refused=set())
    assert written_to(town, first.run_id) == {ANNA: "letter", BORIS: "letter", DAVID: "letter"}
    _bought(town, ANNA, ON + timedelta(days=3))
    follow_up = spring.follow_up()
    assert follow_up is not None
    assert planned(town, follow_up, on=ON + timedelta(days=13)).audience == 0
    done = planned(town, follow_up, on=ON + timedelta(days=14))
    assert written_to(town, done.run_id) == {BORIS: "call", DAVID: "email"}  # Boris said that he may be called


def test_nobody_is_asked_twice_for_the_same_thing_within_its_pause(town: Engine) -> None:
    """Boris got the letter and then the call: neither the campaign nor its follow-up comes again within its rest."""
    ways = [{"channel": "call", "template": "y"}, {"channel": "email", "template": "y"}]
    spring = campaign("letter", rest_days=60, then={"when": "no_answer", "ways": ways, "after_days": 14})
    _answered(town, planned(town, spring).run_id, refused=set())
    follow_up = spring.follow_up()
    assert follow_up is not None
    _answered_by_call(town, planned(town, follow_up, on=ON + timedelta(days=14)).run_id)
    assert BORIS not in written_to(town, planned(town, follow_up, on=ON + timedelta(days=15)).run_id)
    again = planned(town, spring, on=ON + timedelta(days=59))
    assert left_out(town, again.run_id)[BORIS] == "recently_contacted"
    assert BORIS in written_to(town, planned(town, spring, on=ON + timedelta(days=60)).run_id)


def test_a_purchase_ends_the_win_back_also_for_what_is_planned_already(town: Engine) -> None:
    winback = campaign("email", until_purchase=True)
    done = planned(town, winback)
    _bought(town, ANNA, ON)
    _bought(town, BORIS, ON - timedelta(days=1))  # told late: an order of before the plan
    (part,) = shards(town, done.run_id)
    ledger.claim(town, part, worker="w", on=ON, at=AT, shop=SHOP, caps=CAPS, most=100)
    assert _reasons(town, done.run_id) == {ANNA: "bought_since"}
    unending = planned(town, campaign("email", name="summer"))
    (part,) = shards(town, unending.run_id)
    ledger.claim(town, part, worker="w", on=ON, at=AT, shop=SHOP, caps=CAPS, most=100)
    assert _reasons(town, unending.run_id) == {}


def test_a_complaint_stops_all_selling_until_it_is_closed(town: Engine) -> None:
    done = planned(town, campaign("email"))
    (part,) = shards(town, done.run_id)
    holds.open_hold(town, BORIS, Hold.COMPLAINT, by="olga", at=AT)
    ledger.claim(town, part, worker="w", on=ON, at=AT, shop=SHOP, caps=CAPS, most=100)
    assert _reasons(town, done.run_id) == {BORIS: "complaint_open"}
    summer = planned(town, campaign("email", name="summer"))
    assert left_out(town, summer.run_id)[BORIS] == "complaint_open"
    holds.close_hold(town, BORIS, Hold.COMPLAINT, by="olga", at=AT)
    assert BORIS in written_to(town, planned(town, campaign("email", name="autumn")).run_id)


def test_what_a_rule_names_that_is_not_there_is_said_and_the_rest_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = (INCLUDE / "campaigns" / "winback_calls.yaml").read_text("utf-8")
    for name, content in (
        ("winback", good),
        ("summer", f"{good}audience: {{sql: not_reached, parameters: {{campaign: spring, after_days: 9}}}}\n"),
        ("autumn", "surprise: true\n"),
    ):
        (tmp_path / f"{name}.yaml").write_text(content)
    monkeypatch.setattr("habitue.calendars.campaign_files", lambda: sorted(tmp_path.glob("*.yaml")))
    found = follow_ups.in_force(language="en")
    assert {one.campaign for one in found.said} == {None, "winback", "summer"}
    broken, choice, moved, price, spring = found.gaps
    assert broken.startswith("The file of the campaign autumn can")
    assert price == (
        "include/offers_by_reason.yaml (Price, Buys elsewhere) names the campaign offer_price, "
        "of which there is no file: nothing follows."
    )
    assert ("offer_choice" in choice, "offer_delivery" in moved) == (True, True)
    assert spring.startswith("include/campaigns/summer.yaml (audience) names the campaign spring,")


def test_offers_by_reason_that_can_not_be_read_are_said_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "offers.yaml").write_text("reasons: {weather: {campaign: offer_price, channel: email}}\n")
    monkeypatch.setattr("habitue.targeted_offers.FILE", tmp_path / "offers.yaml")
    found = follow_ups.in_force(language="fr")
    assert "reason" not in {one.rule for one in found.said}
    [gap] = found.gaps
    assert gap.startswith("Les offres par raison ne peuvent être lues")


def test_a_call_that_would_not_be_lawful_is_a_mail_instead_and_without_either_nothing(town: Engine) -> None:
    """Boris no longer wishes to be called, Anna's number must not be used again, David has had his mails."""
    ways = [{"channel": "call", "template": "y"}, {"channel": "email", "template": "y"}]
    spring = campaign("letter", then={"when": "no_answer", "ways": ways, "after_days": 14})
    _answered(town, planned(town, spring).run_id, refused=set())
    with town.begin() as connection:
        said = [event(BORIS, "call", "withdrawn", AT), event(DAVID, "email", "withdrawn", AT)]
        connection.execute(insert(consent), said)
    follow_up = spring.follow_up()
    assert follow_up is not None
    done = planned(town, follow_up, on=ON + timedelta(days=14))
    assert written_to(town, done.run_id) == {ANNA: "email", BORIS: "email"}
    assert left_out(town, done.run_id)[DAVID] in ("objected", "no_consent")


def test_the_rules_in_force_can_be_shown() -> None:
    for language in ("fr", "en"):
        found = follow_ups.in_force(language=language)
        said = found.said
        assert not found.gaps
        assert [one.rule for one in said if one.campaign == "winback_calls"] == ["no_answer", "purchase", "pause"]
        assert [one.rule for one in said if one.campaign is None] == ["complaint"]
        assert all(one.text and "{" not in one.text for one in said)
    (then,) = [one.text for one in follow_ups.in_force(language="en").said if one.rule == "no_answer"]
    assert then == "Nobody reached, or a letter without an answer: after 21 days a call, else an e-mail."
    (pause,) = [one.text for one in said if one.rule == "pause" and one.campaign == "winback_calls"]
    assert pause == "Not again within 90 days; no second call within 90, letter within 30, e-mail within 5 days."


def _bought(town: Engine, who: str, day: date) -> None:
    """The next night tells of it."""
    with town.begin() as connection:
        told = {"last_day": day, "snapshot_id": (ON + timedelta(days=1)).isoformat()}
        connection.execute(update(segment).where(segment.c.customer_id == who).values(told))


def _answered_by_call(town: Engine, run_id: str) -> None:
    with town.begin() as connection:
        connection.execute(update(message).where(message.c.run_id == run_id).values(state="accepted"))


def _reasons(town: Engine, run_id: str) -> dict[str, str]:
    with town.connect() as connection:
        cancelled = select(message.c.customer_id, message.c.reason).where(
            message.c.run_id == run_id, message.c.state == State.CANCELLED
        )
        return {row.customer_id: row.reason for row in connection.execute(cancelled)}
