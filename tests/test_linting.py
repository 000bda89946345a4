"""What is shipped is in order; each mistake that a shop can make in a text is found, on its line."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from habitue import calls, emails, linting
from habitue.linting import Complaint, Severity, every_text, lint, lint_these
from habitue.shop import load_shop
from habitue.tables import Channel

SHOP = load_shop()

FRENCH = """{% block subject %}Une tasse vous attend{% endblock %}
{% block preheader %}Quelques nouvelles de la boutique.{% endblock %}
{% block heading %}Bonjour de Lyon{% endblock %}
{% block body %}
Nous avons pensé à vous en ouvrant les caisses de la saison.

{% if facts and facts.favourite %}
Vous aimiez « {{ facts.favourite }} » : en reste-t-il ?
{% endif %}
{% endblock %}
{% block offer_title %}Pour vous{% endblock %}
{% block offer_text %}{{ offer.text }}{% endblock %}
{% block button %}Voir les nouveautés{% endblock %}
{% block closing %}À bientôt chez nous.{% endblock %}
"""
ENGLISH = """{% block subject %}A cup is waiting{% endblock %}
{% block preheader %}A little news from the shop.{% endblock %}
{% block heading %}Greetings from Lyon{% endblock %}
{% block body %}
We thought of you when we opened the crates.

{% if facts and facts.favourite %}
You liked “{{ facts.favourite }}”: is there any left?
{% endif %}
{% endblock %}
{% block offer_title %}For you{% endblock %}
{% block offer_text %}{{ offer.text }}{% endblock %}
{% block button %}See what is new{% endblock %}
{% block closing %}See you soon.{% endblock %}
"""


class House:
    """A shop's own folder of mails, with one text in it, in both languages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write("own.fr.j2", FRENCH)
        self.write("own.en.j2", ENGLISH)

    def write(self, name: str, content: str) -> None:
        (self.folder / name).write_text(content, "utf-8")

    def mend(self, name: str, old: str, new: str) -> None:
        content = (self.folder / name).read_text("utf-8")
        assert old in content
        self.write(name, content.replace(old, new))

    def lint(self) -> list[Complaint]:
        return lint(Channel.EMAIL, "own", SHOP)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    for path in filter(Path.is_file, emails.FOLDER.glob("*")):
        (tmp_path / path.name).write_text(path.read_text("utf-8"), "utf-8")
    monkeypatch.setattr(emails, "FOLDER", tmp_path)
    return House(tmp_path)


def test_what_is_shipped_gives_neither_errors_nor_warnings() -> None:
    texts = every_text()
    assert {(Channel.EMAIL, "winback/lapsed"), (Channel.LETTER, "winback/lapsed"), (Channel.CALL, "winback")} <= {
        *texts
    }
    assert {(Channel.EMAIL, "layout"), (Channel.CALL, "guide")} <= {*texts}
    assert lint_these(texts, SHOP) == []


def test_a_sound_text_of_a_shops_own_gives_neither(own: House) -> None:
    assert own.lint() == []


ERROR, WARNING = Severity.ERROR, Severity.WARNING
FR, EN = "own.fr.j2", "own.en.j2"


def put(name: str, old: str, new: str) -> Callable[[House], None]:
    return lambda own: own.mend(name, old, new)


def drop(name: str) -> Callable[[House], None]:
    return lambda own: (own.folder / name).unlink()


CANARY_LINK = "Voir https://www.maison-tilleul.example/?qui={{ customer.name }}"
PICTURE = '<mj-image src="https://www.maison-tilleul.example/theiere.png" />'

MISTAKES: list[tuple[Callable[[House], None], str, int, Severity, str]] = [
    (put(FR, "Nous avons", "{{ custmer.name }}"), FR, 5, ERROR, "unknown word custmer; there are customer, facts"),
    (put(FR, "Vous aimiez", "{{ customer.nickname }}"), FR, 8, ERROR, "unknown word nickname; customer has civility"),
    (put(FR, "Vous aimiez", "{{ shop.letterhead.colour }}"), FR, 8, ERROR, "colour; shop.letterhead has accent"),
    (put(FR, "{% if facts and", "{% if facts.weight and"), FR, 7, ERROR, "unknown word weight; facts has favourite"),
    (put(FR, "Nous avons", "{{ offer.valid_until }}"), FR, 4, ERROR, r"block body: a date is printed by \| date"),
    (put(FR, "{% if facts and facts.favourite %}", "{% if facts %}"), FR, 4, ERROR, "body: a word has no value; ask"),
    (put(FR, "{% if facts and", "{% if facts und"), FR, 7, ERROR, "expected token"),
    (put(FR, "Nous avons", "{{ customer.name.upper() }}"), FR, 5, ERROR, "nothing can be called in copy"),
    (put(FR, "Nous avons", "{{ 'x' * 300000000 }}"), FR, 4, ERROR, r"block body: \* is for plain numbers"),
    (put(FR, "À bientôt chez nous.", "{% if facts %}À bientôt.{% endif %}"), FR, 14, ERROR, "came out empty"),
    (drop(EN), EN, 1, ERROR, "there is no such file, and the shop writes in fr and en: write it"),
    (put(FR, "{% block preheader %}", "{% block preheater %}"), FR, 1, ERROR, "write the blocks preheader"),
    (put(FR, "{% block preheader %}", "{% block preheater %}"), FR, 2, ERROR, "unknown block preheater; there are"),
    (drop("layout.txt.j2"), "layout.txt.j2", 1, ERROR, "no such file; a layout has a part in HTML and one in text"),
    (drop("offer.txt.j2"), "offer.txt.j2", 1, ERROR, "no such file; a layout has a part in HTML and one in text"),
    (put("layout.txt.j2", "{{ body }}", ""), "layout.txt.j2", 1, ERROR, "no place for body"),
    (put("footer.txt.j2", "{{ unsubscribe_url }}", ""), "layout.txt.j2", 1, ERROR, "no place for unsubscribe_url"),
    (put("footer.mjml", 'href="{{ unsubscribe_url }}"', 'title="{{ unsubscribe_url }}" href="https://a.example"'),
     "footer.mjml", 5, ERROR, "no link to unsubscribe"),
    (put("footer.txt.j2", "{{ unsubscribe_url }}", "v{{ unsubscribe_url }}x"), "footer.txt.j2", 3, ERROR, "no link"),
    (put(FR, "Nous avons", "Voir http://www.maison-tilleul.example :"), FR, 5, ERROR, "a link without https"),
    (put("header.mjml", '"{{ shop.website }}"', '"http://shop.example"'), "header.mjml", 4, ERROR, "without https"),
    (put("footer.txt.j2", "{{ address }}", "ftp://shop.example"), "layout.mjml", 1, ERROR, "without https"),
    (put(FR, "Nous avons", CANARY_LINK), FR, 5, ERROR, "a link with what is known of the customer"),
    (put("header.mjml", '"{{ shop.website }}"', '"{{ shop.website }}/?{{ salutation }}"'),
     "layout.mjml", 1, ERROR, "a link with what is known of the customer"),
    (put("offer.mjml", "<mj-button", PICTURE + "<mj-button"), "offer.mjml", 7, ERROR, "a picture without alt"),
    (put("offer.mjml", "<mj-button", PICTURE.replace("https:", "http:") + "<mj-button"),
     "offer.mjml", 7, ERROR, "a picture without https"),
    (put("layout.mjml", "<h1", "<h1>Maison Tilleul</h1><h1"), "layout.mjml", 44, ERROR, "2 headings <h1>: a mail"),
    (put("layout.mjml", "<mj-body", "<mj-bodice"), "layout.mjml", 1, ERROR, "unexpected .*<mj-"),
    (put(FR, "Nous avons", "mots " * 13_000), FR, 1, ERROR, "over 100000 bytes of HTML|over 65536 characters"),
    (put(FR, "Nous avons", "longs mots " * 6_000), FR, 1, ERROR, "over 100000 bytes of HTML|over 65536 characters"),
    (put(FR, "Nous avons", "mots " * 12_800), FR, 4, WARNING, "bytes of HTML, near the 100000"),
    (put(FR, "Une tasse vous attend", "Une tasse vous attend " * 3), FR, 1, WARNING, "a subject of up to 65"),
    (put(FR, "Une tasse", "{{ customer.name }}, une tasse de bienvenue"), FR, 1, WARNING, "a subject of up to 84"),
    (put(FR, "Quelques nouvelles", "Quelques nouvelles " * 8), FR, 2, WARNING, "a preheader of up to 1"),
    (put(FR, "À bientôt chez nous.", "See you soon."), FR, 14, WARNING, "this sentence reads like en in a text in fr"),
    (put(FR, "Voir les nouveautés", "See what is new"), FR, 13, WARNING, "this sentence reads like en in a text in fr"),
    (put(FR, "en reste-t-il ?", "en reste-t-il ? It has been a pleasure to have you."), FR, 8, WARNING, "like en"),
    (put(EN, "See you soon.", "À bientôt chez nous."), EN, 14, WARNING, "this sentence reads like fr in a text in en"),
    (put(EN, "See you soon.", "À bientôt chez nous."), EN, 14, WARNING, "the same sentence stands in own.fr.j2"),
    (put(FR, "Bonjour de Lyon", "Greetings from Lyon"), EN, 3, WARNING, "the same sentence stands in own.fr.j2"),
    (put(FR, "Nous avons", "Bienvenue! Nous avons"), FR, 5, WARNING, "French sets a space before ; ! and"),
    (put(FR, "Nous avons", "Voilà: nous avons"), FR, 5, WARNING, "French sets a space before a colon"),
    (put(FR, "Nous avons", "Voilà  ! Nous avons"), FR, 5, WARNING, "a space that a line may break at"),
    (put(FR, "Nous avons", "Voilà\n! Nous avons"), FR, 5, WARNING, "a space that a line may break at"),
    (put(FR, "« {{", "«{{"), FR, 8, WARNING, "no no-break space behind «"),
    (put(FR, "}} »", "}}»"), FR, 8, WARNING, "no no-break space before »"),
    (put(FR, "Nous avons", "10% pour vous. Nous avons"), FR, 5, WARNING, "before % and €"),
    (put(FR, "« {{ facts.favourite }} »", '"{{ facts.favourite }}"'), FR, 8, WARNING, "a straight quotation mark"),
    (put(EN, "We thought", "We thought 'hard' and"), EN, 5, WARNING, "a straight apostrophe"),
]  # fmt: skip


@pytest.mark.parametrize(("mistake", "file", "line", "severity", "says"), MISTAKES)
def test_each_mistake_is_found_on_its_line(
    own: House, mistake: Callable[[House], None], file: str, line: int, severity: Severity, says: str
) -> None:
    mistake(own)
    found = own.lint()
    matching = [one for one in found if Path(one.file).name == file and one.line == line and one.severity is severity]
    assert any(re.search(says, one.message) for one in matching), [str(one) for one in found]
    if severity is WARNING:
        assert all(one.severity is WARNING for one in found)


QUIET: list[tuple[str, str, str]] = [
    (
        FR,
        "Nous avons",
        "Rendez-vous à 10:30, au 12 rue des Tilleuls : https://www.maison-tilleul.example/ ! Nous avons",
    ),
    (FR, "Nous avons", "L'été ? Déjà ?! Oui… Nous avons"),
    (FR, "Nous avons", "Essayez « Earl Grey of London », ou « The Queen's Blend ». Nous avons"),
    (FR, "Nous avons", "Chez {{ customer.name }} : nous avons"),
    (FR, "Nous avons", "10 % dès 40 € ; nous avons"),
    (FR, "Nous avons", "{{ facts.purchases | plural('visite', 'visites') if facts else '' }} Nous avons"),
    (FR, "Nous avons", "« Vous d'abord ! » Nous avons"),
    (EN, "We thought", "It's the year's “crème de la crème”: we thought"),
    (EN, "We thought", "Come to “La Maison du thé”, at 12 rue des Tilleuls. We thought"),
    (EN, "We thought", '{# it\'s "only" a comment #}We thought'),
]


@pytest.mark.parametrize(("file", "old", "new"), QUIET)
def test_what_is_right_is_left_alone(own: House, file: str, old: str, new: str) -> None:
    own.mend(file, old, new)
    assert [str(one) for one in own.lint()] == []


def test_a_mistake_in_the_layout_is_told_once(own: House) -> None:
    own.write("two.fr.j2", FRENCH)
    own.write("two.en.j2", ENGLISH)
    own.mend("header.mjml", '"{{ shop.website }}"', '"http://shop.example"')
    found = lint_these([(Channel.EMAIL, "own"), (Channel.EMAIL, "two")], SHOP)
    assert [(Path(one.file).name, one.line) for one in found] == [("header.mjml", 4)]


def test_words_of_a_call_script_and_of_the_layout_are_read_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linting, "_folder", lambda channel: tmp_path)
    known: dict[str, Any] = {"guide.fr.j2": (calls.FOLDER / "guide.fr.j2").read_text("utf-8")}
    (tmp_path / "guide.fr.j2").write_text(known["guide.fr.j2"].replace("Les résultats", "Qu'en dire! {{ shop.nmae }}"))
    (tmp_path / "guide.en.j2").write_text((calls.FOLDER / "guide.en.j2").read_text("utf-8"))
    found = lint(Channel.CALL, "guide", SHOP)
    assert [one.severity for one in found] == [ERROR, WARNING]
    assert "unknown word nmae; shop has" in found[0].message
