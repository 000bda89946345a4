"""Desk work off the desk: a list leaves as a workbook, is worked, and its outcomes are taken in row by row.

A row is taken in when its reference, result and moment are in order; what is wrong with the others stands in a file of
its own beside the list, by row and reference alone. A call that was made is kept though the law did not allow it: the
breach is named and counted, and nothing that follows from the talk is left undone. Rows told before count once.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, select, update
from sqlalchemy.dialects.postgresql import insert

from habitue import call_desk, call_gate, call_lists, outcomes
from habitue.call_desk import CallError
from habitue.call_endings import Call, Ending
from habitue.calls import FOLDER, read_words, write_call_list, write_table
from habitue.deliveries import Calls
from habitue.desk import Desk
from habitue.errors import LedgerError, SourceError
from habitue.house import House
from habitue.kinds import Disposition, LineStatus, Reason
from habitue.plans import shards
from habitue.shop import Language
from habitue.tables import Channel, State, call_attempt, call_line

LARGEST = 20_000_000
"""Bytes of a list that is taken in."""
MOST_ROWS = 100_000
LONGEST_NOTE = 4_000
MOMENTS = ("%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %Hh%M", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S")
"""How a day and a time may be written where a cell holds text."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a row. `row` as the spreadsheet counts; `reference` as it stands in the list."""

    row: int
    reference: str
    rule: str
    """unknown_reference, not_in_hand, unknown_result, unknown_reason, no_moment, bad_moment, in_the_future,
    before_list, note_too_long; of rows that were kept, callback_missing, callback_unlawful, or the rule of the law"""
    says: str


@dataclass
class Imported:
    read: int = 0
    new: int = 0
    known: int = 0
    """told before: kept once"""
    empty: int = 0
    """without a result: still to be called"""
    unlawful: list[Problem] = field(default_factory=list)
    """taken in, though the law did not allow the call; `rule` is the law's"""
    changed: list[Problem] = field(default_factory=list)
    """taken in otherwise than told: a callback at no lawful moment"""
    problems: list[Problem] = field(default_factory=list)
    """not taken in"""
    errors: Path | None = None
    """where the problems stand"""


@dataclass(frozen=True, slots=True)
class _Told:
    number: int
    message_id: UUID
    ending: Ending
    at: datetime
    agent: str


class _Wrong(Exception):
    def __init__(self, rule: str, says: str) -> None:
        super().__init__(says)
        self.rule = rule
        self.says = says


def export(house: House, run_id: str, *, to: str, at: datetime, most: int | None = None) -> tuple[Path, int]:
    """The list's open lines as a workbook and CSV for `to`, who alone gets them from now on; the workbook, and how many
    lines it has. What an agent holds stays at the desk, and so does whoever the law allows nobody to ring any more.

    LedgerError where the run has no open lines.
    """
    call_lists.expire(house, at)
    parts = [shard for shard in shards(house.engine, run_id) if shard.channel is Channel.CALL]
    with house.engine.begin() as connection:
        free = (
            select(call_line.c.message_id)
            .where(
                call_line.c.run_id == run_id,
                call_line.c.status == LineStatus.OPEN,
                call_line.c.reserved_by.is_(None),
                (call_line.c.assigned_to.is_(None)) | (call_line.c.assigned_to == to),
            )
            .order_by(call_line.c.rank)
            .limit(most)
            .with_for_update(skip_locked=True)
        )
        ids = list(connection.scalars(free))
        asked = call_gate.ask(connection, ids, at=at, shop=house.shop)
        lawful = [one for one in ids if _may_leave(asked[one], at)]
        mine = update(call_line).where(call_line.c.message_id.in_(lawful))
        connection.execute(mine.values(assigned_to=to))
    if not lawful:
        raise LedgerError(f"{run_id} has no line to give away: see `habitue calls board`")
    made = Calls(Desk.of(house, parts[0]))
    people = [who for part in parts for who in made.desk.people(part, State.ACCEPTED, only=frozenset(lawful))]
    name = f"{run_id.replace(':', '-')}-{_slug(to)}-{at.astimezone(house.shop.tz):%Y%m%dT%H%M}"
    book = house.out / "calls" / f"{name}.xlsx"
    rows = (made.row(who) for who in people)
    on = at.astimezone(house.shop.tz).date()
    written = write_call_list(rows, book, book.with_suffix(".csv"), shop=house.shop, on=on)
    return book, written


def _may_leave(asked: call_gate.Asked, at: datetime) -> bool:
    verdict = asked.verdict(at)
    opens = at if verdict else verdict.opens
    return not asked.barrier and opens is not None and opens < asked.row["expires_at"]


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name.lower())[:30]


def take_in(house: House, path: Path, *, by: str, at: datetime) -> Imported:
    """Takes a list's outcomes in. `by`: who called, where a row does not say. SourceError where the file is not such a
    list at all."""
    found = Imported()
    runs: set[str] = set()
    told: list[_Told] = []
    for number, cells in _rows(house, path):
        found.read += 1
        try:
            one = _told(house, number, cells, by=by, at=at)
        except _Wrong as wrong:
            found.problems.append(Problem(number, _text(cells.get("id"))[:40], wrong.rule, wrong.says))
            continue
        if one is None:
            found.empty += 1
        else:
            told.append(one)
    for one in sorted(told, key=lambda one: (one.at, one.number)):  # each attempt is judged by those before it
        try:
            with house.engine.begin() as connection:
                runs |= _keep(connection, house, one, found, at)
        except _Wrong as wrong:
            found.problems.append(Problem(one.number, str(one.message_id), wrong.rule, wrong.says))
    outcomes.judged(house.engine, runs, rules=house.shop.breaker, at=at)
    found.problems.sort(key=lambda problem: problem.row)
    if found.problems or found.unlawful or found.changed:
        found.errors = path.with_name(f"{path.stem}.errors.csv")
        lines = [(one.row, one.reference, kept, one.rule, one.says) for kept, some in _kinds(found) for one in some]
        write_table(found.errors, ("row", "reference", "kept", "rule", "what"), lines, shop=house.shop)
    return found


def _kinds(found: Imported) -> tuple[tuple[str, list[Problem]], ...]:
    return (("no", found.problems), ("yes", [*found.unlawful, *found.changed]))


def _keep(connection: Connection, house: House, one: _Told, found: Imported, at: datetime) -> frozenset[str]:
    """One row, in a transaction of its own: the runs that the breaker must judge."""
    line = connection.execute(
        select(call_line).where(call_line.c.message_id == one.message_id).with_for_update()
    ).one_or_none()
    if line is None:
        raise _Wrong("unknown_reference", "no call list has this reference: leave the column as it was exported")
    if one.at < line.opened_at:
        raise _Wrong("before_list", "the call is older than its list: look at day and time")
    if line.attempt_id is not None:
        raise _Wrong("not_in_hand", "an agent at the desk is on the telephone with this customer: take it in later")
    asked = call_gate.ask(connection, [one.message_id], at=one.at, shop=house.shop, ahead=False)[one.message_id]
    barrier = _breach(asked, one)
    attempt_id = _attempt(connection, house, one, line, asked, barrier, at)
    if attempt_id is None:
        found.known += 1
        return frozenset()
    counted = call_gate.ask(connection, [one.message_id], at=one.at, shop=house.shop, ahead=False)[one.message_id]
    call = Call(counted, one.message_id, attempt_id, one.agent, one.at, at)
    try:
        _, runs = call_desk.conclude(connection, house, call, one.ending)
    except CallError as wrong:  # of the callback, and before anything was written: the call itself is kept
        later = replace(one.ending, disposition=Disposition.CALLBACK_LATER, callback=None)
        _, runs = call_desk.conclude(connection, house, call, later)
        says = f"kept as a callback without a moment: {wrong}"
        found.changed.append(Problem(one.number, str(one.message_id), wrong.why, says))
    found.new += 1
    if barrier:
        says = "the call was made, and is kept; the law did not allow it"
        found.unlawful.append(Problem(one.number, str(one.message_id), barrier, says))
    return runs


def _breach(asked: call_gate.Asked, one: _Told) -> str | None:
    """The rule that the call broke, as things stood when it was made."""
    return asked.barrier or asked.verdict(one.at).barrier


def _attempt(
    connection: Connection,
    house: House,
    one: _Told,
    line: Row[Any],
    asked: call_gate.Asked,
    barrier: str | None,
    at: datetime,
) -> int | None:
    """Writes the attempt down; None where it was told before."""
    made = {
        "message_id": one.message_id,
        "run_id": line.run_id,
        "customer_id": line.customer_id,
        "phone_mark": asked.row["phone_mark"],
        "mark_key": asked.row["mark_key"],
        "agent": one.agent,
        "dialled_at": one.at,
        "recorded_at": at,
        "ended_at": one.at,
        "source": "import",
        "source_key": f"{one.message_id}/{one.at.astimezone(house.shop.tz):%Y-%m-%dT%H:%M}",
        "band": call_desk.band(one.at, asked.row["timezone"]),
        "barrier": barrier,
    }
    minute = one.at.replace(second=0, microsecond=0)
    same = select(call_attempt.c.attempt_id).where(
        call_attempt.c.message_id == one.message_id,
        call_attempt.c.dialled_at >= minute,
        call_attempt.c.dialled_at < minute + timedelta(minutes=1),
    )
    if connection.scalar(same.limit(1)) is not None:
        return None
    new: int | None = connection.scalar(
        insert(call_attempt).values(made).on_conflict_do_nothing().returning(call_attempt.c.attempt_id)
    )
    if new is not None:
        counted = update(call_line).where(call_line.c.message_id == one.message_id)
        connection.execute(counted.values(attempts=call_line.c.attempts + 1))
    return new


# Reading a list


def _rows(house: House, path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The rows by column name, with their numbers in the spreadsheet."""
    if not path.is_file() or path.stat().st_size > LARGEST:
        raise SourceError(f"{path.name}: there is no such file, or it is larger than {LARGEST // 1_000_000} MB")
    table = _xlsx(path) if path.suffix.lower() == ".xlsx" else _csv(path)
    heading = next(table, None)
    names = _names(house, heading or [])
    for wanted in ("id", "disposition", "called_at"):
        if wanted not in names:
            raise SourceError(f"{path.name}: its first line lacks the column of {wanted}: export the list again")
    for number, cells in enumerate(table, start=2):
        if number > MOST_ROWS:
            raise SourceError(f"{path.name}: more than {MOST_ROWS} rows are no call list")
        known = {name: value for name, value in zip(names, cells, strict=False) if name}
        if any(_text(value) for value in known.values()):
            yield number, known


def _names(house: House, heading: list[Any]) -> list[str | None]:
    """Which column is which, in whatever language of the shop the list was exported."""
    known = {
        _text(label): name
        for language in house.shop.languages
        for name, label in read_words(FOLDER / f"list.{language}.yaml", language)["columns"].items()
    }
    return [known.get(_text(cell)) for cell in heading]


def _xlsx(path: Path) -> Iterator[list[Any]]:
    import python_calamine

    try:
        book = python_calamine.CalamineWorkbook.from_path(str(path))
        yield from book.get_sheet_by_index(0).iter_rows()
    except (python_calamine.CalamineError, OSError) as error:
        raise SourceError(f"{path.name}: not a workbook that can be read ({type(error).__name__})") from None


def _csv(path: Path) -> Iterator[list[Any]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            delimiter = max(";,\t", key=first.count)
            yield from csv.reader(file, delimiter=delimiter)
    except (UnicodeDecodeError, csv.Error):
        raise SourceError(f"{path.name}: save it as CSV in UTF-8, or as a workbook") from None


def _text(value: Any) -> str:
    """A cell as text, without the apostrophe that keeps a spreadsheet from computing it."""
    return "" if value is None else " ".join(str(value).split()).removeprefix("'")


def _told(house: House, number: int, cells: Mapping[str, Any], *, by: str, at: datetime) -> _Told | None:
    """What a row says; None where it has no result. _Wrong where something is not in order."""
    if not (said := _text(cells.get("disposition"))):
        return None
    try:
        message_id = UUID(_text(cells.get("id")))
    except ValueError:
        raise _Wrong("unknown_reference", "not a reference: leave the column as it was exported") from None
    disposition = _word(house, "dispositions", said)
    if disposition is None:
        raise _Wrong("unknown_result", "choose the result from the list's own words")
    reason = _word(house, "reasons", _text(cells.get("reason")))
    if reason is None and _text(cells.get("reason")):
        raise _Wrong("unknown_reason", "choose the reason from the list's own words")
    moment = _moment(house, cells.get("called_at"), "no_moment")
    if moment > at + timedelta(minutes=1):
        raise _Wrong("in_the_future", "the call has not been made yet: look at day and time")
    callback = _callback(house, cells) if disposition == Disposition.CALLBACK_AT else None
    notes = "" if cells.get("notes") is None else str(cells["notes"]).removeprefix("'").strip()
    if len(notes) > LONGEST_NOTE:
        raise _Wrong("note_too_long", f"a note has at most {LONGEST_NOTE} characters")
    ending = Ending(Disposition(disposition), Reason(reason) if reason else None, notes, callback)
    return _Told(number, message_id, ending, moment, _text(cells.get("agent"))[:60] or by)


def _word(house: House, part: str, said: str) -> str | None:
    """A result or a reason by the word of any language of the shop, or by its own name."""
    found = (_labels(language, part).get(said.casefold()) for language in house.shop.languages)
    return next((name for name in found if name), None)


@cache
def _labels(language: Language, part: str) -> dict[str, str]:
    known = read_words(FOLDER / f"list.{language}.yaml", language)[part]
    labels = {name: words[0] if isinstance(words, list) else words for name, words in known.items()}
    return {name: name for name in labels} | {_text(label).casefold(): name for name, label in labels.items()}


def _callback(house: House, cells: Mapping[str, Any]) -> datetime | None:
    """None where no moment can be read: the call counts all the same."""
    try:
        return _moment(house, cells.get("callback"), "callback_missing")
    except _Wrong:
        return None


def _moment(house: House, value: Any, missing: str) -> datetime:
    """A day and a time by the shop's clock."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=house.shop.tz)
    if isinstance(value, date) or not (written := _text(value)):
        raise _Wrong(missing, "a day and a time are needed, such as 01/10/2026 14:30")
    for form in MOMENTS:
        try:
            return datetime.strptime(written, form).replace(tzinfo=house.shop.tz)
        except ValueError:
            continue
    raise _Wrong("bad_moment", "not a day and a time: write it as 01/10/2026 14:30")
