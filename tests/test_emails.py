"""Every text, for everyone, in both languages: whole, typeset, harmless, and with a way out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from habitue import emails
from habitue.colours import contrast, legible, luminance, mix, palettes
from habitue.emails import EmailTemplate, Rendered
from habitue.errors import TemplateError
from habitue.shop import load_shop

SHOP = load_shop()
COPIES = sorted(
    (f"{path.parent.name}/{path.name.split('.')[0]}", path.name.split(".")[1])
    for path in emails.FOLDER.glob("*/*.??.j2")
)
ONE_FOR_ALL = [
    "birthday/coming",
    "offer_by_reason/after_call",
    "private_event/invitation",
    "thank_you/first_purchase",
    "we_miss_you/slowing_down",
]
"""Texts that are the same for every group."""
LINK = "https://u.maison-tilleul.example/u/" + "k" * 43
PREFERENCES = "https://u.maison-tilleul.example/p/" + "k" * 43
OFFERS = {
    "fr": "Une infusion de saison vous attend en boutique, à notre invitation.",
    "en": "A seasonal infusion is waiting for you at the shop.",
}
KNOWN = {"last_purchase": date(2025, 6, 1), "favourite": "Darjeeling de printemps", "purchases": 7, "this_year": 5}
UNKNOWN = {"last_purchase": None, "favourite": None, "purchases": None, "this_year": None}
FACTS: list[dict[str, Any] | None] = [
    KNOWN,
    UNKNOWN,
    None,
    {**KNOWN, "favourite": None},
    {**UNKNOWN, "favourite": "Thé"},
]

NAUGHTY = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7*7 }}",
    "{% for x in y %}",
    "{{ ''.__class__ }}",
    "7slot7url7slot7",
    "&amp; <b>Anna</b>",
    "]]> --> <!-- [if mso]>",
    'O\'Brien "Bob" & fils',
    "=1+1",
    "Ægir Þór Łukasz 李小龍 🍵",
    "\\u003cscript\\u003e",
    "x" * 3000,
]


def about(language: str, **changes: Any) -> dict[str, Any]:
    """What is known of Anna, who buys often and much."""
    return {
        "customer": {
            "civility": "MME",
            "first_name": "Anna",
            "last_name": "Lefèvre",
            "name": "Anna Lefèvre",
            "language": language,
        },
        "salutation": "Chère Madame Lefèvre," if language == "fr" else "Dear Ms Lefèvre,",
        "facts": KNOWN,
        "offer": {
            "code": "7K3MQ-9XFT2",
            "text": OFFERS[language],
            "valid_until": date(2026, 12, 30),
            "url": "https://www.maison-tilleul.example/o/7K3MQ9XFT2?a=1&b=2",
        },
        "unsubscribe_url": LINK,
        "preferences_url": PREFERENCES,
        **changes,
    }


class Page(HTMLParser):
    """What a mail program sees: elements with their attributes, and the words between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"style", "title"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub("[ \\n]+", " ", "".join(self.words)).strip()

    def all(self, tag: str) -> Iterator[dict[str, str | None]]:
        return (attributes for name, attributes in self.elements if name == tag)


def rendered(name: str, language: str, **changes: Any) -> Rendered:
    return EmailTemplate.load(name, language, SHOP).render(about(language, **changes))  # type: ignore[arg-type]


def test_there_is_a_text_for_every_group_in_every_language() -> None:
    groups = ["regular_heavy", "regular_light", "occasional_heavy", "occasional_light", "lapsed"]
    names = [*(f"quarterly/{group}" for group in groups), "winback/lapsed", *ONE_FOR_ALL]
    assert sorted((name, language) for name in names for language in SHOP.languages) == COPIES


@pytest.mark.parametrize("facts", FACTS)
@pytest.mark.parametrize(("name", "language"), COPIES)
def test_every_text_is_whole_with_and_without_facts(name: str, language: str, facts: dict[str, Any] | None) -> None:
    mail = rendered(name, language, facts=facts)
    page = Page(mail.html)
    for words in (page.text, " ".join(mail.text.split())):
        assert "Lefèvre," in words
        assert "7K3MQ-9XFT2" in words
        assert " ".join(OFFERS[language].split()) in words
        assert ("2026" in words) == (name != "private_event/invitation")  # whose offer names the evening
        assert "69002 Lyon" in words
        assert not re.search(r"None|\{\{|\}\}|\{%|7slot7|«\s*»|“”| ,|\(\)", words)
    assert ("Darjeeling" in page.text) == (facts is not None and facts["favourite"] == KNOWN["favourite"])
    assert len(mail.html.encode()) < 30_000
    assert 10 <= len(mail.subject) <= 60
    assert "\n" not in mail.subject


@pytest.mark.parametrize(("name", "language"), COPIES)
def test_a_mail_is_one_page_with_one_heading_and_loads_nothing(name: str, language: str) -> None:
    mail = rendered(name, language)
    page = Page(mail.html)
    assert len(list(page.all("h1"))) == 1
    assert [(one["lang"], one["dir"]) for one in page.all("html")] == [(language, "ltr")]
    assert not {"img", "script", "link", "iframe", "form", "object"} & {tag for tag, _ in page.elements}
    assert "url(" not in mail.html
    assert "@import" not in mail.html
    assert "@font-face" not in mail.html
    assert "prefers-color-scheme: dark" in mail.html
    assert all(attributes.get("role") == "presentation" for attributes in page.all("table"))
    assert not re.search(r"<table(?![^>]*role=.presentation)", mail.html)  # those for Outlook stand in comments


@pytest.mark.parametrize(("name", "language"), COPIES)
def test_a_button_is_a_button_in_outlook_too(name: str, language: str) -> None:
    """Colour and room stand on the cell: Outlook for Windows knows neither on a link."""
    html = rendered(name, language).html
    [button] = re.findall(r'<td[^>]*bgcolor="[^"]*"[^>]*><a href="https://[^"]*"[^>]*>[^<]+</a></td>', html)
    cell, link = button.split("<a ")
    assert "mso-padding-alt:14px 30px" in cell
    assert "background:#" in cell
    assert "display:inline-block" in link
    assert "padding:14px 30px" in link


def test_a_layout_is_compiled_once_for_all_mails_of_a_language(monkeypatch: pytest.MonkeyPatch) -> None:
    emails._compiled.cache_clear()
    for name in ("quarterly/lapsed", "quarterly/regular_heavy", "winback/lapsed"):
        template = EmailTemplate.load(name, "fr", SHOP)
        for _ in range(20):
            template.render(about("fr"))
    assert emails._compiled.cache_info().misses == 1


def test_an_invitation_has_a_ticket_of_its_own_and_no_last_day() -> None:
    mail = rendered("private_event/invitation", "fr")
    assert "Votre code, à donner" not in mail.text + Page(mail.html).text
    assert "Valable" not in mail.text + Page(mail.html).text
    assert "Valable" in rendered("quarterly/lapsed", "fr").text


def test_a_shop_without_a_page_of_preferences_has_no_link_to_it() -> None:
    alone = load_shop(overrides={"sender": {"preferences_url": None}})
    mail = EmailTemplate.load("quarterly/lapsed", "fr", alone).render(about("fr"))
    assert "Choisir ce que vous recevez" in rendered("quarterly/lapsed", "fr").text
    assert not re.search("Choisir ce que vous recevez|/p/", mail.text + mail.html)
    assert LINK in mail.text


@pytest.mark.parametrize(("name", "language"), COPIES)
def test_everyone_finds_the_way_out_and_the_offer(name: str, language: str) -> None:
    mail = rendered(name, language)
    links = [attributes["href"] for attributes in Page(mail.html).all("a")]
    assert LINK in links
    assert PREFERENCES in links
    assert PREFERENCES in mail.text
    assert "https://www.maison-tilleul.example/o/7K3MQ9XFT2?a=1&b=2" in links
    assert SHOP.privacy in links
    assert all(str(link).startswith(("https://", "mailto:")) for link in links)
    assert LINK in mail.text
    assert "https://www.maison-tilleul.example/o/7K3MQ9XFT2?a=1&b=2" in mail.text
    assert not re.search(r"http://(?!www\.w3\.org/)", mail.html + mail.text)


@pytest.mark.parametrize(("name", "language"), COPIES)
def test_texts_are_set_as_a_printer_would(name: str, language: str) -> None:
    mail = rendered(name, language)
    for words in (mail.subject, mail.text.replace("https:", "").replace("mailto:", ""), Page(mail.html).text):
        assert "'" not in words
        if language == "fr":
            assert not re.search(
                r"[\w»] [;!?:»%€]|« \w|\w[;!?](?!\w)", words.replace("\u202f", "~").replace("\xa0", "~")
            )
        else:
            assert not re.search(r"[ \xa0\u202f][;!?:]", words)


@pytest.mark.parametrize(("name", "language"), COPIES)
def test_no_text_raises_its_voice_or_says_what_our_files_know(name: str, language: str) -> None:
    words = rendered(name, language).text
    assert words.count("!") <= 1
    assert not re.search(r"\b(records?|database|file|fichiers?|données (montrent|indiquent)|vos achats)\b", words)


@pytest.mark.parametrize("language", SHOP.languages)
def test_a_birthday_is_near_but_nobody_counts_the_years(language: str) -> None:
    context = about(language, facts={**KNOWN, "last_purchase": None})
    written = EmailTemplate.load("birthday/coming", language, SHOP).render(context)
    body = written.text.split("-----")[0].split("Lefèvre,")[1]
    assert "Darjeeling" in body
    assert not re.search(r"\d|\b(ans|years)\b", written.subject + body)


@pytest.mark.parametrize("naughty", NAUGHTY)
def test_what_a_customer_is_called_stays_a_name(naughty: str) -> None:
    plain = Page(rendered("quarterly/lapsed", "fr").html)
    mail = rendered(
        "quarterly/lapsed",
        "fr",
        salutation=f"Bonjour {naughty},",
        facts={**KNOWN, "favourite": naughty},
        offer={**about("fr")["offer"], "text": naughty, "code": naughty},
    )
    page = Page(mail.html)
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in plain.elements]
    assert page.text.count(" ".join(naughty.split())) >= 4
    assert mail.text.count(naughty) == 4


@pytest.mark.parametrize("link", ["http://shop.example/", "javascript:alert(1)", "", None, 'data:text/html,"'])
@pytest.mark.parametrize("which", ["unsubscribe_url", "url"])
def test_a_link_that_is_not_https_stops_the_mail(which: str, link: str | None) -> None:
    offer = about("fr")["offer"]
    changes = {"offer": {**offer, "url": link}} if which == "url" else {which: link}
    with pytest.raises(TemplateError, match=which):
        rendered("winback/lapsed", "fr", **changes)


def test_a_quotation_mark_in_a_link_stays_in_the_link() -> None:
    url = 'https://shop.example/o/"><b>x'
    page = Page(rendered("winback/lapsed", "en", offer={**about("en")["offer"], "url": url}).html)
    assert url in [attributes["href"] for attributes in page.all("a")]


@pytest.mark.parametrize("missing", ["offer", "salutation", "customer", "unsubscribe_url", "facts"])
def test_a_missing_word_is_an_error_that_names_it_and_nobody(missing: str) -> None:
    context = about("fr")
    del context[missing]
    template = EmailTemplate.load("quarterly/lapsed", "fr", SHOP)
    if missing == "customer":
        template.render(context)  # this text does not speak of it
        return
    with pytest.raises(TemplateError, match=missing) as refused:
        template.render(context)
    assert "Lefèvre" not in str(refused.value)


COPY = "".join(f"{{% block {block} %}}mots{{% endblock %}}\n" for block in sorted(emails.BLOCKS))


@pytest.fixture
def own_texts(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A folder of templates like ours, in which a shop writes its own copy."""
    for path in filter(Path.is_file, emails.FOLDER.glob("*")):
        (tmp_path / path.name).write_text(path.read_text("utf-8"), "utf-8")
    monkeypatch.setattr(emails, "FOLDER", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("copy", "says"),
    [
        (COPY.replace("block button", "block knopf"), "write the blocks button"),
        (COPY + "{% block extra %}x{% endblock %}", "unknown blocks extra"),
        (COPY.replace("mots", "{{ custmer.name }}", 1), "unknown words custmer"),
        (COPY.replace("mots", "{{ customer.nickname }}", 1), "body.*nickname"),
        (COPY.replace("mots", "{{ facts.favourite }}", 1), "body"),
        (COPY.replace("mots", "{% if facts %}x{% endif %}", 1), "body.*empty"),
        (COPY.replace("mots", "{{ offer.code", 1), "line 1"),
        (COPY.replace("mots", "{{ ''.__class__.__mro__ }}", 1), "body"),
    ],
)
def test_a_mistake_in_a_text_is_found_before_anyone_is_written_to(own_texts: Any, copy: str, says: str) -> None:
    (own_texts / "own.fr.j2").write_text(copy, "utf-8")
    with pytest.raises(TemplateError, match=says):
        EmailTemplate.load("own", "fr", SHOP)


@pytest.mark.parametrize("partial", ["header.mjml", "offer.txt.j2", "footer.mjml", "layout.txt.j2"])
def test_a_layout_without_one_of_its_parts_is_an_error(own_texts: Any, partial: str) -> None:
    (own_texts / "own.fr.j2").write_text(COPY, "utf-8")
    (own_texts / partial).unlink()
    with pytest.raises(TemplateError, match=f"emails/{partial}: no such file"):
        EmailTemplate.load("own", "fr", SHOP)


def test_a_mistake_in_a_partial_is_named_with_its_line(own_texts: Any) -> None:
    (own_texts / "own.fr.j2").write_text(COPY, "utf-8")
    (own_texts / "footer.mjml").write_text("<mj-section>\n{% include 'x' %}", "utf-8")
    with pytest.raises(TemplateError, match=r"emails/footer\.mjml, line 2: copy includes nothing"):
        EmailTemplate.load("own", "fr", SHOP)


def test_a_layout_without_the_way_out_is_an_error(own_texts: Any) -> None:
    (own_texts / "own.fr.j2").write_text(COPY, "utf-8")
    (own_texts / "footer.txt.j2").write_text("{{ address }}", "utf-8")
    with pytest.raises(TemplateError, match=r"layout\.txt\.j2: no place for unsubscribe_url"):
        EmailTemplate.load("own", "fr", SHOP)


def test_a_shop_may_write_its_own_text(own_texts: Any) -> None:
    (own_texts / "own.fr.j2").write_text(COPY.replace("mots", "un\ndeux\n\ntrois", 1), "utf-8")
    mail = EmailTemplate.load("own", "fr", SHOP).render(about("fr"))
    assert "un deux\n\ntrois\n" in mail.text
    assert '<p style="margin:0 0 18px;">un deux</p><p style="margin:0 0 18px;">trois</p>' in mail.html


def test_a_mail_that_would_be_cut_is_an_error(own_texts: Any) -> None:
    (own_texts / "own.fr.j2").write_text(COPY.replace("mots", "{{ offer.text }}", 1), "utf-8")
    template = EmailTemplate.load("own", "fr", SHOP)
    with pytest.raises(TemplateError, match="bytes of HTML"):
        template.render(about("fr", offer={**about("fr")["offer"], "text": "é" * 60_000}))


def test_braces_and_tags_in_the_shops_name_stay_text() -> None:
    odd = load_shop(overrides={"name": "Tilleul {{ 7*7 }} & <Fils> {# #}"})
    mail = EmailTemplate.load("quarterly/lapsed", "fr", odd).render(about("fr"))
    assert "Tilleul {{ 7*7 }} & <Fils> {# #}" in Page(mail.html).text
    assert mail.text.startswith("Tilleul {{ 7*7 }} & <Fils> {# #}\n")


COLOURS = st.integers(0, 0xFFFFFF).map("#{:06x}".format)


@settings(max_examples=400, deadline=None)
@given(accent=COLOURS, ink=COLOURS)
@example(accent="#f2c94c", ink="#2b2622")
@example(accent="#ffffff", ink="#ffffff")
@example(accent="#000000", ink="#000000")
@example(accent="#757575", ink="#808080")
def test_words_can_be_read_by_day_and_by_night_whatever_a_shop_chooses(accent: str, ink: str) -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1 for text."""
    for colours in palettes(accent, ink).values():
        for words in ("ink", "accent_ink"):
            for ground in ("card", "tint", "page"):
                assert contrast(colours[words], colours[ground]) >= 4.5
        assert contrast(colours["faint"], colours["page"]) >= 4.5
        assert contrast(colours["on_accent"], colours["accent"]) >= 4.5


def test_a_colour_that_can_be_read_is_left_as_the_shop_chose_it() -> None:
    assert legible("#7a3b2e", "#ffffff") == "#7a3b2e"
    assert luminance(legible("#f2c94c", "#ffffff")) < luminance("#f2c94c")
    assert palettes("#7a3b2e", "#2b2622")["colour"]["on_accent"] == "#ffffff"
    assert (
        palettes("#f2c94c", "#2b2622")["colour"] | {"on_accent": "#1d1917"} == palettes("#f2c94c", "#2b2622")["colour"]
    )


def test_colours_mix() -> None:
    assert mix("#ffffff", "#000000", 0.5) == "#808080"
    assert mix("#7a3b2e", "#123456", 1) == "#7a3b2e"
