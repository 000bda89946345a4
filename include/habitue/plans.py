"""Planning: who gets what by which channel, who does not, and why. One transaction, set-based, frozen.

1. The audience is everyone in the campaign's groups at the run's snapshot.
2. For each customer and way, the first rule that keeps the way closed: minor, deceased, consent (`consent_rule` in the
   database), unreachable, recently contacted.
3. One letter a household: its best customer gets it, the others fall back to their next way.
4. The first open way is taken; calls are cut at the desk's capacity.
5. The holdout is drawn last, so that both sides are alike: a salted hash of seed, campaign and customer.
6. Messages, exclusions and holdout are written with the run's frozen inputs, and must add up to the audience.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, insert, select, text

from habitue import __version__
from habitue.campaigns import Campaign
from habitue.copying import copy_parquet
from habitue.errors import LedgerError
from habitue.shop import Shop
from habitue.statements import statement
from habitue.tables import Channel, message, run, snapshot

SHARD_SIZES = {Channel.LETTER: 250, Channel.EMAIL: 1000, Channel.CALL: 1_000_000}
"""Messages a shard, until MOST_SHARDS a channel are reached; a call list is one file."""
MOST_SHARDS = 8


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of a run that one task renders and delivers; its text form travels between tasks."""

    run_id: str
    channel: Channel
    number: int

    def __str__(self) -> str:
        return f"{self.run_id}/{self.channel}/{self.number}"

    @classmethod
    def parse(cls, value: str) -> Shard:
        run_id, channel, number = value.split("/")
        return cls(run_id, Channel(channel), int(number))


@dataclass(frozen=True, slots=True)
class Plan:
    run_id: str
    already: bool
    """planned before: nothing was written now"""
    audience: int
    planned: int
    held_out: int
    excluded: int


def run_id(campaign: Campaign, on: date) -> str:
    return f"{campaign.name}:{on.isoformat()}"


def plan(
    engine: Engine,
    campaign: Campaign,
    *,
    on: date,
    at: datetime,
    shop: Shop,
    snapshot_id: str,
    segments: Path,
    secret: bytes,
) -> Plan:
    """Plans the campaign's run of that date, once.

    `segments` is the snapshot's segments.parquet; `at` the moment, with a time zone; `secret` salts the ids of
    messages and the codes of offers. A run that was planned before is
    returned as it is; if campaign or templates have changed since and part of it has not left yet, LedgerError.
    """
    wanted = run_id(campaign, on)
    hashes = {"campaign_sha256": campaign.sha256, "template_sha256": campaign.template_sha256(shop.languages)}
    with engine.begin() as connection:
        connection.execute(text("select pg_advisory_xact_lock(hashtext(:run_id))"), {"run_id": wanted})
        if found := connection.execute(select(run).where(run.c.run_id == wanted)).mappings().one_or_none():
            _refuse_if_changed(connection, dict(found), hashes)
            return Plan(wanted, True, found["audience"], found["planned"], found["held_out"], found["excluded"])
        _standing(connection, snapshot_id, segments)
        _decide(connection, campaign, wanted, on=on, shop=shop)
        counts = dict(connection.execute(statement("plan/counts")).mappings().one())
        if counts["audience"] != counts["planned"] + counts["held_out"] + counts["excluded"]:
            raise LedgerError(f"{wanted}: the plan does not add up ({counts}); nothing was written")
        connection.execute(
            insert(run).values(
                run_id=wanted,
                campaign=campaign.name,
                on_date=on,
                snapshot_id=snapshot_id,
                package_version=__version__,
                seed=campaign.seed,
                settings=campaign.model_dump(mode="json"),
                planned_at=at,
                **hashes,
                **counts,
            )
        )
        _write(connection, wanted, counts, hmac.digest(secret, wanted.encode(), "sha256").hex())
    return Plan(wanted, False, **counts)


def _refuse_if_changed(connection: Connection, found: dict[str, Any], hashes: dict[str, str]) -> None:
    changed = [name.removesuffix("_sha256") for name, value in hashes.items() if found[name] != value]
    if not changed:
        return
    waiting = connection.scalar(
        select(message.c.message_id).where(message.c.run_id == found["run_id"], message.c.state == "planned").limit(1)
    )
    if waiting is not None:
        raise LedgerError(
            f"{found['run_id']}: {' and '.join(changed)} changed after this run was planned, and part of it has not "
            "left yet; put the files back as they were to finish it"
        )


def _standing(connection: Connection, snapshot_id: str, segments: Path) -> None:
    """Where each customer stood at the snapshot: the base's own table if that is the one loaded, else from the lake."""
    loaded = connection.scalar(select(snapshot.c.snapshot_id).order_by(snapshot.c.loaded_at.desc()).limit(1))
    if loaded is None:
        raise LedgerError("the base is empty: run the DAG customer_base first")
    if loaded == snapshot_id:
        connection.execute(text("create temp view standing as select * from segment"))
        return
    connection.execute(text("create temp table frozen (like segment) on commit drop"))
    copy_parquet(connection, segments, "frozen", constants={"snapshot_id": snapshot_id})
    connection.execute(text("create temp view standing as select * from frozen"))


def _decide(connection: Connection, campaign: Campaign, wanted: str, *, on: date, shop: Shop) -> None:
    connection.execute(
        text("create temp table way (segment text, preference int, channel text, template text) on commit drop")
    )
    connection.execute(text("create temp table pause (channel text, days int) on commit drop"))
    connection.execute(
        text("insert into way values (:segment, :preference, :channel, :template)"),
        [
            {"segment": group, "preference": place, "channel": way.channel, "template": way.template}
            for group, treatment in campaign.treatments.items()
            for place, way in enumerate(treatment.ways)
        ],
    )
    if campaign.pause_days:
        connection.execute(
            text("insert into pause values (:channel, :days)"),
            [{"channel": channel, "days": days} for channel, days in campaign.pause_days.items()],
        )
    connection.execute(statement("plan/audience"), {"segments": list(campaign.treatments)})
    connection.execute(text("analyze audience"))
    connection.execute(
        statement("plan/candidates"),
        {
            "on": on,
            "zone": shop.timezone,
            "run_id": wanted,
            "campaign": campaign.name,
            "rest_days": campaign.rest_days,
            "adult_since": _years_before(on, shop.validation.minor_age),
            "call_days": shop.calls.consent_days,
        },
    )
    connection.execute(text("analyze candidate"))
    connection.execute(statement("plan/households"))
    connection.execute(
        statement("plan/choices"),
        {
            "seed": campaign.seed,
            "campaign": campaign.name,
            "capacity": shop.calls.capacity,
            "holdout": campaign.holdout,
        },
    )
    connection.execute(text("analyze choice"))
    connection.execute(text("drop view if exists pg_temp.standing"))


def _write(connection: Connection, wanted: str, counts: dict[str, int], salt: str) -> None:
    connection.execute(text("create temp table shard_size (channel text, size int) on commit drop"))
    connection.execute(
        text("insert into shard_size values (:channel, :size)"),
        [{"channel": channel, "size": size} for channel, size in SHARD_SIZES.items()],
    )
    for name, expected in (("messages", "planned"), ("exclusions", "excluded"), ("holdout", "held_out")):
        parameters: dict[str, Any] = {"run_id": wanted}
        if name == "messages":
            parameters |= {"most_shards": MOST_SHARDS, "salt": salt}
        written = connection.execute(statement(f"plan/write_{name}"), parameters).rowcount
        if written != counts[expected]:
            raise LedgerError(f"{wanted}: {counts[expected]} {expected} but {written} {name} written; nothing was kept")


def _years_before(on: date, years: int) -> date:
    try:
        return on.replace(year=on.year - years)
    except ValueError:  # 29 February
        return on.replace(year=on.year - years, day=28)


def shards(engine: Engine, wanted: str) -> list[Shard]:
    """The run's shards, in print order."""
    columns = (message.c.channel, message.c.shard)
    with engine.connect() as connection:
        rows = connection.execute(select(*columns).where(message.c.run_id == wanted).distinct().order_by(*columns))
        return [Shard(wanted, Channel(channel), number) for channel, number in rows]
