"""Figures of outcomes as they were counted last, for the pages of a large shop: a run's results (`measures`), a year's
money (`budgets`), a quarter's losses (`losses`), whom a run left out and in which files it left (`overview`).

Small ones are counted whenever somebody looks. Of a large shop the hourly round counts what has news and keeps it here;
the page shows that and says of when it is. What was kept is no history: figures as they were known at an earlier moment
(`known`) are always counted from the ledger, and so are reports.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.dialects.postgresql import insert

from habitue.statements import statement
from habitue.tables import outcome_part, segment

LIVE = 20_000
"""Customers of a run, or of the shop, up to which figures are counted when they are looked at."""

LATE = timedelta(hours=1)
"""So long after its moment an outcome may become visible, when the transaction that records it ends."""

MEASURES, BUDGET, LOSSES, RUN = "measures", "budget", "losses", "run"


@dataclass(frozen=True, slots=True)
class Kept:
    rows: Mapping[str, Any]
    """by question what it answered, as JSON takes it"""
    at: datetime


def kept(connection: Connection, name: str, of: object, *, at: datetime) -> Kept | None:
    """What was counted last of a run, a year or a quarter; None: nothing yet, or only after `at`."""
    found = connection.execute(
        select(outcome_part.c.rows, outcome_part.c.counted_at).where(
            outcome_part.c.name == name, outcome_part.c.of == str(of), outcome_part.c.counted_at <= at
        )
    ).one_or_none()
    return Kept(found.rows, found.counted_at) if found else None


def keep(connection: Connection, name: str, of: object, rows: Mapping[str, Any], *, at: datetime) -> None:
    """Keeps what was counted, unless something newer was kept meanwhile."""
    new = insert(outcome_part).values(name=name, of=str(of), rows=rows, counted_at=at)
    told = {"rows": new.excluded.rows, "counted_at": new.excluded.counted_at}
    older = outcome_part.c.counted_at <= new.excluded.counted_at
    connection.execute(new.on_conflict_do_update(index_elements=["name", "of"], set_=told, where=older))


def large(connection: Connection) -> bool:
    """Whether the shop has so many customers that its figures are not counted at each look."""
    some = select(segment.c.customer_id).limit(LIVE + 1).subquery()
    return (connection.scalar(select(func.count()).select_from(some)) or 0) > LIVE


def with_news(engine: Engine, *, since: date, until: date, at: datetime) -> list[str]:
    """The large runs of these days that must be counted anew: outcomes, credits or states of messages have come since
    they were counted, or they never were. What is kept of the others is as good as counted now, and says so."""
    asked = {"since": since, "until": until, "live": LIVE, "late": LATE, "at": at}
    with engine.begin() as connection:
        found: list[str] = list(connection.scalars(statement("measures/with_news"), asked))
        connection.execute(statement("measures/without_news"), {**asked, "news": found})
    return found
