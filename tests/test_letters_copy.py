"""Copy: what a text may say and do, and what it may not."""

from __future__ import annotations

import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from habitue.errors import TemplateError
from habitue.texts import Text, environment, load_text, long_date, money, plural, typography

CLARA = {"name": "Clara Canari", "first_name": "Clara"}


def text(tmp_path: Path, body: str, *, language: str = "fr", html: bool = False) -> Text:
    path = tmp_path / f"{abs(hash(body))}.{language}.j2"
    path.write_text(f"{{% block body %}}{body}{{% endblock %}}", "utf-8")
    return load_text(path, html=html)


def test_french_gets_its_spaces_and_clara_keeps_hers(tmp_path: Path) -> None:
    copy = text(tmp_path, "L'an neuf ! « {{ customer.name }} » : 10 % à l'{{ customer.name }} ?")
    assert copy.render("body", {"customer": {"name": "A ! b : c 'd"}}) == (
        "L’an neuf\u202f! «\u00a0A ! b : c 'd\u00a0»\u00a0: 10\u202f% à l’A ! b : c 'd\u202f?"
    )


def test_english_keeps_plain_spaces() -> None:
    assert typography("It's here : yes !", "en") == "It’s here : yes !"


@pytest.mark.parametrize(
    ("cents", "language", "written"),
    [
        (123450, "fr", "1\u202f234,50\u00a0€"),
        (1000, "fr", "10\u00a0€"),
        (123450, "en", "€1,234.50"),
        (1000, "en", "€10"),
        (5, "fr", "0,05\u00a0€"),
    ],
)
def test_money_is_written_as_its_reader_does(cents: int, language: str, written: str) -> None:
    assert money(cents, "EUR", language) == written


def test_the_first_of_a_month_is_premier_in_french_only() -> None:
    assert long_date(date(2026, 10, 1), "fr") == "1er\u00a0octobre 2026"
    assert long_date(date(2026, 10, 21), "fr") == "21\u00a0octobre 2026"
    assert long_date(date(2026, 10, 1), "en") == "1\u00a0October 2026"


def test_zero_is_singular_in_french_and_plural_in_english() -> None:
    assert [plural(number, "visite", "visites", "fr") for number in (0, 1, 2)] == ["visite", "visite", "visites"]
    assert [plural(number, "visit", "visits", "en") for number in (0, 1, 2)] == ["visits", "visit", "visits"]


def test_filters_know_the_language_of_the_text(tmp_path: Path) -> None:
    copy = text(tmp_path, "{{ cents | money }} le {{ day | date }}, {{ n }} {{ n | plural('fois', 'fois') }}")
    assert copy.render("body", {"cents": 990, "day": date(2026, 5, 1), "n": 2}) == (
        "9,90\u00a0€ le 1er\u00a0mai 2026, 2 fois"
    )
    assert copy.variables == {"cents", "day", "n"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("{{ customer.surname }}", "'surname'"),
        ("{{ stranger }}", "'stranger'"),
        ("{{ none }}", "no value"),
        ("{{ customer.name | date }}", "Error in an expression"),
    ],
)
def test_a_missing_word_names_file_block_and_word_but_not_clara(tmp_path: Path, body: str, said: str) -> None:
    copy = text(tmp_path, body)
    with pytest.raises(TemplateError) as refused:
        copy.render("body", {"customer": CLARA})
    assert said in str(refused.value)
    assert copy.path.name in str(refused.value)
    assert "'body'" in str(refused.value)
    assert "Canari" not in str(refused.value)


def test_a_missing_block_is_named(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="postscript"):
        text(tmp_path, "x").render("postscript", {})


@pytest.mark.parametrize(
    "body",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ lipsum.__globals__ }}",
        "{{ range(10**9) }}",
        "{{ ''|attr('__class__') }}",
        "{% set f='{0.__class__}'.format %}{{ f(customer) }}",
        "{{ customer._secret }}",
        "{{ [1].append(2) }}",
        "{{ 'x' * 300000000 }}",
        "{{ [0] * 300000000 }}",
        "{{ 9 ** 9 ** 9 }}",
    ],
)
def test_no_text_gets_out_of_the_sandbox(tmp_path: Path, body: str) -> None:
    started = time.perf_counter()
    with pytest.raises(TemplateError):
        text(tmp_path, body).render("body", {"customer": CLARA})
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize("body", ["{{ customer.name | safe }}", "{% include 'x' %}", "{{ oops", "{% if %}"])
def test_a_text_that_cannot_be_read_says_where(tmp_path: Path, body: str) -> None:
    with pytest.raises(TemplateError, match=r"\.fr\.j2"):
        text(tmp_path, body).render("body", {"customer": CLARA})


def test_what_clara_typed_is_never_a_template(tmp_path: Path) -> None:
    odd: dict[str, Any] = {"customer": {"name": "{{ 7*7 }}<b>&"}}
    assert text(tmp_path, "{{ customer.name }}").render("body", odd) == "{{ 7*7 }}<b>&"
    assert text(tmp_path, "{{ customer.name }}.", html=True).render("body", odd) == "{{ 7*7 }}&lt;b&gt;&amp;."


def test_blank_lines_part_paragraphs_and_line_ends_do_not(tmp_path: Path) -> None:
    copy = text(tmp_path, "\nUn\ndeux\n\n{% if x %}\nTrois\n\n{% endif %}\n   \nQuatre\n")
    assert copy.paragraphs("body", {"x": True}) == ("Un deux", "Trois", "Quatre")
    assert copy.paragraphs("body", {"x": False}) == ("Un deux", "Quatre")


def test_a_text_without_a_language_or_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="name the language"):
        load_text(tmp_path / "lapsed.j2")
    with pytest.raises(TemplateError, match="no such text"):
        load_text(tmp_path / "lapsed.fr.j2")
    with pytest.raises(TemplateError, match="language 'de'"):
        money(1, "EUR", "de")


def test_a_filter_without_a_language_says_so() -> None:
    template = environment(html=True).from_string("{{ 5 | money }}")
    assert environment(html=True).from_string("{{ 5 | money('EUR', 'en') }}").render() == "€0.05"
    with pytest.raises(Exception, match="language"):
        template.render()
