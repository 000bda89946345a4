"""Letters: pages by Typst, in batches, in one PDF a shard, the same bytes each time.

Typst sets a hundred letters at the price of one start; a document's memory grows with its pages, so batches stay at
a hundred and are bound afterwards (`binding`). Words reach Typst as JSON and are set as text, never read as markup.
PDF/A-2b is asked for because Typst then refuses a glyph that no bundled font has, where it would print nothing.

Printed on both sides: each letter begins on a front page, a blank back follows where its pages are odd. What stands
in its envelope's window is then measured on the finished PDF (`windows`).
"""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime
from functools import cached_property
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

from habitue.binding import Binder
from habitue.errors import SettingError, TemplateError
from habitue.lots import sheet_code
from habitue.salutations import salutation
from habitue.shop import INCLUDE, Language, Shop
from habitue.symbols import data_matrix_svg, qr_svg
from habitue.texts import Text, long_date
from habitue.windows import Windows

BATCH = 100
"""Letters in one Typst document: 0.6 MB each while it is set, and no faster beyond a hundred."""

AGEING = 11
"""Typst's cache keeps what the last ten compiles used; eleven empty ones let go of a batch."""

MOST_PAGES = 8
"""Four sheets: what a DL envelope and an inserter take."""

LAYOUT = INCLUDE / "templates" / "letters" / "letter.typ"
FONTS = INCLUDE / "fonts"

WORDS = {
    "fr": {
        "code": "Votre code",
        "objection": "Vous pouvez à tout moment refuser nos courriers : {privacy} ou {phone}.",
        "date": "{place}, le {day}",
    },
    "en": {
        "code": "Your code",
        "objection": "You may object to our letters at any time: {privacy} or {phone}.",
        "date": "{place}, {day}",
    },
}

# What Typst says, and the reason that the manifest gives.
REFUSALS = {
    "address_line_too_long": "address_line_too_long",
    "address_too_many_lines": "address_too_many_lines",
    "could not be displayed": "missing_glyph",
}

# Control characters, zero-width ones, and those that turn the reading direction: nobody's name has them.
_INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+")


@dataclass(frozen=True, slots=True)
class Letter:
    """One letter, all its words in place. Empty `subject`, `offer_title`, `offer_code`, `offer_url` or `postscript`
    leave that part out; so do no `rewards`, rows of a name and a figure. `sequence` is its place in the lot, printed
    small at the foot of each sheet."""

    message_id: str
    reference: str
    address: tuple[str, ...]
    language: str
    place_date: str
    subject: str
    salutation: str
    paragraphs: tuple[str, ...]
    offer_title: str
    offer_text: str
    offer_code: str
    offer_url: str
    closing: str
    postscript: str
    sequence: str
    rewards_title: str = ""
    rewards: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Printed:
    """One Typst document. `pages`, each letter's first, from 1 and odd, and `page_counts`, without a blank back, go
    with `letters`, those of the batch that could be printed. `refused` holds (message_id, reason)."""

    pdf: bytes
    letters: list[Letter]
    pages: list[int]
    page_counts: list[int]
    refused: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class PrintedRow:
    """What became of one letter of a shard: its first page in the PDF (from 1) and its pages, without a blank back; or
    why it was refused (`missing_glyph`, `address_line_too_long`, `address_too_many_lines`, `too_long`,
    `address_outside_window`, `ink_in_window`; then both are 0)."""

    message_id: str
    reference: str
    sequence: str
    first_page: int
    pages: int
    refused: str | None

    @property
    def sheets(self) -> int:
        return sheets_of(self.pages)


def sheets_of(pages: int) -> int:
    """Letters are printed on both sides."""
    return -(-pages // 2)


LETTER_WORDS = tuple(field.name for field in fields(Letter))


class Unprintable(Exception):
    """Typst refuses the batch for the words of one of its letters."""


class _Miscounted(Exception):
    """A letter takes more or fewer pages than was thought."""


def compose(
    text: Text,
    *,
    message_id: str,
    reference: str,
    sequence: str,
    address: tuple[str, ...],
    customer: Mapping[str, Any],
    facts: Mapping[str, Any],
    offer: Mapping[str, Any] | None,
    offer_url: str,
    shop: Shop,
    on: date,
) -> Letter:
    """A letter from a copy file and one customer's data. TemplateError names what the copy lacks.

    `customer`: civility, first_name, last_name, name, language; `facts`: last_purchase, favourite, purchases,
    this_year; `offer`: code, text, valid_until, or None for a letter that only says thank you.
    """
    context = {"customer": customer, "facts": facts, "offer": offer, "shop": shop_words(shop, text.language)}
    place_date = WORDS[text.language]["date"].format(place=shop.place, day=long_date(on, text.language))
    return Letter(
        message_id=message_id,
        reference=reference,
        address=address,
        language=text.language,
        place_date=place_date,
        subject=text.render("subject", context),
        salutation=salutation(
            customer["civility"], customer["first_name"], customer["last_name"], text.language, channel="letter"
        ),
        paragraphs=text.paragraphs("body", context),
        offer_title=text.render("offer_title", context) if offer else "",
        offer_text=" ".join(text.paragraphs("offer_text", context)) if offer else "",
        offer_code=offer["code"] if offer else "",
        offer_url=offer_url if offer else "",
        closing=text.render("closing", context),
        postscript=text.render("postscript", context),
        sequence=sequence,
        rewards_title=text.render("rewards_title", context) if "rewards_title" in text.blocks else "",
        rewards=_rows_of_two(text, context) if "rewards" in text.blocks else (),
    )


def _rows_of_two(text: Text, context: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The block `rewards`: a row a line, `name | figure`. A figure may be a customer's or a product's own words, with
    bars and line ends: the first bar parts, and a line without one goes on with the row above."""
    rows: list[tuple[str, str]] = []
    for line in text.render("rewards", context).splitlines():
        name, bar, figure = line.partition("|")
        if bar and name.strip():
            rows.append((name.strip(), figure.strip()))
        elif rows:
            rows[-1] = (rows[-1][0], f"{rows[-1][1]} {line.strip()}".strip())
        elif line.strip():
            raise TemplateError(f"{text.path.name}, block 'rewards': write each row as `name | figure`")
    return tuple(rows)


def shop_words(shop: Shop, language: str) -> dict[str, str]:
    """What copy may say of the shop: name, website without its scheme, phone as it is dialled, place."""
    return {
        "name": shop.name,
        "website": bare(shop.website),
        "phone": spoken_phone(shop.phone, language),
        "place": shop.place,
    }


def spoken_phone(number: str, language: str) -> str:
    """`01 99 00 01 00` for French readers, `+33 1 99 00 01 00` for others; no-break spaces inside."""
    import phonenumbers

    parsed = phonenumbers.parse(number)
    style = phonenumbers.PhoneNumberFormat
    form = style.NATIONAL if language == "fr" and parsed.country_code == 33 else style.INTERNATIONAL
    return phonenumbers.format_number(parsed, form).replace(" ", "\u00a0")


class Press:
    """Prints letters for one shop on one day. Makes no file; holds its fonts and its layout between batches."""

    standard = "a-2b"

    def __init__(self, shop: Shop, *, on: date) -> None:
        self.shop = shop
        self.on = on
        self.envelope = shop.envelope
        self._stamp = datetime(on.year, on.month, on.day, tzinfo=UTC)
        self._shop_json = json.dumps(self._letterhead(), ensure_ascii=False)
        self._profile_json = json.dumps(self.envelope.layout())
        self._pages_of: dict[tuple[str, str], int] = {}

    def print(self, letters: Sequence[Letter]) -> Printed:
        """One document of these letters, in order; hand over `BATCH` at most. A letter that can't be printed is
        left out and listed with its reason; the others are printed."""
        good = [_clean(letter) for letter in letters]
        refused: list[tuple[str, str]] = []
        pdf, counts = b"", list[int]()
        while good:
            try:
                pdf, counts, found = self._printed(good)
            except Unprintable as why:
                good, found = self._sieve(good, str(why))
            refused += found
            if not found:
                break
            out = {name for name, _ in found}
            good = [letter for letter in good if letter.message_id not in out]
        self._age()
        return (
            Printed(pdf, good, _first_pages(counts)[:-1], counts, refused)
            if good
            else Printed(b"", [], [], [], refused)
        )

    def picture(self, letter: Letter, *, ppi: int = 96) -> bytes:
        """The first page as PNG."""
        return self._first_page(letter, format="png", ppi=ppi)

    def drawing(self, letter: Letter) -> str:
        """The first page as SVG."""
        return self._first_page(letter, format="svg").decode()

    def _first_page(self, letter: Letter, **form: Any) -> bytes:
        pages = self._compile([_clean(letter)], [1], **form)
        return bytes(pages[0] if isinstance(pages, list) else pages)

    def proof(self, letter: Letter) -> bytes:
        """One letter as a PDF for screens and screen readers: tagged, PDF/UA-1 and PDF/A-2a, without fold marks and
        sheet marks. Unprintable where it can't be set."""
        letter = _clean(letter)
        form = {"format": "pdf", "pdf_standards": ["a-2a", "ua-1"], "pdf_tags": True}
        return bytes(self._compile([letter], [self._alone(letter)], proof=True, **form))

    def _printed(self, letters: list[Letter]) -> tuple[bytes, list[int], list[tuple[str, str]]]:
        """The document, the pages of each letter, and those that may not stay in it. How many pages a letter takes is
        first taken to be what others of its text took, nearly always one; where the document says otherwise, each is
        set alone to know, and the document once more."""
        counts = [self._pages_of.get(_kind(letter), 1) for letter in letters]
        pdf = self._document(letters, counts)
        try:
            return pdf, counts, self._measured(pdf, letters, counts, sure=False)
        except _Miscounted:
            counts = [self._alone(letter) for letter in letters]
        self._pages_of |= {_kind(letter): min(count, MOST_PAGES) for letter, count in zip(letters, counts, strict=True)}
        long = [
            (letter.message_id, "too_long") for letter, count in zip(letters, counts, strict=True) if count > MOST_PAGES
        ]
        if long:
            return pdf, counts, long
        pdf = self._document(letters, counts)
        return pdf, counts, self._measured(pdf, letters, counts, sure=True)

    def _measured(self, pdf: bytes, letters: list[Letter], counts: list[int], *, sure: bool) -> list[tuple[str, str]]:
        """Those whose window shows what it should not, or not what it should. _Miscounted where the pages are not where
        the counts say, which only matters as long as they are not `sure`."""
        *firsts, end = _first_pages(counts)
        several = any(count > 1 for count in counts)
        found = []
        with Windows(pdf, self.envelope) as seen:
            if not sure and seen.pages != end - 1:
                raise _Miscounted
            for letter, first, count in zip(letters, firsts, counts, strict=True):
                lines = self._in_window(letter)
                if not sure and seen.is_blank(first + 2 * sheets_of(count) - 1) != bool(count % 2):
                    raise _Miscounted
                if not sure and several and not seen.shows(first, lines):
                    raise _Miscounted
                # A layout that mixes letters up mixes up the batch's last one, too: two in a hundred are read.
                if reason := seen.problem(first, lines, read=letter in (letters[0], letters[-1])):
                    found.append((letter.message_id, reason))
        return found

    def _in_window(self, letter: Letter) -> tuple[str, ...]:
        if self.envelope.return_line is None:
            return letter.address
        return (self.shop.return_address, *letter.address)

    def _alone(self, letter: Letter) -> int:
        """The pages that a letter takes."""
        with Windows(self._document([letter], [1]), self.envelope) as seen:
            return seen.pages - seen.is_blank(seen.pages)

    def _document(self, letters: Sequence[Letter], counts: Sequence[int]) -> bytes:
        return bytes(self._compile(letters, counts, format="pdf", pdf_standards=self.standard, pdf_tags=True))

    def _sieve(self, letters: list[Letter], reason: str) -> tuple[list[Letter], list[tuple[str, str]]]:
        """From a batch that was refused: those that Typst takes, and those that it does not, found by halving."""
        if len(letters) == 1:
            return [], [(letters[0].message_id, reason)]
        good: list[Letter] = []
        refused: list[tuple[str, str]] = []
        middle = len(letters) // 2
        for half in (letters[:middle], letters[middle:]):
            try:
                self._document(half, [1] * len(half))
                good += half
            except Unprintable as found:
                taken, others = self._sieve(half, str(found))
                good += taken
                refused += others
        return good, refused

    def _compile(self, letters: Sequence[Letter], counts: Sequence[int], *, proof: bool = False, **form: Any) -> Any:
        import typst

        placed = zip(letters, counts, _first_pages(counts), strict=False)
        pages = [self._page(letter, count, first) for letter, count, first in placed]
        words = {"shop": self._shop_json, "profile": self._profile_json}
        words |= {"letters": json.dumps(pages, ensure_ascii=False)} | ({"proof": "yes"} if proof else {})
        try:
            return self._compiler.compile(sys_inputs=words, timestamp=self._stamp, **form)
        except typst.TypstError as error:
            for sign, reason in REFUSALS.items():
                if sign in error.message:
                    raise Unprintable(reason) from None
            # Typst may quote the text that it stumbled over, so its words go no further.
            raise TemplateError(
                f"letters/{LAYOUT.name}: Typst can't set it; run `typst compile` on the layout"
            ) from None

    def _page(self, letter: Letter, pages: int, first: int) -> dict[str, Any]:
        sheets = range(1, sheets_of(pages) + 1)
        page = {name: getattr(letter, name) for name in LETTER_WORDS}
        page["qr"] = qr_svg(letter.offer_url) if letter.offer_url else ""
        page |= {"pages": pages, "first": first}
        page["wide"] = any(_may_be_wider(line, self.envelope.address.width) for line in letter.address)
        page["codes"] = [data_matrix_svg(sheet_code(self.on, letter.sequence, sheet)) for sheet in sheets]
        return page

    @cached_property
    def _fonts(self) -> Any:
        import typst

        # Shards run side by side, one process each: threads of their own would only fight for the cores.
        os.environ.setdefault("RAYON_NUM_THREADS", "1")
        head = self.shop.letterhead
        folders = [str(FONTS), *([str(_below(head.fonts, "fonts"))] if head.fonts else [])]
        fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=folders)
        if head.font not in (known := fonts.families()):
            raise SettingError(f"shop.yaml: letterhead.font: no font {head.font}; there are {', '.join(sorted(known))}")
        return fonts

    @cached_property
    def _compiler(self) -> Any:
        import typst

        return typst.Compiler(str(LAYOUT), root=str(INCLUDE), font_paths=self._fonts)

    @cached_property
    def _blank(self) -> Any:
        import typst

        # A compiler of its own: `input=` would replace the main file of the other for good.
        return typst.Compiler(font_paths=self._fonts)

    def _age(self) -> None:
        for _ in range(AGEING):
            self._blank.compile(input=b"", format="svg")

    def _letterhead(self) -> dict[str, Any]:
        shop, head = self.shop, self.shop.letterhead
        for language in shop.languages:
            if language not in head.title:
                raise SettingError(f"shop.yaml: letterhead.title.{language}: letters go out in {language}, add it")
        return {
            "name": shop.name,
            "legal": shop.legal,
            "language": shop.language,
            "accent": head.accent,
            "ink": head.ink,
            "logo": _asset(head.logo, "logo"),
            "signature": _asset(head.signature, "signature"),
            "signatory": head.signatory,
            "font": head.font,
            "return_address": shop.return_address,
            "postal": shop.postal_address,
            "phone": spoken_phone(shop.phone, shop.language),
            "site": bare(shop.website),
            "words": {language: self._words(language) for language in shop.languages},
        }

    def _words(self, language: Language) -> dict[str, str]:
        words = WORDS[language]
        where = {"privacy": bare(self.shop.privacy), "phone": spoken_phone(self.shop.phone, language)}
        return {
            "title": self.shop.letterhead.title[language],
            "code": words["code"],
            "objection": words["objection"].format(**where),
        }


def write_letters(path: Path, letters: Iterable[Letter], press: Press) -> list[PrintedRow]:
    """One PDF of a shard's letters, in their order, and a row for each of them, printed or refused.

    The file appears whole or not at all, and is the same to the byte for the same letters, shop and day. Where no
    letter could be printed no file is left. Memory stays at one batch.
    """
    rows: list[PrintedRow] = []
    with Binder(path) as binder:
        for batch in _batches(letters):
            printed = press.print(batch)
            before = binder.pages
            if printed.pdf:
                binder.add(printed.pdf)
            rows += _rows(batch, printed, before)
    return rows


def _rows(batch: Sequence[Letter], printed: Printed, before: int) -> Iterator[PrintedRow]:
    places = {
        letter.message_id: (before + page, count)
        for letter, page, count in zip(printed.letters, printed.pages, printed.page_counts, strict=True)
    }
    reasons = dict(printed.refused)
    for letter in batch:
        page, count = places.get(letter.message_id, (0, 0))
        yield PrintedRow(
            letter.message_id, letter.reference, letter.sequence, page, count, reasons.get(letter.message_id)
        )


def _batches(letters: Iterable[Letter]) -> Iterator[list[Letter]]:
    waiting = iter(letters)
    while batch := list(islice(waiting, BATCH)):
        yield batch


def bare(address: str) -> str:
    """A web address as one says it: without its scheme and its last slash."""
    return address.removeprefix("https://").removesuffix("/")


def _asset(path: Path, key: str) -> str:
    """A picture of the letterhead as Typst names it, from the include folder."""
    return f"/{_below(path, key).relative_to(INCLUDE).as_posix()}"


def _below(path: Path, key: str) -> Path:
    """What the letterhead is made from stands in the include folder, where Typst may read."""
    whole = (INCLUDE / path).resolve()
    if not whole.is_relative_to(INCLUDE):
        raise SettingError(f"shop.yaml: letterhead.{key}: put it below include/")
    if not whole.exists():
        raise SettingError(f"shop.yaml: letterhead.{key}: no file {path}")
    return whole


def _clean(letter: Letter) -> Letter:
    """The letter in composed characters (NFC), which is what fonts hold, and without invisible ones."""
    words: dict[str, Any] = {name: _visible(getattr(letter, name)) for name in LETTER_WORDS}
    return replace(letter, **words)


def _visible(words: Any) -> Any:
    return tuple(map(_visible, words)) if isinstance(words, tuple) else _visible_line(words)


def _visible_line(line: str) -> str:
    return _INVISIBLE.sub(" ", unicodedata.normalize("NFC", line)).strip()


def _may_be_wider(line: str, width: float) -> bool:
    """Whether a line of an address could be wider than so many mm at its usual 9 pt, and is to be measured. Of a letter
    of Noto Sans 0.79 em is enough but for those named here and those beyond Latin-1, for which 1.2 em is."""
    wide = sum(letter in "MWmÆæ@%\u00bc\u00bd\u00be©®" or letter > "\u00ff" for letter in line)
    return (0.79 * len(line) + 0.41 * wide) * 9 * 25.4 / 72 > width


def _kind(letter: Letter) -> tuple[str, str]:
    """Letters of one text, as far as can be told: they mostly take as many pages."""
    return letter.language, letter.subject


def _first_pages(counts: Sequence[int]) -> list[int]:
    """Where each letter begins, and where the next one would."""
    return list(accumulate((2 * sheets_of(count) for count in counts), initial=1))
