"""Why did she get it, or not? Each answer is held against what the ledger and the snapshot say."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import duckdb
import pytest
from sqlalchemy import insert, text
from typer.testing import CliRunner

from earlier_runs import earlier_message, earlier_run, moment
from habitue import runs, suppressions
from habitue.campaigns import Campaign
from habitue.cli import app
from habitue.errors import LedgerError
from habitue.explanations import Became, Explanation, Outside, Tried, explain, tried
from habitue.house import House
from habitue.plans import Base, plan
from habitue.suppressions import Suppression
from habitue.tables import Channel, SuppressionReason, consent, hold
from people import event
from test_plans import campaign
from test_runs import ON, house, night, now, play

__all__ = ["house", "night"]


def one(house: House, sql: str, **given: Any) -> Any:
    with house.engine.connect() as connection:
        return connection.execute(text(sql), given).mappings().first()


def became(found: Explanation, run_id: str) -> Became:
    (wanted,) = [told for told in found.runs if told.run_id == run_id]
    return wanted


def drawn_up(house: House, wanted: Campaign, **more: Any) -> str:
    snapshot = house.lake.latest(ON)
    assert snapshot is not None
    base = Base(snapshot.id, snapshot.segments, snapshot.customers)
    known = {"on": ON, "at": now(), "shop": house.shop, "base": base, "secret": house.secret, **more}
    return plan(house.engine, wanted, **known, price=lambda *_: 1_000_000).run_id


@pytest.fixture
def no_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Campaigns of these tests have no texts to hash."""
    monkeypatch.setattr(Campaign, "template_files", lambda self, languages: {"copy": "0"})


def test_everyone_of_a_run_gets_the_answer_that_the_ledger_has(house: House) -> None:
    play(house, "quarterly_letter")
    run_id = f"quarterly_letter:{ON}"
    sent = one(house, "select * from message where run_id = :run limit 1", run=run_id)
    told = explain(house, sent["customer_id"], on=ON)
    (message,) = became(told, run_id).messages
    assert (message.channel, message.template, message.state) == (sent["channel"], sent["template"], "accepted")
    assert message in told.lately
    assert {cap.name: cap.used for cap in told.caps} == {**dict.fromkeys(("letter", "email", "call"), 0), "any": 1} | {
        sent["channel"]: 1
    }
    held = one(house, "select * from holdout limit 1")
    drawn = became(explain(house, held["customer_id"], on=ON), run_id).held_out
    assert drawn is not None
    assert (drawn.scope, drawn.channel, drawn.draw, drawn.share) == ("campaign", held["channel"], held["draw"], 0.05)
    assert drawn.draw < 0.05
    out = one(house, "select * from exclusion where rule = 'objected' limit 1")
    refused = became(explain(house, out["customer_id"], on=ON, run_id=run_id), run_id)
    assert refused.rule == "objected"
    assert ", ".join(" ".join(filter(None, (w.channel, w.rule, w.saw))) for w in refused.tried) == out["value"]
    assert refused.messages == ()
    assert refused.outside is None


@pytest.mark.parametrize(
    ("rule", "value", "expected"),
    [
        ("deceased", "2026-06-03", [Tried(None, "deceased", "2026-06-03")]),
        ("over_capacity", "call 41 of 40", [Tried("call", "over_capacity", "41 of 40")]),
        (
            "unreachable",
            "letter unreachable bad_postcode, email no_consent",
            [Tried("letter", "unreachable", "bad_postcode"), Tried("email", "no_consent", None)],
        ),
        (
            "frequency_cap",
            "call frequency_cap 1 by call in 30 days, letter household_served 007, b",
            [Tried("call", "frequency_cap", "1 by call in 30 days"), Tried("letter", "household_served", "007, b")],
        ),
    ],
)
def test_an_exclusion_says_what_it_saw_for_each_way(rule: str, value: str, expected: list[Tried]) -> None:
    assert list(tried(rule, value)) == expected


def test_who_was_no_audience_is_told_what_kept_them_out(house: House, no_copy: None) -> None:
    snapshot = house.lake.latest(ON)
    assert snapshot is not None
    people = duckdb.sql(
        f"select s.*, c.language, c.country from '{snapshot.segments}' s join '{snapshot.customers}' c "  # noqa: S608
        "using (customer_id) where segment = 'regular_light' and score is not null order by customer_id limit 1"
    )
    who = dict(zip(people.columns, people.fetchall()[0], strict=True))
    filters = {
        "segment": {"audience": {"segments": ["lapsed"]}},
        "score": {"audience": {"filters": {"score": {"least": who["score"] + 1}}}},
        "spend": {"audience": {"filters": {"spend": {"most": 0.01}}}},
        "days_since": {"audience": {"filters": {"days_since": {"least": 900, "most": 901}}}},
        "region": {"audience": {"filters": {"region": ["LU-1"]}}},
        "language": {"audience": {"filters": {"language": ["en" if who["language"] == "fr" else "fr"]}}},
        "question": {
            "audience": {
                "sql": "not_reached",
                "parameters": {"campaign": "nothing", "after_days": 3, "unanswered": False},
            }
        },
    }
    for name, changes in filters.items():
        drawn_up(house, campaign("email", name=name, **changes))
    told = {a.campaign: a.outside for a in explain(house, who["customer_id"], on=ON).runs}
    assert told["segment"] == Outside("segment", asked="lapsed", saw="regular_light")
    assert told["question"] == Outside("question", asked="not_reached")
    for name in ("score", "spend", "days_since", "region", "language"):
        outside = told[name]
        assert outside is not None
        assert (outside.why, [unmet.name for unmet in outside.filters]) == ("filter", [name])
    (score,) = told["score"].filters  # type: ignore[union-attr]
    assert (score.asked, score.saw) == (f"≥ {who['score'] + 1}", str(who["score"]))
    (region,) = told["region"].filters  # type: ignore[union-attr]
    assert (region.asked, region.saw) == ("LU-1", who["country"])  # and not the postcode


def test_who_came_to_the_shop_later_was_not_in_its_data_then(house: House, no_copy: None) -> None:
    drawn_up(house, campaign("email"))
    with house.engine.begin() as connection:
        connection.execute(insert(consent), [event("newcomer", "email", "granted", now())])
    (told,) = explain(house, "newcomer", on=ON).runs
    assert told.outside == Outside("absent", asked=ON.isoformat())


def test_a_snapshot_that_is_gone_and_a_campaign_that_cannot_be_read_are_said_to_be_so(house: House) -> None:
    known = one(house, "select customer_id from segment limit 1")["customer_id"]
    with house.engine.begin() as connection:
        earlier_run(connection, "unreadable", ON)
        settings = campaign("email").model_dump(mode="json")
        earlier_run(connection, "lost", ON - timedelta(days=1), settings=settings)
    told = {a.campaign: a.outside for a in explain(house, known, on=ON).runs}
    assert told == {"unreadable": Outside("unreadable"), "lost": Outside("no_snapshot", asked="2026-09-30")}


def test_runs_of_a_year_are_told_newest_first_and_twenty_at_most(house: House) -> None:
    who = one(house, "select customer_id from customer limit 1")["customer_id"]
    with house.engine.begin() as connection:
        for days in range(0, 400, 10):
            earlier_message(connection, "monthly", ON - timedelta(days=days), who)
    told = explain(house, who, on=ON)
    assert [a.on for a in told.runs] == [ON - timedelta(days=10 * number) for number in range(20)]
    assert [sent.on for sent in told.lately] == [ON - timedelta(days=10 * number) for number in range(9)]
    old = explain(house, who, on=ON, run_id="monthly:2025-09-06")  # 390 days ago: by its name
    assert [len(a.messages) for a in old.runs] == [1]
    assert {cap.name: cap.used for cap in old.caps}["email"] == 3


def test_what_speaks_against_more_is_told_with_its_dates(house: House) -> None:
    who = one(house, "select * from customer where email is not null and gone is null limit 1")
    at = moment(ON - timedelta(days=2))
    with house.engine.begin() as connection:
        message_id = earlier_message(
            connection, "weekly", ON - timedelta(days=3), who["customer_id"], outcomes=[("hard_bounce", at)]
        )
        connection.execute(text("delete from consent where customer_id = :who"), {"who": who["customer_id"]})
        connection.execute(
            insert(consent),
            [
                event(who["customer_id"], "email", "withdrawn", at),
                event(who["customer_id"], "call", "granted", at, valid_until=ON + timedelta(days=900)),
            ],
        )
        opened = {"customer_id": who["customer_id"], "reason": "complaint", "opened_at": at, "opened_by": "ops1"}
        connection.execute(insert(hold).values(**opened))
        closed = {**opened, "reason": "payment_incident", "closed_at": at, "closed_by": "ops1"}
        connection.execute(insert(hold).values(**closed))
    bounce = Suppression(Channel.EMAIL, suppressions.email(who["email"]), SuppressionReason.HARD_BOUNCE, "sendgrid")
    suppressions.add(house.engine, [bounce], key=house.mark_key, at=at)
    told = explain(house, who["customer_id"], on=ON)
    assert message_id
    assert [(o.kind, o.source) for o in told.lately[0].outcomes] == [("hard_bounce", "test")]
    consents = {found.channel: found for found in told.consents}
    assert (consents["letter"].status, consents["letter"].rule) == (None, None)
    assert (consents["email"].rule, consents["email"].recorded_at) == ("objected", at)
    assert consents["call"].rule is None
    assert consents["call"].valid_until == at.date() + timedelta(days=house.shop.calls.consent_days)
    assert [(found.reason, found.opened_by) for found in told.holds] == [("complaint", "ops1")]
    assert [(found.channel, found.reason) for found in told.suppressions] == [("email", "hard_bounce")]


def test_an_unknown_customer_and_an_unknown_run_are_errors_that_say_what_to_do(house: House) -> None:
    with pytest.raises(LedgerError, match="customer 4711x is not known here: give the id as it stands"):
        explain(house, "4711x", on=ON)
    drawn_up_run = runs.plan(house, "winback_calls", on=ON, at=now())
    assert drawn_up_run
    known = one(house, "select customer_id from customer limit 1")["customer_id"]
    with pytest.raises(LedgerError, match="run winback:2026-10-01 is not planned; the last ones are winback_calls:"):
        explain(house, known, on=ON, run_id="winback:2026-10-01")


def test_marks_of_another_secret_are_no_answer(house: House) -> None:
    known = one(house, "select customer_id, email from customer where email is not null limit 1")
    bounce = Suppression(Channel.EMAIL, suppressions.email(known["email"]), SuppressionReason.HARD_BOUNCE, "sendgrid")
    suppressions.add(house.engine, [bounce], key=house.mark_key, at=now())
    other = replace(house, secret_setting="another")
    with pytest.raises(LedgerError, match="another HABITUE_SECRET"):
        explain(other, known["customer_id"], on=ON)
    other.engine.dispose()


@pytest.fixture
def at_the_desk(house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """The command line's own surroundings."""
    monkeypatch.setenv("HABITUE_SOURCE", "demo_shop")
    monkeypatch.setenv("HABITUE_DATA", str(house.source.data))
    monkeypatch.setenv("HABITUE_OUT", str(house.out))
    monkeypatch.setenv("HABITUE_DATABASE_URL", house.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("HABITUE_SECRET", "for tests only")
    monkeypatch.setenv("HABITUE_TODAY", ON.isoformat())
    monkeypatch.setattr("habitue.cli_trace.console._width", 200)
    return house


def test_the_terminal_tells_it_in_the_shops_words_and_names_nobody(at_the_desk: House, no_copy: None) -> None:
    house = at_the_desk
    play(house, "winback_calls")
    drawn_up(house, campaign("email", audience={"segments": ["regular_heavy"]}, name="for_others"))
    rows = [
        one(house, "select c.* from message m join customer c using (customer_id) where channel = 'letter' limit 1"),
        one(house, "select c.* from exclusion e join customer c using (customer_id) where e.rule = 'objected' limit 1"),
        one(house, "select c.* from holdout h join customer c using (customer_id) limit 1"),
    ]
    for row, word in zip(rows, ("partis", "Opposition", "Témoin"), strict=True):
        done = CliRunner().invoke(app, ["explain", row["customer_id"]])
        assert done.exit_code == 0, done.output
        assert word in done.output
        assert "Hors du public visé" in done.output
        printed = CliRunner().invoke(app, ["explain", row["customer_id"], "--json"])
        told = json.loads(printed.output)
        assert told["customer_id"] == row["customer_id"]
        assert [found["run_id"] for found in told["runs"]] == [f"for_others:{ON}", f"winback_calls:{ON}"]
        for secret in ("last_name", "email", "phone", "street", "postcode"):
            if row[secret]:
                assert row[secret] not in done.output + printed.output


def test_every_answer_has_its_words() -> None:
    """Whatever a rule, a state, an outcome or a reason is called, it can be said."""
    from habitue.report import words
    from habitue.tables import Hold, OutcomeKind

    for language in ("fr", "en"):
        say = words(language)["explain"]
        assert set(OutcomeKind) == set(say["outcomes"])
        assert set(SuppressionReason) == set(say["reasons"])
        assert {"segment", "question", "absent", "no_snapshot", "unreadable", "unnamed"} <= set(say)
        rules = words(language)["rules"]
        assert {"complaint_open" if reason == "complaint" else reason for reason in Hold} <= set(rules)
