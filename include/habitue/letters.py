"""Letters: A4 pages by Typst, in batches, in one PDF a shard, the same bytes each time.

Typst sets a hundred letters at the price of one start; a document's memory grows with its pages, so batches stay at
a hundred and are bound afterwards (`binding`). Words reach Typst as JSON and are set as text, never read as markup.
PDF/A-2b is asked for because Typst then refuses a glyph that no bundled font has, where it would print nothing.
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
from itertools import islice
from math import isqrt
from pathlib import Path
from typing import Any

from habitue.binding import Binder, page_count
from habitue.errors import SettingError, TemplateError
from habitue.salutations import salutation
from habitue.shop import INCLUDE, Language, Shop
from habitue.texts import Text, long_date

BATCH = 100
"""Letters in one Typst document: 0.6 MB each while it is set, and no faster beyond a hundred."""

AGEING = 11
"""Typst's cache keeps what the last ten compiles used; eleven empty ones let go of a batch."""

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
REFUSALS = {"address_line_too_long": "address_line_too_long", "could not be displayed": "missing_glyph"}

# Control characters, zero-width ones, and those that turn the reading direction: nobody's name has them.
_INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+")


@dataclass(frozen=True, slots=True)
class Letter:
    """One letter, all its words in place. Empty `subject`, `offer_title`, `offer_code`, `offer_url` or `postscript`
    leave that part out; `sequence` is its place in the lot, printed small at the foot."""

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


@dataclass(frozen=True, slots=True)
class Printed:
    """One Typst document. `pages` and `page_counts` go with `letters`, those of the batch that could be printed;
    pages count from 1. `refused` holds (message_id, reason)."""

    pdf: bytes
    letters: list[Letter]
    pages: list[int]
    page_counts: list[int]
    refused: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class PrintedRow:
    """What became of one letter of a shard: its first page in the PDF (from 1), or why it was refused
    (`missing_glyph`, `address_line_too_long`; then `first_page` and `pages` are 0)."""

    message_id: str
    reference: str
    sequence: str
    first_page: int
    pages: int
    refused: str | None


_DARK = re.compile(rb"\x00+")

LETTER_WORDS = tuple(field.name for field in fields(Letter))


class Unprintable(Exception):
    """Typst refuses the batch for the words of one of its letters."""


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
    )


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
        self._stamp = datetime(on.year, on.month, on.day, tzinfo=UTC)
        self._shop_json = json.dumps(self._letterhead(), ensure_ascii=False)

    def print(self, letters: Sequence[Letter]) -> Printed:
        """One document of these letters, in order; hand over `BATCH` at most. A letter that can't be printed is
        left out and listed with its reason; the others are printed."""
        good = [_clean(letter) for letter in letters]
        refused: list[tuple[str, str]] = []
        try:
            pdf = self._document(good)
        except Unprintable as found:
            good, refused = self._sieve(good, str(found))
            pdf = self._document(good) if good else b""
        counts = self._page_counts(good, pdf)
        self._age()
        pages = [1 + sum(counts[:position]) for position in range(len(counts))]
        return Printed(pdf, good, pages, counts, refused)

    def picture(self, letter: Letter, *, ppi: int = 96) -> bytes:
        """The first page as PNG."""
        pages = self._compile([_clean(letter)], format="png", ppi=ppi)
        return bytes(pages[0] if isinstance(pages, list) else pages)

    def _document(self, letters: Sequence[Letter]) -> bytes:
        return bytes(self._compile(letters, format="pdf", pdf_standards=self.standard, pdf_tags=False))

    def _sieve(self, letters: list[Letter], reason: str) -> tuple[list[Letter], list[tuple[str, str]]]:
        """From a batch that was refused: those that Typst takes, and those that it does not, found by halving."""
        if len(letters) == 1:
            return [], [(letters[0].message_id, reason)]
        good: list[Letter] = []
        refused: list[tuple[str, str]] = []
        middle = len(letters) // 2
        for half in (letters[:middle], letters[middle:]):
            try:
                self._document(half)
                good += half
            except Unprintable as found:
                taken, others = self._sieve(half, str(found))
                good += taken
                refused += others
        return good, refused

    def _page_counts(self, letters: list[Letter], pdf: bytes) -> list[int]:
        total = page_count(pdf) if letters else 0
        if total == len(letters):
            return [1] * total
        # Somebody's letter runs over the page; which one is only known by setting each alone.
        return [page_count(self._document([letter])) for letter in letters]

    def _compile(self, letters: Sequence[Letter], **form: Any) -> Any:
        import typst

        batch = json.dumps([_page(letter) for letter in letters], ensure_ascii=False)
        words = {"shop": self._shop_json, "letters": batch}
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

    @cached_property
    def _fonts(self) -> Any:
        import typst

        # Shards run side by side, one process each: threads of their own would only fight for the cores.
        os.environ.setdefault("RAYON_NUM_THREADS", "1")
        return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(FONTS)])

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
            self._blank.compile(input=b"x", format="pdf")

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
    whole = (INCLUDE / path).resolve()
    if not whole.is_relative_to(INCLUDE):
        raise SettingError(f"shop.yaml: letterhead.{key}: put the picture below include/")
    if not whole.is_file():
        raise SettingError(f"shop.yaml: letterhead.{key}: no file {path}")
    return f"/{whole.relative_to(INCLUDE).as_posix()}"


def _clean(letter: Letter) -> Letter:
    """The letter in composed characters (NFC), which is what fonts hold, and without invisible ones."""
    words: dict[str, Any] = {name: _visible(getattr(letter, name)) for name in LETTER_WORDS}
    return replace(letter, **words)


def _visible(words: str | tuple[str, ...]) -> str | tuple[str, ...]:
    if isinstance(words, tuple):
        return tuple(map(_visible_line, words))
    return _visible_line(words)


def _visible_line(line: str) -> str:
    return _INVISIBLE.sub(" ", unicodedata.normalize("NFC", line)).strip()


def _page(letter: Letter) -> dict[str, Any]:
    page = {name: getattr(letter, name) for name in LETTER_WORDS}
    page["qr"] = qr_svg(letter.offer_url) if letter.offer_url else ""
    return page


def qr_svg(url: str) -> str:
    """A QR code, error level M, as one SVG path without its quiet zone: 22 mm of a 33-module symbol make modules of
    0.67 mm (domain: at least 0.4 mm, side at least 20 mm).

    The mask is fixed: weighing all eight takes four times as long and makes a printed symbol no easier to read.
    """
    import zxingcpp

    code = zxingcpp.create_barcode(url, zxingcpp.BarcodeFormat.QRCode, ec_level="M", data_mask=3)
    image: Any = code.to_image(scale=1, add_quiet_zones=False)
    pixels = memoryview(image).tobytes()  # a byte a module, 0 is dark
    side = isqrt(len(pixels))
    bars = "".join(
        f"M{bar.start()} {row}h{bar.end() - bar.start()}v1h-{bar.end() - bar.start()}z"
        for row in range(side)
        for bar in _DARK.finditer(pixels[row * side : (row + 1) * side])
    )
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}"><path d="{bars}"/></svg>'
