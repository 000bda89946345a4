"""Complaints: each has an owner and a promise, and as long as one is open, nothing is sold to its customer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, Engine, insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or

from habitue.errors import LedgerError
from habitue.tables import Hold, complaint, hold

PROMISE = timedelta(hours=24)
"""Within which a complaint is answered."""


@dataclass(frozen=True, slots=True)
class Complaint:
    complaint_id: int
    customer_id: str
    about: str | None
    owner: str
    opened_at: datetime
    due_at: datetime
    closed_at: datetime | None


def raise_complaint(
    connection: Connection,
    customer_id: str,
    about: str,
    *,
    owner: str,
    by: str,
    at: datetime,
    message_id: UUID | None = None,
    attempt_id: int | None = None,
) -> Complaint:
    """Opens it, and the hold that stops all selling."""
    values = {"customer_id": customer_id, "reason": Hold.COMPLAINT, "opened_by": by, "opened_at": at}
    connection.execute(insert_or(hold).values(values).on_conflict_do_nothing())
    told: dict[str, object] = {
        "customer_id": customer_id,
        "about": about or None,
        "owner": owner,
        "opened_by": by,
        "opened_at": at,
    }
    told |= {"due_at": at + PROMISE, "message_id": message_id, "attempt_id": attempt_id}
    new = connection.execute(insert(complaint).values(told).returning(complaint.c.complaint_id)).scalar_one()
    return Complaint(new, customer_id, about or None, owner, at, at + PROMISE, None)


def settle(engine: Engine, complaint_id: int, *, answer: str, by: str, at: datetime) -> bool:
    """Closes it; with the customer's last one the hold is closed too. False where it was closed before; LedgerError
    where there is none of that number."""
    with engine.begin() as connection:
        own = complaint.c.complaint_id == complaint_id
        who = connection.execute(select(complaint.c.customer_id).where(own).with_for_update()).scalar_one_or_none()
        if who is None:
            raise LedgerError(f"no complaint has the number {complaint_id}: see `habitue calls board`")
        closing = update(complaint).where(own, complaint.c.closed_at.is_(None))
        if not connection.execute(closing.values(closed_at=at, closed_by=by, answer=answer or None)).rowcount:
            return False
        if not _open_of(connection, who):
            held = update(hold).where(hold.c.customer_id == who, hold.c.reason == Hold.COMPLAINT)
            connection.execute(held.where(hold.c.closed_at.is_(None)).values(closed_at=at, closed_by=by))
        return True


def settle_all(connection: Connection, customer_id: str, *, by: str, at: datetime) -> int:
    """Closes every complaint of a customer whose hold somebody has closed by hand."""
    theirs = update(complaint).where(complaint.c.customer_id == customer_id, complaint.c.closed_at.is_(None))
    return connection.execute(theirs.values(closed_at=at, closed_by=by)).rowcount


def still_open(engine: Engine) -> list[Complaint]:
    """All that are open, the most urgent first."""
    columns = [complaint.c[name] for name in Complaint.__slots__]
    asked = select(*columns).where(complaint.c.closed_at.is_(None))
    with engine.connect() as connection:
        return [Complaint(*row) for row in connection.execute(asked.order_by(complaint.c.due_at))]


def _open_of(connection: Connection, customer_id: str) -> bool:
    theirs = select(complaint.c.complaint_id).where(
        complaint.c.customer_id == customer_id, complaint.c.closed_at.is_(None)
    )
    return connection.execute(theirs.limit(1)).first() is not None
