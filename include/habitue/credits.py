"""Purchases credited to messages: what a shop calls its responses. Not the effect: for that see `responses`.

The rules, in their order (`RULES_VERSION`):

1. A purchase is an order (customer, order number) with money paid for goods. It is credited once, to one message at
   most.
2. Made with a message's offer code, it is that message's, whoever used the code, until the code's last day or the end
   of the response window, whichever is later. Of several codes the message that left last counts.
3. Else it is the buyer's last message that had left before it, and in whose campaign's response window it lies, unless
   provider, post or desk said that this message reached nobody.
4. What was brought back is taken from the purchase: a negative line of a product belongs to its own order, where that
   sold the product, else to the customer's last one before it that did, and is never more than was paid for it. Any
   other negative line is a discount of its order. RETURN_DAYS (`purchases`) after the run's windows the book stands.

`credit` is a book of changes. What should stand there is computed from a snapshot and the ledger; only the difference
to what does stand there is written, with the snapshot that told it:

    orders 1    a purchase is credited (sold_cents, returned_cents: as it is known now)
    orders 0    its amounts have changed: a late return has returned_cents above 0
    orders -1   it is taken back whole: no longer in the shop's data, or another message's by a code that came late

So no row is ever changed, each sum is right: `sum(orders)` is the purchases credited, `sum(sold_cents) -
sum(returned_cents)` what they brought, `where known_at <= …` (or `snapshot_id <= …`) the same as it was known then. The
order in which snapshots, events and answers come makes no difference to the sums, and to gather again changes nothing.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, text

from habitue import ledger
from habitue.copying import copy_answer, copy_parquet
from habitue.statements import source, statement

if TYPE_CHECKING:
    import duckdb

RULES_VERSION = "1"

LOCK = "habitue.credits"
"""The name of the lock of whoever writes the book."""

SENT = (
    "message_id uuid, run_id text, customer_id text, code text, left_at timestamp, since date, until date, "
    "code_until date, counts boolean"
)
"""What is known of each message, in shop time."""


@dataclass(frozen=True, slots=True)
class Credited:
    """How many rows the book has got."""

    new: int = 0
    changed: int = 0
    taken_back: int = 0


def enter(connection: Connection, duck: duckdb.DuckDBPyConnection, *, about: dict[str, Any], at: datetime) -> Credited:
    """Brings the book up to a snapshot, whose purchases are in `duck`, within a transaction.

    `about`: `snapshot_id`, `since` (the first day of the purchases), `on` (the snapshot's), `zone` (the shop's).
    """
    ledger.lock(connection, LOCK)
    copy_answer(connection, statement("credits/sent"), about, duck, "sent", SENT)
    connection.execute(
        text(
            "create temp table wanted_credit (message_id uuid, run_id text, customer_id text, order_id text, "
            "ordered_on date, rule text, sold_cents bigint, returned_cents bigint) on commit drop"
        )
    )
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "wanted.parquet"
        duck.sql(source("credits/wanted")).write_parquet(str(wanted))
        copy_parquet(connection, wanted, "wanted_credit")
    connection.execute(text("analyze wanted_credit"))
    moved = connection.scalars(statement("credits/enter"), {**about, "rules_version": RULES_VERSION, "at": at}).all()
    connection.execute(text("drop table wanted_credit"))
    return Credited(moved.count(1), moved.count(0), moved.count(-1))
