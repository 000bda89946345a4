"""Customers whom every campaign leaves in peace for now: an open complaint, a payment that failed, an erasure."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Engine, select, update
from sqlalchemy.dialects.postgresql import insert

from habitue import complaints
from habitue.errors import LedgerError
from habitue.tables import Hold, customer, hold


def open_hold(engine: Engine, customer_id: str, reason: Hold, *, by: str, at: datetime) -> bool:
    """From now on nothing leaves for this customer; False where the hold is open already.

    LedgerError where the base does not know the customer.
    """
    values = {"customer_id": customer_id, "reason": reason, "opened_by": by, "opened_at": at}
    with engine.begin() as connection:
        if connection.scalar(select(customer.c.customer_id).where(customer.c.customer_id == customer_id)) is None:
            raise LedgerError("the base knows no customer of this id: nothing was held; see the id in the shop's data")
        opened = insert(hold).values(values).on_conflict_do_nothing().returning(hold.c.hold_id)
        return connection.execute(opened).first() is not None


def close_hold(engine: Engine, customer_id: str, reason: Hold, *, by: str, at: datetime) -> bool:
    """The customer may be written to again, as far as this reason goes; False where no such hold was open.

    LedgerError for an erasure: who asked to be forgotten stays so.
    """
    if reason is Hold.ERASED:
        raise LedgerError("who asked to be forgotten stays so: an erasure is never released")
    closed = update(hold).where(hold.c.customer_id == customer_id, hold.c.reason == reason, hold.c.closed_at.is_(None))
    with engine.begin() as connection:
        if reason is Hold.COMPLAINT:
            complaints.settle_all(connection, customer_id, by=by, at=at)
        return connection.execute(closed.values(closed_at=at, closed_by=by)).rowcount > 0
