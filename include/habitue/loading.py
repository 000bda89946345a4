"""A published snapshot into the base: COPY to the side, then upsert where something changed. One transaction.

Who was erased comes in as a number alone, whatever the snapshot holds of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from sqlalchemy import Engine, insert, select, text

from habitue.copying import copy_parquet
from habitue.errors import LedgerError
from habitue.statements import statement
from habitue.suppressions import MarkKey
from habitue.tables import snapshot


@dataclass(frozen=True, slots=True)
class Loaded:
    snapshot_id: str
    already: bool
    """this snapshot was the last one loaded: nothing was written"""
    customers: int = 0
    consents: int = 0
    segments: int = 0
    """rows that were new or had changed"""
    gone: int = 0


def load(
    engine: Engine, *, snapshot_id: str, taken_on: date, folder: Path, manifest_sha256: str, at: datetime, key: MarkKey
) -> Loaded:
    """Loads `customers`, `consents` and `segments` of the snapshot in `folder`.

    An older snapshot than the last one loaded is left alone (a replay must not turn the base back): runs of the past
    take their segments from the lake. `key` marks their addresses and numbers, to be matched with suppressions.
    """
    with engine.begin() as connection:
        connection.execute(text("select pg_advisory_xact_lock(hashtext('habitue.load'))"))
        last = connection.execute(select(snapshot).order_by(snapshot.c.taken_on.desc()).limit(1)).mappings().first()
        if last is not None and last["taken_on"] >= taken_on:
            known = connection.scalar(select(snapshot.c.manifest_sha256).where(snapshot.c.snapshot_id == snapshot_id))
            if known not in (None, manifest_sha256):
                raise LedgerError(
                    f"snapshot {snapshot_id} was loaded with other content than the lake now holds; "
                    "the lake was changed by hand: restore it, or empty the base"
                )
            return Loaded(snapshot_id, already=True)
        for table in ("customer", "consent", "segment"):
            source = folder / f"{table}s.parquet"
            name = f"incoming_{table}"
            connection.execute(text(f"create temp table {name} (like {table}) on commit drop"))
            if table == "consent":  # numbered when it is added; the lake keeps moments in UTC without a zone
                ours = "drop consent_id, drop known_at, drop direct"
                connection.execute(text(f"alter table {name} {ours}, alter recorded_at type timestamp"))
            constants = {} if table == "consent" else {"snapshot_id": snapshot_id}
            copy_parquet(connection, source, name, constants=constants)
            connection.execute(text(f"analyze {name}"))
        for name in ("forget", "forget_consents"):
            connection.execute(statement(f"load/{name}"))
        counts = {
            name: connection.execute(statement(f"load/{name}"), parameters).rowcount
            for name, parameters in (
                ("customers", {**key.pads, "mark_key": key.id}),
                ("consents", {"at": at}),
                ("segments", {}),
                ("segments_gone", {}),
            )
        }
        gone = connection.execute(statement("load/gone"), {"snapshot_id": snapshot_id}).rowcount
        connection.execute(
            insert(snapshot).values(
                snapshot_id=snapshot_id, taken_on=taken_on, manifest_sha256=manifest_sha256, loaded_at=at
            )
        )
    return Loaded(snapshot_id, False, counts["customers"], counts["consents"], counts["segments"], gone)
