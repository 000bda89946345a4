"""What a message costs, worked out by hand; how many sheets a letter takes, as it is printed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from habitue.campaigns import Campaign, load_campaign
from habitue.costs import PriceList, Prices, cost_lines, sheets_of, specimen_sheets
from habitue.errors import SettingError, TemplateError
from habitue.settings import INCLUDE
from habitue.shop import load_shop
from habitue.specimens import uses
from habitue.tables import Channel, Segment

SHOP = load_shop()
ON = date(2026, 10, 1)


def shipped(name: str) -> Campaign:
    return load_campaign(INCLUDE / "campaigns" / f"{name}.yaml", SHOP)


def changed(name: str, **keys: object) -> Campaign:
    return Campaign.model_validate(shipped(name).model_dump() | keys)


def test_a_letter_costs_its_piece_its_sheets_and_the_postage_of_its_weight() -> None:
    """Sheets of 5 g in an envelope of 5 g: three of them still weigh 20 g, four need the next postage."""
    prices = Prices.of(shipped("quarterly_letter"), SHOP)
    assert prices.letter(1).total == 280_000 + 60_000 + 1_390_000
    assert prices.letter(3).total == 280_000 + 180_000 + 1_390_000
    assert prices.letter(4).total == 280_000 + 240_000 + 2_780_000
    assert prices.letter(49).total == 280_000 + 49 * 60_000 + 4_450_000
    with pytest.raises(SettingError, match=r"a letter of 50 sheets weighs 255\.0 g and the table ends at 250 g"):
        prices.letter(50)


def test_what_is_laid_beside_a_groups_letter_weighs_and_costs() -> None:
    """A catalogue of 42 g turns the first step of postage into the second, for that group alone."""
    wanted = shipped("quarterly_letter").model_dump()
    wanted["treatments"]["regular_heavy"]["inserts"] = ["catalogue"]
    prices = Prices.of(Campaign.model_validate(wanted), SHOP)
    heavy = prices.letter(1, Segment.REGULAR_HEAVY)
    assert (heavy.grams, heavy.inserts, heavy.total) == (52.0, 350_000, 280_000 + 60_000 + 350_000 + 2_780_000)
    assert prices.letter(1, Segment.REGULAR_LIGHT) == prices.letter(1)
    listed = PriceList(prices, {("x", "fr"): 1})
    lines = cost_lines([(Channel.LETTER, "x", "fr", Segment.REGULAR_HEAVY, 3)], listed)[Channel.LETTER]
    assert {line.part: (line.number, line.cost_micros) for line in lines}["insert"] == (3, 1_050_000)
    assert sum(line.cost_micros for line in lines) == 3 * listed(Channel.LETTER, "x", "fr", Segment.REGULAR_HEAVY)


def test_an_insert_that_the_shop_has_not_is_said(tmp_path: Path) -> None:
    file = tmp_path / "spring.yaml"
    text = (INCLUDE / "campaigns" / "quarterly_letter.yaml").read_text("utf-8")
    file.write_text(text.replace("  regular_heavy:\n", "  regular_heavy:\n    inserts: [katalog]\n"), "utf-8")
    with pytest.raises(
        SettingError, match=r"regular_heavy\.inserts\.0: no such insert; shop\.yaml `inserts` has catalogue"
    ):
        load_campaign(file, SHOP)


def test_weights_are_added_as_they_are_written() -> None:
    """Five sheets of 3.24 g and an envelope of 3.80 g weigh 20 g; in binary numbers they would weigh more."""
    grams = {"letter": {"sheet_grams": 3.24, "envelope_grams": 3.80, "postage": [[20, 1], [100, 2]]}}
    assert 5 * 3.24 + 3.80 > 20
    prices = Prices.of(changed("quarterly_letter", costs=grams), SHOP)
    assert prices.letter(5).total == 280_000 + 300_000 + 1_000_000


def test_an_email_costs_a_tenth_of_a_cent_and_a_call_its_minutes() -> None:
    prices = Prices.of(shipped("winback_calls"), SHOP)
    assert (prices.email, prices.call) == (1_000, 3_300_000)


def test_a_campaign_may_have_prices_of_its_own_and_the_rest_is_the_shops() -> None:
    dear = load_shop(overrides={"costs": {"letter": {"sheet": 0.10}, "email": 0.002}})
    prices = Prices.of(changed("winback_calls", costs={"letter": {"piece": 0.20}, "call": {"minutes": 4}}), dear)
    assert prices.letter(1).total == 200_000 + 100_000 + 1_390_000
    assert (prices.email, prices.call) == (2_000, 2_200_000)


@pytest.mark.parametrize(("pages", "sheets"), [(1, 1), (2, 1), (3, 2), (4, 2)])
def test_letters_are_printed_on_both_sides(pages: int, sheets: int) -> None:
    assert sheets_of(pages) == sheets


def test_every_letter_that_is_shipped_takes_one_sheet_in_both_languages() -> None:
    found = specimen_sheets(shipped("quarterly_letter"), SHOP, ON)
    groups = ("occasional_heavy", "regular_heavy", "regular_light")
    assert found == {(f"quarterly/{group}", language): 1 for group in groups for language in ("fr", "en")}


@pytest.fixture
def long_letter() -> Iterator[Path]:
    """A letter of three pages, in both languages, among the shop's own."""
    folder = INCLUDE / "templates" / "letters" / "trial_of_costs"
    folder.mkdir()
    for language in ("fr", "en"):
        short = (INCLUDE / "templates" / "letters" / "winback" / f"lapsed.{language}.j2").read_text("utf-8")
        body = "{% block body %}\n" + "\n\n".join(["Une phrase après l'autre. " * 40] * 9) + "\n{% endblock %}"
        start, end = short.index("{% block body %}"), short.index("{% endblock %}", short.index("{% block body %}"))
        (folder / f"long.{language}.j2").write_text(short[:start] + body + short[end + len("{% endblock %}") :])
    yield folder
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


@pytest.mark.alone
def test_a_long_letter_takes_more_sheets_and_weighs_more(long_letter: Path) -> None:
    campaign = shipped("winback_calls").model_dump()
    campaign["treatments"]["lapsed"]["ways"] = [{"channel": "letter", "template": "trial_of_costs/long"}]
    found = specimen_sheets(Campaign.model_validate(campaign), SHOP, ON)
    assert set(found.values()) == {2}


def test_each_arms_text_is_set_with_the_longest_offer_that_it_may_say() -> None:
    campaign = shipped("winback_calls").model_dump()
    long_offer = {"text": {"fr": "Un cadeau. " * 5, "en": "A gift. " * 5}}
    campaign |= {"arms": {"a": 0.5, "b": 0.5}}
    campaign["treatments"]["lapsed"]["arms"] = {
        "b": {"offer": long_offer, "templates": {"letter": "quarterly/regular_light"}}
    }
    found = {
        use.way.template: use for use in uses(Campaign.model_validate(campaign)) if use.way.channel == Channel.LETTER
    }
    assert found.keys() == {"winback/lapsed", "quarterly/regular_light"}
    plain = Campaign.model_validate(campaign).offer(Segment.LAPSED, "a")
    assert found["winback/lapsed"].offers == (plain,)
    assert found["quarterly/regular_light"].offers[0].text["en"].startswith("A gift.")


def test_an_offer_that_no_font_can_print_is_found_before_the_run() -> None:
    campaign = shipped("winback_calls").model_dump()
    campaign["treatments"]["lapsed"]["offer"]["text"] = {"fr": "10 € 🍵", "en": "€10 🍵"}
    with pytest.raises(TemplateError, match=r"letters/winback/lapsed\.fr\.j2: can't be printed \(missing_glyph\)"):
        specimen_sheets(Campaign.model_validate(campaign), SHOP, ON)


def test_the_demonstration_stays_below_what_needs_approval() -> None:
    """At its 5,000 customers the quarter is 1,746 letters and 2,086 e-mails, and the month 773 letters and 36 calls."""
    for name, letters, emails, calls in (("quarterly_letter", 1_746, 2_086, 0), ("winback_calls", 773, 2, 36)):
        campaign = shipped(name)
        approval, prices = campaign.effective_approval(SHOP), Prices.of(campaign, SHOP)
        cost = letters * prices.letter(1).total + emails * prices.email + calls * prices.call
        assert letters + emails + calls < approval.recipients
        assert cost < approval.cost * 10_000 / 1.5  # micros in a cent, and room for a shop that grows
