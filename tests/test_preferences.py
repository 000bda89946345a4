"""What people wish to get, said on our page: kept with its proof, obeyed by every plan and claim from then on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from sqlalchemy import Engine, delete, insert, update

from earlier_runs import earlier_message
from habitue import suppressions
from habitue.campaigns import Campaign
from habitue.explanations import explain
from habitue.suppressions import Suppression
from habitue.tables import Channel, SuppressionReason, customer, message, preference
from people import ANNA, AT, BORIS, CLARA, KEY, ON
from public_site import Site, end, site, wishes
from test_controls import claimed, mailed
from test_plan_rules import why
from test_plans import SHOP, campaign, planned

EVERY = ("letter", "email", "call")


@pytest.fixture
def pages(base: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(Campaign, "template_files", lambda self, languages: {"copy": "0"})
    with site(base) as made:
        yield made


def ticked(pages: Site, who: str = ANNA) -> set[str]:
    """What the page shows as chosen."""
    with pages.client() as browser:
        page = browser.get(wishes(who)).text
    return {
        name for name in (*EVERY, "fewer") if f'name="{name}" value="on" aria-describedby="{name}-says" checked' in page
    }


def choose(pages: Site, who: str = ANNA, *ways: str, **fields: str) -> str:
    pages.later(minutes=1)
    with pages.client() as browser:
        answer = browser.post(wishes(who), data={"save": "yes", **dict.fromkeys(ways, "on"), **fields})
    assert answer.status_code == 200
    return answer.text


def said(pages: Site, who: str = ANNA) -> list[tuple[str, str]]:
    return [(row["channel"], row["status"]) for row in pages.rows("consent", customer_id=who, direct=True)]


def test_the_page_shows_how_each_stands(pages: Site) -> None:
    assert ticked(pages, ANNA) == {"letter", "email"}
    assert ticked(pages, BORIS) == {"letter", "email", "call"}
    assert ticked(pages, CLARA) == set()


def test_saving_without_a_change_keeps_nothing_and_renews_nothing(pages: Site) -> None:
    before = pages.kept()
    choose(pages, BORIS, *EVERY, language="fr")
    assert pages.kept() == before


def test_each_change_is_kept_with_its_proof(pages: Site) -> None:
    page = choose(pages, ANNA, "call", language="fr")
    assert 'role="status"' in page
    rows = {row["channel"]: row for row in pages.rows("consent", customer_id=ANNA, direct=True)}
    assert {channel: row["status"] for channel, row in rows.items()} == {
        "letter": "withdrawn",
        "email": "withdrawn",
        "call": "granted",
    }
    for row in rows.values():
        assert row["recorded_at"] == row["known_at"] == AT + timedelta(minutes=1)
        assert (row["source"], row["wording_version"], row["purpose"]) == ("preferences", "public-1/fr", "marketing")
    assert [row["reason"] for row in pages.rows("suppression")] == ["unsubscribed"]
    assert [row["kind"] for row in pages.rows("outcome")] == ["unsubscribed"]
    assert ticked(pages, ANNA) == {"call"}


def test_a_yes_to_calls_ends_after_a_year_and_the_page_says_when(pages: Site) -> None:
    assert "octobre 2027" not in choose(pages, BORIS, "letter", "email")
    page = choose(pages, BORIS, *EVERY)
    (given,) = [row for row in pages.rows("consent", customer_id=BORIS, direct=True) if row["status"] == "granted"]
    assert (given["basis"], given["valid_until"]) == ("consent", date(2027, 10, 1))
    assert "1er\u00a0octobre 2027" in page
    assert why(pages.engine, planned(pages.engine, campaign("call")), BORIS) is None
    late = planned(pages.engine, campaign("call", name="late"), on=date(2027, 10, 2))
    assert why(pages.engine, late, BORIS) == ("consent_expired", "call consent_expired 2027-10-01")


def test_one_button_ends_everything(pages: Site) -> None:
    with pages.client() as browser:
        browser.post(wishes(BORIS), data={"none": "yes", **dict.fromkeys(EVERY, "on"), "fewer": "on"})
    assert sorted(said(pages, BORIS)) == [("call", "withdrawn"), ("email", "withdrawn"), ("letter", "withdrawn")]
    assert ticked(pages, BORIS) == {"fewer"}
    for channel in EVERY:
        run = planned(pages.engine, campaign(channel, name=f"by_{channel}"))
        assert why(pages.engine, run, BORIS) == ("objected", f"{channel} objected 2026-10-01")


def test_who_unsubscribed_and_ticks_e_mail_again_gets_them_again(pages: Site) -> None:
    with pages.client() as browser:
        browser.post(end(), data={"unsubscribe": "yes"})
    assert ticked(pages) == {"letter"}
    choose(pages, ANNA, "letter", "email")
    assert said(pages) == [("email", "withdrawn"), ("email", "granted")]
    (lifted,) = pages.rows("suppression")
    assert (lifted["lifted_at"], lifted["lifted_by"]) == (AT + timedelta(minutes=1), "person")
    assert why(pages.engine, planned(pages.engine, campaign("email"))) is None
    pages.later(days=1)
    with pages.client() as browser:
        browser.post(end(), data={"unsubscribe": "yes"})
    assert ticked(pages) == {"letter"}
    assert len(pages.rows("outcome")) == 1


@pytest.mark.parametrize("reason", [SuppressionReason.HARD_BOUNCE, SuppressionReason.SPAM_COMPLAINT])
def test_no_tick_brings_an_address_back_that_bounced_or_complained(pages: Site, reason: SuppressionReason) -> None:
    anna = suppressions.email("anna@example.fr")
    suppressions.add(pages.engine, [Suppression(Channel.EMAIL, anna, reason, "sendgrid")], key=KEY, at=AT)
    with pages.client() as browser:
        browser.post(end(), data={"unsubscribe": "yes"})
    page = choose(pages, ANNA, "letter", "email")
    assert "ne peut plus servir" in page
    assert {row["reason"]: row["lifted_at"] is None for row in pages.rows("suppression")} == {
        reason: True,
        "unsubscribed": False,
    }
    kept_out = why(pages.engine, planned(pages.engine, campaign("email")))
    assert kept_out == ("suppressed", f"email suppressed {reason} 2026-10-01")


def test_the_language_chosen_is_the_one_she_is_written_to_in_whatever_imports_say(pages: Site) -> None:
    page = choose(pages, ANNA, "letter", "email", language="en")
    assert '<html lang="en">' in page
    run = planned(pages.engine, campaign("email"))
    assert pages.rows("message", run_id=run.run_id, customer_id=ANNA)[0]["language"] == "en"
    with pages.engine.begin() as connection:  # the next import
        connection.execute(update(customer).where(customer.c.customer_id == ANNA).values(language="fr"))
    run = planned(pages.engine, campaign("email", name="next"))
    assert pages.rows("message", run_id=run.run_id, customer_id=ANNA)[0]["language"] == "en"
    only_english = campaign("email", name="english", audience={"filters": {"language": ["en"]}})
    run = planned(pages.engine, only_english)
    assert [row["customer_id"] for row in pages.rows("message", run_id=run.run_id)] == [ANNA]
    only_french = SHOP.model_copy(update={"languages": ["fr"]})
    run = planned(pages.engine, campaign("email", name="french"), shop=only_french)
    assert pages.rows("message", run_id=run.run_id, customer_id=ANNA)[0]["language"] == "fr"


def test_what_stays_as_it_was_goes_on_following_the_shop_s_data(pages: Site) -> None:
    choose(pages, ANNA, "letter", "email", language="fr", fewer="on")
    (wish,) = pages.rows("preference")
    assert (wish["language"], wish["fewer"], wish["since"]) == (None, True, AT + timedelta(minutes=1))
    choose(pages, ANNA, "letter", "email", language="tlh")
    assert [(row["language"], row["fewer"]) for row in pages.rows("preference")] == [(None, True), (None, False)]


# Fewer, please


@pytest.mark.parametrize(("days", "kept_out"), [(0, True), (89, True), (90, False)])
def test_who_asks_for_fewer_gets_one_message_in_ninety_days(pages: Site, days: int, kept_out: bool) -> None:
    with pages.engine.begin() as connection:
        connection.execute(delete(message))
        for who, fewer in ((ANNA, True), (BORIS, False)):
            earlier_message(connection, "earlier", ON - timedelta(days=days), who, channel="letter")
            connection.execute(insert(preference).values(customer_id=who, fewer=fewer, since=AT))
    run = planned(pages.engine, campaign("email"))
    assert why(pages.engine, run) == (("fewer_wanted", "email fewer_wanted 1 in 90 days") if kept_out else None)
    assert why(pages.engine, run, BORIS) is None


def test_who_asks_for_fewer_after_the_plan_is_asked_about_again_at_the_claim(pages: Site) -> None:
    with pages.engine.begin() as connection:
        earlier_message(connection, "summer", ON - timedelta(days=60), ANNA, channel="letter", state="accepted")
    run, part = mailed(pages.engine)
    assert why(pages.engine, run) is None
    choose(pages, ANNA, "letter", "email", fewer="on")
    assert claimed(pages.engine, part).cancelled == 1
    (hers,) = pages.rows("message", run_id=run.run_id, customer_id=ANNA)
    assert (hers["state"], hers["reason"]) == ("cancelled", "fewer_wanted")


def test_explain_tells_the_rule_and_the_count(pages: Site) -> None:
    with pages.engine.begin() as connection:
        earlier_message(connection, "summer", ON - timedelta(days=60), ANNA, channel="letter", state="accepted")
    choose(pages, ANNA, "letter", "email", fewer="on")
    run = planned(pages.engine, campaign("email"))
    found = explain(pages.house, ANNA, on=ON)
    (became,) = [one for one in found.runs if one.run_id == run.run_id]
    assert became.rule == "fewer_wanted"
    assert [(one.used, one.most, one.days) for one in found.caps if one.name == "fewer"] == [(1, 1, 90)]
    assert [one.name for one in explain(pages.house, BORIS, on=ON).caps] == [*EVERY, "any"]


def test_a_campaign_can_t_loosen_what_was_promised(pages: Site) -> None:
    with pytest.raises(ValueError, match="fewer"):
        campaign("email", caps={"fewer": {"most": 9, "days": 1}})
    loose = campaign("email", caps={"any": {"most": 9, "days": 30}})
    assert loose.effective_caps(SHOP)["fewer"] == SHOP.caps.fewer
