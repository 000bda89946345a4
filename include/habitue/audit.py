"""Who looked at whom, took data out, or had somebody forgotten: append-only, for those who must answer for it.

A row holds the customer's number and nothing else of the person. It outlives an erasure: that it was done, by whom and
when, is its proof.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, Engine, insert

from habitue.kinds import Audited
from habitue.tables import audit


def note(
    engine: Engine | Connection,
    what: Audited,
    *,
    by: str,
    at: datetime,
    customer_id: str | None = None,
    subject: str | None = None,
    rows: int | None = None,
) -> None:
    """Writes one line. `subject`: what was looked at or taken out, in a word of ours (a list's name, a run, a file),
    never what somebody typed; `rows`: how many people were in it."""
    line = insert(audit).values(at=at, said_by=by, what=what, customer_id=customer_id, subject=subject, people=rows)
    if isinstance(engine, Connection):
        engine.execute(line)
        return
    with engine.begin() as connection:
        connection.execute(line)
