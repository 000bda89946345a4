"""A year's money: where it went, that it ends, and how often customers heard from the shop."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select, update
from typer.testing import CliRunner

from earlier_runs import earlier_message, earlier_run
from habitue import worths
from habitue.budgets import year_of
from habitue.cli import app
from habitue.errors import SettingError
from habitue.limits import Budget
from habitue.shop import Shop
from habitue.tables import exclusion, message, segment
from people import ANNA, BORIS, CLARA, EMMA, FELIX, ON
from test_plans import SHOP, campaign, planned, town

__all__ = ["town"]

LETTER = 1_730_000


def spend(town: Engine, who: str, on: date, *, name: str = "spring", **known: Any) -> None:
    kind = known.pop("kind", "image")
    with town.begin() as connection:
        earlier_run(connection, name, on, settings={"kind": kind})
        earlier_message(connection, name, on, who, **{"cost_micros": LETTER, "channel": "letter", **known})


def test_what_a_year_cost_is_told_by_quarter_campaign_group_and_channel(town: Engine) -> None:
    spend(town, ANNA, date(2026, 2, 1), segment="regular_heavy")
    spend(town, BORIS, date(2026, 2, 1))
    spend(town, BORIS, date(2026, 11, 2), name="autumn", kind="product", channel="email", cost_micros=1000)
    spend(town, EMMA, date(2026, 11, 2), name="autumn", state="refused")
    spend(town, FELIX, date(2026, 11, 2), name="autumn", state="planned")
    spend(town, ANNA, date(2025, 12, 31), name="old")
    found = year_of(town, 2026, Budget(year=10, promotion=20))
    assert (found.spent_micros, found.promised_micros) == (2 * LETTER + 1000, LETTER)
    assert found.by("campaign") == {("autumn",): (1, 1000), ("spring",): (2, 2 * LETTER)}
    assert found.by("quarter", "kind") == {("1", "image"): (2, 2 * LETTER), ("4", "product"): (1, 1000)}
    assert found.by("channel")[("letter",)] == (2, 2 * LETTER)
    assert found.left_micros == 10_000_000 - 3 * LETTER - 1000
    assert found.share == pytest.approx((2 * LETTER + 1000) / 20_000_000)
    assert found.standing == "within"


def test_a_shop_that_sets_nothing_is_told_nothing_of_shares(town: Engine) -> None:
    found = year_of(town, 2026, SHOP.budget)
    assert (found.left_micros, found.share, found.standing, found.spent_micros) == (None, None, None, 0)
    assert Budget(promotion=1).aim == (0.15, 0.20)


@pytest.mark.parametrize(("promotion", "standing"), [(5, "above"), (10, "within"), (50, "below")])
def test_the_share_spent_on_existing_customers_is_held_against_the_aim(
    town: Engine, promotion: int, standing: str
) -> None:
    spend(town, ANNA, date(2026, 2, 1))
    assert year_of(town, 2026, Budget(promotion=promotion)).standing == standing


def test_contact_pressure_counts_everyone_also_those_who_heard_nothing(town: Engine) -> None:
    for days in (0, 20):
        spend(town, ANNA, date(2026, 2, 1) + timedelta(days=days))
    spend(town, BORIS, date(2026, 5, 1), channel="call")
    spend(town, CLARA, date(2026, 2, 1), state="cancelled")
    found = year_of(town, 2026, SHOP.budget)
    first = found.letters[0]
    assert (first.first, first.last) == (date(2026, 1, 1), date(2026, 3, 31))
    assert first.customers == {0: 7, 2: 1}
    assert (first.messages, first.most, first.each) == (2, 2, pytest.approx(2 / 8))
    assert found.letters[3].last == date(2026, 12, 31)
    assert found.calls.customers == {0: 7, 1: 1}


def with_money(**budget: Any) -> Shop:
    return SHOP.model_copy(update={"budget": Budget(**budget)})


def test_when_the_years_money_is_gone_nothing_more_is_planned(town: Engine) -> None:
    spend(town, ANNA, date(2026, 2, 1), cost_micros=10_000_000)
    done = planned(town, campaign("email"), shop=with_money(year=10))
    assert done.planned == 0
    with town.connect() as connection:
        rules = set(connection.scalars(select(exclusion.c.rule).where(exclusion.c.run_id == done.run_id)))
    assert "over_budget" in rules


def test_what_is_left_goes_to_the_best_customers_and_last_years_money_is_another(town: Engine) -> None:
    spend(town, ANNA, date(2025, 6, 1), cost_micros=10_000_000)
    spend(town, BORIS, date(2026, 2, 1), cost_micros=8_000_000)
    before = planned(town, campaign("email"), shop=with_money(year=10))
    with town.connect() as connection:
        cost = sum(connection.scalars(select(message.c.cost_micros).where(message.c.run_id == before.run_id)))
    assert cost == 2_000_000


def test_an_aim_goes_from_low_to_high() -> None:
    with pytest.raises((SettingError, ValueError), match="first not above the second"):
        Budget(aim=(0.3, 0.2))


def test_a_regular_customer_who_has_probably_left_is_warned_of(town: Engine) -> None:
    with town.begin() as connection:
        for who, alive in ((ANNA, 0.2), (FELIX, 0.9), (BORIS, 0.1)):
            connection.execute(
                update(segment).where(segment.c.customer_id == who).values(alive=alive, worth_cents=5_000)
            )
    assert [one.customer_id for one in worths.cooling(town)] == [ANNA]  # Boris is lapsed: that is known already
    groups = {one.segment: one for one in worths.summary(town)}
    assert groups["regular_heavy"].cooling == 1
    assert groups["regular_heavy"].judged == 1
    assert groups["lapsed"].cooling == 0
    assert sum(one.customers for one in groups.values()) == 8
    assert ON.year == 2026


def test_the_terminal_says_what_is_left_and_who_heard_how_often(
    town: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spend(town, ANNA, date(2026, 2, 1))
    with town.begin() as connection:
        connection.execute(update(segment).where(segment.c.customer_id == ANNA).values(alive=0.2, worth_cents=5_000))
    monkeypatch.setenv("HABITUE_DATABASE_URL", town.url.render_as_string(hide_password=False))
    monkeypatch.setenv("HABITUE_OUT", str(tmp_path))
    monkeypatch.setattr("habitue.cli_results.console._width", 160)
    told = CliRunner().invoke(app, ["budget", "--year", "2026"])
    assert told.exit_code == 0, told.output
    assert "1,73" in told.output
    assert "T1 · image" in told.output
    told = CliRunner().invoke(app, ["worth", "--most", "5"])
    assert told.exit_code == 0, told.output
    assert "anna" in told.output
    assert "Un seul achat ne dit rien" in told.output
