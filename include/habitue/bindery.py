"""Making lots: letters printed and bound, the manifest in two dialects, the README and the sums. See `lots`.

Atomic and the same to the byte: the slip beside the folder, written last, says that the lot is whole; SHA256SUMS, last
in it, that its files belong together.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import cache, cached_property
from pathlib import Path

from habitue.calls import write_table
from habitue.costs import Prices
from habitue.letters import Letter, Press, sheets_of, spoken_phone, write_letters
from habitue.lots import (
    COLUMNS,
    FOR_PEOPLE,
    MANIFEST,
    SUMS,
    Lot,
    LotLetter,
    file_sha256,
    lot_name,
    sequence,
    sheet_code,
)
from habitue.recipients import Recipient, Run
from habitue.senders import replace_file
from habitue.settings import INCLUDE, Language
from habitue.shop import Shop
from habitue.suppressions import MarkKey, letter_box
from habitue.texts import NO_BREAK, environment

README = INCLUDE / "templates" / "lots" / "readme.txt.j2"
LANGUAGES: tuple[Language, ...] = ("fr", "en")


@dataclass(frozen=True)
class Bindery:
    """Makes the lots of one run below a folder. `lines` are a customer's address lines; `compose` makes a letter with
    the sequence that is printed on it."""

    run: Run
    shop: Shop
    press: Press
    folder: Path
    key: MarkKey
    compose: Callable[[Recipient, str], Letter]
    lines: Callable[[Recipient], tuple[str, ...]]
    copy: Callable[[Recipient], Path]
    """the file of the text that a customer gets"""

    def make(self, number: int, people: Callable[[], Iterable[Recipient]]) -> Lot:
        """The lot of these people, in their order. Where letters can't be printed it is set again without them, so that
        its numbers have no gap; `people` is asked anew each time. For nobody nothing is made, and what was made stays.
        """
        name = lot_name(self.run.run_id, number)
        folder = self.folder / name
        if next(iter(people()), None) is None:
            return Lot(self.run.run_id, number, folder, [], {}, "")
        folder.mkdir(parents=True, exist_ok=True)
        self._slip(name).unlink(missing_ok=True)
        pdf = folder / f"{name}.pdf"
        refused: dict[str, str] = {}
        while True:
            pdf.unlink(missing_ok=True)
            taken: list[Recipient] = []
            rows = write_letters(pdf, self._letters(number, people(), refused, taken), self.press)
            news = {row.message_id: row.refused for row in rows if row.refused}
            if not news:
                break
            refused |= news
        letters = [
            self._entry(seq, who, row.first_page, row.pages)
            for seq, (who, row) in enumerate(zip(taken, rows, strict=True), start=1)
        ]
        lot = Lot(self.run.run_id, number, folder, letters, refused, file_sha256(pdf) if letters else "")
        if letters:
            self._write(lot)
        slip = {
            "letters": [asdict(one) for one in letters],
            "refused": refused,
            "pdf_sha256": lot.pdf_sha256,
            "earlier": [],
        }
        replace_file(self._slip(name), json.dumps(slip, ensure_ascii=False).encode())
        return lot

    def made(self, number: int) -> Lot | None:
        """The lot as it was made before; None where it is not whole."""
        name = lot_name(self.run.run_id, number)
        folder, slip = self.folder / name, self._slip(name)
        if not slip.exists():
            return None
        said = json.loads(slip.read_text("utf-8"))
        letters = [
            LotLetter(**{**one, "lines": tuple(one["lines"]), "inserts": tuple(one["inserts"])})
            for one in said["letters"]
        ]
        lot = Lot(self.run.run_id, number, folder, letters, said["refused"], said["pdf_sha256"], tuple(said["earlier"]))
        there = not letters or all((folder / file).exists() for file in lot.files)
        return lot if there else None

    @cached_property
    def _prices(self) -> Prices:
        return Prices.of(self.run.campaign, self.shop)

    def _slip(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _letters(
        self, number: int, people: Iterable[Recipient], refused: Mapping[str, str], taken: list[Recipient]
    ) -> Iterator[Letter]:
        for who in people:
            if str(who.message_id) not in refused:
                taken.append(who)
                yield self.compose(who, sequence(number, len(taken)))

    def _entry(self, seq: int, who: Recipient, first_page: int, pages: int) -> LotLetter:
        row = who.row
        box = letter_box(
            (row["first_name"] or "") + (row["last_name"] or ""), row["street"] or "", row["postcode"] or ""
        )
        return LotLetter(
            seq=seq,
            letter_id=str(who.message_id),
            first_page=first_page,
            pages=pages,
            sheets=sheets_of(pages),
            lines=self.lines(who),
            postcode=row["postcode"] or "",
            country=row["country"] or "",
            weight_g=self._prices.letter(sheets_of(pages), who.segment).grams,
            inserts=tuple(self.run.campaign.treatment(who.segment).inserts),
            template_version=f"{who.template}.{who.language}@{_version(self.copy(who))}",
            letter_mark=self.key.mark(box).hex(),
        )

    def _write(self, lot: Lot) -> None:
        (lot.folder / SUMS).unlink(missing_ok=True)
        rows = [_row(lot, one, self.shop, self.run.on) for one in lot.letters]
        replace_file(lot.folder / MANIFEST, _machine(rows, self.shop.letters.delimiter))
        write_table(lot.folder / FOR_PEOPLE, COLUMNS, rows, shop=self.shop)
        replace_file(lot.folder / "README.txt", readme(lot, self.shop, self.run).encode())
        sums = "".join(f"{file_sha256(lot.folder / name)}  {name}\n" for name in lot.files[:-1])
        replace_file(lot.folder / SUMS, sums.encode())


def _row(lot: Lot, one: LotLetter, shop: Shop, on: date) -> list[str]:
    return [
        str(one.seq),
        lot.name,
        one.letter_id,
        str(one.first_page),
        str(one.pages),
        str(one.sheets),
        shop.letterhead.envelope,
        "+".join(one.inserts),
        *(one.lines[place] if place < len(one.lines) else "" for place in range(7)),
        one.postcode,
        one.country,
        f"{one.weight_g:g}",
        sheet_code(on, sequence(lot.number, one.seq), 1),
        one.template_version,
        lot.pdf_sha256,
    ]


def _machine(rows: Iterable[Sequence[str]], delimiter: str) -> bytes:
    """RFC 4180: raw, every field quoted, CRLF; UTF-8 without a byte order mark."""
    text = io.StringIO(newline="")
    table = csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    table.writerow(COLUMNS)
    table.writerows(rows)
    return text.getvalue().encode()


def readme(lot: Lot, shop: Shop, run: Run) -> str:
    """README.txt: what is in the folder and what to do with it, in French and English, with Windows' line ends."""
    phone = spoken_phone(shop.phone, "en").replace(NO_BREAK, " ")
    paper = shop.letters.paper
    first = sequence(lot.number, 1)
    template = environment(html=False).from_string(README.read_text("utf-8"))
    written = template.render(
        lot=lot.name,
        on=run.on.isoformat(),
        shop={"name": shop.name, "phone": phone, "email": shop.email},
        delimiter=shop.letters.delimiter,
        paper={language: paper.get(language, next(iter(paper.values()))) for language in LANGUAGES},
        envelope=_measures(shop),
        letters=len(lot.letters),
        pages=sum(one.pages for one in lot.letters),
        sheets=sum(one.sheets for one in lot.letters),
        grams=f"{sum(one.weight_g for one in lot.letters):.0f}",
        first=first,
        last=sequence(lot.number, len(lot.letters)),
        code=sheet_code(run.on, first, 1),
        by_sheets=sorted(Counter(one.sheets for one in lot.letters).items()),
        by_country=sorted(Counter(one.country for one in lot.letters).items()),
        inserts=sorted(Counter(code for one in lot.letters for code in one.inserts).items()),
        sha256=lot.pdf_sha256,
    )
    return "\r\n".join(line.rstrip() for line in written.strip().splitlines()) + "\r\n"


def _measures(shop: Shop) -> dict[str, object]:
    """The envelope's, in mm, as they are written."""
    one = shop.envelope
    return {
        "name": shop.letterhead.envelope,
        "size": "{:g} x {:g}".format(*one.size),
        "window": f"{one.window.width:g} x {one.window.height:g}",
        "left": None if one.window.left is None else f"{one.window.left:g}",
        "right": None if one.window.right is None else f"{one.window.right:g}",
        "bottom": f"{one.window.bottom:g}",
        "folds": [f"{fold:g}" for fold in one.folds],
    }


@cache
def _version(copy: Path) -> str:
    return file_sha256(copy)[:12]
