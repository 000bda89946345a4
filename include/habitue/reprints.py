"""Letters printed again: one, or a spoilt range, as a lot of their own that goes on counting. Never the rest.

1. A reprint that somebody has begun and not finished is finished first: a dead worker's letters are not forgotten.
2. The kill switch, a pause, an approval that is missing hold a reprint as they hold a run; its send window does not.
3. Consent is asked again, and so are suppressions, holds and reachability. A spoilt letter never left, so it is no
   exception: who has said no since gets none.
4. Letter ids stay, each letter's place is new. The ledger's message is not written again: the letter counts once,
   however often it was printed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, select

from habitue import controls, ledger, lot_book
from habitue.decisions import end_of_day, years_before
from habitue.desk import Clock, Desk
from habitue.errors import LedgerError, Waiting
from habitue.house import House
from habitue.lots import sequence
from habitue.plans import Shard
from habitue.print_room import Letters
from habitue.recipients import Recipient, Run
from habitue.statements import statement
from habitue.tables import Channel, Segment, State, lot, lot_letter

RANGE = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which letters: places in a lot, a customer's, or all that were spoilt or left out. One of the three."""

    number: int | None = None
    seqs: tuple[int, ...] = ()
    customer_id: str | None = None
    spoiled: bool = False


@dataclass(frozen=True, slots=True)
class Reprint:
    """What came of it: the lot (None where nobody was left to print for), its letters, and who was left out, by the
    rule that said so or the reason why they could not be printed."""

    lot_id: str | None
    letters: int
    left_out: Mapping[str, str]
    """message ids"""


def places(said: str) -> tuple[int, ...]:
    """`12-40,77` as numbers, in order; LedgerError where it can't be read."""
    found: set[int] = set()
    for part in said.replace(" ", "").split(","):
        match = RANGE.fullmatch(part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 0 < first <= last:
            raise LedgerError(f"--seq: places are written like 12-40,77, and {part or 'nothing'!r} is none")
        found.update(range(first, last + 1))
    return tuple(sorted(found))


def reprint(house: House, run_id: str, wanted: Wanted, *, reason: str, by: str, on: date, now: Clock) -> list[Reprint]:
    """Prints these letters again and hands them over; `on` is the day for which consent is asked again.

    Before it, what earlier reprints left unfinished; the last of the list is the one asked for, of several lots where
    one would be larger than the shop says.
    """
    done = finish(house, run_id, on=on, now=now)
    if wanted.number is not None:
        lot_book.one_of(lot_book.of_run(house.engine, run_id), run_id, wanted.number)
    at = now()
    with house.engine.begin() as connection:
        lot_book.lock(connection, run_id)
        _may_leave(connection, run_id, at)
        rows = _asked(connection, house, run_id, wanted, on=on, at=at)
        _all_found(rows, run_id, wanted)
        left_out = _left_out(house, run_id, rows, on)
        taken = [row["message_id"] for row in rows if str(row["message_id"]) not in left_out]
        if not taken:
            return [*done, Reprint(None, 0, left_out)]
        opened = [
            (lot_book.open_reprint(connection, run_id, part, reason=reason, by=by, at=at), part)
            for part in _parted(taken, house.shop.letters.lot)
        ]
    *others, (last, part) = opened
    done += [_print(house, run_id, number, letters, {}, now) for number, letters in others]
    return [*done, _print(house, run_id, last, part, left_out, now)]


def _parted(letters: Sequence[UUID], most: int) -> Iterator[Sequence[UUID]]:
    """In order, as even as can be, none larger than `most`."""
    lots = -(-len(letters) // most)
    size = -(-len(letters) // lots)
    yield from (letters[begin : begin + size] for begin in range(0, len(letters), size))


def finish(house: House, run_id: str, *, on: date, now: Clock) -> list[Reprint]:
    """Prints and hands over what was opened and never finished, for those who may still be written to."""
    done = []
    for line in lot_book.of_run(house.engine, run_id):
        if line.handed_over_at is not None:
            continue
        chosen = select(lot_letter.c.message_id).where(lot_letter.c.lot_id == line.lot_id).order_by(lot_letter.c.seq)
        with house.engine.begin() as connection:
            _may_leave(connection, run_id, now())
            ids = list(connection.scalars(chosen))
            rows = _asked(connection, house, run_id, Wanted(), on=on, at=now(), ids=ids)
        left_out = _left_out(house, run_id, rows, on)
        taken = [one for one in ids if str(one) not in left_out]
        done.append(_print(house, run_id, line.number, taken, left_out, now))
    return done


def _may_leave(connection: Connection, run_id: str, at: datetime) -> None:
    shut = ledger.gate(connection, run_id, at=at)
    if shut.shut and shut.shut != "late":
        raise Waiting(
            f"{run_id}: nothing is printed again while it is {shut.shut}: `habitue runs` says why", why=shut.shut
        )


def _asked(
    connection: Connection,
    house: House,
    run_id: str,
    wanted: Wanted,
    *,
    on: date,
    at: datetime,
    ids: Sequence[UUID] = (),
) -> Sequence[RowMapping]:
    shop = house.shop
    asked: dict[str, Any] = {
        "run_id": run_id,
        "number": wanted.number,
        "seqs": list(wanted.seqs),
        "customer_id": wanted.customer_id,
        "spoiled": wanted.spoiled,
        "ids": list(ids),
        "on": on,
        "zone": shop.timezone,
        "end_of_day": end_of_day(on, shop),
        "adult_since": years_before(on, shop.validation.minor_age),
        "consent_days": shop.calls.consent_days,
    }
    return connection.execute(statement("lots/to_reprint"), asked).mappings().all()


def _all_found(rows: Sequence[RowMapping], run_id: str, wanted: Wanted) -> None:
    """LedgerError where a place is none, or no longer the last of its letter."""
    if wanted.customer_id is not None and not rows:
        raise LedgerError(f"{run_id} has no letter for that customer: `habitue explain` says what it has")
    if wanted.number is None:
        return
    if missing := sorted(set(wanted.seqs) - {row["asked_seq"] for row in rows}):
        raise LedgerError(f"lot {wanted.number} of {run_id} has no letter {', '.join(map(str, missing[:10]))}")
    if moved := [row for row in rows if row["number"] != wanted.number]:
        now_at = ", ".join(
            f"{sequence(wanted.number, row['asked_seq'])} is {sequence(row['number'], row['seq'])}"
            for row in moved[:10]
        )
        raise LedgerError(f"{run_id}: printed again already, {now_at}: name the last place of a letter")


def _left_out(house: House, run_id: str, rows: Sequence[RowMapping], on: date) -> dict[str, str]:
    """By message, the rule: what the claim asks, and `offer_over` where the offer's last day has passed."""
    run = Run.of(house.engine, run_id)

    def rule(row: RowMapping) -> str | None:
        if row["rule"]:
            return str(row["rule"])
        return "offer_over" if run.offer(Segment(row["segment"]), row["arm"]).valid_until(run.on) < on else None

    return {str(row["message_id"]): why for row in rows if (why := rule(row))}


def _print(
    house: House, run_id: str, number: int, taken: Sequence[UUID], left_out: Mapping[str, str], now: Clock
) -> Reprint:
    desk = Desk.of(house, Shard(run_id, Channel.LETTER, number))
    if changed := controls.changes(house.engine, run_id, house.shop):
        raise LedgerError(
            f"{run_id}: {', '.join(changed)} changed since it was planned: put it back as it was, or take it in "
            f"(habitue accept {run_id}), then print again"
        )
    made = Letters(desk).reprint(number, lambda: _people(desk, frozenset(taken)), now)
    left_out = {**left_out, **made.refused}
    if not made.letters:
        with house.engine.begin() as connection:
            connection.execute(lot_letter.delete().where(lot_letter.c.lot_id == made.name))
            connection.execute(lot.delete().where(lot.c.lot_id == made.name))
        return Reprint(None, 0, left_out)
    return Reprint(made.name, len(made.letters), left_out)


def _people(desk: Desk, ids: frozenset[UUID]) -> Iterator[Recipient]:
    """These letters' people, in print order, from all shards of the run."""
    with desk.house.engine.connect() as connection:
        numbers = connection.scalars(statement("lots/shards"), {"run_id": desk.run.run_id, "ids": list(ids)}).all()
    for number in numbers:
        yield from desk.people(Shard(desk.run.run_id, Channel.LETTER, number), State.ACCEPTED, only=ids)
