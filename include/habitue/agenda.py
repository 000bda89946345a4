"""What is due: which campaigns run next, what waits for somebody, what is paused and why, how healthy the data is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path

from habitue import overview
from habitue.campaigns import Campaign, campaign_files, read_campaign
from habitue.house import House
from habitue.overview import RunLine
from habitue.tables import RunState


@dataclass(frozen=True, slots=True)
class Next:
    """A campaign and when it runs next; None: when a person starts it."""

    name: str
    title: Mapping[str, str]
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Health:
    """The last snapshot: of which day, how old, and its rows in quarantine by dataset."""

    on: date
    days_old: int
    most_days: int
    quarantined: Mapping[str, int]
    rows: int
    """order lines and customers that it holds"""

    @property
    def stale(self) -> bool:
        return self.days_old > self.most_days


@dataclass(frozen=True, slots=True)
class Agenda:
    upcoming: Sequence[Next]
    """the next ones first, then those that a person starts"""
    waiting: Sequence[RunLine]
    """runs that lack an approval"""
    paused: Sequence[RunLine]
    health: Health | None
    """None: no snapshot is published yet"""


def agenda(house: House, *, at: datetime) -> Agenda:
    lines = overview.runs(house.engine, at=at)
    return Agenda(
        upcoming=upcoming(house, at=at),
        waiting=[line for line in lines if line.state is RunState.OPEN and line.waiting and line.approvals.open],
        paused=[line for line in lines if line.state is RunState.PAUSED],
        health=health(house, at=at),
    )


def upcoming(house: House, *, at: datetime) -> list[Next]:
    found = [_read(path, path.stat().st_mtime_ns) for path in campaign_files()]
    due = [
        Next(
            one.name,
            {str(language): said for language, said in one.title.items()},
            one.schedule.next_after(at, house.shop.tz),
        )
        for one in found
    ]
    return sorted(due, key=lambda one: (one.at is None, one.at or at, one.name))


@lru_cache(maxsize=256)
def _read(path: Path, _changed: int) -> Campaign:
    return read_campaign(path)


def health(house: House, *, at: datetime) -> Health | None:
    last = house.lake.latest()
    if last is None:
        return None
    rejects = last.manifest.get("rejects", {})
    return Health(
        on=last.on,
        days_old=(at.astimezone(house.shop.tz).date() - last.on).days,
        most_days=house.shop.validation.most_snapshot_age_days,
        quarantined={dataset: sum(reasons.values()) for dataset, reasons in rejects.items()},
        rows=last.manifest["orders"]["rows"] + last.manifest["files"]["customers.parquet"]["rows"],
    )
