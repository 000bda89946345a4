"""The law and the ledger's rules, asked of one customer before their telephone rings: the rows are read, and
`calling.may_call` judges. Of many, when a list is made, they are asked in `call_windows`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, RowMapping

from habitue import calling
from habitue.calling import Consent, Law, Standing, Verdict
from habitue.decisions import years_before
from habitue.shop import Shop
from habitue.statements import statement

TEMPORARY = frozenset({"stopped", "paused", "complaint_open", "payment_incident"})
"""Rules of the ledger that may no longer apply tomorrow: the line waits."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A line, and what stands for and against ringing its customer."""

    row: RowMapping
    """see calls/asked.sql"""
    standing: Standing
    barrier: str | None
    """the first rule of the ledger that says no"""

    def verdict(self, at: datetime) -> Verdict:
        """The law's."""
        return calling.may_call(self.standing, at)


def law_of(shop: Shop, row: RowMapping) -> Law | None:
    """What is in force where a customer lives; where no address tells, where their number is from."""
    return calling.law_at(
        row["country"] or row["phone_region"], row["postcode"], local_holidays=shop.calls.local_holidays
    )


def ask(
    connection: Connection, ids: Sequence[UUID], *, at: datetime, shop: Shop, ahead: bool = True
) -> dict[UUID, Asked]:
    """These lines as they stand at that moment. `ahead`: what was objected to later counts too, as in a claim; not so
    of a call that was made then."""
    on = at.astimezone(shop.tz).date()
    known = {
        "at": at,
        "ahead": ahead,
        "on": on,
        "zone": shop.timezone,
        "adult_since": years_before(on, shop.validation.minor_age),
        "consent_days": shop.calls.consent_days,
    }
    rows = connection.execute(statement("calls/asked"), {"ids": list(ids), **known}).mappings()
    return {row["message_id"]: Asked(row, _standing(row, shop), row["barrier"] or None) for row in rows}


def _standing(row: RowMapping, shop: Shop) -> Standing:
    law = law_of(shop, row)
    consent = None
    if row["consent_status"]:
        consent = Consent(row["consent_status"] == "granted", row["consent_at"], row["consent_until"])
    screened = shop.calls.screened.get(law.profile.country) if law else None
    return Standing(law, row["timezone"], consent, tuple(row["dialled"]), tuple(row["slots"]), screened)
