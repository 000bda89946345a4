"""The nightly steps: extract → validate → segment → publish → load.

Each step is safe to run again, takes the night's date, hands files on in `House.work(on)`, and returns counts only.
Nothing is published before the last batch rule has held; until then the last good snapshot stays in force.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from habitue import extract as extracting
from habitue import validation
from habitue.house import House
from habitue.lake import Snapshot
from habitue.loading import Loaded
from habitue.loading import load as load_snapshot
from habitue.segments import segment
from habitue.sources import open_source

Progress = Callable[[str], None]


def published(house: House, on: date) -> Snapshot | None:
    """The snapshot of that very date, if the night's work is done."""
    found = house.lake.latest(on)
    return found if found is not None and found.on == on else None


def extract(house: House, on: date, *, url: str | None = None) -> Mapping[str, Any]:
    """The shop's data of the night into the work folder; `url` is that of a `sql` source.

    Orders come from the last snapshot's end, less the source's `lookback_days`; customers and consents whole.
    """
    if published(house, on):
        return {"already": True}
    staged = house.work(on) / "staged"
    shutil.rmtree(house.work(on), ignore_errors=True)
    staged.mkdir(parents=True)
    last = house.lake.latest(on)
    since = None if last is None else last.orders_until - timedelta(days=house.source.lookback_days)
    control = extracting.extract(open_source(house.source, url=url), staged, on=on, since=since)
    return {"already": False, "since": since and since.isoformat(), **control}


def validate(house: House, on: date) -> Mapping[str, Any]:
    """Row rules send rows to quarantine; a batch rule raises BatchRefused. The page is written either way."""
    if published(house, on):
        return {"already": True}
    work = house.work(on)
    last = house.lake.latest(on)
    checked = work / "checked"
    shutil.rmtree(checked, ignore_errors=True)
    checked.mkdir(parents=True)
    try:
        result = validation.validate(
            work / "staged", checked, on=on, shop=house.shop, previous=last and last.path / "manifest.json"
        )
    finally:
        if (checked / "validation.json").exists():
            validation.render_page(checked / "validation.json", house.out / "validation.html", shop=house.shop)
    validation.write_quarantine(checked, house.out / "quarantine")
    return {"already": False}
