"""The run card: everything it says adds up, it needs nothing from anywhere, and data stays data."""

from __future__ import annotations

import copy
import re
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from habitue.errors import TemplateError
from habitue.figures import FIGURES
from habitue.report import base_balances, render_report, rule_words, run_balances, summary_table, words, write_report
from habitue.shop import INCLUDE, SegmentSettings, load_shop, read_yaml
from habitue.tables import Hold, State
from habitue.trends import rule_of

# The smallest PNG there is: one transparent point.
POINT = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000002000001000502"
    "0dfa0000000049454e44ae426082"
)
VOID = {"area", "br", "col", "hr", "img", "input", "link", "meta", "rect"}

MORNING = "2026-10-01T06:30:00+00:00"
OPEN = {"state": "open", "reason": None, "by": None, "at": None}

SUMMARY: dict[str, Any] = {
    "shop": "Maison Tilleul",
    "source": "demo",
    "on": "2026-10-01",
    "snapshot": "2026-10-01",
    "already": [],
    "control": {
        "customers": {"read": 5020, "kept": 5008, "left_out": {"duplicate": 12}},
        "orders": {
            "read": 61834,
            "kept": 60410,
            "left_out": {"no_customer": 840, "not_a_product": 402, "duplicate": 182},
        },
        "consents": {"read": 11240, "kept": 11240, "left_out": {}},
    },
    "quarantine": {
        "customers": {"id_conflict": 8},
        "orders": {"order_customer_missing": 73, "ordered_at_missing": 6, "amount_missing": 31},
        "consents": {},
    },
    "published": {"customers": 5000, "orders": 60300, "consents": 11240},
    "problems": {"bad_postcode": 61, "no_usable_name": 34, "bad_email": 58, "bad_phone": 77, "wonky_hat": 3},
    "reachable": {"letter": 4871, "email": 3902, "call": 3344},
    "segments": {
        "regular_heavy": {"customers": 312, "amount_cents": 20_634_050},
        "regular_light": {"customers": 874, "amount_cents": 21_230_010},
        "occasional_heavy": {"customers": 719, "amount_cents": 11_961_200},
        "occasional_light": {"customers": 1318, "amount_cents": 6_120_455},
        "lapsed": {"customers": 1462, "amount_cents": 0},
        "prospect": {"customers": 315, "amount_cents": 0},
    },
    "thresholds": {
        "window_days": 365,
        "lapsed_after_days": 365,
        "regular_purchase_days": 4,
        "heavy_percentile": 0.67,
        "heavy_from_cents": 6214,
    },
    "movement": {
        "from": "2026-07-01",
        "matrix": {
            "regular_heavy": {"regular_heavy": 260, "regular_light": 21, "occasional_heavy": 14},
            "regular_light": {"regular_heavy": 24, "regular_light": 788, "occasional_light": 51, "lapsed": 3},
            "occasional_heavy": {"regular_heavy": 28, "occasional_heavy": 631, "occasional_light": 12, "lapsed": 61},
            "occasional_light": {"regular_light": 65, "occasional_heavy": 9, "occasional_light": 1122, "lapsed": 148},
            "lapsed": {"occasional_heavy": 22, "occasional_light": 31, "lapsed": 1250},
            "prospect": {"occasional_heavy": 43, "occasional_light": 102, "prospect": 315},
        },
    },
    "told": {
        "rule": "0a1b2c3d",
        "on": "2026-10-01",
        "figures": [
            {"name": "attrition", "span": "year", "ends": "2026-10-01", "snapshot": "2026-10-01"}
            | {"value": 1012, "of": 3105, "first_value": 1009, "first_of": 3105},
            {"name": "basket", "span": "year", "ends": "2026-10-01", "snapshot": "2026-10-01"}
            | {"value": 12_345_600, "of": 2000, "first_value": 12_345_600, "first_of": 2000},
        ],
    },
    "runs": [
        {
            "run_id": "quarterly_letter:2026-10-01",
            "campaign": "quarterly_letter",
            "title": {"fr": "La lettre de la saison", "en": "The quarterly letter"},
            "audience": 4685,
            "planned": 3871,
            "held_out": 201,
            "excluded": 613,
            "cost_micros": 3_021_245_000,
            "cost_by_channel": {"letter": 3_019_118_000, "email": 2_127_000},
            "by_arm": {},
            "held_out_by": {"campaign": 201},
            "state": OPEN,
            "approvals": {"needed": 0, "given": 0, "said": []},
            "by_segment": {
                "regular_heavy": {"letter": 288, "email": 6},
                "regular_light": {"letter": 801, "email": 22},
                "occasional_heavy": {"letter": 655, "email": 19},
                "occasional_light": {"email": 1040},
                "lapsed": {"email": 1040},
            },
            "exclusions": {
                "no_consent": 402,
                "unreachable": 96,
                "objected": 71,
                "household_served": 31,
                "minor": 9,
                "deceased": 4,
            },
            "states": {
                "letter": {"accepted": 1744},
                "email": {"accepted": 2110, "refused": 11, "cancelled": 6},
            },
            "files": {"letters": 1744, "pages": 1744, "emails": 2110, "calls": 0},
        },
        {
            "run_id": "winback_calls:2026-10-01",
            "campaign": "winback_calls",
            "title": {"fr": "Prendre des nouvelles", "en": "Win-back calls"},
            "audience": 1462,
            "planned": 1013,
            "held_out": 118,
            "excluded": 331,
            "cost_micros": 1_693_531_000,
            "cost_by_channel": {"letter": 1_561_460_000, "email": 71_000, "call": 132_000_000},
            "by_arm": {"a": {"call": 21, "letter": 450, "email": 30}, "b": {"call": 19, "letter": 452, "email": 41}},
            "held_out_by": {"campaign": 101, "shop": 17},
            "state": {"state": "paused", "reason": "9 of 60 messages were refused", "by": "breaker", "at": MORNING},
            "approvals": {
                "needed": 2,
                "given": 1,
                "said": [
                    {"step": 1, "decision": "approved", "by": "ines", "at": MORNING, "stands": False},
                    {"step": 1, "decision": "approved", "by": "jules", "at": MORNING, "stands": True},
                    {"step": 2, "decision": "timed_out", "by": None, "at": MORNING, "stands": True},
                ],
            },
            "by_segment": {"lapsed": {"call": 40, "letter": 902, "email": 71}},
            "exclusions": {"over_capacity": 187, "unreachable:bad_postcode": 101, "consent_expired": 43},
            "states": {"call": {"accepted": 40}, "letter": {"accepted": 902}, "email": {"planned": 71}},
            "files": {"letters": 902, "pages": 902, "emails": 0, "calls": 40},
        },
    ],
}


class Page(HTMLParser):
    """What a browser would see: the tags, balanced; the text; what is fetched."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attributes if name in ("src", "href", "xlink:href", "data")]
        assert not any(name.startswith("on") for name, _ in attributes)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += f" {data}"

    @property
    def words(self) -> str:
        """Runs of any white space, no-break spaces too, as one plain space."""
        return " ".join(self.text.split())


def page(summary: dict[str, Any] = SUMMARY, language: str = "fr", **more: Any) -> Page:
    return Page(render_report(summary, shop=load_shop(overrides={"language": language}), **more))


def changed(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(SUMMARY), **changes}


def test_the_shopkeeper_reads_the_headline_in_french() -> None:
    read = page().words
    assert "Compte rendu du 1er octobre 2026" in read
    assert "messages prévus 4 884" in read
    assert "lettres 2 646" in read
    assert "Tous les comptes tombent juste" in read
    assert "206 340 €" in read


def test_an_english_shop_reads_it_in_english() -> None:
    read = page(language="en").words
    assert "Run card of 1 October 2026" in read
    assert "messages planned 4,884" in read
    assert "€206,340" in read
    assert "Every count adds up" in read
    assert "Réguliers" not in read


@pytest.mark.parametrize("language", ["fr", "en"])
def test_every_word_of_one_language_is_in_the_other(language: str) -> None:
    def keys(content: Any, path: str = "") -> set[str]:
        if not isinstance(content, dict):
            return {path}
        return {found for key, value in content.items() for found in keys(value, f"{path}/{key}")}

    assert keys(words(language)) == keys(words("fr"))


def test_a_rule_says_what_it_means_and_an_unknown_one_keeps_its_name() -> None:
    read = page().words
    assert "A demandé à ne plus être sollicité par ce canal. 71" in read
    assert "Injoignable : code postal" in read
    assert "wonky_hat 3" in read
    assert rule_words("never_heard_of", "en") == ("never_heard_of", "")


def test_the_sums_are_shown_as_sums() -> None:
    read = page().words
    assert "61 834 lues = 60 410 gardées + 1 424 laissées de côté à la lecture ✓" in read
    assert "60 410 gardées = 60 300 publiées + 110 mises en quarantaine ✓" in read
    assert "4 685 clients visés = 3 871 prévus + 201 témoins + 613 écartés ✓" in read
    assert "3 871 prévus = 3 854 partis + 11 refusés + 6 annulés ✓" in read
    assert "écart de" not in read


def test_a_sum_with_a_gap_is_marked_and_counted() -> None:
    lost = changed(published={**SUMMARY["published"], "orders": 60299})
    read = page(lost).words
    assert "écart de 1" in read
    assert "Des comptes ne tombent pas juste (1)" in read
    assert "Tous les comptes tombent juste" not in read
    assert "✗" in printed(lost)


def test_copies_of_other_rows_are_a_part_of_the_sum() -> None:
    again = changed(published={**SUMMARY["published"], "orders": 60000}, duplicates={"orders": 300})
    assert "110 mises en quarantaine + 300 doublons ✓" in page(again).words


@given(st.data())
def test_what_adds_up_has_no_gap_and_what_does_not_has_one(data: st.DataObject) -> None:
    numbers = data.draw(st.lists(st.integers(0, 10**9), min_size=4, max_size=4))
    planned, held_out, excluded, off = numbers
    run = {
        **SUMMARY["runs"][0],
        "audience": planned + held_out + excluded + off,
        "planned": planned,
        "held_out": held_out,
        "excluded": excluded,
        "by_segment": {"lapsed": {"email": planned}},
        "states": {"email": {"accepted": planned}},
        "exclusions": {"no_consent": excluded},
    }
    assert [balance.gap for balance in run_balances(run, "fr")] == [off, 0, 0, 0, 0]


def test_the_sample_adds_up_everywhere() -> None:
    assert not any(balance.gap for balance in base_balances(SUMMARY, "fr"))
    assert not any(balance.gap for run in SUMMARY["runs"] for balance in run_balances(run, "fr"))


def test_arms_both_holdouts_and_the_cost_are_sums_too() -> None:
    read = page(language="en").words
    assert "1,013 planned = 501 arm a + 512 arm b ✓" in read
    assert "118 held out = 101 by this campaign + 17 by the shop for the year ✓" in read
    assert "€1,693.531 cost = €1,561.46 letters + €0.071 e-mails + €132.00 calls ✓" in read
    assert "Cost €1,561.46 €0.071 €132.00 €1,693.531" in read
    lost = copy.deepcopy(SUMMARY)
    lost["runs"][1]["cost_by_channel"]["call"] -= 1_000_000
    assert "✗ gap of €1.00" in page(lost, language="en").words


def test_a_paused_run_says_who_paused_it_when_and_why_and_who_approved_it() -> None:
    read = page(language="en").words
    assert "Paused: nothing leaves. By breaker, 1 October 2026 at 08:30: 9 of 60 messages were refused" in read
    assert "Approvals 1 of 2" in read
    assert "approved by ines , 1 October 2026 at 08:30 (for an earlier version)" in read
    assert "approved by jules , 1 October 2026 at 08:30 " in read
    assert "no answer in time, 1 October 2026 at 08:30" in read
    assert read.count("Paused") == 1
    named = copy.deepcopy(SUMMARY)
    named["runs"][1]["state"] |= {"reason": HOSTILE, "by": HOSTILE}
    named["runs"][1]["approvals"]["said"][0]["by"] = HOSTILE
    assert "script" not in page(named).tags


def test_movement_rows_and_columns_add_up() -> None:
    read = page().words
    assert "Depuis la base du 1er juillet 2026" in read
    assert "Occasionnels, petit panier 0 65 9 1 122 148 0 1 344" in read
    assert "Total 312 874 719 1 318 1 462 315 5 000" in read
    assert "32,6 %" in read


def test_the_first_snapshot_has_nothing_to_compare() -> None:
    read = page(changed(movement={"from": None, "matrix": {}}, told=None)).words
    assert "il n’y a encore rien à comparer" in read
    assert "Aucun chiffre n’est encore dit de ce jour" in read


def test_a_figure_of_the_base_says_what_it_means_by_which_rule_and_what_was_told_first() -> None:
    read = page(SUMMARY).words
    assert "sur les douze mois jusqu’au 1er octobre 2026 32,6 % (dit d’abord : 32,5 %)" in read
    assert "61,73 €" in read
    assert FIGURES["attrition"].said("fr", rule_of(SegmentSettings())[1]).formula[:40] in read.replace("’", "'")
    assert "Selon la règle 0a1b2c3d." in read


def test_an_empty_base_makes_a_page_too() -> None:
    nothing = changed(
        control={name: {"read": 0, "kept": 0, "left_out": {}} for name in ("customers", "orders", "consents")},
        quarantine={},
        published={"customers": 0, "orders": 0, "consents": 0},
        problems={},
        reachable={"letter": 0, "email": 0, "call": 0},
        segments={},
        thresholds={},
        movement={"from": None, "matrix": {}},
        told=None,
        runs=[
            {
                **SUMMARY["runs"][0],
                **dict.fromkeys(("audience", "planned", "held_out", "excluded"), 0),
                **{key: {} for key in ("by_segment", "exclusions", "states", "files")},
            }
        ],
    )
    read = page(nothing).words
    assert "personne ne remplit les conditions" in read
    assert "Personne n’a été écarté" in read
    assert "Aucun problème relevé" in read
    assert "✗" not in printed(nothing)


def test_what_was_done_before_is_said() -> None:
    again = changed(already=["segment", "quarterly_letter:2026-10-01"])
    assert "répartition en groupes, quarterly_letter:2026-10-01" in page(again).words
    assert "quarterly_letter:2026-10-01" in printed(again)


HOSTILE = "<script>alert(1)</script>{{ 7*7 }}{% raw %}\"'><img src=x onerror=alert(1)>"


def test_data_is_never_markup() -> None:
    summary = changed(source=HOSTILE, already=[HOSTILE], problems={HOSTILE: 3}, thresholds={HOSTILE: HOSTILE})
    summary["control"]["orders"]["left_out"] = {HOSTILE: 1424}
    summary["segments"][HOSTILE] = {"customers": 0, "amount_cents": 0}
    summary["runs"][0] |= {"title": {"fr": HOSTILE}, "exclusions": {HOSTILE: 613}, "states": {HOSTILE: {HOSTILE: 3871}}}
    summary["runs"][0]["by_segment"] = {HOSTILE: {HOSTILE: 3871}}
    read = page(summary, pictures=[(HOSTILE, POINT)])
    assert "script" not in read.tags
    assert read.tags.count("img") == 1
    assert read.text.count("<script>alert(1)</script>{{ 7*7 }}{% raw %}") >= 8


def test_the_page_needs_nothing_from_anywhere() -> None:
    html = render_report(SUMMARY, shop=load_shop(), pictures=[("une lettre", POINT)])
    read = Page(html)
    assert [link[:22] for link in read.links] == ["data:image/png;base64,"]
    assert not re.search(r"url\(|@import|https?:", html)
    assert "script" not in read.tags
    assert "default-src 'none'" in html


def test_a_picture_that_is_no_png_is_refused() -> None:
    with pytest.raises(TemplateError, match="PNG"):
        render_report(SUMMARY, shop=load_shop(), pictures=[("une lettre", b"GIF89a")])


def test_a_card_that_can_not_be_made_leaves_the_last_one(tmp_path: Path) -> None:
    shop = load_shop()
    write_report(SUMMARY, tmp_path, shop=shop)
    before = (tmp_path / "report.html").read_bytes()
    with pytest.raises(TemplateError):
        write_report(SUMMARY, tmp_path, shop=shop, pictures=[("", b"")])
    assert (tmp_path / "report.html").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_the_same_summary_makes_the_same_bytes() -> None:
    assert render_report(SUMMARY, shop=load_shop()) == render_report(copy.deepcopy(SUMMARY), shop=load_shop())


def printed(summary: dict[str, Any], language: str = "en") -> str:
    console = Console(file=StringIO(), width=120, color_system=None)
    console.print(summary_table(summary, language=language))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_terminal_tells_the_same_story() -> None:
    told = printed(SUMMARY)
    assert "read = 60,410 kept + 1,424 left out when read" in told
    assert "customers in the audience = 3,871 planned + 201 held out + 613 left out" in told
    assert re.search(r"Regular, heavy\W+312", told)
    assert re.search(r"letters\W+1,744", told)
    assert "✗" not in told


def test_the_terminal_does_not_read_data_as_its_markup() -> None:
    named = changed(already=["[bold]x[/bold]"])
    named["runs"][0]["title"] = {"en": "[red]The letter[/red]"}
    assert "[red]The letter[/red]" in printed(named)
    assert "[bold]x[/bold]" in printed(named)


def test_every_rule_that_can_be_written_is_explained() -> None:
    """Rules are read out of the SQL and the expectations that write them, so that a new one without words is found."""
    plan = "".join(path.read_text("utf-8") for path in (INCLUDE / "sql" / "plan").glob("*.sql"))
    extract = INCLUDE / "sql" / "extract"
    readers = [*extract.glob("[!e]*_orders.sql"), *extract.glob("staged_*.sql"), extract / "reasons.sql"]
    lines = "".join(path.read_text("utf-8") for path in readers)
    ledger = "".join((INCLUDE / "sql" / "ledger" / f"{name}.sql").read_text("utf-8") for name in ("claim", "cancel"))
    functions = "".join(path.read_text("utf-8") for path in (INCLUDE / "habitue" / "migrations").rglob("*.py"))
    rules = {
        *re.findall(r"'([a-z_]+) ' \|\|", plan + functions),  # with the value that the rule saw behind it
        *re.findall(r"(?:then|reason =) '([a-z_]+)'", ledger),
        *re.findall(r"then '([a-z]+_[a-z_]+|objected)'", functions),
        *re.findall(r"THEN '([a-z_]+)'", lines),
        *Hold,
    } - {"complaint", "customer", *State}  # a hold's name, told as complaint_open; a seat's; what became of a message
    for path in (INCLUDE / "expectations").glob("*.yaml"):
        content = read_yaml(path)
        rules |= {name for name, rule in content.get("rules", content).items() if rule.get("severity") != "batch"}
    assert {
        *("erased", "minor", "deceased", "complaint_open", "payment_incident", "gone", "run_cancelled"),
        *("no_consent", "objected", "consent_expired", "suppressed", "unreachable", "frequency_cap"),
        *("recently_contacted", "household_served", "over_budget", "over_capacity"),
        *("not_a_product", "amount_missing", "bad_postcode"),
    } <= rules
    for language in ("fr", "en"):
        for rule in rules:
            short, says = rule_words(rule, language)
            assert short != rule, f"{rule} has no words in {language}"
            assert says, f"{rule} is not explained in {language}"
