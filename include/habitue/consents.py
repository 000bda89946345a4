"""Consent said to us directly, on our pages or at the desk: append-only, and no import takes it back (the SQL functions
`last_word` and `last_words`)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from sqlalchemy import Connection, insert, select

from habitue import ledger
from habitue.tables import Channel, consent

Status = Literal["granted", "refused", "withdrawn"]


def record(
    connection: Connection,
    customer_id: str,
    channel: Channel,
    status: Status,
    *,
    at: datetime,
    source: str,
    wording_version: str | None = None,
    basis: str | None = None,
    valid_until: date | None = None,
) -> bool:
    """Keeps what the customer has said themselves of marketing by this channel: from `at` on an objection holds
    whatever imports say, until they grant it to us again.

    `source`: where it was said; `wording_version`: which words they had before them. False where nothing was added: an
    objection said twice is kept once. A grant is kept each time, for it may run longer.
    """
    ledger.lock(connection, f"habitue.consent/{customer_id}")
    own = (consent.c.customer_id == customer_id, consent.c.channel == channel, consent.c.purpose == "marketing")
    last = connection.scalar(
        select(consent.c.status)
        .where(*own, consent.c.direct)
        .order_by(consent.c.recorded_at.desc(), consent.c.status.desc())
        .limit(1)
    )
    if status != "granted" and last not in (None, "granted"):
        return False
    row = {
        "customer_id": customer_id,
        "channel": channel,
        "purpose": "marketing",
        "status": status,
        "basis": basis,
        "recorded_at": at,
        "valid_until": valid_until,
        "source": source,
        "wording_version": wording_version,
        "known_at": at,
        "direct": True,
    }
    connection.execute(insert(consent).values(row))
    return True
