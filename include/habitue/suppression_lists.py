"""Lists of suppressions, in and out: the shop's own, an industry's (Robinson), another installation's marks.

A list is read row by row, marked on the way, and carried to a table at the side by COPY; one statement then adds what
is new, so that a million rows need no more memory than one. All of it or nothing: a file that can't be read to its end
changes nothing. Rows that are bad by themselves go to a file for the shop to mend.
"""

from __future__ import annotations

import codecs
import csv
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from habitue import suppressions
from habitue.errors import SettingError, SourceError
from habitue.quarantine import safe_cell
from habitue.statements import source as sql
from habitue.statements import statement
from habitue.suppressions import MarkKey, canonical
from habitue.tables import Channel, SuppressionReason

EXPORTED = ("mark", "channel", "reason", "recorded_at", "key")
"""The columns of an export."""

COLUMNS = {
    **dict.fromkeys(("email", "e-mail", "mail", "address", "courriel", "adresse e-mail", "adresse email"), "email"),
    **dict.fromkeys(
        ("number", "phone", "telephone", "téléphone", "tel", "tél", "mobile", "numero", "numéro"), "number"
    ),
    **dict.fromkeys(("first name", "first_name", "firstname", "prénom", "prenom"), "first_name"),
    **dict.fromkeys(("name", "nom", "last name", "last_name", "lastname"), "name"),
    **dict.fromkeys(("street", "rue", "voie"), "street"),
    **dict.fromkeys(("postcode", "code postal", "code_postal", "cp", "zip"), "postcode"),
    **dict.fromkeys(("channel", "canal"), "channel"),
    **dict.fromkeys(("reason", "motif"), "reason"),
}
"""A list's own names of columns, in small letters, and ours."""

RULES = {
    "bad_address": "write one e-mail address, as anna@example.fr",
    "bad_number": "write one telephone number, as 01 99 00 12 34 or +33199001234",
    "bad_letter_box": "give a name, a street and a postcode",
    "nothing_given": "give an address, a number, or name, street and postcode",
    "unknown_channel": "the channel is letter, email or call",
    "unknown_reason": "the reason is one of " + ", ".join(SuppressionReason),
    "wrong_columns": "give as many cells as the first line has columns",
    "line_break": "no cell holds a line break; see the quotation marks around here",
    "bad_mark": "a mark is 64 digits of 0-9 and a-f, as it was exported",
    "bad_moment": "recorded_at is a moment of the past with its time zone, as it was exported",
}
"""Why a row is in quarantine, and how to mend it."""

_DELIMITERS = ";,\t|"
_BAD_VALUE = {Channel.EMAIL: "bad_address", Channel.CALL: "bad_number", Channel.LETTER: "bad_letter_box"}
_SOURCE = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_LINES = 5_000
_BLOCK = 1 << 20

Entry = tuple[Channel, str, SuppressionReason, str]
"""Channel, mark in hex, reason, and when it was recorded, as PostgreSQL reads it."""


class _BadRow(Exception):
    """The rule that a row breaks."""


@dataclass
class ListRead:
    """`rows` = `taken` + `quarantined`; a row may name several: `named` suppressions, of which `new` were not there."""

    rows: int = 0
    taken: int = 0
    quarantined: int = 0
    named: int = 0
    new: int = 0
    quarantine: Path | None = None
    """the file with the bad rows, where there are any"""


def read_list(
    engine: Engine,
    file: Path,
    *,
    channel: Channel,
    reason: SuppressionReason | None,
    source: str,
    country: str,
    key: MarkKey,
    quarantine: Path,
    at: datetime,
    on_progress: Callable[[int], object] = lambda rows: None,
) -> ListRead:
    """Adds the list's suppressions. `channel` is that of a file without columns, `reason` that of rows without one.

    SourceError where the file is none that can be read, or was exported with another key; then nothing has changed.
    """
    if not _SOURCE.fullmatch(source):
        raise SettingError("--source is one word of small letters, such as import or robinson")
    done = ListRead()
    with ExitStack() as open_things:
        text = open_things.enter_context(_opened(file))
        rows, entries = _understood(text, file, channel, reason, country, key, at)
        bad = open_things.enter_context(_Quarantine(quarantine, rows.header))
        connection = open_things.enter_context(engine.begin())
        suppressions.check_key(connection, key)
        connection.exec_driver_sql(sql("suppressions/incoming"))
        _carry(connection, rows, entries, bad, done, on_progress)
        asked = {"key": key.id, "source": source}
        done.new = connection.execute(statement("suppressions/take_in"), asked).rowcount
        connection.exec_driver_sql("drop table incoming_suppression")
        bad.keep()
    done.quarantine = quarantine if done.quarantined else None
    return done


def _carry(
    connection: Any,
    rows: _Rows,
    entries: Callable[[list[str]], Sequence[Entry]],
    bad: _Quarantine,
    done: ListRead,
    on_progress: Callable[[int], object],
) -> None:
    """Each row to the table at the side, or to quarantine."""
    driver = connection.connection.driver_connection
    lines: list[str] = []
    with (
        driver.cursor() as cursor,
        cursor.copy("copy incoming_suppression (channel, mark, reason, recorded_at) from stdin") as copy,
    ):
        for row in rows:
            done.rows += 1
            try:
                found = entries(row)
            except _BadRow as rule:
                done.quarantined += 1
                bad.add(rows.line, str(rule), row)
                continue
            done.taken += 1
            done.named += len(found)
            lines += [f"{way}\t\\\\x{mark}\t{reason}\t{moment}\n" for way, mark, reason, moment in found]
            if len(lines) >= _LINES:
                copy.write("".join(lines))
                lines.clear()
                on_progress(done.rows)
        copy.write("".join(lines))


def write_list(engine: Engine, file: Path) -> int:
    """Writes every suppression in force to `file` (CSV, EXPORTED), for its owner's eyes; returns how many.

    It holds marks and no address: without HABITUE_SECRET nobody can tell whose they are.
    """
    part = file.with_name(f".{file.name}.part")
    try:
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out, engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            with driver.cursor() as cursor:
                with cursor.copy(f"copy ({sql('suppressions/export')}) to stdout (format csv, header)") as copy:
                    for block in copy:
                        out.write(block)
                written = int(cursor.rowcount)
        part.replace(file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise SourceError(f"{file} can't be written ({os.strerror(error.errno or 0)})") from None
    return written


# What a file's rows say -------------------------------------------------------------------------------------------


LONGEST = 10_000
"""Characters of a cell: beyond it a quotation mark is open, whatever the process has told the csv module to bear."""


@dataclass
class _Rows:
    """The rows of a file and the line that the last one ended on. `delimiter` is None for one value a line."""

    lines: Iterator[str]
    file: Path
    delimiter: str | None
    header: list[str]
    line: int = 0

    def __iter__(self) -> Iterator[list[str]]:
        if self.delimiter is None:
            for line in self.lines:
                self.line += 1
                if value := line.strip():
                    yield [value]
            return
        reader = csv.reader(self.lines, delimiter=self.delimiter, strict=True)
        before = self.line
        try:
            for row in reader:
                if any(len(cell) > LONGEST for cell in row):
                    raise csv.Error
                self.line = before + reader.line_num
                if any(cell.strip() for cell in row):
                    yield row
        except csv.Error:
            raise SourceError(
                f"{self.file.name}, from line {self.line + 1} on: a cell is too long or a quotation mark stands where "
                "none can; mend it and import the file again; nothing was imported"
            ) from None


def _understood(
    text: Iterator[str],
    file: Path,
    channel: Channel,
    reason: SuppressionReason | None,
    country: str,
    key: MarkKey,
    at: datetime,
) -> tuple[_Rows, Callable[[list[str]], Sequence[Entry]]]:
    """The file's rows, and what makes suppressions of one: by its first line."""
    first = next((line for line in text if line.strip()), None)
    if first is None:
        raise SourceError(f"{file.name} is empty: nothing was imported")
    for delimiter in _DELIMITERS:
        names = [name.strip().strip('"').strip().lower() for name in first.rstrip("\r\n").split(delimiter)]
        if tuple(names) == EXPORTED:
            return _Rows(text, file, delimiter, names, 1), _Marks(key, at)
        wanted = [COLUMNS.get(name) for name in names]
        if any(name in ("email", "number", "name") for name in wanted):
            if twice := {name for name in wanted if name and wanted.count(name) > 1}:
                raise SourceError(
                    f"{file.name}, line 1: several columns are {' and '.join(sorted(twice))}; name one of them so, and "
                    "the others otherwise; nothing was imported"
                )
            return _Rows(text, file, delimiter, names, 1), _Cells(wanted, reason, country, key, at)
    lines = chain([first], text)
    if channel is Channel.LETTER:
        return _Rows(lines, file, ";", ["name", "street", "postcode"]), _Cells(
            ["name", "street", "postcode"], reason, country, key, at
        )
    if any(delimiter in first for delimiter in _DELIMITERS):
        raise SourceError(
            f"{file.name}, line 1: names no column that is known; it should name some of email, number, name, street, "
            "postcode, channel, reason; or give one value a line; nothing was imported"
        )
    column = "email" if channel is Channel.EMAIL else "number"
    return _Rows(lines, file, None, [column]), _Cells([column], reason, country, key, at)


@dataclass
class _Cells:
    """Makes suppressions of a row's cells: of all that it names or, where it names a channel, of that one's."""

    columns: list[str | None]
    reason: SuppressionReason | None
    country: str
    key: MarkKey
    at: datetime
    moment: str = field(init=False)

    def __post_init__(self) -> None:
        self.moment = self.at.isoformat()

    def __call__(self, row: list[str]) -> Sequence[Entry]:
        if len(row) != len(self.columns):
            raise _BadRow("wrong_columns")
        cells = {name: cell.strip() for name, cell in zip(self.columns, row, strict=True) if name and cell.strip()}
        if any("\n" in cell or "\r" in cell for cell in row):
            raise _BadRow("line_break")
        typed = {
            Channel.EMAIL: cells.get("email"),
            Channel.CALL: cells.get("number"),
            Channel.LETTER: self._letter_box(cells),
        }
        if named := cells.get("channel"):
            only = _one_of(Channel, named, "unknown_channel")
            typed = {only: typed[only] or ""}
        reason = _one_of(SuppressionReason, cells["reason"], "unknown_reason") if "reason" in cells else self.reason
        found = [self._entry(way, value, reason) for way, value in typed.items() if value is not None]
        if not found:
            raise _BadRow("nothing_given")
        return found

    def _letter_box(self, cells: dict[str, str]) -> str | None:
        if "street" not in cells and "postcode" not in cells:
            return None
        name = cells.get("first_name", "") + cells.get("name", "")
        parts = (name, cells.get("street", ""), cells.get("postcode", ""))
        return ";".join(part.replace(";", " ") for part in parts)

    def _entry(self, way: Channel, value: str, reason: SuppressionReason | None) -> Entry:
        if (known := canonical(way, value, country=self.country)) is None:
            raise _BadRow(_BAD_VALUE[way])
        if reason is None:
            reason = SuppressionReason.REFUSED_CALLS if way is Channel.CALL else SuppressionReason.UNSUBSCRIBED
        return way, self.key.mark(known).hex(), reason, self.moment


@dataclass
class _Marks:
    """Takes the rows of an export as they are."""

    key: MarkKey
    at: datetime

    def __call__(self, row: list[str]) -> Sequence[Entry]:
        if len(row) != len(EXPORTED):
            raise _BadRow("wrong_columns")
        mark, channel, reason, moment, key = row
        if key != self.key.id:
            raise SourceError(
                "these marks were made with another HABITUE_SECRET and can't be matched here; export them from an "
                "installation with the same one, or import the addresses; nothing was imported"
            )
        if not re.fullmatch("[0-9a-f]{64}", mark):
            raise _BadRow("bad_mark")
        way = _one_of(Channel, channel, "unknown_channel")
        return [(way, mark, _one_of(SuppressionReason, reason, "unknown_reason"), self._moment(moment))]

    def _moment(self, text: str) -> str:
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            raise _BadRow("bad_moment") from None
        if found.tzinfo is None or found > self.at:
            raise _BadRow("bad_moment")
        return found.astimezone(UTC).isoformat()


def _one_of(values: Any, text: str, rule: str) -> Any:
    try:
        return values(text.lower())
    except ValueError:
        raise _BadRow(rule) from None


# The file itself --------------------------------------------------------------------------------------------------


def _opened(file: Path) -> Any:
    """The file as text: UTF-8, UTF-16 with its mark, else Windows' Western European. SourceError where it is none."""
    try:
        return file.open(encoding=_encoding(file), errors="replace", newline="")
    except OSError as error:
        raise SourceError(f"{file} can't be read ({os.strerror(error.errno or 0)}): nothing was imported") from None


def _encoding(file: Path) -> str:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with file.open("rb") as raw:
        block = raw.read(_BLOCK)
        if block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        try:
            while block:
                decoder.decode(block)
                block = raw.read(_BLOCK)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "cp1252"
    return "utf-8-sig"


class _Quarantine:
    """The bad rows' file, for its owner's eyes: UTF-8 with a mark, `;`, all quoted. It takes the place of an earlier
    one when the list was read to its end, and is not there where no row was bad."""

    def __init__(self, target: Path, header: Sequence[str]) -> None:
        self.target = target
        self.part = target.with_name(f".{target.name}.part")
        self.header = header
        self.rows: Any = None
        self.file: Any = None

    def __enter__(self) -> _Quarantine:
        return self

    def add(self, line: int, rule: str, row: Sequence[str]) -> None:
        if self.rows is None:
            self.part.parent.mkdir(parents=True, exist_ok=True)
            self.part.unlink(missing_ok=True)
            self.file = os.fdopen(
                os.open(self.part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8-sig", newline=""
            )
            self.rows = csv.writer(self.file, delimiter=";", quoting=csv.QUOTE_ALL)
            self.rows.writerow(["line", "rule", "fix", *self.header])
        self.rows.writerow([line, rule, RULES[rule], *map(safe_cell, row)])

    def keep(self) -> None:
        if self.file is None:
            self.target.unlink(missing_ok=True)
            return
        self.file.close()
        self.part.replace(self.target)

    def __exit__(self, *_: object) -> None:
        if self.file is not None:
            self.file.close()
            self.part.unlink(missing_ok=True)
