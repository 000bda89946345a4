"""The lists of the call desk: opened when a run's calls are handed over, ended when its window is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from habitue import call_gate, outcomes
from habitue.house import House
from habitue.outcomes import Event, Kept
from habitue.recipients import Recipient
from habitue.statements import statement
from habitue.tables import LineStatus, OutcomeKind, call_line, run

RELEASED = "released"
"""Why a message is cancelled that nobody made a call of."""


@dataclass(frozen=True, slots=True)
class End:
    """Of one line. `reason`: of a closed one, the rule."""

    message_id: UUID
    status: LineStatus
    reason: str | None = None
    reached: bool = False


def open_lines(house: House, run_id: str, people: Iterable[Recipient], *, at: datetime) -> int:
    """A line for each of these calls, until the run's window ends; those that are there already stay as they are.
    Returns how many are new."""
    with house.engine.begin() as connection:
        ends = connection.execute(select(run.c.deliver_until).where(run.c.run_id == run_id)).scalar_one()
        rows = [_line(house, run_id, who, ends, at) for who in people]
        if not rows:
            return 0
        return connection.execute(insert(call_line).on_conflict_do_nothing(), rows).rowcount


def _line(house: House, run_id: str, who: Recipient, ends: datetime, at: datetime) -> dict[str, object]:
    law = call_gate.law_of(house.shop, who.row)
    return {
        "message_id": who.message_id,
        "run_id": run_id,
        "customer_id": who.customer_id,
        "rank": who.position,
        "law": law and law.key,
        "timezone": who.row["timezone"],
        "value_cents": who.facts.lifetime_cents,
        "favourites": list(who.facts.favourites),
        "opened_at": at,
        "expires_at": ends,
    }


def expire(house: House, at: datetime) -> dict[LineStatus, int]:
    """Ends what is still open of lists whose time is over: who was tried in vain is not reached, who was never rung is
    released. Returns how many of each."""
    with house.engine.begin() as connection:
        connection.execute(statement("calls/leases"), {"at": at})
        rows = connection.execute(statement("calls/expired"), {"at": at}).all()
        ends = [End(row.message_id, LineStatus.NOT_REACHED if row.attempts else LineStatus.RELEASED) for row in rows]
        kept = end_lines(connection, ends, at=at)
    if kept:
        outcomes.judged(house.engine, kept.runs, rules=house.shop.breaker, at=at)
    found = {status: sum(end.status is status for end in ends) for status in {end.status for end in ends}}
    return {status: found.get(status, 0) for status in (LineStatus.NOT_REACHED, LineStatus.RELEASED)}


def end_lines(connection: Connection, ends: Sequence[End], *, at: datetime) -> Kept | None:
    """Ends these lines, and tells the ledger: what was never tried is cancelled, everything else has its outcome. The
    breaker must judge the runs afterwards."""
    if not ends:
        return None
    told = {end.message_id: end for end in ends}
    rows = connection.execute(
        statement("calls/end"),
        {
            "ids": list(told),
            "statuses": [end.status.value for end in told.values()],
            "reasons": [end.reason for end in told.values()],
            "at": at,
        },
    ).all()
    untried = {row.message_id: told[row.message_id].reason or RELEASED for row in rows if not row.attempts}
    if untried:
        connection.execute(
            statement("calls/cancel"), {"ids": list(untried), "reasons": list(untried.values()), "at": at}
        )
    events = [_event(told[row.message_id], tried=bool(row.attempts), at=at) for row in rows]
    return outcomes.keep(connection, [event for event in events if event], at=at) if any(events) else None


def _event(end: End, *, tried: bool, at: datetime) -> Event | None:
    """What the ledger hears of the end of a line; a talk was told when it ended."""
    if end.reached or (not tried and end.status is LineStatus.CLOSED):
        return None
    kind = OutcomeKind.NOT_REACHED if tried else OutcomeKind.RELEASED
    return Event(end.message_id, kind, at, "desk", f"{kind}/{end.message_id}")
