"""Planning: who gets what by which channel, who does not, and why. One transaction, set-based, frozen.

The rules and their order stand in `decisions`. What was decided is written with the run's frozen inputs (snapshot,
campaign, settings, hashes of every text, seed, version) and must add up to the audience. Runs are planned one after
the other, whatever their campaign: two at once would not see each other's messages, and write to people twice.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, Engine, insert, select, text

from habitue import __version__
from habitue.campaigns import Campaign
from habitue.copying import copy_parquet
from habitue.decisions import Counts, PriceOf, Question, decide
from habitue.errors import LedgerError
from habitue.settings import INCLUDE
from habitue.shop import Shop
from habitue.statements import statement
from habitue.suppressions import MarkKey, check_key
from habitue.tables import Channel, message, run, shard, snapshot


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

    @property
    def on(self) -> date:
        """The run's day."""
        return date.fromisoformat(self.run_id.split(":")[1])


@dataclass(frozen=True, slots=True)
class Base:
    """The customer base that a plan stands on: a snapshot's id, and its files where the base holds another one."""

    snapshot_id: str
    segments: Path
    customers: Path


@dataclass(frozen=True, slots=True)
class Plan:
    run_id: str
    already: bool
    """planned before: nothing was written now"""
    audience: int
    planned: int
    held_out: int
    excluded: int
    cost_micros: int
    approvals_needed: int


def run_id(campaign: Campaign, on: date) -> str:
    return f"{campaign.name}:{on.isoformat()}"


def plan(
    engine: Engine, campaign: Campaign, *, on: date, at: datetime, shop: Shop, base: Base, secret: bytes, price: PriceOf
) -> Plan:
    """Plans the campaign's run of that date, once.

    `at` is the moment, with a time zone; `secret` salts the ids of messages and the codes of offers and marks
    addresses; `price` says what a message costs. A run that was planned before is returned as it is; if the campaign
    has changed since and part of it has not left yet, LedgerError.
    """
    asked = Question(campaign, shop, on, run_id(campaign, on), at, price)
    with engine.begin() as connection:
        one_at_a_time(connection)
        if found := connection.execute(select(run).where(run.c.run_id == asked.run_id)).mappings().one_or_none():
            _refuse_if_changed(connection, dict(found), campaign)
            return _planned(dict(found), already=True)
        with standing(connection, base, MarkKey(secret)):
            counts = decide(connection, asked, salt(secret, asked.run_id))
            return _write(connection, asked, counts, base.snapshot_id)


def one_at_a_time(connection: Connection) -> None:
    """Waits for the plan or the load that another transaction is making, and keeps others waiting until this one ends:
    a plan that another changed the base under would stand on one snapshot and name the other."""
    connection.execute(text("select pg_advisory_xact_lock(hashtext('habitue.plan'))"))
    connection.execute(text("select pg_advisory_xact_lock_shared(hashtext('habitue.load'))"))


def salt(secret: bytes, wanted: str) -> str:
    """What ids and codes of a run are salted with."""
    return hmac.digest(secret, wanted.encode(), "sha256").hex()


def _planned(row: dict[str, Any], *, already: bool) -> Plan:
    names = ("audience", "planned", "held_out", "excluded", "cost_micros", "approvals_needed")
    return Plan(row["run_id"], already, **{name: row[name] for name in names})


def _refuse_if_changed(connection: Connection, found: dict[str, Any], campaign: Campaign) -> None:
    if found["campaign_sha256"] == campaign.sha256:
        return
    waiting = connection.scalar(
        select(message.c.message_id).where(message.c.run_id == found["run_id"], message.c.state == "planned").limit(1)
    )
    if waiting is not None:
        raise LedgerError(
            f"{found['run_id']}: the campaign changed after this run was planned, and part of it has not left yet; "
            f"put the file back as it was to finish it, or end it (habitue cancel {found['run_id']})"
        )


@contextmanager
def standing(connection: Connection, base: Base, key: MarkKey) -> Iterator[None]:
    """Where each customer stood at the snapshot, as `standing` and `customer`: the base's own tables if that snapshot
    is the one loaded, else, in their place for this transaction, the snapshot's files from the lake."""
    loaded = connection.scalar(select(snapshot.c.snapshot_id).order_by(snapshot.c.loaded_at.desc()).limit(1))
    if loaded is None:
        raise LedgerError("the base is empty: run the DAG customer_base first")
    check_key(connection, key)
    if loaded == base.snapshot_id:
        connection.execute(text("create temp view standing as select * from segment"))
        made = ["view standing"]
    else:
        from_lake(connection, base, key)
        made = ["table standing", "table pg_temp.customer"]
    yield
    for name in made:
        connection.execute(text(f"drop {name}"))


def from_lake(connection: Connection, base: Base, key: MarkKey) -> None:
    """The snapshot's files as the temporary tables `standing` and `customer`."""
    constants = {"snapshot_id": base.snapshot_id}
    connection.execute(text("create temp table standing (like segment)"))
    copy_parquet(connection, base.segments, "standing", constants=constants)
    connection.execute(text("create temp table customer (like public.customer)"))
    copy_parquet(connection, base.customers, "pg_temp.customer", constants=constants)
    connection.execute(statement("plan/marks"), {**key.pads, "mark_key": key.id})
    connection.execute(text("analyze standing, pg_temp.customer"))


SAYS = {
    *("name", "legal", "language", "languages", "currency", "country", "place", "return_address", "postal_address"),
    *("phone", "email", "website", "privacy", "letterhead", "envelopes"),
}
"""What the shop says of itself in its messages; besides the sender's own addresses."""
SENDER_SAYS = {
    *("from_name", "from_address", "reply_to", "domain"),
    *("unsubscribe_url", "preferences_url", "unsubscribe_mailto"),
}


def content_files(campaign: Campaign, shop: Shop) -> dict[str, str]:
    """Every text, layout and picture that the campaign's messages are made from, with its SHA-256."""
    pictures = [shop.letterhead.logo, shop.letterhead.signature]
    return {
        **campaign.template_files(shop.languages),
        **{path.as_posix(): hashlib.sha256((INCLUDE / path).read_bytes()).hexdigest() for path in pictures},
    }


def content_sha256(campaign: Campaign, files: dict[str, str], shop: Shop) -> str:
    """What a run says: its campaign, every text, layout and picture, and what the shop says of itself."""
    said = shop.model_dump(mode="json", include=SAYS) | shop.sender.model_dump(mode="json", include=SENDER_SAYS)
    return hashlib.sha256(json.dumps([campaign.sha256, files, said], sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Threshold:
    """A limit that a plan is above, so that so many persons must say yes."""

    persons: int
    what: Literal["recipients", "cost_micros"]
    value: int
    above: int


def thresholds_passed(campaign: Campaign, shop: Shop, counts: Counts) -> list[Threshold]:
    """Why persons must say yes to this plan; empty where nobody need."""
    rule = campaign.effective_approval(shop)
    limits = [
        Threshold(1, "recipients", counts.planned, rule.recipients),
        Threshold(1, "cost_micros", counts.cost_micros, rule.cost * 10_000),
        Threshold(2, "recipients", counts.planned, rule.second_recipients),
        Threshold(2, "cost_micros", counts.cost_micros, rule.second_cost * 10_000),
    ]
    return [limit for limit in limits if limit.value > limit.above]


def approvals_needed(campaign: Campaign, shop: Shop, counts: Counts) -> int:
    """How many persons must say yes: 0, 1 or 2 (two different ones)."""
    return max((limit.persons for limit in thresholds_passed(campaign, shop, counts)), default=0)


def _write(connection: Connection, asked: Question, counts: Counts, snapshot_id: str) -> Plan:
    if counts.audience != counts.planned + counts.held_out + counts.excluded:
        raise LedgerError(f"{asked.run_id}: the plan does not add up ({counts}); nothing was written")
    for name, expected in (("messages", counts.planned), ("exclusions", counts.excluded), ("holdout", counts.held_out)):
        written = connection.execute(statement(f"plan/write_{name}"), {"run_id": asked.run_id}).rowcount
        if written != expected:
            raise LedgerError(f"{asked.run_id}: {expected} {name} expected, {written} written; nothing was kept")
    parts = [dict(row) for row in connection.execute(statement("plan/shards")).mappings()]
    if parts:
        connection.execute(insert(shard), [{"run_id": asked.run_id, **part} for part in parts])
    campaign, shop = asked.campaign, asked.shop
    files = content_files(campaign, shop)
    row = {
        "run_id": asked.run_id,
        "campaign": campaign.name,
        "on_date": asked.on,
        "snapshot_id": snapshot_id,
        "campaign_sha256": campaign.sha256,
        "template_sha256": campaign.template_sha256(shop.languages),
        "package_version": __version__,
        "seed": campaign.seed,
        "settings": campaign.model_dump(mode="json"),
        "shop": shop.model_dump(mode="json"),
        "files": files,
        "audience_sha256": audience_sha256(parts),
        "content_sha256": content_sha256(campaign, files, shop),
        "planned_at": asked.at,
        "deliver_until": campaign.window.ends(asked.on, shop.tz),
        "approvals_needed": approvals_needed(campaign, shop, counts),
        **asdict(counts),
    }
    connection.execute(insert(run).values(**row))
    return _planned(row, already=False)


def audience_sha256(parts: list[dict[str, Any]]) -> str:
    """Over every message of a run, by way of its shards' hashes, in their order."""
    lines = [f"{part['channel']}/{part['shard']} {part['audience_sha256']}" for part in parts]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def shards(engine: Engine, wanted: str) -> list[Shard]:
    """The run's shards, in print order."""
    columns = (shard.c.channel, shard.c.shard)
    with engine.connect() as connection:
        rows = connection.execute(select(*columns).where(shard.c.run_id == wanted).order_by(*columns))
        return [Shard(wanted, Channel(channel), number) for channel, number in rows]
