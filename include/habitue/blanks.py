"""What names a person, taken out of files row by row: Parquet, CSV, workbooks. Rows keep their place and their number.

Every function reads a file whose rows it is given no list of, in batches, and replaces it whole or not at all; done
again it changes nothing.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

KEPT = frozenset(
    {"customer_id", "reason", "field", "rule", "effect", "letter_barrier", "email_barrier", "call_barrier"}
)
"""Columns of a table of people that say a rule, or nothing but a number."""
UNREADABLE = r"^\s*$|[\x00-\x1f\x7f]"
"""An id that is none: as the row rules id_missing and id_unreadable have it."""
CODED = "letter_barrier"
"""Tables with this column were validated: their `language` is a code, not what somebody typed."""


@dataclass(frozen=True)
class Sought:
    """Those whose rows are blanked: their ids, and their e-mail addresses for rows that came without a readable id. A
    good id with the same address is somebody else's, who shares it."""

    customers: Sequence[str]
    emails: Sequence[str] = ()
    """in lower case"""

    @cached_property
    def ids(self) -> frozenset[str]:
        return frozenset(self.customers)

    @cached_property
    def addresses(self) -> frozenset[str]:
        return frozenset(self.emails)

    @cached_property
    def arrow(self) -> tuple[pa.Array, pa.Array]:
        import pyarrow as pa

        return pa.array(self.customers, pa.string()), pa.array(self.emails, pa.string())


def blank_rows(source: Path, target: Path, sought: Sought) -> int:
    """The Parquet table of people in `source`, written to `target` with nothing left in the rows of those sought but
    what KEPT names. Returns how many rows these are; of none, or where nothing is left in them, nothing is written."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    with pq.ParquetFile(source) as table:
        schema = pa.schema([column.with_nullable(True) for column in table.schema_arrow])
        if "customer_id" not in schema.names:
            return 0
        kept = KEPT | {"language"} if CODED in schema.names else KEPT
        blank = [name for name in schema.names if name not in kept]
        if not _anything(table, blank, sought):
            return 0
        found = 0
        with pq.ParquetWriter(target, schema, compression="zstd") as writer:
            for batch in table.iter_batches(batch_size=122_880):
                rows = _rows(batch, sought)
                found += pc.sum(rows).as_py() or 0
                columns = [
                    pc.if_else(rows, pa.scalar(None, field.type), batch.column(field.name))
                    if field.name in blank
                    else batch.column(field.name)
                    for field in schema
                ]
                writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
        return found


def _anything(table: Any, blank: list[str], sought: Sought) -> bool:
    """Whether a row of theirs holds something. The narrow columns are read first: most files know none of them."""
    import pyarrow.compute as pc

    narrow = ["customer_id", *(name for name in ("email",) if name in table.schema_arrow.names)]
    if not any(pc.any(_rows(batch, sought)).as_py() for batch in table.iter_batches(columns=narrow)):
        return False
    for batch in table.iter_batches(batch_size=122_880):
        theirs = batch.filter(_rows(batch, sought))
        if any(theirs.column(name).null_count < theirs.num_rows for name in blank):
            return True
    return False


def _rows(batch: Any, sought: Sought) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    ids, emails = sought.arrow
    rows = pc.is_in(batch.column("customer_id"), value_set=ids)
    if "email" in batch.schema.names and len(emails):
        address = pc.utf8_lower(pc.utf8_trim_whitespace(batch.column("email").cast(pa.string())))
        nobodys = pc.fill_null(pc.match_substring_regex(batch.column("customer_id"), UNREADABLE), True)
        rows = pc.or_(rows, pc.and_(nobodys, pc.is_in(address, value_set=emails)))
    return rows


def blank_table(path: Path, sought: Sought) -> int:
    """The same in place."""
    with _instead(path) as partial:
        return blank_rows(path, partial, sought)


def blank_csv(path: Path, sought: Sought) -> int:
    """A CSV that was made of such a table, with a heading, as `quarantine` writes it."""

    def blank(names: list[str], row: list[str]) -> list[str]:
        return [value if name in KEPT else "" for name, value in zip(names, row, strict=False)]

    def theirs(names: list[str], row: list[str]) -> bool:
        cells = dict(zip(names, row, strict=False))
        named = cells.get("customer_id", "")
        nobodys = re.search(UNREADABLE, named) and cells.get("email", "").strip().lower() in sought.addresses
        return bool(named in sought.ids or nobodys) and blank(names, row) != row

    return _rewrite_csv(path, theirs, blank)


def empty_csv_rows(path: Path, ids: Collection[str]) -> int:
    """Takes the rows out of a list that name one of these messages in any cell."""
    wanted = frozenset(ids)
    return _rewrite_csv(path, lambda _, row: not wanted.isdisjoint(row), lambda *_: None)


def _rewrite_csv(
    path: Path,
    theirs: Callable[[list[str], list[str]], bool],
    instead: Callable[[list[str], list[str]], list[str] | None],
) -> int:
    """In the dialect of all our tables: UTF-8 with a mark, `;`, every field quoted, CRLF."""
    found = 0
    with path.open(encoding="utf-8-sig", newline="") as file, _instead(path) as partial:
        rows = csv.reader(file, delimiter=";")
        names = next(rows, [])
        with partial.open("w", encoding="utf-8-sig", newline="") as made:
            table = csv.writer(made, delimiter=";", quoting=csv.QUOTE_ALL, lineterminator="\r\n")
            table.writerow(names)
            for row in rows:
                if theirs(names, row):
                    found += 1
                    if (other := instead(names, row)) is not None:
                        table.writerow(other)
                else:
                    table.writerow(row)
        if not found:
            partial.unlink()
    return found


_ROW = re.compile(rb"<row\b[^>]*?(?:/>|>.*?</row>)", re.DOTALL)
_OPENING = re.compile(rb"<row\b([^>]*?)/?>")
_STRING = re.compile(rb"<si\b[^>]*?(?:/>|>.*?</si>)", re.DOTALL)
_SHARED = re.compile(rb'<c\b[^>]*\bt="s"[^>]*>\s*<v>(\d+)</v>')
_ID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SHEETS = re.compile(r"xl/worksheets/[^/]+\.xml")
_STRINGS = "xl/sharedStrings.xml"


def empty_workbook_rows(path: Path, ids: Collection[str]) -> int:
    """Empties the rows of a workbook that name one of these messages, whoever has saved it since: all else, and what an
    agent wrote beside others, stays as it is."""
    wanted = {one.encode() for one in ids}
    with zipfile.ZipFile(path) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    strings = _STRING.findall(parts.get(_STRINGS, b""))
    theirs = {number for number, text in enumerate(strings) if not wanted.isdisjoint(_ID.findall(text))}
    found, emptied, still = 0, set[int](), set[int]()

    def empty(match: re.Match[bytes]) -> bytes:
        nonlocal found
        row = match[0]
        used = {int(number) for number in _SHARED.findall(row)}
        if used.isdisjoint(theirs) and wanted.isdisjoint(_ID.findall(row)):
            still.update(used)
            return row
        found += 1
        emptied.update(used)
        opening = _OPENING.match(row)
        return b"<row%b/>" % (opening[1] if opening else b"")

    sheets = {name: _ROW.sub(empty, content) for name, content in parts.items() if _SHEETS.fullmatch(name)}
    if not found:
        return 0
    gone = emptied - still
    number = -1

    def forget(match: re.Match[bytes]) -> bytes:
        nonlocal number
        number += 1
        return b"<si><t/></si>" if number in gone else match[0]

    if _STRINGS in parts:
        sheets[_STRINGS] = _STRING.sub(forget, parts[_STRINGS])
    with zipfile.ZipFile(path) as book, _instead(path) as partial, zipfile.ZipFile(partial, "w") as made:
        for info in book.infolist():
            made.writestr(info, sheets.get(info.filename, parts[info.filename]), info.compress_type)
    return found


@contextmanager
def _instead(path: Path) -> Iterator[Path]:
    """A file beside `path`, with its rights, that takes its place if it was written."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        if partial.exists():
            shutil.copymode(path, partial)
            partial.replace(path)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
