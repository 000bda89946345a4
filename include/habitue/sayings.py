"""What a customer tells the shop's staff of being written to or rung up: kept as said by themselves, with its proof.

As on the public pages, who ends e-mails has the address suppressed, and who wants them again has that lifted; bounces
and complaints of spam stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, RowMapping, select

from habitue import audit, consents
from habitue.consents import Status
from habitue.errors import LedgerError
from habitue.house import House
from habitue.kinds import Audited
from habitue.preferences import CALL_DAYS
from habitue.statements import statement
from habitue.tables import Channel, Hold, SuppressionReason, customer, hold


@dataclass(frozen=True, slots=True)
class Saying:
    """What was said. `source`: where and how, `wording`: which words they had before them or heard; of a permission
    both are its proof."""

    channel: Channel
    status: Status
    source: str
    wording: str | None = None
    valid_until: date | None = None


def keep(house: House, customer_id: str, said: Saying, *, by: str, at: datetime) -> bool:
    """Records it, and who did so; False where it was an objection that was known already.

    LedgerError for a permission without its wording or with an end that can't be, and for who was erased."""
    until = _checked(house, said, at)
    with house.engine.begin() as connection:
        who = _living(connection, customer_id)
        new = consents.record(
            connection,
            customer_id,
            said.channel,
            said.status,
            at=at,
            source=said.source,
            wording_version=said.wording,
            basis="consent" if said.status == "granted" else None,
            valid_until=until,
        )
        if said.channel is Channel.EMAIL and who["email_mark"] is not None:
            _address(connection, who, said.status, at)
        subject = f"{said.channel} {said.status}"
        audit.note(connection, Audited.CHANGED, by=by, at=at, customer_id=customer_id, subject=subject)
    return new


def _checked(house: House, said: Saying, at: datetime) -> date | None:
    if not said.source.strip():
        raise LedgerError("where it was said is missing: go back and say so, it is the proof")
    if said.status != "granted":
        return None
    if not (said.wording or "").strip():
        raise LedgerError("the wording is missing: go back and say which words the customer agreed to, it is the proof")
    today = at.astimezone(house.shop.tz).date()
    if said.valid_until is not None and said.valid_until <= today:
        raise LedgerError("the last day of the permission is over: go back and choose a later one, or none")
    if said.channel is not Channel.CALL:
        return said.valid_until
    longest = today + timedelta(days=min(house.shop.calls.consent_days, CALL_DAYS))
    if said.valid_until is not None and said.valid_until > longest:
        raise LedgerError(f"consent to calls holds until {longest} at most: go back and choose an earlier day, or none")
    return said.valid_until or longest


def _living(connection: Connection, customer_id: str) -> RowMapping:
    found = connection.execute(select(customer).where(customer.c.customer_id == customer_id)).mappings().one_or_none()
    if found is None:
        raise LedgerError("the base knows no customer of this id: nothing was kept; see the id in the shop's data")
    erased = select(hold.c.hold_id).where(
        hold.c.customer_id == customer_id, hold.c.reason == Hold.ERASED, hold.c.closed_at.is_(None)
    )
    if connection.scalar(erased) is not None:
        raise LedgerError("this customer was erased, or is being: nothing more is kept of them")
    return found


def _address(connection: Connection, who: RowMapping, status: Status, at: datetime) -> None:
    mark = bytes(who["email_mark"])
    if status == "granted":
        connection.execute(statement("preferences/lift"), {"mark": mark, "at": at})
        return
    row = {
        "channels": [Channel.EMAIL],
        "marks": [mark],
        "reasons": [SuppressionReason.UNSUBSCRIBED],
        "sources": ["person"],
        "key": who["mark_key"],
        "at": at,
    }
    connection.execute(statement("suppressions/add"), row)
