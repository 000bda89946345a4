"""Runs of earlier days, written straight into the ledger: what a test supposes to have happened."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, func, insert, select

from habitue.tables import message, outcome, run


def moment(day: date, hour: int = 9) -> datetime:
    return datetime.combine(day, time(hour), UTC)


def earlier_run(connection: Connection, campaign: str, on: date, **known: Any) -> str:
    """A run of which nothing but its day matters; once."""
    run_id = f"{campaign}:{on}"
    if connection.scalar(select(run.c.run_id).where(run.c.run_id == run_id)):
        return run_id
    texts = ("campaign_sha256", "template_sha256", "package_version", "seed", "audience_sha256", "content_sha256")
    counts = ("audience", "planned", "held_out", "excluded", "cost_micros")
    row = {
        "run_id": run_id,
        "campaign": campaign,
        "on_date": on,
        "snapshot_id": on.isoformat(),
        "settings": {},
        "shop": {},
        "files": {},
        "planned_at": moment(on, 6),
        "deliver_until": moment(on + timedelta(days=7)),
        **dict.fromkeys(texts, ""),
        **dict.fromkeys(counts, 0),
        **known,
    }
    connection.execute(insert(run).values(**row))
    return run_id


def earlier_message(
    connection: Connection,
    campaign: str,
    on: date,
    who: str,
    *,
    channel: str = "email",
    state: str = "accepted",
    outcomes: list[tuple[str, datetime]] | None = None,
    **known: Any,
) -> Any:
    """What that run had for somebody, and what came of it; returns its id."""
    run_id, message_id = earlier_run(connection, campaign, on), uuid4()
    position = connection.scalar(select(func.count()).where(message.c.run_id == run_id, message.c.channel == channel))
    row = {
        "message_id": message_id,
        "run_id": run_id,
        "customer_id": who,
        "channel": channel,
        "segment": "lapsed",
        "language": "fr",
        "template": "x",
        "shard": 1,
        "position": (position or 0) + 1,
        "state": state,
        "settled_at": None if state in ("planned", "claimed") else moment(on, 10),
        **known,
    }
    connection.execute(insert(message).values(**row))
    for kind, at in outcomes or []:
        told = {"message_id": message_id, "kind": kind, "occurred_at": at, "recorded_at": at}
        connection.execute(insert(outcome).values(**told, source="test", source_key=str(uuid4())))
    return message_id
