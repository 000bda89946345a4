"""The nightly steps: extract → validate → segment → publish → load.

Each step is safe to run again, takes the night's date, hands files on in `House.work(on)`, and returns counts only.
Nothing is published before the last batch rule has held; until then the last good snapshot stays in force.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from habitue import extract as extracting
from habitue import lifetime, loading, segments, tombstones, trends, validation, year_effects
from habitue.errors import LedgerError
from habitue.house import House
from habitue.lake import MANIFEST, Draft, Snapshot
from habitue.sources import open_source

MEMORY = "2GB"
"""What segmenting may take before it spills: five million customers with a hundred million lines went through it."""

DONE = {"already": True}
"""What a step returns whose night is published: nothing is done twice."""


def published(house: House, on: date) -> Snapshot | None:
    """The snapshot of that very date, if the night's work is done."""
    found = house.lake.latest(on)
    return found if found is not None and found.on == on else None


def extract(house: House, on: date, *, url: str | None = None) -> Mapping[str, Any]:
    """The shop's data of the night into the work folder; `url` is that of a `sql` source.

    Orders come from the last snapshot's end, less the source's `lookback_days`; customers and consents whole.
    """
    if published(house, on):
        return DONE
    work = house.work(on)
    shutil.rmtree(work, ignore_errors=True)
    staged = work / "staged"
    staged.mkdir(parents=True)
    last = house.lake.latest(on)
    since = None if last is None else last.orders_until - timedelta(days=house.source.lookback_days)
    source = open_source(house.source, url=url, timezone=house.shop.timezone)
    control = extracting.extract(source, staged, on=on, since=since, erased=tombstones.erased(house.engine))
    (work / "night.json").write_text(json.dumps({"since": since and since.isoformat()}))
    return {"since": since and since.isoformat(), "control": control}


def validate(house: House, on: date) -> Mapping[str, Any]:
    """Row rules send rows to quarantine; a batch rule raises BatchRefused. The page is written either way."""
    if published(house, on):
        return DONE
    work = _night(house, on)
    last = house.lake.latest(on)
    checked = work / "checked"
    shutil.rmtree(checked, ignore_errors=True)
    checked.mkdir()
    try:
        validation.validate(
            work / "staged", checked, on=on, shop=house.shop, previous=last.path / MANIFEST if last else None
        )
    finally:
        if (checked / "validation.json").exists():
            validation.render_page(checked / "validation.json", house.out / "validation.html", shop=house.shop)
            validation.write_quarantine(checked, house.out / "quarantine")
    return {}


def segment(house: House, on: date) -> Mapping[str, Any]:
    """Merges the night's orders into a draft of the snapshot and sorts its customers into the five groups.

    BatchRefused where the lapsed share has jumped overnight: the data is wrong, not the customers.
    """
    if published(house, on):
        return DONE
    work = _night(house, on)
    last = house.lake.latest(on)
    since = json.loads((work / "night.json").read_text())["since"]
    draft = house.lake.prepare(
        work / "checked",
        on=on,
        control=json.loads((work / "staged" / "control.json").read_text()),
        since=since and date.fromisoformat(since),
        settings=house.shop.model_dump(
            mode="json", include={"segments", "scoring", "validation", "timezone", "currency"}
        ),
    )
    tombstones.forget_draft(house)  # who was erased while the night was being validated
    result = segments.segment(
        draft.orders,
        draft.segments,
        on=on,
        settings=house.shop.segments,
        scoring=house.shop.scoring,
        customers=draft.customers,
        previous=last.segments if last else None,
        memory_limit=MEMORY,
    )
    worth = lifetime.add_values(draft.orders, draft.segments, on=on)
    if last is not None:
        validation.check_lapsed(result.counts, last.manifest["segments"], house.shop)
    (work / "draft.json").write_text(json.dumps(asdict(draft), default=str))
    figures = {**result.figures(), "lifetime": worth.figures(), "movement_since": last and last.id}
    (work / "figures.json").write_text(json.dumps(figures, default=str))
    return {"segments": result.counts}


def publish(house: House, on: date) -> Mapping[str, Any]:
    """The draft becomes the snapshot of the date, all or nothing."""
    if published(house, on):
        return DONE
    work = _night(house, on)
    kept = json.loads((work / "draft.json").read_text())
    draft = Draft(
        **{
            **kept,
            "root": Path(kept["root"]),
            "path": Path(kept["path"]),
            "on": on,
            "since": kept["since"] and date.fromisoformat(kept["since"]),
        }
    )
    snapshot = house.lake.commit(draft, {"figures": json.loads((work / "figures.json").read_text())})
    files = snapshot.manifest["files"]
    house.tidings.measure("snapshot.rows.orders", snapshot.manifest["orders"]["rows"])
    for name, file in files.items():
        kind = name.removesuffix(".parquet").replace("/", ".")
        house.tidings.measure(f"snapshot.rows.{kind}", file["rows"])
    return {"snapshot": snapshot.id, "files": len(files)}


def load(house: House, on: date, *, at: datetime) -> Mapping[str, Any]:
    """The snapshot into the base, where something changed; the night's work folder is cleared."""
    snapshot = published(house, on)
    if snapshot is None:
        raise LedgerError(f"no snapshot of {on} is published: clear the task `publish`")
    loaded = loading.load(
        house.engine,
        snapshot_id=snapshot.id,
        taken_on=snapshot.on,
        folder=snapshot.path,
        manifest_sha256=hashlib.sha256((snapshot.path / MANIFEST).read_bytes()).hexdigest(),
        at=at,
        key=house.mark_key,
    )
    shutil.rmtree(house.work(on), ignore_errors=True)
    return asdict(loaded)


def figures(house: House, on: date, *, at: datetime) -> Mapping[str, Any]:
    """The figures of the customer base over time, from the snapshot, and what the year's campaigns changed together;
    where later ones were told, nothing."""
    snapshot = published(house, on)
    if snapshot is None:
        raise LedgerError(f"no snapshot of {on} is published: clear the task `publish`")
    if trends.told_later(house, snapshot):
        return DONE
    told = asdict(trends.refresh(house, at=at, snapshot=snapshot))
    return {**told, "years": year_effects.refresh(house, snapshot, at=at)}


def _night(house: House, on: date) -> Path:
    work = house.work(on)
    if not (work / "night.json").is_file():
        raise LedgerError(f"the extract of {on} is not here ({work}): clear the task `extract`")
    return work
