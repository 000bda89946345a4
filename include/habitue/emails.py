"""E-mails: one layout, one copy file a group and language, rendered to a subject, a written text part and HTML.

1. The layouts and their partials (header, offer, footer) are filled with what is the same for everyone (the shop's
   name, colours, legal words), and get a mark where each customer's words will stand. `layout.mjml` is turned into HTML
   that mail programs show, by MJML, once in a process. A partial beside a copy file goes before the shared one.
2. For each customer the copy is rendered as plain words.
3. The words are escaped and put in the marks' places: neither a customer's name nor a sentence of the copy can become
   markup, and no template engine ever reads them.

A mail loads nothing from anywhere: no picture, no font, no pixel that tells when it was opened (CNIL 2026-042).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any

from jinja2 import Template, TemplateSyntaxError
from jinja2 import TemplateError as JinjaError
from markupsafe import Markup

from habitue.calls import shop_words
from habitue.colours import palettes
from habitue.errors import TemplateError
from habitue.sandbox import limited
from habitue.shop import INCLUDE, Language, Shop
from habitue.texts import NO_BREAK, Text, environment, load_text

FOLDER = INCLUDE / "templates" / "emails"

BLOCKS = frozenset({"subject", "preheader", "heading", "body", "offer_title", "offer_text", "button", "closing"})
"""The parts of a copy file."""
WORDS = frozenset({"customer", "salutation", "facts", "offer", "shop", "unsubscribe_url"})
"""What copy may speak of."""
SLOTS = BLOCKS | {"salutation", "code", "url", "valid", "unsubscribe_url", "preferences_url"}
"""What a layout has a place for; those of SEVERAL hold paragraphs."""
PARTIALS = ("header", "offer", "footer")
OPTIONAL = frozenset({"subject", "preheader", "code", "valid", "preferences_url"})
"""Slots that a layout may leave out: the text part has no preheader, an invitation no last day, and not every shop a
page of preferences."""
SEVERAL = frozenset({"body", "offer_text", "closing"})

LARGEST = 100_000
"""Bytes of HTML: beyond 102 kB Gmail cuts a mail, its unsubscribe link first."""

_FILLER = "\u034f\u200c\u00a0" * 40
"""Invisible: keeps the first line of the body out of the preview that an inbox shows behind the subject."""
_MARK = re.compile(r"7slot7([a-z_]+)7slot7")
"""Where a customer's words will stand. Letters and digits only: MJML rewrites everything else in attributes."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail's content: `subject` on one line, `text` and `html` as the two parts, and the `preheader` that stands in
    the second, which inboxes show behind the subject."""

    subject: str
    text: str
    html: str
    preheader: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """A layout cut at its marks: fixed pieces, and between each two the slot that fills the gap."""

    pieces: tuple[str, ...]
    slots: tuple[str, ...]
    between: Mapping[str, str]
    """What parts two paragraphs of a slot."""

    def fill(self, words: Mapping[str, str | Sequence[str]]) -> str:
        filled = [self.pieces[0]]
        for slot, piece in zip(self.slots, self.pieces[1:], strict=True):
            value = words[slot]
            filled.append(value if isinstance(value, str) else self.between[slot].join(value))
            filled.append(piece)
        return "".join(filled)


@dataclass(frozen=True, slots=True)
class Layout:
    """The two frames of all mails of a shop in a language; `valid` writes until when an offer holds; `preferences`:
    whether a link to them stands beside the one that unsubscribes."""

    html: Frame
    text: Frame
    valid: Callable[[date], str]
    preferences: bool


class EmailTemplate:
    """One group's e-mail in one language, ready to be rendered for any number of customers."""

    def __init__(self, copy: Text, layout: Layout, shop: dict[str, Any]) -> None:
        self._copy = copy
        self._layout = layout
        self._shop = shop

    @classmethod
    def load(cls, name: str, language: Language, shop: Shop) -> EmailTemplate:
        """The template `name` (a path below templates/emails without language and ending: `quarterly/lapsed`).

        TemplateError when the file is missing, lacks a block, has one too many, or speaks of something unknown; it is
        rendered twice on the spot, with facts and without, so that a misspelt word fails before anyone is written to.
        """
        copy = load_text(FOLDER / f"{name}.{language}.j2")
        _check(copy)
        template = cls(copy, _layout(language, shop, copy.path.parent), shop_words(shop))
        for facts in (None, _SPECIMEN_FACTS):
            template.render({**_SPECIMEN, "facts": facts, "customer": {**_SPECIMEN["customer"], "language": language}})
        return template

    def render(self, context: Mapping[str, Any]) -> Rendered:
        """The mail for one customer.

        `context`: `customer` {civility, first_name, last_name, name, language}, `salutation` (with its comma), `facts`
        {last_purchase (date), favourite, purchases, this_year; each may be None} or None, `offer` {code, text,
        valid_until (date), url}, `unsubscribe_url`, `preferences_url` (where the shop has that page); `shop` is added
        where it is missing. TemplateError names file, block and word.
        """
        known = {"shop": self._shop, **context}
        offer = self._word(known, "offer")
        written = self._written(known)
        words: dict[str, str | list[str]] = {
            **written,
            "salutation": self._word(known, "salutation"),
            "code": self._word(offer, "code"),
            "url": self._link(offer, "url"),
            "valid": self._layout.valid(self._word(offer, "valid_until")),
            "unsubscribe_url": self._link(known, "unsubscribe_url"),
            "preferences_url": self._link(known, "preferences_url") if self._layout.preferences else "",
        }
        for slot in SEVERAL:
            words[slot] = _paragraphs(written[slot])
        text = self._layout.text.fill(words)
        html = self._layout.html.fill({slot: _escaped(value) for slot, value in words.items()})
        if len(html) > LARGEST // 4 and len(html.encode(errors="replace")) > LARGEST:
            raise TemplateError(f"{self._name}: over {LARGEST} bytes of HTML, mail programs would cut it; shorten it")
        return Rendered(subject=written["subject"], text=text, html=html, preheader=written["preheader"])

    def _written(self, known: dict[str, Any]) -> dict[str, str]:
        """Every block of the copy, plain. One Jinja context serves all: making it costs more than using it."""
        template = self._copy.template
        try:
            context = template.new_context(known)
            written = {name: limited(root(context)).strip() for name, root in template.blocks.items()}
        except Exception:
            # The slow way says which block and which word; should it find nothing, its answer is the right one.
            written = {name: self._copy.render(name, known) for name in template.blocks}
        if not all(written.values()):
            empty = next(name for name, words in written.items() if not words)
            raise TemplateError(f"{self._name}, block {empty!r}: it came out empty; write words for every case")
        return written

    @property
    def _name(self) -> str:
        return "/".join(self._copy.path.parts[-3:])

    def _word(self, known: Mapping[str, Any], word: str) -> Any:
        value = known.get(word)
        if value is None or value == "":
            raise TemplateError(f"{self._name}: {word!r} is missing from what is known of the mail")
        return value

    def _link(self, known: Mapping[str, Any], word: str) -> str:
        value = str(self._word(known, word))
        if not value.startswith("https://"):
            raise TemplateError(f"{self._name}: {word!r} is no https:// address")
        return value


def _paragraphs(written: str) -> list[str]:
    """Blank lines part paragraphs; single line ends are spaces."""
    return [" ".join(part.split("\n")) for part in written.split("\n\n") if part and not part.isspace()]


def _escaped(value: str | list[str]) -> str | list[str]:
    return escape(value) if isinstance(value, str) else [escape(part) for part in value]


def _check(copy: Text) -> None:
    name = "/".join(copy.path.parts[-3:])
    if missing := BLOCKS - copy.blocks:
        raise TemplateError(f"{name}: write the blocks {', '.join(sorted(missing))}")
    if surplus := copy.blocks - BLOCKS:
        raise TemplateError(f"{name}: unknown blocks {', '.join(sorted(surplus))}; take them out")
    if unknown := copy.variables - WORDS:
        raise TemplateError(f"{name}: unknown words {', '.join(sorted(unknown))}; there are {', '.join(sorted(WORDS))}")


_SPECIMEN: dict[str, Any] = {
    "customer": {"civility": "MME", "first_name": "A", "last_name": "B", "name": "A B"},
    "salutation": "A,",
    "offer": {"code": "A", "text": "A", "valid_until": date(2000, 1, 1), "url": "https://shop.example/"},
    "unsubscribe_url": "https://shop.example/u/",
    "preferences_url": "https://shop.example/p/",
}
_SPECIMEN_FACTS = {"last_purchase": date(2000, 1, 1), "favourite": "A", "purchases": 2, "this_year": 1}


def _layout(language: Language, shop: Shop, folder: Path) -> Layout:
    """`folder` holds the copy, and perhaps partials of its own."""
    words = load_text(FOLDER / f"layout.{language}.j2")
    speaks = {"shop": shop_words(shop)}

    @lru_cache(maxsize=1024)
    def valid(until: date) -> str:
        return words.render("valid", {**speaks, "offer": {"valid_until": until}})

    known = {
        **{slot: f"7slot7{slot}7slot7" for slot in SLOTS},
        "language": language,
        "shop": speaks["shop"],
        "words": {block: words.render(block, speaks) for block in words.blocks - {"valid"}},
        "signatory_title": shop.letterhead.title.get(language, ""),
        "address": " · ".join(shop.postal_address),
        "colon": f"{NO_BREAK}:" if language == "fr" else ":",
        "filler": _FILLER,
        **palettes(shop.letterhead.accent, shop.letterhead.ink),
    }
    if shop.sender.preferences_url is None:
        known["preferences_url"] = ""
    return Layout(
        html=_frame("layout.mjml", _compiled(_whole("mjml", known, folder)), html=True),
        text=_frame("layout.txt.j2", _whole("txt.j2", known, folder), html=False),
        valid=valid,
        preferences=shop.sender.preferences_url is not None,
    )


def _whole(ending: str, known: Mapping[str, Any], folder: Path) -> str:
    """The layout with its partials, in which what is the same for everyone is written, and marks stand for the rest.

    Partials are put in from here: a template that could include others could include anything."""
    html = ending == "mjml"
    partials = {}
    for name in PARTIALS:
        own = folder / f"{name}.{ending}"
        partials[name] = _fixed(own if own.is_file() else FOLDER / own.name, known, html=html)
    return _fixed(FOLDER / f"layout.{ending}", {**known, **partials}, html=html)


def _fixed(file: Path, known: Mapping[str, Any], *, html: bool) -> str:
    name = f"emails/{file.relative_to(FOLDER).as_posix()}"
    try:
        written = _compiled_template(file.read_text("utf-8"), html).render(known)
    except TemplateSyntaxError as error:
        raise TemplateError(f"{name}, line {error.lineno}: {error.message}") from None
    except JinjaError as error:
        raise TemplateError(f"{name}: {error}") from None
    except FileNotFoundError:
        raise TemplateError(f"{name}: no such file; a layout has a part in HTML and one in text") from None
    return Markup(written) if html else written.rstrip("\n")  # noqa: S704 - its data was escaped when it was rendered


@lru_cache(maxsize=64)
def _compiled_template(source: str, html: bool) -> Template:
    return environment(html=html).from_string(source)


@lru_cache(maxsize=32)
def _compiled(mjml: str) -> str:
    """MJML as HTML, on one line: its line ends would be doubled and encoded in every mail."""
    from mjml import mjml2html

    try:
        return re.sub(r"\s*\n\s*", " ", mjml2html(mjml)).strip()
    except ValueError as error:
        where = re.search(r"(\d+):(\d+)$", str(error))
        words = f" ({mjml[int(where[1]) : int(where[2])].strip()})" if where else ""
        raise TemplateError(f"emails/layout.mjml: {error}{words}") from None


def _frame(name: str, layout: str, *, html: bool) -> Frame:
    """The layout cut at its marks. A slot for paragraphs stands in one paragraph, whose frame every other repeats."""
    pieces = _MARK.split(layout)
    fixed, slots = tuple(pieces[::2]), tuple(pieces[1::2])
    if missing := SLOTS - OPTIONAL - set(slots):
        raise TemplateError(f"emails/{name}: no place for {', '.join(sorted(missing))}")
    between = {}
    for before, slot in zip(fixed, slots, strict=False):
        opening = before[before.rindex("<") :] if html and "<" in before else ""
        between[slot] = f"</{opening[1:].split('>')[0].split()[0]}>{opening}" if opening else "\n\n"
    return Frame(fixed, slots, between)
