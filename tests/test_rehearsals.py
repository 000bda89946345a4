"""A rehearsal says what a plan would come to, to the last customer, and leaves no trace but its page."""

from __future__ import annotations

import html
import json
import re
from datetime import date, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from sqlalchemy import Engine, insert, text, update
from typer.testing import CliRunner

import test_plans
import test_runs
from habitue import controls, plans, runs
from habitue.accounts import Account
from habitue.campaigns import Campaign
from habitue.cli import app
from habitue.costs import PriceList, Prices
from habitue.errors import LedgerError
from habitue.house import House
from habitue.limits import GlobalHoldout
from habitue.plans import Base
from habitue.rehearsal_page import rehearsal_balances, rehearsal_table, rehearse_and_show, render_rehearsal
from habitue.rehearsals import Change, Planned, Rehearsal, as_json, draft, rehearse
from habitue.samples import Sample
from habitue.shop import Shop
from habitue.tables import Channel, customer, segment
from people import AT, BORIS, CLARA, DAVID, ON, SECRET, marked, person, standing
from test_plans import SHOP, campaign, planned
from test_report import HOSTILE, POINT, Page
from test_runs import now, play

town = test_plans.town
house = test_runs.house
night = test_runs.night

IRIS = "iris"
"""regular, heavy; came to the shop in September"""


def rehearsed(engine: Engine, wanted: Campaign, *, on: date = ON, shop: Shop = SHOP) -> Rehearsal:
    """A rehearsal in the people's town; letters take one sheet in French and four in English."""
    prices = PriceList(Prices.of(wanted, shop), {("x", "fr"): 1, ("x", "en"): 4})
    base = Base(ON.isoformat(), Path("unused"), Path("unused"))
    with draft(engine, wanted, on=on, at=AT, shop=shop, base=base, taken_on=ON, secret=SECRET, prices=prices) as (
        _,
        found,
    ):
        return found


def everything(engine: Engine) -> dict[str, Any]:
    """Every row of every table, and where every sequence stands."""
    with engine.connect() as connection:
        names = connection.scalars(text("select tablename from pg_tables where schemaname = 'public'")).all()
        content = "select count(*), md5(string_agg(t::text, '|' order by t::text)) from {name} t"
        rows = {name: connection.execute(text(content.format(name=name))).one() for name in names}
        sequences = connection.execute(text("select sequencename, last_value from pg_sequences order by 1")).all()
    return {"rows": rows, "sequences": sequences}


def test_nothing_is_written_not_even_the_draws_of_the_shops_holdout(town: Engine) -> None:
    shop = SHOP.model_copy(update={"holdout": GlobalHoldout(share=0.5)})
    planned(town, campaign("email", name="before"), on=ON - timedelta(days=90))
    before = everything(town)
    assert {"shop_holdout", "message", "run", "exclusion", "holdout"} <= before["rows"].keys()
    found = rehearsed(town, campaign("letter", "email", holdout=0.3, arms={"a": 0.5, "b": 0.5}), shop=shop)
    assert "shop" in {row.scope for row in found.holdout}
    assert everything(town) == before
    with town.connect() as connection:  # nor is anything left in the connection that was used
        assert connection.scalar(text("select count(*) from pg_class where relpersistence = 't'")) == 0


def test_a_rehearsal_of_a_small_shop_writes_nothing_but_its_page(house: House) -> None:
    before = everything(house.engine)
    files = {path for path in house.out.rglob("*") if path.is_file()}
    _, page = rehearse_and_show(house, "quarterly_letter", on=ON, at=now())
    assert everything(house.engine) == before
    assert {path for path in house.out.rglob("*") if path.is_file()} - files == {page}
    assert page == house.out / "rehearsals" / "quarterly_letter-2026-10-01.html"


@pytest.mark.parametrize("name", ["quarterly_letter", "winback_calls"])
def test_the_plan_made_right_after_comes_out_just_so(house: House, name: str) -> None:
    found = rehearse(house, name, on=ON, at=now())
    done = runs.planned(house, name, on=ON, at=now())
    for number in ("audience", "planned", "held_out", "excluded", "cost_micros", "approvals_needed"):
        assert getattr(found, number) == getattr(done, number)
    assert found.planned > 0 < found.excluded
    with house.engine.connect() as connection:
        real = Account.of(connection, done.run_id)
        rows = connection.execute(
            text(
                "select segment, channel, arm, count(*), sum(cost_micros)::bigint from message "
                "group by 1, 2, 3 order by 1, 2, 3"
            )
        )
        assert found.messages == tuple(Planned(*row) for row in rows)
    assert (found.holdout, found.exclusions) == (real.held_out, real.exclusions)
    again = rehearse(house, name, on=ON, at=now())
    assert again.already is not None
    assert (again.already.stayed, again.already.joined, again.already.gone) == (done.planned, 0, 0)
    assert all(change.then == change.now for change in (*again.already.totals, *again.already.rules))


def test_arms_and_groups_are_counted_as_they_are_planned(town: Engine) -> None:
    wanted = campaign("letter", "email", arms={"a": 0.5, "b": 0.5})
    found = rehearsed(town, wanted)
    done = planned(town, wanted)
    with town.connect() as connection:
        rows = connection.execute(
            text("select segment, channel, arm, count(*) from message where run_id = :run group by 1, 2, 3"),
            {"run": done.run_id},
        ).all()
    assert {(one.segment, one.channel, one.arm, one.messages) for one in found.messages} == {tuple(row) for row in rows}
    assert {one.arm for one in found.messages} <= {"a", "b"}


def test_a_cost_is_shown_with_all_that_it_is_made_of(town: Engine) -> None:
    """Boris is called; Anna and David get letters, David's of four sheets in English; Emma and Felix get e-mails."""
    with town.begin() as connection:
        connection.execute(update(customer).where(customer.c.customer_id == DAVID).values(language="en"))
    found = rehearsed(town, campaign("call", "letter", "email", budget="10.00"))
    told = {
        (line.part, line.number, line.each_micros, line.cost_micros, line.grams, line.minutes)
        for channel in found.costs
        for line in channel.lines
    }
    assert told == {
        ("piece", 2, 280_000, 560_000, None, None),
        ("sheet", 5, 60_000, 300_000, None, None),  # 1 + 4
        ("postage", 1, 1_390_000, 1_390_000, 10.0, None),  # 5 g of envelope, 5 g a sheet
        ("postage", 1, 2_780_000, 2_780_000, 25.0, None),
        ("email", 2, 1_000, 2_000, None, None),
        ("call", 1, 3_300_000, 3_300_000, None, 6.0),  # 6 minutes at 0.55
    }
    assert {one.channel: (one.messages, one.cost_micros) for one in found.costs} == {
        "letter": (2, 5_030_000),
        "email": (2, 2_000),
        "call": (1, 3_300_000),
    }
    assert found.cost_micros == 8_332_000
    assert found.budget_left_micros == 1_668_000


def test_the_approvals_needed_say_which_limit_is_passed(town: Engine) -> None:
    limits = {"recipients": 2, "cost": "100.00", "second_recipients": 4, "second_cost": "200.00"}
    found = rehearsed(town, campaign("letter", "email", approval=limits))
    assert found.approvals_needed == 2
    assert [(one.persons, one.what, one.value, one.above) for one in found.thresholds] == [
        (1, "recipients", 5, 2),
        (2, "recipients", 5, 4),
    ]
    by_cost = rehearsed(town, campaign("letter", "email", approval={"cost": "5.19"}))  # 3 letters and 2 e-mails: 5.192
    assert [(one.persons, one.what, one.value, one.above) for one in by_cost.thresholds] == [
        (1, "cost_micros", 5_192_000, 5_190_000)
    ]
    assert rehearsed(town, campaign("letter", "email", approval={"cost": "5.20"})).approvals_needed == 0


def test_the_last_run_stands_beside_with_who_is_new_and_who_is_gone(town: Engine) -> None:
    """Clara has objected since July; Iris has come."""
    wanted = campaign("letter", "email")
    planned(town, campaign("letter", name="another"), on=ON - timedelta(days=60))
    planned(town, wanted, on=ON - timedelta(days=200))
    last = planned(town, wanted, on=ON - timedelta(days=92))
    with town.begin() as connection:
        connection.execute(insert(customer), [marked(person(IRIS))])
        connection.execute(insert(segment), [standing(IRIS, "regular_heavy")])
    found = rehearsed(town, wanted)
    before = found.before
    assert found.already is None
    assert before is not None
    assert (before.run_id, before.on, before.state) == (last.run_id, date(2026, 7, 1), "open")
    assert before.totals[:4] == (
        Change("audience", 8, 9),
        Change("planned", 6, 6),
        Change("held_out", 0, 0),
        Change("excluded", 2, 3),
    )
    assert before.channels == (Change("email", 2, 2), Change("letter", 4, 4))
    assert Change("regular_heavy", 1, 2) in before.segments
    assert before.rules == (Change("deceased", 1, 1), Change("minor", 1, 1), Change("objected", 0, 1))
    assert (before.stayed, before.joined, before.gone) == (5, 1, 1)


def test_a_run_that_is_planned_says_so_and_shows_what_would_come_out_now(town: Engine) -> None:
    wanted = campaign("letter", "email")
    done = planned(town, wanted)
    controls.cancel(town, done.run_id, by="ines", reason="the wrong week", at=AT)
    with town.begin() as connection:
        connection.execute(update(customer).where(customer.c.customer_id == BORIS).values(deceased_on=ON))
    found = rehearsed(town, wanted)
    assert found.before is None
    assert found.already is not None
    assert found.already.state == "cancelled"
    assert found.already.totals[1] == Change("planned", 5, 4)
    assert (found.already.stayed, found.already.joined, found.already.gone) == (4, 0, 1)
    assert "This run is planned already (1 October 2026 at 10:00; cancelled)" in printed(found)


def test_the_window_and_an_old_base_are_told(house: House) -> None:
    later = ON + timedelta(days=20)
    with pytest.raises(LedgerError, match="20 days before"):
        runs.planned(house, "quarterly_letter", on=later, at=now())
    found = rehearse(house, "quarterly_letter", on=later, at=now())
    assert (found.too_old, found.snapshot_age_days, found.snapshot_id) == (True, 20, "2026-10-01")
    assert found.leaves_before.isoformat() == "2026-10-31T00:00:00+01:00"
    told = printed(found)
    assert "The customer base is 20 days old on that day" in told
    assert "from 21 October 2026 to 30 October 2026" in told
    with pytest.raises(LedgerError, match="no customer base is published for 2026-09-30"):
        rehearse(house, "quarterly_letter", on=ON - timedelta(days=1), at=now())


def printed(found: Rehearsal, language: str = "en") -> str:
    console = Console(file=StringIO(), width=160, color_system=None)
    console.print(rehearsal_table(found, shop=SHOP, language=language))
    return " ".join(console.file.getvalue().split())  # type: ignore[attr-defined]


@pytest.mark.parametrize("language", ["fr", "en"])
def test_neither_json_nor_table_holds_anything_of_anyone(town: Engine, language: str) -> None:
    planned(town, campaign("letter", "email"), on=ON - timedelta(days=92))
    found = rehearsed(town, campaign("call", "letter", "email"))
    told = json.dumps(as_json(found)) + printed(found, language)
    for canary in (BORIS, CLARA, "exemple", "lilas", "69003", "@example", "+33199"):
        assert canary not in told.lower()
    assert json.loads(json.dumps(as_json(found)))["on"] == "2026-10-01"


def test_the_terminal_tells_the_numbers(town: Engine) -> None:
    told = printed(
        rehearsed(town, campaign("letter", "email", budget="6.00", window={"days": 2, "hours": "08:00-20:00"}))
    )
    assert "customers in the audience = 5 planned + 0 held out + 3 left out 8" in told
    assert "Lapsed 2 0 2 €3.46" in told
    assert "Letters: envelope, folding, insertion 3 €0.28 €0.84" in told
    assert "E-mails sent 2 €0.001 €0.002" in told
    assert "Left of the budget €0.808" in told
    assert "from 1 October 2026 to 2 October 2026, within 08:00-20:00" in told
    assert "Nobody need approve this run." in told


# The page


def shown(house: House, name: str) -> tuple[Rehearsal, Page, str]:
    found, path = rehearse_and_show(house, name, on=ON, at=now())
    written = path.read_text("utf-8")
    return found, Page(written), written


def frames(written: str) -> list[str]:
    """The mails inside the page, as a browser reads them."""
    return [html.unescape(one) for one in re.findall(r'<iframe sandbox srcdoc="([^"]*)"', written)]


def test_the_page_adds_up_and_shows_samples_of_every_channel(house: House) -> None:
    play(house, "winback_calls", on=ON)
    found, read, written = shown(house, "winback_calls")
    assert "Tous les comptes tombent juste" in read.words
    assert "Cet envoi est déjà prévu" in read.words
    assert "✗" not in read.words
    assert not any(balance.gap for balance in rehearsal_balances(found, "fr"))
    channels = {one.channel for one in found.messages}
    assert channels == set(Channel)
    assert 1 <= read.tags.count("img") <= 6
    assert 1 <= len(frames(written)) == read.tags.count("iframe") <= 6
    assert "1 · SE PRÉSENTER" in read.words
    assert all(link.startswith("data:image/png;base64,") for link in read.links)
    assert "script" not in read.tags
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', written)
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert "script-src" not in policy[1]


def test_every_group_and_language_of_a_channel_is_shown_before_any_twice(house: House) -> None:
    _, _, written = shown(house, "quarterly_letter")
    captions = re.findall(r'<img [^>]*alt="([^"]*)"', written)
    assert len(captions) == len(set(captions))
    groups = {caption.split(" · ")[0] for caption in captions}
    assert groups == {"Réguliers, gros panier", "Réguliers, petit panier", "Occasionnels, gros panier"}


def test_codes_and_links_of_a_sample_are_valid_nowhere(house: House) -> None:
    from habitue import tokens

    _, _, written = shown(house, "quarterly_letter")
    runs.planned(house, "quarterly_letter", on=ON, at=now())
    mails = "".join(frames(written))
    with house.engine.connect() as connection:
        rows = connection.execute(text("select message_id, offer_code from message")).all()
    assert "/o/" in mails
    assert not any(row.offer_code in mails for row in rows)
    assert not any(tokens.sign(row.message_id, house.secret) in mails for row in rows)


def test_what_customers_are_called_is_never_markup(house: House) -> None:
    with house.engine.begin() as connection:
        connection.execute(update(customer).values(first_name=HOSTILE[:60], last_name="<img src=x onerror=alert(1)>"))
    _, read, written = shown(house, "winback_calls")
    assert "script" not in read.tags
    assert "<script>alert(1)</script>{{ 7*7 }}" in read.text  # the call script, as text
    assert frames(written)
    for mail in frames(written):
        assert "<script" not in mail
        assert "<img" not in mail
    assert all(link.startswith("data:image/png;base64,") for link in read.links)


def test_titles_and_names_of_rules_are_data_too(town: Engine) -> None:
    wanted = campaign("letter", "email", title={"fr": HOSTILE, "en": "[red]x[/red]"})
    found = rehearsed(town, wanted)
    known = Sample(Channel.EMAIL, HOSTILE, HOSTILE, HOSTILE, subject=HOSTILE, html=f'"><script>{HOSTILE}', text=HOSTILE)
    letter = Sample(Channel.LETTER, "lapsed", None, "fr", picture=POINT)
    refused = Sample(Channel.LETTER, "lapsed", None, "fr", refused="missing_glyph")
    written = render_rehearsal(found, [letter, refused, known], shop=SHOP)
    read = Page(written)
    assert "script" not in read.tags
    assert read.tags.count("img") == 1
    assert frames(written) == [f'"><script>{HOSTILE}']
    assert "ne peut pas être imprimée" in read.words
    assert "[red]x[/red]" in printed(found)


def test_a_campaign_that_reaches_nobody_makes_a_page_too(town: Engine) -> None:
    nobody = campaign("letter", audience={"filters": {"spend": {"least": 1_000_000}}})
    found = rehearsed(town, nobody)
    assert (found.audience, found.planned, found.costs) == (0, 0, ())
    read = Page(render_rehearsal(found, [], shop=SHOP)).words
    assert "personne ne remplit les conditions" in read
    assert "Personne n’a été écarté" in read
    assert "aucun message ne serait prévu" in read
    assert "0 planned + 0 held out + 0 left out" in printed(found)


# The command


@pytest.fixture
def door(house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    for name, value in {
        "HABITUE_SOURCE": "demo_shop",
        "HABITUE_DATA": str(house.source.data),
        "HABITUE_OUT": str(house.out),
        "HABITUE_DATABASE_URL": house.database_url,
        "HABITUE_SECRET": "for tests only",
        "HABITUE_TODAY": ON.isoformat(),
        "COLUMNS": "160",
    }.items():
        monkeypatch.setenv(name, value)
    return house


def habitue(*words: str) -> Any:
    return CliRunner().invoke(app, ["plan", *words], catch_exceptions=False)


def test_a_dry_run_prints_its_numbers_and_names_its_page(door: House) -> None:
    done = habitue("quarterly_letter", "--on", "2026-10-01", "--dry-run")
    assert done.exit_code == 0
    assert "Rehearsal: The quarterly letter (quarterly_letter:2026-10-01)" in done.stdout
    page = door.out / "rehearsals" / "quarterly_letter-2026-10-01.html"
    assert done.stdout.rstrip().endswith(f"→ {page}")
    assert page.exists()
    with door.engine.connect() as connection:
        assert connection.scalar(text("select count(*) from run")) == 0


def test_json_is_all_that_json_prints(door: House, tmp_path: Path) -> None:
    page = tmp_path / "elsewhere" / "page.html"
    done = habitue("winback_calls", "--on", "2026-10-01", "--dry-run", "--json", "--html", str(page))
    told = json.loads(done.stdout)
    assert told["planned"] == sum(row["messages"] for row in told["messages"]) > 0
    assert told["cost_micros"] == sum(line["cost_micros"] for one in told["costs"] for line in one["lines"])
    assert page.exists()
    habitue("winback_calls", "--on", "2026-10-01", "--dry-run", "--json")
    assert not (door.out / "rehearsals").exists()


def test_without_dry_run_it_plans_once_and_says_so(door: House) -> None:
    first = habitue("quarterly_letter", "--on", "2026-10-01")
    second = habitue("quarterly_letter", "--on", "2026-10-01")
    assert "quarterly_letter:2026-10-01 is planned:" in first.stdout
    assert "quarterly_letter:2026-10-01 was planned already, and nothing was written:" in second.stdout
    assert first.stdout.splitlines()[1:] == second.stdout.splitlines()[1:]
    told = json.loads(habitue("quarterly_letter", "--on", "2026-10-01", "--json").stdout)
    assert told["already"] is True
    assert plans.shards(door.engine, told["run_id"])


def test_a_page_is_for_a_rehearsal_only(door: House) -> None:
    done = habitue("quarterly_letter", "--on", "2026-10-01", "--html", "page.html")
    assert done.exit_code == 2
    assert "add --dry-run" in done.stderr
    with door.engine.connect() as connection:
        assert connection.scalar(text("select count(*) from run")) == 0
