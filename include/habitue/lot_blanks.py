"""A person in lots: which pages are theirs, taken out for who asks, left empty for who is erased.

A lot lies in the run's folder, as it was made, and in `letters`, as it was handed over; whoever was printed again
stands in several. Nobody else's page or row moves: the print shop has the lot, and counts its pages.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from habitue.binding import blanked, extracted
from habitue.lots import FOR_PEOPLE, MANIFEST, SUMS, file_sha256, lot_name
from habitue.senders import replace_file

NAMES = frozenset({*(f"l{place}" for place in range(1, 8)), "postcode", "country"})
"""Columns of the manifests that name a person or where they live."""
_SHA256 = re.compile(rb"SHA-256 [0-9a-f]{64}")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class LotCopy:
    """A folder of a lot. `says_whole`: the file that is written last, the slip beside the folder or `.done` in it."""

    folder: Path
    says_whole: Path

    @property
    def is_whole(self) -> bool:
        return self.says_whole.exists()

    @property
    def pdf(self) -> Path:
        return self.folder / f"{self.folder.name}.pdf"

    @cached_property
    def rows(self) -> list[dict[str, str]]:
        """The manifest's."""
        _, (names, *rows), _ = _table(self.folder / MANIFEST)
        return [dict(zip(names, row, strict=True)) for row in rows]

    def of(self, ids: Collection[str]) -> Iterator[tuple[dict[str, str], range]]:
        """The rows of these letters, with their pages, which count from 1; nothing of a lot that is not whole."""
        for row in self.rows if self.is_whole else ():
            if row["letter_id"] in ids:
                yield row, range(int(row["first_page"]), int(row["first_page"]) + int(row["pages"]))

    def pages(self, wanted: range) -> bytes:
        """A document of these pages."""
        return extracted(self.pdf.read_bytes(), wanted)


def copies(made: Path, handed_over: Path, run_id: str, number: int) -> Iterator[LotCopy]:
    """The lot as it lies in the run's folder `made`, and where it was handed over, as far as it lies there."""
    name = lot_name(run_id, number)
    for folder, last in (
        (made / name, made / f"{name}.json"),
        (handed_over / name, handed_over / name / f"{name}.done"),
    ):
        if folder.is_dir():
            yield LotCopy(folder, last)


def empty(copy: LotCopy, ids: Collection[str]) -> int:
    """Empties the pages and rows of these letters, and makes manifests, README, sums, and what says that the lot is
    whole fit the new PDF. Safe to do again, wherever it was broken off. Returns how many pages that were, 0 where
    nothing was left of them.

    A lot that is not whole goes: it is made again, or handed over again, from its beginning.
    """
    if not copy.is_whole:
        left = [path for path in copy.folder.iterdir() if path.is_file()]
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)
    pages = [page for _, theirs in copy.of(ids) for page in theirs]
    if not pages:
        return 0
    changed = _replace(copy.pdf, blanked(copy.pdf.read_bytes(), pages))
    sha256 = file_sha256(copy.pdf)
    for name in (MANIFEST, FOR_PEOPLE):
        changed |= _empty_rows(copy.folder / name, ids, sha256)
    readme = copy.folder / "README.txt"
    changed |= _replace(readme, _SHA256.sub(b"SHA-256 " + sha256.encode(), readme.read_bytes()))
    changed |= _sums(copy, ids, sha256)
    return len(pages) if changed else 0


def _sums(copy: LotCopy, ids: Collection[str], sha256: str) -> bool:
    """The sums, and the slip or `.done`, which must know the lot by them. The slip keeps by which it was known before:
    a print shop elsewhere has them so."""
    sums = copy.folder / SUMS
    names = [line.split("  ", 1)[1] for line in sums.read_text("utf-8").splitlines()]
    before = sums.read_bytes()
    after = "".join(f"{file_sha256(copy.folder / name)}  {name}\n" for name in names).encode()
    if copy.says_whole.suffix == ".done":
        changed = _replace(sums, after)
        return _replace(copy.says_whole, f"{hashlib.sha256(after).hexdigest()}  {SUMS}\n".encode()) or changed
    slip = json.loads(copy.says_whole.read_text("utf-8"))
    for letter in slip["letters"]:
        if letter["letter_id"] in ids:
            letter |= {"lines": [], "postcode": "", "country": "", "letter_mark": ""}
    slip["pdf_sha256"] = sha256
    if before != after:
        slip["earlier"] = [*slip["earlier"], hashlib.sha256(before).hexdigest()]
    changed = _replace(copy.says_whole, json.dumps(slip, ensure_ascii=False).encode())
    return _replace(sums, after) or changed


def _empty_rows(path: Path, ids: Collection[str], sha256: str) -> bool:
    mark, (names, *rows), delimiter = _table(path)
    letter, pdf = names.index("letter_id"), names.index("pdf_sha256")
    text = io.StringIO(newline="")
    table = csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    table.writerow(names)
    for row in rows:
        row[pdf] = sha256
        gone = row[letter] in ids
        table.writerow("" if gone and name in NAMES else cell for name, cell in zip(names, row, strict=True))
    return _replace(path, mark + text.getvalue().encode())


def _table(path: Path) -> tuple[bytes, list[list[str]], str]:
    """A manifest's byte order mark, its rows, and its delimiter, which shop.yaml may have changed since."""
    raw = path.read_bytes()
    mark = _BOM if raw.startswith(_BOM) else b""
    text = raw[len(mark) :].decode()
    delimiter = text[len('"seq"')]
    return mark, list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)), delimiter


def _replace(path: Path, content: bytes) -> bool:
    """Whether the file held anything else before."""
    if path.read_bytes() == content:
        return False
    replace_file(path, content)
    return True
