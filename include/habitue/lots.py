"""Lots: what the print shop gets. A folder with one PDF, its manifest in two dialects, a README and SHA-256 sums.

A shard of letters is a lot; reprints are lots of their own and go on counting. The same letters make the same bytes,
file by file, and SHA256SUMS stands last: whoever finds sums that match has the whole lot.

    LOT-quarterly_letter-2026-10-01-001/
        LOT-quarterly_letter-2026-10-01-001.pdf
        manifest.csv               a row a letter, for machines: raw, UTF-8, CRLF, all quoted, shop.yaml's delimiter
        manifest-spreadsheet.csv   the same for people: nothing in it that a spreadsheet would compute
        README.txt                 for whoever stands at the machine, in French and English
        SHA256SUMS                 `sha256sum -c SHA256SUMS`
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path

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


SAMPLE = "L00-000000"
"""The sequence of letters that are only looked at: no lot has this number."""


def sheet_code(on: date, sequence: str, sheet: int) -> str:
    """What the Data Matrix of a sheet holds: `20261001-L07-000123-02`; 18 x 18 modules up to lot 99."""
    return f"{on:%Y%m%d}-{sequence}-{sheet:02}"


@dataclass(frozen=True, slots=True)
class LotLetter:
    """A letter in its lot. `seq` counts 1..n without a gap, whoever was left out: a machine that finds a number missing
    stops. `letter_mark` is that of the address as it was printed, in hex."""

    seq: int
    letter_id: str
    first_page: int
    pages: int
    sheets: int
    lines: tuple[str, ...]
    postcode: str
    country: str
    weight_g: float
    inserts: tuple[str, ...]
    template_version: str
    letter_mark: str


@dataclass(frozen=True, slots=True)
class Lot:
    """A lot that was made: its folder, its letters in print order, and who could not be printed, with the reason."""

    run_id: str
    number: int
    folder: Path
    letters: list[LotLetter]
    refused: dict[str, str]
    pdf_sha256: str
    earlier: tuple[str, ...] = ()
    """keys that it had before people were erased from it"""

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
    def keys(self) -> tuple[str, ...]:
        """All by which a print shop may know it."""
        return (self.key, *self.earlier)

    @property
    def message_ids(self) -> set[str]:
        return {one.letter_id for one in self.letters} | set(self.refused)


def file_sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
