"""A run's results on the pages: the same figures as everywhere, the rows behind each, and who may see what."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from habitue import budgets, gathering, holdouts, losses
from habitue.house import House
from habitue.kinds import Audited
from habitue.measures import latest, measures_of, results_of
from habitue.quarters import Quarter
from habitue.tables import audit, call_attempt
from habitue.targeted_offers import Rules
from habitue.verdicts import result_words, sentences
from ops_site import Site
from purchase_histories import gathered
from test_results_reconcile import KNOWN, LAST, RUN, WRITTEN, history, shop

__all__ = ["shop"]

AUTUMN = Quarter(2026, 3)


@pytest.fixture
def house(shop: House) -> House:
    with shop.engine.begin() as connection:
        titled = {"title": '{"fr": "Le printemps", "en": "Spring"}'}
        connection.execute(
            text(
                "update run set audience = 300, planned = 240, held_out = 60, "
                "settings = settings || jsonb_build_object('title', cast(:title as jsonb))"
            ),
            titled,
        )
        people = (
            "insert into segment (customer_id, snapshot_id, segment, recency_days, purchase_days, orders, "
            "amount_cents, r, f, m, score, lifetime_cents, lifetime_days) "
            "select customer_id, '2026-09-01', 'lapsed', 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 from message"
        )
        connection.execute(text(people))
    gathered(shop, LAST + timedelta(days=90), history())
    return shop


@pytest.fixture
def site(house: House) -> Site:
    return Site(house, KNOWN)


def sheet(site: Site, path: str, who: str = "olga") -> list[dict[str, str]]:
    answer = site.get(who, path)
    assert answer.status_code == 200, path
    return list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff")), delimiter=";"))


def test_the_page_says_what_the_terminal_says(site: Site, house: House) -> None:
    said = sentences(results_of(house.engine, RUN, known=KNOWN), house.shop, language="en")
    page = site.get("marc", f"/runs/{RUN}").text
    for one in said:
        assert one in page.replace("&#39;", "'"), one
    assert said[0] in site.get("marc", f"/runs/{RUN}/results").text
    assert "Ce que cela a changé" in site.get("marc", f"/runs/{RUN}/results", language="fr").text


def test_every_figure_leads_to_rows_that_sum_up_to_it(site: Site, house: House) -> None:
    counted = measures_of(house.engine, RUN, known=KNOWN)
    page = site.get("olga", f"/runs/{RUN}/results").text
    for figure, column, factor in (
        ("sent", None, 1),
        ("responses", None, 1),
        ("orders", "Orders", 1),
        ("cost_micros", "Cost", 1),
    ):
        for arm in ("", "a", "b"):
            path = f"/runs/{RUN}/behind/{figure}" + (f"?arm={arm}" if arm else "")
            assert f'href="/habitue{path.replace(":", "%3A")}"' in page
            rows = sheet(site, f"{path}{'&' if arm else '?'}download=true")
            counts = counted.by("arm")[arm] if arm else counted.all
            summed = len(rows) if column is None else sum(int(row[column]) for row in rows) // factor
            assert summed == getattr(counts, figure), (figure, arm)
    paid = sum(
        int(row["Paid"]) - int(row["Paid back"])
        for row in sheet(site, f"/runs/{RUN}/behind/revenue_cents?download=true")
    )
    assert paid == counted.all.revenue_cents
    assert site.get("olga", f"/runs/{RUN}/behind/nothing").status_code == 404


def test_the_rows_go_on_where_they_do_not_fit(site: Site) -> None:
    first = site.get("olga", f"/runs/{RUN}/behind/planned").text
    more = re.search(r'href="/habitue([^"]+after=[^"]+)"', first)
    assert more
    second = site.get("olga", more[1].replace("&amp;", "&")).text
    numbers = [set(re.findall(r"/customers/(w\d+)", page)) for page in (first, second)]
    assert not numbers[0] & numbers[1]
    assert len(numbers[0] | numbers[1]) == len(WRITTEN)
    assert 'rel="next"' not in second
    back = re.search(r'rel="prev" href="/habitue([^"]+before=[^"]+)"', second)
    assert back
    again = site.get("olga", back[1].replace("&amp;", "&")).text
    assert re.findall(r"/customers/(w\d+)", again) == re.findall(r"/customers/(w\d+)", first)
    assert 'rel="prev"' not in again


def test_the_customers_of_a_side_go_on_too(site: Site) -> None:
    asked = f"/runs/{RUN}/responses?side=written"
    first, second = site.get("olga", asked).text, site.get("olga", f"{asked}&skipped=200").text
    assert 'href="?side=written&amp;skipped=200"' in first
    assert 'href="?side=written&amp;skipped=0"' in second
    numbers = [re.findall(r"/customers/(w\d+)", page) for page in (first, second)]
    assert len(set(numbers[0]) | set(numbers[1])) == len(numbers[0]) + len(numbers[1]) == len(WRITTEN)


def test_both_sides_of_the_effect_lead_to_their_customers(site: Site, house: House) -> None:
    found = results_of(house.engine, RUN, known=KNOWN)
    assert found is not None
    assert found.whole is not None
    page = site.get("olga", f"/runs/{RUN}/results").text
    for side, of in (("written", found.whole.buyers.treated), ("campaign", found.whole.buyers.control)):
        assert f"responses?side={side}" in page
        rows = sheet(site, f"/runs/{RUN}/responses?side={side}&download=true")
        assert (len(rows), sum(int(row["Orders"]) > 0 for row in rows)) == (of.size, of.responded)
    assert site.get("olga", f"/runs/{RUN}/responses?side=nobody").status_code == 404


def test_a_manager_sees_the_figures_and_no_row(site: Site, house: House) -> None:
    page = site.get("marc", f"/runs/{RUN}/results").text
    assert "/behind/" not in page
    assert "/responses?" not in page
    rows = [
        f"/runs/{RUN}/behind/sent",
        f"/runs/{RUN}/responses",
        f"/holdout/{RUN}",
        "/after/reasons",
        "/after/won-back",
    ]
    for path in (
        *rows,
        "/budget/messages",
        "/budget/minimums/csv",
        "/budget/heard?first=2026-07-01&last=2026-09-30&channel=email",
    ):
        assert site.get("marc", path).status_code == 403, path
        assert site.get("anna", path).status_code == 403, path
        assert site.get("olga", path).status_code == 200, path
    with house.engine.connect() as connection:
        noted = connection.execute(select(audit.c.said_by, audit.c.what)).all()
    assert set(noted) == {("olga", Audited.VIEWED), ("olga", Audited.EXPORTED)}
    for path in ("/holdout/", "/after/", "/budget/", "/budget/minimums", f"/runs/{RUN}/results/csv", "/budget/csv"):
        assert site.get("marc", path).status_code == 200, path
        assert not re.search(r"customers/[wh]\d", site.get("marc", path).text), path


def test_a_large_runs_results_have_a_page_of_their_own(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("habitue.funnels.LIVE", 3)
    page = site.get("marc", f"/runs/{RUN}").text
    assert "counted every hour" in page
    assert "The effect, part by part" not in page
    assert "The effect, part by part" in site.get("marc", f"/runs/{RUN}/results").text


def test_of_a_large_shop_the_pages_show_what_the_round_counted(
    site: Site, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("habitue.outcome_parts.LIVE", 3)
    monkeypatch.setattr("habitue.funnels.NEWS", timedelta(days=400))
    hour = timedelta(hours=1)
    assert gathering.counted_outcomes(house, at=KNOWN - 3 * hour) == {"runs": 1, "large": 1, "shop": True}
    assert gathering.counted_outcomes(house, at=KNOWN - hour)["large"] == 0  # no news: it is as good as counted now
    counted = measures_of(house.engine, RUN, known=KNOWN)
    assert replace(latest(house.engine, RUN, at=KNOWN), known=KNOWN) == counted
    budget = house.shop.budget
    assert replace(budgets.latest(house.engine, 2026, budget, at=KNOWN), at=None) == budgets.year_of(
        house.engine, 2026, budget
    )
    summer = Quarter.of((KNOWN - hour).date())
    assert losses.latest(house.engine, house.shop, summer, at=KNOWN).at == KNOWN - hour
    with house.engine.begin() as connection:
        connection.execute(text("update message set state = 'refused' where customer_id = 'w001'"))
        connection.execute(text("update shard set accepted = accepted - 1, refused = refused + 1"))
    page = site.get("marc", f"/runs/{RUN}/results").text
    assert "Counted" in page
    assert latest(house.engine, RUN, at=KNOWN).all == counted.all
    assert gathering.counted_outcomes(house, at=KNOWN)["large"] == 1
    now = measures_of(house.engine, RUN, known=KNOWN)
    assert latest(house.engine, RUN, at=KNOWN) == now
    assert now.all.sent == counted.all.sent - 1
    assert "Counted" not in site.get("marc", f"/runs/{RUN}/results").text
    earlier = latest(house.engine, RUN, at=KNOWN - 2 * hour)  # what was kept later is not asked of the past
    assert earlier.known == KNOWN - 2 * hour


def test_the_file_holds_the_effect_of_the_page(site: Site, house: House) -> None:
    found = results_of(house.engine, RUN, known=KNOWN)
    assert found is not None
    assert found.whole is not None
    rows = sheet(site, f"/runs/{RUN}/results/csv", "marc")
    effect = next(row for row in rows if (row["figure"], row["segment"], row["arm"]) == ("effect", "all", ""))
    assert float(effect["value"]) == found.whole.buyers.difference
    assert effect["definition"] == result_words("en")["definitions"]["effect"]
    assert effect["rules"] == "effects-1"


def test_the_holdouts_page_has_the_effect_of_the_runs_page(site: Site, house: House) -> None:
    found = holdouts.holdouts(house.engine, house.shop, at=KNOWN, language="en")
    shown = results_of(house.engine, RUN, known=KNOWN)
    assert shown is not None
    assert shown.whole is not None
    assert [one.effect for one in found.runs] == [shown.whole.buyers]
    page = site.get("marc", "/holdout/").text
    assert "Spring" in page
    assert "How many it takes" in page
    reach = [one.detectable for one in holdouts.reaches(found.runs[0])]
    assert all(one is not None for one in reach)
    assert reach == sorted(reach, key=lambda one: -(one or 0))
    assert len(sheet(site, "/holdout/csv", "marc")) == 1


def test_lapsed_customers_won_back_are_the_credits_of_their_messages(site: Site, house: House) -> None:
    counted = measures_of(house.engine, RUN, known=KNOWN)
    back = losses.losses(house.engine, house.shop, AUTUMN, known=KNOWN).all
    assert back is not None
    sent = counted.by("segment")["lapsed"]
    assert (back.customers, back.orders, back.cents) == (sent.sent, sent.orders, sent.revenue_cents)
    rows = sheet(site, "/after/won-back?quarter=2026-Q3&as=csv")
    assert len(rows) == back.customers
    assert sum(int(row["Orders"]) for row in rows) == back.orders


def test_reasons_told_on_the_phone_are_counted_by_the_last_one(site: Site, house: House) -> None:
    told = [("w001", "price", 10), ("w001", "service", 12), ("w002", "price", 10), ("w003", "none", 11)]
    with house.engine.begin() as connection:
        message_id = connection.scalar(text("select message_id from message limit 1"))
        for who, reason, hour in told:
            at = f"2026-09-20 {hour}:00+02"
            connection.execute(
                call_attempt.insert().values(
                    message_id=message_id,
                    run_id=RUN,
                    customer_id=who,
                    agent="zoe",
                    dialled_at=at,
                    recorded_at=at,
                    ended_at=at,
                    disposition="reached_courtesy",
                    reason=reason,
                    source="desk",
                    band="morning",
                )
            )
    found = losses.losses(house.engine, house.shop, AUTUMN, known=KNOWN)
    assert {one.reason: one.customers for one in found.reasons} == {"service": 1, "price": 1, "none": 1}
    page = site.get("olga", "/after/?quarter=2026Q3").text
    assert "3 customers told a reason on the phone." in page
    rows = sheet(site, "/after/reasons?quarter=2026-Q3&reason=service&as=csv")
    assert [row["Number"] for row in rows] == ["w001"]
    assert "Nobody told a reason" in site.get("marc", "/after/?quarter=2026Q2").text
    assert sheet(site, "/after/csv?quarter=2026Q3", "marc")[0]["customers"] == "1"


def test_a_rule_that_names_a_campaign_without_a_file_is_said_and_the_rest_stays(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = Rules.model_validate(
        {
            "reasons": {
                "price": {"campaign": "gone", "channel": "email"},
                "moved": {"campaign": "offer_delivery", "channel": "email"},
            }
        }
    )
    monkeypatch.setattr("habitue.targeted_offers.rules", lambda: rules)
    page = site.get("marc", "/after/").text
    assert "include/offers_by_reason.yaml (Price) names the campaign gone, of which there is no file" in page
    assert "Told on the phone why they left (Moved away): this offer answers it." in page
    assert "until_purchase: true" in page


def test_the_rules_stand_beside_the_files_they_come_from(site: Site) -> None:
    page = site.get("marc", "/after/").text
    assert "of which there is no file" not in page
    assert "include/campaigns/winback_calls.yaml" in page
    assert "A complaint stops all selling until it is closed." in page
    assert "until_purchase: true" in page


def test_the_budget_adds_up_and_leads_to_its_messages(site: Site, house: House) -> None:
    found = budgets.year_of(house.engine, 2026, house.shop.budget)
    page = site.get("olga", "/budget/?year=2026").text
    assert "/budget/messages?year=2026&amp;channel=email" in page.replace("&amp;", "&").replace("&", "&amp;")
    rows = sheet(site, "/budget/messages?year=2026&channel=email&as=csv")
    assert len(rows) == sum(row.sent for row in found.rows)
    spent = sheet(site, "/budget/csv?year=2026", "marc")
    assert sum(float(row["spent"]) for row in spent if row["figure"] == "spent") == pytest.approx(
        found.spent_micros / 1e6
    )
    assert "budget.promotion" in page  # the shop has not said it


def test_what_has_left_since_is_in_the_budget_at_once(site: Site, house: House) -> None:
    def sent() -> int:
        return sum(row.sent for row in budgets.latest(house.engine, 2026, house.shop.budget, at=KNOWN).rows)

    before = sent()
    assert site.get("marc", "/budget/?year=2026").status_code == 200
    with house.engine.begin() as connection:
        connection.execute(text("update message set state = 'refused' where customer_id = 'w001'"))
    assert sent() == before - 1
