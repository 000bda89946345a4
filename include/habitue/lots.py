"""Lots: what the print shop gets. A folder with one PDF, its manifest in two dialects, a README and SHA-256 sums.

A shard of letters is a lot; reprints are lots of their own and go on counting. The same letters make the same bytes,
file by file, and SHA256SUMS stands last: whoever finds sums that match has the whole lot.

    LOT-quarterly_letter-2026-10-01-001/
        LOT-quarterly_letter-2026-10-01-001.pdf
        manifest.csv               a row a letter, for machines: raw, the delimiter of shop.yaml, CRLF, all quoted, UTF-8
        manifest-spreadsheet.csv   the same for people: nothing in it that a spreadsheet would compute
        README.txt                 for whoever stands at the machine, in French and English
        SHA256SUMS                 `sha256sum -c SHA256SUMS`
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from habitue.calls import write_table
from habitue.costs import Prices, sheets_of
from habitue.letters import Letter, Press, write_letters
from habitue.recipients import Recipient, Run
from habitue.senders import replace_file
from habitue.settings import INCLUDE
from habitue.shop import Shop
from habitue.suppressions import MarkKey, letter_box
from habitue.texts import environment

README = INCLUDE / "templates" / "lots" / "readme.txt.j2"
MANIFEST, FOR_PEOPLE, SUMS = "manifest.csv", "manifest-spreadsheet.csv", "SHA256SUMS"
COLUMNS = (
    *("seq", "lot", "letter_id", "first_page", "pages", "sheets", "envelope", "insert_codes"),
    *("l1", "l2", "l3", "l4", "l5", "l6", "l7"),
    *("postcode", "country", "weight_g", "barcode", "template_version", "pdf_sha256"),
)
BLOCK = 1 << 20


def lot_name(run_id: str, number: int) -> str:
    """`LOT-quarterly_letter-2026-10-01-001`."""
    campaign, day = run_id.split(":")
    return f"LOT-{campaign}-{day}-{number:03}"


def sequence(lot: int, seq: int) -> str:
    """A letter's place as it is printed on its sheets: `L07-000123`, the 123rd of lot 7."""
    return f"L{lot:02}-{seq:06}"


def sheet_code(on: date, lot: int, seq: int, sheet: int) -> str:
    """What the Data Matrix of a sheet holds: `20261001-L07-000123-02`; 18 x 18 modules up to lot 99."""
    return f"{on:%Y%m%d}-{sequence(lot, seq)}-{sheet:02}"


@dataclass(frozen=True, slots=True)
class LotLetter:
    """A letter in its lot. `seq` counts 1..n without a gap, whoever was left out: a machine that finds a number missing
    stops. `letter_mark` is that of the address as it was printed, in hex."""

    seq: int
    letter_id: str
    first_page: int
    pages: int
    lines: tuple[str, ...]
    postcode: str
    country: str
    weight_g: float
    insert_codes: str
    template_version: str
    letter_mark: str

    @property
    def sheets(self) -> int:
        return sheets_of(self.pages)


@dataclass(frozen=True, slots=True)
class Lot:
    """A lot that was made: its folder, its letters in print order, and who could not be printed, with the reason."""

    run_id: str
    number: int
    folder: Path
    letters: list[LotLetter]
    refused: dict[str, str]
    pdf_sha256: str

    @property
    def name(self) -> str:
        return lot_name(self.run_id, self.number)

    @property
    def files(self) -> list[str]:
        """The names of its files, the sums last."""
        return [f"{self.name}.pdf", MANIFEST, FOR_PEOPLE, "README.txt", SUMS]

    @property
    def key(self) -> str:
        """What tells this lot from any other of the same name: the SHA-256 of its sums."""
        return file_sha256(self.folder / SUMS)

    @property
    def message_ids(self) -> set[str]:
        return {one.letter_id for one in self.letters} | set(self.refused)


@dataclass(frozen=True)
class Bindery:
    """Makes the lots of one run below a folder. `lines` are a customer's address lines; `compose` makes a letter with
    the sequence that is printed on it."""

    run: Run
    shop: Shop
    press: Press
    folder: Path
    key: MarkKey
    files: Mapping[str, str]
    """every text of the run with its SHA-256, as it was planned"""
    compose: Callable[[Recipient, str], Letter]
    lines: Callable[[Recipient], tuple[str, ...]]

    def make(self, number: int, people: Callable[[], Iterable[Recipient]]) -> Lot:
        """The lot of these people, in their order. Where letters can't be printed it is set again without them, so that
        its numbers have no gap; `people` is asked anew each time."""
        name = lot_name(self.run.run_id, number)
        folder = self.folder / name
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
        slip = {"letters": [asdict(one) for one in letters], "refused": refused, "pdf_sha256": lot.pdf_sha256}
        replace_file(self._slip(name), json.dumps(slip, ensure_ascii=False).encode())
        return lot

    def made(self, number: int) -> Lot | None:
        """The lot as it was made before; None where it is not whole."""
        name = lot_name(self.run.run_id, number)
        folder, slip = self.folder / name, self._slip(name)
        if not slip.exists():
            return None
        said = json.loads(slip.read_text("utf-8"))
        letters = [LotLetter(**{**one, "lines": tuple(one["lines"])}) for one in said["letters"]]
        lot = Lot(self.run.run_id, number, folder, letters, said["refused"], said["pdf_sha256"])
        there = not letters or all((folder / file).exists() for file in lot.files)
        return lot if there else None

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
        text = f"{who.template}.{who.language}"
        version = self.files.get(f"templates/letters/{text}.j2", "")[:12]
        box = letter_box(
            (row["first_name"] or "") + (row["last_name"] or ""), row["street"] or "", row["postcode"] or ""
        )
        return LotLetter(
            seq=seq,
            letter_id=str(who.message_id),
            first_page=first_page,
            pages=pages,
            lines=self.lines(who),
            postcode=row["postcode"] or "",
            country=row["country"] or "",
            weight_g=Prices.of(self.run.campaign, self.shop).letter(sheets_of(pages)).grams,
            insert_codes=" ".join(self.shop.letters.inserts.get(who.segment.value, ())),  # type: ignore[call-overload]
            template_version=f"{text}@{version}" if version else text,
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
        one.insert_codes,
        *(one.lines[place] if place < len(one.lines) else "" for place in range(7)),
        one.postcode,
        one.country,
        f"{one.weight_g:g}",
        sheet_code(on, lot.number, one.seq, 1),
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
    template = environment(html=False).from_string(README.read_text("utf-8"))
    written = template.render(
        lot=lot.name,
        on=run.on.isoformat(),
        shop={"name": shop.name, "phone": shop.phone, "email": shop.email},
        delimiter=shop.letters.delimiter,
        paper=shop.letters.paper,
        envelope=shop.letterhead.envelope,
        letters=len(lot.letters),
        pages=sum(one.pages for one in lot.letters),
        sheets=sum(one.sheets for one in lot.letters),
        grams=f"{sum(one.weight_g for one in lot.letters):.0f}",
        first=sequence(lot.number, 1),
        last=sequence(lot.number, len(lot.letters)),
        codes=(sheet_code(run.on, lot.number, 1, 1), sheet_code(run.on, lot.number, len(lot.letters), 1)),
        by_sheets=sorted(Counter(one.sheets for one in lot.letters).items()),
        by_country=sorted(Counter(one.country for one in lot.letters).items()),
        inserts=sorted(Counter(code for one in lot.letters for code in one.insert_codes.split()).items()),
        sha256=lot.pdf_sha256,
    )
    return "\r\n".join(line.rstrip() for line in written.strip().splitlines()) + "\r\n"


def file_sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
