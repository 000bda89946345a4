"""Retention: who has not stirred for years is erased, and what was only needed for days goes (shop.yaml `retention`).

Who is due is one question to the base, and all of them are erased together: each file is gone through once, however
many they are.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from uuid import UUID

from sqlalchemy import Connection

from habitue import erasures
from habitue.erasures import Erased, Say
from habitue.house import House
from habitue.statements import statement

EXPIRING = {
    "samples_days": ("rehearsals/*.html", "emails/samples/*", "previews/*", "persons/*.json"),
    "leftovers_days": ("work/*", "runs/*/*/letters/LOT-*/.*", "runs/*/*/letters/.*"),
}
"""By its setting, what lies below HABITUE_OUT for so many days since it was last written."""


@dataclass
class Retained:
    people: dict[tuple[str, str], int] = field(default_factory=dict)
    """by rule (customer, prospect) and verdict: due, kept, pending (a complaint or a payment is open), undated"""
    proofs: int = 0
    raw_events: int = 0
    """posts of providers, events kept apart and names of events"""
    files: dict[str, int] = field(default_factory=dict)
    """by setting: files and folders past their days"""
    erased: Erased | None = None
    """None in a dry run"""

    @property
    def due(self) -> int:
        return sum(number for (_, verdict), number in self.people.items() if verdict == "due")


def retain(
    house: House,
    *,
    on: date,
    at: datetime,
    by: str,
    dry_run: bool,
    ask_provider: bool = True,
    say: Say = lambda _: None,
) -> Retained:
    """Erases who is due on the day `on`, and removes what is past its days; with `dry_run` it only counts.

    Run again, it finishes what was interrupted.
    """
    found = Retained()
    kept = house.shop.retention
    periods = {"customer_years": kept.customer_years, "prospect_years": kept.prospect_years}
    with house.engine.connect() as connection:
        say("asking who is due")
        erasures.ordering(connection)
        connection.execute(statement("retention/due"), {"on": on, "zone": house.shop.timezone, **periods})
        for row in connection.execute(statement("retention/counts")):
            found.people[row.rule, row.verdict] = row.customers
        proofs = {"on": on, "zone": house.shop.timezone, **kept.proof_years.model_dump()}
        found.proofs = connection.execute(statement("retention/proofs"), proofs).rowcount
        agreed = {name: proofs[name] for name in ("on", "zone", "call")}
        found.proofs += connection.execute(statement("retention/slots"), agreed).rowcount
        found.raw_events = _old_events(
            connection, datetime.combine(on - timedelta(days=kept.raw_events_days), time(), house.shop.tz)
        )
        if dry_run:
            connection.rollback()
        else:
            connection.execute(statement("retention/order"), {"by": by, "at": at})
            erasures.shut(connection, at)
            connection.commit()
    for setting, patterns in EXPIRING.items():
        until = datetime.combine(on - timedelta(days=getattr(kept, setting)), time(), house.shop.tz)
        expired = list(_expired(house.out, patterns, until))
        found.files[setting] = len(expired)
        if not dry_run:
            for path in expired:
                _remove(path)
    if not dry_run:
        found.erased = erasures.complete(house, at=at, ask_provider=ask_provider, say=say)
    return found


def _old_events(connection: Connection, before: datetime) -> int:
    oldest = UUID(bytes=int(before.timestamp()).to_bytes(5, "big") + bytes(11))
    questions = (("raw_events", {"before": before}), ("events_apart", {"before": before}))
    gone = [connection.execute(statement(f"retention/{name}"), asked).rowcount for name, asked in questions]
    return sum(gone) + connection.execute(statement("retention/event_keys"), {"oldest": oldest}).rowcount


def _expired(out: Path, patterns: tuple[str, ...], until: datetime) -> Iterator[Path]:
    for pattern in patterns:
        for path in out.glob(pattern):
            parts = [path, *path.rglob("*")] if path.is_dir() else [path]
            if max(part.stat().st_mtime for part in parts) < until.timestamp():
                yield path


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
