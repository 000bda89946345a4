"""The book of lots: which letter stands where in which lot, when the print shop got it, and which reprint waits.

`keep` is safe to repeat: it is written after a lot was handed over and before the ledger hears of it, by whoever gets
there, a worker or the one that takes up what it left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, Engine, insert, text

from habitue import ledger
from habitue.errors import LedgerError
from habitue.lots import Lot, lot_name
from habitue.statements import statement
from habitue.tables import lot as lots
from habitue.tables import lot_letter


@dataclass(frozen=True, slots=True)
class LotLine:
    """A lot as it is listed. `handed_over_at` None: a reprint that was not finished."""

    lot_id: str
    number: int
    letters: int
    pages: int
    made_at: datetime
    reason: str | None
    made_by: str | None
    handed_over_at: datetime | None
    handed_over_to: str | None
    provider_id: str | None


def keep(engine: Engine, lot: Lot, address: str, provider_id: str, *, at: datetime) -> None:
    """The print shop at `address` has the lot, under its own name for it."""
    with engine.begin() as connection:
        connection.execute(
            statement("lots/keep"),
            {
                "lot_id": lot.name,
                "run_id": lot.run_id,
                "number": lot.number,
                "at": at,
                "pdf_sha256": lot.pdf_sha256,
                "address": address,
                "provider_id": provider_id,
            },
        )
        connection.execute(text("delete from lot_letter where lot_id = :lot_id"), {"lot_id": lot.name})
        connection.execute(
            statement("lots/letters"),
            {
                "lot_id": lot.name,
                "seqs": [one.seq for one in lot.letters],
                "ids": [UUID(one.letter_id) for one in lot.letters],
                "first_pages": [one.first_page for one in lot.letters],
                "pages": [one.pages for one in lot.letters],
                "marks": [bytes.fromhex(one.letter_mark) or None for one in lot.letters],
            },
        )


def open_reprint(
    connection: Connection, run_id: str, messages: Sequence[UUID], *, reason: str, by: str, at: datetime
) -> int:
    """Takes the next number of the run for these letters, in this order; it waits until `keep` says that they left.

    Held by a lock until the transaction's end: two who print again at once get two numbers, and the second sees what
    the first has taken.
    """
    number = int(connection.execute(statement("lots/next"), {"run_id": run_id}).scalar_one())
    lot_id = lot_name(run_id, number)
    connection.execute(
        insert(lots).values(lot_id=lot_id, run_id=run_id, number=number, made_at=at, reason=reason, made_by=by)
    )
    rows = [{"lot_id": lot_id, "seq": seq, "message_id": one} for seq, one in enumerate(messages, start=1)]
    connection.execute(insert(lot_letter), rows)
    return number


def lock(connection: Connection, run_id: str) -> None:
    """Nobody else opens a reprint of the run until the transaction's end."""
    ledger.lock(connection, f"habitue.lots/{run_id}")


def of_run(engine: Engine, run_id: str) -> list[LotLine]:
    """The run's lots, in the order of their numbers."""
    with engine.connect() as connection:
        rows = connection.execute(statement("lots/of_run"), {"run_id": run_id}).mappings()
        return [LotLine(**row) for row in rows]


def one_of(lines: Sequence[LotLine], run_id: str, number: int) -> LotLine:
    """The lot of that number; LedgerError where there is none."""
    for line in lines:
        if line.number == number:
            return line
    has = ", ".join(str(line.number) for line in lines) or "none"
    raise LedgerError(f"{run_id} has no lot {number}; it has {has}: `habitue letters lots {run_id}` lists them")
