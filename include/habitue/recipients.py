"""To whom the messages of a shard go: the ledger's rows, the customers behind them and what is known of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, RowMapping, select

from habitue.campaigns import Campaign, Offer
from habitue.errors import LedgerError
from habitue.facts import Facts, FactsFile
from habitue.plans import Shard
from habitue.salutations import name, spoken
from habitue.shop import Shop
from habitue.statements import statement
from habitue.tables import Segment, State, message, run

PAGE = 5000
"""Recipients held in memory at a time."""


@dataclass(frozen=True, slots=True)
class Run:
    """A planned run, with the campaign as it was when it was planned."""

    run_id: str
    campaign: Campaign
    on: date
    snapshot_id: str
    planned_at: datetime
    audience: int
    planned: int
    held_out: int
    excluded: int

    @classmethod
    def of(cls, engine: Engine, run_id: str) -> Run:
        with engine.connect() as connection:
            row = connection.execute(select(run).where(run.c.run_id == run_id)).mappings().one_or_none()
        if row is None:
            raise LedgerError(f"run {run_id} is not planned: run the task `plan` first")
        return cls(
            run_id,
            Campaign.model_validate(row["settings"]),
            row["on_date"],
            row["snapshot_id"],
            row["planned_at"],
            row["audience"],
            row["planned"],
            row["held_out"],
            row["excluded"],
        )

    def offer(self, segment: Segment, arm: str | None) -> Offer:
        return self.campaign.offer(segment, arm)


@dataclass(frozen=True, slots=True)
class Recipient:
    """One message and its customer. Never logged."""

    message_id: UUID
    position: int
    customer_id: str
    segment: Segment
    arm: str | None
    language: str
    template: str
    offer_code: str
    customer: Mapping[str, Any]
    """civility, first_name, last_name, name, language: what copy may speak of"""
    row: RowMapping
    """e-mail, phone and postal address"""
    facts: Facts


def recipients(
    base: Engine | Connection,
    shard: Shard,
    *,
    facts: FactsFile,
    shop: Shop,
    states: Sequence[State],
    only: frozenset[UUID] | None = None,
) -> Iterator[Recipient]:
    """The shard's recipients in order of position, a page at a time; `only` keeps those messages.

    Over an open connection they are those that its transaction sees: a rehearsal's, which nobody else ever will.
    """
    after = 0
    while True:
        with _connected(base) as connection:
            rows = (
                connection.execute(
                    statement("ledger/recipients"),
                    {
                        "run_id": shard.run_id,
                        "channel": shard.channel,
                        "shard": shard.number,
                        "states": list(states),
                        "ids": None if only is None else list(only),
                        "after": after,
                        "most": PAGE,
                        "zone": shop.timezone,
                        "call_days": shop.calls.consent_days,
                    },
                )
                .mappings()
                .all()
            )
        known = facts.of([row["customer_id"] for row in rows]) if rows else {}
        for row in rows:
            yield _recipient(row, known[row["customer_id"]])
        if len(rows) < PAGE:
            return
        after = rows[-1]["position"]


@contextmanager
def _connected(base: Engine | Connection) -> Iterator[Connection]:
    if isinstance(base, Connection):
        yield base
    else:
        with base.connect() as connection:
            yield connection


def _recipient(row: RowMapping, facts: Facts) -> Recipient:
    customer = {
        "civility": row["civility"],
        "first_name": row["first_name"] and spoken(row["first_name"]),
        "last_name": row["last_name"] and spoken(row["last_name"], family=True),
        "name": name(row["first_name"], row["last_name"]),
        "language": row["language"],
    }
    return Recipient(
        row["message_id"],
        row["position"],
        row["customer_id"],
        Segment(row["segment"]),
        row["arm"],
        row["language"],
        row["template"],
        row["offer_code"],
        customer,
        row,
        facts,
    )


def planned_customers(engine: Engine, run_id: str) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(select(message.c.customer_id).where(message.c.run_id == run_id)).scalars())
