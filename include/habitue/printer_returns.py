"""What the print shop and the post tell of letters: a CSV that says what became of which.

    letter_id, or lot and seq, or barcode    which letter; what is given must agree
    status     printed, spoiled, not_mailed, mailed, undeliverable
    reason     of undeliverable: moved, unknown, refused, incomplete, unclaimed, deceased, other (default)
    date       when, as 2026-10-05 or 05/10/2026; without it, when the file is read

Delimiter and encoding are found out; other columns are passed over. A line that can't be understood is an error that
names it, and then nothing of the file is taken (`partial`: the others are). A line told twice counts once, and so does
a file. An address from which a letter came back is suppressed for letters at once, by the mark that it was printed
with: corrected, it has another mark and is free again.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Engine

from habitue import exports, outcomes
from habitue.errors import SourceError
from habitue.outcomes import Event
from habitue.shop import Shop
from habitue.statements import statement
from habitue.suppressions import MarkKey
from habitue.tables import OutcomeKind, ReturnReason

STATUSES = {
    "printed": OutcomeKind.PRINTED,
    "spoiled": OutcomeKind.SPOILED,
    "not_mailed": OutcomeKind.NOT_MAILED,
    "mailed": OutcomeKind.MAILED,
    "undeliverable": OutcomeKind.RETURNED,
}
COLUMNS = ("letter_id", "lot", "seq", "barcode", "status", "reason", "date")
SOURCE = "printer"
LOT = re.compile(r"LOT-[a-z][a-z0-9_]*-\d{4}-\d\d-\d\d-\d{3,5}")
SEQ = re.compile(r"(?:L\d{2,5}-)?(\d{1,6})")
BARCODE = re.compile(r"(\d{4})(\d\d)(\d\d)-L(\d{2,5})-(\d{6})(?:-\d\d)?")
DAYS = (re.compile(r"(?P<y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)"), re.compile(r"(?P<d>\d\d)/(?P<m>\d\d)/(?P<y>\d{4})"))
SHOWN = 20
"""Problems that an error lists."""


@dataclass(slots=True)
class _Line:
    """A line as it is read. `letter_id`, `lot`+`seq` and `barcode` (day, lot's number, seq) name the letter."""

    number: int
    kind: OutcomeKind
    reason: ReturnReason | None
    day: date | None
    letter_id: UUID | None
    lot_id: str | None
    seq: int | None
    barcode: tuple[date, int, int] | None


class _Unclear(Exception):
    """Why a line can't be taken."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a file: its lines are what was new + told before + left out."""

    lines: int
    new: int
    known: int
    """told before, in this file or in another"""
    by_kind: Mapping[OutcomeKind, int]
    """of all that could be taken"""
    suppressed: int
    """letter boxes that are suppressed from now on"""
    left_out: Sequence[str] = field(default_factory=tuple)
    """with `partial`: which lines, and why"""


def take(engine: Engine, path: Path, *, shop: Shop, key: MarkKey, at: datetime, partial: bool = False) -> Taken:
    """Takes a return file in. SourceError, and nothing is taken, where a line is unclear and not `partial`."""
    today = at.astimezone(shop.tz).date()
    problems: dict[int, str] = {}
    told: dict[str, tuple[Event, str | None]] = {}
    kinds: Counter[OutcomeKind] = Counter()
    for batch in _read(path, today, problems):
        found = _letters(engine, batch)
        for line in batch:
            try:
                message_id, lot_id = _one(line, found.get(line.number, []))
            except _Unclear as unclear:
                problems[line.number] = str(unclear)
                continue
            event = _event(line, message_id, lot_id, at=at, shop=shop)
            told.setdefault(event.source_key, (event, lot_id))
            kinds[line.kind] += 1
    said = [f"line {number}: {why}" for number, why in sorted(problems.items())]
    if said and not partial:
        more = f"; and {len(said) - SHOWN} more" if len(said) > SHOWN else ""
        raise SourceError(f"{path.name}: nothing was taken; {'; '.join(said[:SHOWN])}{more}")
    events = [event for event, _ in told.values()]
    new = outcomes.record(engine, events, rules=shop.breaker, at=at).new
    suppressed = _suppress(engine, list(told.values()), key=key, at=at, zone=shop.timezone)
    kept = kinds.total()
    return Taken(kept + len(said), new, kept - new, dict(kinds), suppressed, said)


def copy_of(path: Path, out: Path) -> None:
    """The file's lines in the columns that are read, as UTF-8 with commas."""
    export = exports.look(path)
    kept = {name: name.strip().lower() for name in export.columns if name.strip().lower() in COLUMNS}
    with out.open("w", encoding="utf-8", newline="") as file:
        rows = csv.DictWriter(file, kept, extrasaction="ignore")
        rows.writerow(kept)
        for batch in exports.batches(export):
            rows.writerows(batch.to_pylist())


def _read(path: Path, today: date, problems: dict[int, str]) -> Iterator[list[_Line]]:
    export = exports.look(path)
    names = {name.strip().lower(): name for name in export.columns}
    if "status" not in names:
        raise SourceError(f"{path.name}: no column status (printed, spoiled, not_mailed, mailed or undeliverable)")
    if not {"letter_id", "barcode"} & names.keys() and not {"lot", "seq"} <= names.keys():
        raise SourceError(f"{path.name}: no column says which letter: letter_id, or lot and seq, or barcode")
    number = 1
    for batch in exports.batches(export):
        lines = []
        for row in batch.to_pylist():
            number += 1
            cells = {name: (row[column] or "").strip() for name, column in names.items()}
            if not any(cells.values()):
                continue
            try:
                lines.append(_line(number, cells, today))
            except _Unclear as unclear:
                problems[number] = str(unclear)
        yield lines


def _line(number: int, cells: Mapping[str, str], today: date) -> _Line:
    """_Unclear says which column, and never what stands there: that may be anybody's name."""
    kind = STATUSES.get(cells["status"].lower())
    if kind is None:
        raise _Unclear(f"status is none of {', '.join(STATUSES)}")
    letter_id, lot_id, seq, barcode = (cells.get(name, "") for name in ("letter_id", "lot", "seq", "barcode"))
    return _Line(
        number,
        kind,
        _reason(cells.get("reason", "").lower()) if kind is OutcomeKind.RETURNED else None,
        _day(cells["date"], today) if cells.get("date") else None,
        _uuid(letter_id) if letter_id else None,
        _matched(LOT, lot_id, "lot is no lot's name (LOT-…)")[0] if lot_id else None,
        int(_matched(SEQ, seq, "seq is no place in a lot")[1]) if seq else None,
        _barcode(barcode) if barcode else None,
    )


def _reason(said: str) -> ReturnReason:
    if said and said not in list(ReturnReason):
        raise _Unclear(f"reason is none of {', '.join(ReturnReason)}")
    return ReturnReason(said or "other")


def _uuid(said: str) -> UUID:
    try:
        return UUID(said)
    except ValueError:
        raise _Unclear("letter_id is no letter's id") from None


def _matched(pattern: re.Pattern[str], said: str, why: str) -> re.Match[str]:
    match = pattern.fullmatch(said)
    if match is None:
        raise _Unclear(why)
    return match


def _barcode(said: str) -> tuple[date, int, int]:
    year, month, day, number, seq = map(int, _matched(BARCODE, said, "barcode is none of ours").groups())
    try:
        return date(year, month, day), number, seq
    except ValueError:
        raise _Unclear("barcode is none of ours") from None


def _day(said: str, today: date) -> date:
    for form in DAYS:
        if match := form.fullmatch(said):
            try:
                day = date(int(match["y"]), int(match["m"]), int(match["d"]))
            except ValueError:
                break
            if day > today:
                raise _Unclear("date lies in the future")
            return day
    raise _Unclear("date is none: write 2026-10-05 or 05/10/2026")


def _letters(engine: Engine, lines: Sequence[_Line]) -> dict[int, list[Any]]:
    """By line, the letters that each way of naming one means."""
    if not lines:
        return {}
    asked = {
        "lines": [line.number for line in lines],
        "ids": [line.letter_id for line in lines],
        "lots": [line.lot_id for line in lines],
        "seqs": [line.seq for line in lines],
        "days": [line.barcode and line.barcode[0] for line in lines],
        "numbers": [line.barcode and line.barcode[1] for line in lines],
        "code_seqs": [line.barcode and line.barcode[2] for line in lines],
    }
    found: dict[int, list[Any]] = {}
    with engine.connect() as connection:
        for row in connection.execute(statement("lots/named"), asked):
            found.setdefault(row.line, []).append(row)
    return found


def _one(line: _Line, found: Sequence[Any]) -> tuple[UUID, str | None]:
    """The letter that a line means, and its lot where the line says which."""
    ways = [
        ("letter_id", line.letter_id is not None),
        ("lot", line.lot_id is not None and line.seq is not None),
        ("barcode", line.barcode is not None),
    ]
    given = [way for way, is_given in ways if is_given]
    if not given:
        raise _Unclear("says no letter: letter_id, or lot and seq, or barcode")
    for way in given:
        meant = {row.message_id for row in found if row.way == way}
        if not meant:
            raise _Unclear(f"no letter of ours has this {'lot and seq' if way == 'lot' else way}")
        if len(meant) > 1:
            raise _Unclear("two campaigns of that day have this barcode: give the column lot, too")
    if len({row.message_id for row in found}) > 1:
        raise _Unclear(f"{' and '.join(given)} mean different letters")
    if any(row.state in ("planned", "cancelled", "refused") for row in found):
        raise _Unclear("this letter was never handed over")
    return found[0].message_id, next((row.lot_id for row in found if row.lot_id is not None), None)


def _event(line: _Line, message_id: UUID, lot_id: str | None, *, at: datetime, shop: Shop) -> Event:
    moment = at if line.day is None else min(at, datetime.combine(line.day, time(12), shop.tz))
    return Event(
        message_id=message_id,
        kind=line.kind,
        occurred_at=moment,
        source=SOURCE,
        source_key=f"{lot_id or '-'}/{message_id}/{line.kind}/{line.day or '-'}",
        reason=line.reason,
    )


def _suppress(
    engine: Engine, told: Sequence[tuple[Event, str | None]], *, key: MarkKey, at: datetime, zone: str
) -> int:
    back = [(event.source_key, lot_id) for event, lot_id in told if event.kind is OutcomeKind.RETURNED]
    if not back:
        return 0
    with engine.begin() as connection:
        return connection.execute(
            statement("lots/suppress_returned"),
            {
                "keys": [source_key for source_key, _ in back],
                "lots": [lot_id for _, lot_id in back],
                "source": SOURCE,
                "mark_key": key.id,
                "at": at,
                "zone": zone,
            },
        ).rowcount


@dataclass(frozen=True, slots=True)
class ToMend:
    """A customer whose address sends letters back."""

    customer_id: str
    reason: str
    returned_on: date | None
    run_id: str | None


def to_mend(engine: Engine, shop: Shop) -> list[ToMend]:
    """Whose address is to be corrected in the shop's data: as it stands now it is suppressed for returned letters."""
    with engine.connect() as connection:
        rows = connection.execute(statement("lots/to_mend"), {"zone": shop.timezone})
        return [ToMend(row.customer_id, row.reason, row.returned_on, row.run_id) for row in rows]
