"""The calendar: what has run and what will, in a quarter or a year; collisions and gaps.

Past runs are those of the ledger; coming ones are read off the campaigns' schedules, which are files. A collision is
two campaigns that want to write to the same group by the same channel within the second one's pause: who gets the
first does not get the second. A gap is a group that nobody writes a letter to in a quarter.
"""

from __future__ import annotations

from bisect import bisect, bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import ValidationError
from sqlalchemy import Engine

from habitue.campaigns import THEN, Campaign, campaign_files, read_campaign
from habitue.errors import SettingError
from habitue.schedules import MANUAL
from habitue.shop import Shop
from habitue.statements import statement
from habitue.tables import Channel, RunState, Segment

Standing = Literal["past", "coming", "missed"]

IN_A_ROW = 8
"""Days between two runs of a campaign that runs every day or week."""

GROUPS: tuple[Segment, ...] = tuple(one for one in Segment if one is not Segment.PROSPECT)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Days from `first` to `last`, both included: whole quarters."""

    first: date
    last: date

    @classmethod
    def quarter(cls, year: int, number: int) -> Self:
        first = date(year, 3 * number - 2, 1)
        after = date(year + number // 4, 3 * number % 12 + 1, 1)
        return cls(first, after - timedelta(days=1))

    @classmethod
    def year(cls, year: int) -> Self:
        return cls(date(year, 1, 1), date(year, 12, 31))

    @classmethod
    def around(cls, day: date) -> Self:
        """The quarter of a day."""
        return cls.quarter(day.year, quarter_of(day))

    @classmethod
    def named(cls, name: str) -> Self:
        """`2026-Q4` or `2026`; SettingError for anything else."""
        year, _, quarter = name.partition("-Q")
        if len(year) == 4 and year.isascii() and year.isdigit() and 1971 <= int(year) <= 9998:
            if name == year:
                return cls.year(int(year))
            if quarter in ("1", "2", "3", "4"):
                return cls.quarter(int(year), int(quarter))
        raise SettingError("a calendar is of a quarter, such as 2026-Q4, or of a year, such as 2026")

    @property
    def name(self) -> str:
        return f"{self.first.year}" if self.whole_year else f"{self.first.year}-Q{quarter_of(self.first)}"

    @property
    def whole_year(self) -> bool:
        return self.first.month != self.last.month - 2

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def before(self) -> Span:
        day = self.first - timedelta(days=1)
        return Span.year(day.year) if self.whole_year else Span.around(day)

    @property
    def after(self) -> Span:
        day = self.last + timedelta(days=1)
        return Span.year(day.year) if self.whole_year else Span.around(day)

    @property
    def quarters(self) -> list[Span]:
        return [Span.quarter(self.first.year, number) for number in range(1, 5)] if self.whole_year else [self]

    @property
    def months(self) -> list[date]:
        """The first day of each."""
        return [date(self.first.year, month, 1) for month in range(self.first.month, self.last.month + 1)]

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


def quarter_of(day: date) -> int:
    return (day.month + 2) // 3


@dataclass(frozen=True, slots=True)
class Day:
    """A campaign on one day: a run, one that will be, or one that should have been."""

    campaign: Campaign
    on: date
    standing: Standing
    run_id: str | None = None
    state: RunState | None = None
    planned: int = 0
    left: int = 0
    """messages that have left, or may have"""

    @property
    def title(self) -> dict[Any, str]:
        return dict(self.campaign.title)

    @property
    def follows(self) -> bool:
        """Whether it is the follow-up of a campaign, for whom that did not reach."""
        return self.campaign.name.endswith(THEN)

    @property
    def channels(self) -> list[Channel]:
        """By which its campaign may write."""
        found = {way.channel for group in self.campaign.groups for way in self.campaign.treatment(group).ways}
        return [channel for channel in Channel if channel in found]

    @property
    def narrow(self) -> bool:
        """Whether it speaks to some of its groups' customers only."""
        audience = self.campaign.audience
        return bool(audience.sql) or audience.filters != type(audience.filters)()


@dataclass(frozen=True, slots=True)
class Collision:
    """Within `second`'s pause by these channels after `first`, for these groups; `days` apart at the nearest. The
    second may be several days of one campaign."""

    first: Day
    second: tuple[Day, ...]
    channels: tuple[Channel, ...]
    groups: tuple[Segment, ...]

    @property
    def days(self) -> int:
        return (self.second[0].on - self.first.on).days

    @property
    def partly(self) -> bool:
        """One of them speaks to some customers of the groups only: few may be in both."""
        return self.first.narrow or self.second[0].narrow


@dataclass(frozen=True, slots=True)
class Reach:
    """How a group is written to by a channel in a quarter: on these days by campaigns that speak to all of it, and on
    so many by some that speak to a part."""

    group: Segment
    quarter: Span
    channel: Channel
    whole: tuple[date, ...]
    partly: int

    @property
    def none(self) -> bool:
        return not self.whole


@dataclass(frozen=True, slots=True)
class Calendar:
    span: Span
    today: date
    days: Sequence[Day]
    """in order of day; of one day, in order of campaign"""
    collisions: Sequence[Collision]
    reached: Sequence[Reach]
    """each group by each channel in each quarter"""
    manual: Sequence[Campaign]
    """campaigns that only a person starts"""
    broken: dict[str, str] = field(default_factory=dict)
    """campaign files that can't be read, and why: what they would do is not here"""

    @property
    def gaps(self) -> list[Reach]:
        """Groups without a letter to all of them in a quarter."""
        return [one for one in self.reached if one.channel is Channel.LETTER and one.none]

    def lanes(self) -> dict[str, list[Day]]:
        """The days of each campaign, in order of their first."""
        found: dict[str, list[Day]] = {}
        for day in self.days:
            found.setdefault(day.campaign.name, []).append(day)
        return found


def calendar(engine: Engine, shop: Shop, span: Span, *, at: datetime) -> Calendar:
    """Past runs and coming ones. A slot that has passed without a run is `missed` where it fell after the campaign's
    first run: before, there may have been no such campaign."""
    broken: dict[str, str] = {}
    known = list(campaigns(broken))
    today = at.astimezone(shop.tz).date()
    # Collisions across the border count too: as many days around as the longest pause.
    margin = timedelta(days=max((max(one.pause_days.values(), default=0) for one in known), default=0))
    wide = Span(span.first - margin, span.last)
    runs, started = _runs(engine, wide, {one.name: one for one in known})
    have = {(day.campaign.name, day.on) for day in runs}
    coming = [day for one in known for day in _slots(one, wide, shop, at, started) if (one.name, day.on) not in have]
    days = sorted([*runs, *coming], key=lambda day: (day.on, day.campaign.name))
    inside = [day for day in days if day.on in span]
    return Calendar(
        span=span,
        today=today,
        days=inside,
        collisions=[one for one in collisions(days) if any(day.on in span for day in one.second)],
        reached=list(_reached(inside, span)),
        manual=[one for one in known if one.schedule.cron == MANUAL],
        broken=broken,
    )


def collisions(days: Sequence[Day]) -> list[Collision]:
    """In order of their first day. Those that nothing leaves from collide with nothing; nor does a campaign with itself
    (it has `rest_days`) or its follow-up (which is for whom it did not reach). Of a campaign that runs every day or
    week, the first in a row of days that collide with the same campaign is told."""
    lanes: dict[str, list[Day]] = {}
    for day in days:
        if day.standing != "missed" and day.state is not RunState.CANCELLED:
            lanes.setdefault(day.campaign.name, []).append(day)
    found = [one for first in lanes.values() for second in lanes.values() for one in _between(first, second)]
    return sorted(found, key=lambda one: (one.first.on, one.first.campaign.name, one.second[0].campaign.name))


def _between(firsts: list[Day], seconds: list[Day]) -> Iterator[Collision]:
    """Of one campaign's days and another's, both in order."""
    one, two = firsts[-1].campaign, seconds[-1].campaign
    pauses = _rivalry(one, two)
    if not pauses:
        return
    longest, last = max(pause for pause, _ in pauses.values()), None
    for first in firsts:
        start = bisect(seconds, (first.on, one.name), key=lambda day: (day.on, two.name))
        end = bisect_left(seconds, first.on + timedelta(days=longest), key=lambda day: day.on)
        if start >= end:
            continue
        before, last = last, first.on
        if before is not None and (first.on - before).days <= IN_A_ROW:
            continue
        apart = (seconds[start].on - first.on).days
        near = {channel: groups for channel, (pause, groups) in pauses.items() if apart < pause}
        groups = set().union(*near.values())
        yield Collision(
            first,
            tuple(seconds[start:end]),
            tuple(channel for channel in Channel if channel in near),
            tuple(group for group in Segment if group in groups),
        )


def _rivalry(one: Campaign, two: Campaign) -> dict[Channel, tuple[int, set[Segment]]]:
    """By which channels both write to which groups, and the second's pause there."""
    found: dict[Channel, tuple[int, set[Segment]]] = {}
    if one.name.removesuffix(THEN) == two.name.removesuffix(THEN):
        return found
    for channel, pause in two.pause_days.items():
        groups = {group for group in GROUPS if _writes(one, group, channel) and _writes(two, group, channel)}
        if pause and groups:
            found[channel] = (pause, groups)
    return found


def campaigns(broken: dict[str, str] | None = None) -> Iterator[Campaign]:
    """The campaigns of the files, each with its follow-up; why one can't be read is put into `broken`."""
    for file in campaign_files():
        try:
            found = _read(file, file.stat().st_mtime_ns)
        except SettingError as error:
            if broken is not None:
                broken[file.stem] = str(error)
            continue
        yield found
        if follow_up := found.follow_up():
            yield follow_up


@lru_cache(maxsize=200)
def _read(file: Path, written: int) -> Campaign:
    """Once for each time that it was `written`."""
    return read_campaign(file)


def _runs(engine: Engine, span: Span, known: dict[str, Campaign]) -> tuple[list[Day], dict[str, date]]:
    """The runs of these days, with their campaigns as they were planned, and the first day of each campaign."""
    with engine.connect() as connection:
        rows = connection.execute(statement("runs/between"), {"first": span.first, "last": span.last}).all()
        started = {row.campaign: row.first for row in connection.execute(statement("runs/campaigns"))}
    days = []
    for row in rows:
        try:
            campaign = Campaign.model_validate(row.settings)
        except ValidationError:  # planned by a version that knew other keys
            if row.campaign not in known:
                continue
            campaign = known[row.campaign]
        days.append(
            Day(
                campaign,
                row.on_date,
                "past",
                run_id=row.run_id,
                state=RunState(row.state),
                planned=row.planned,
                left=row.left,
            )
        )
    return days, started


def _slots(campaign: Campaign, span: Span, shop: Shop, at: datetime, started: dict[str, date]) -> Iterator[Day]:
    """The days on which its schedule has it run; the shop's day, as a run has it."""
    start = max(span.first, started.get(campaign.name, at.astimezone(shop.tz).date()))
    last = None
    for slot in campaign.schedule.slots(datetime.combine(start, time(), shop.tz) - timedelta(seconds=1), shop.tz):
        day = slot.astimezone(shop.tz).date()
        if day > span.last:
            return
        coming = slot > at
        if day != last and (coming or day > started.get(campaign.name, day)):  # several times a day: a run a day
            last = day
            yield Day(campaign, day, "coming" if coming else "missed")


def _reached(days: Sequence[Day], span: Span) -> Iterator[Reach]:
    lanes: dict[str, list[Day]] = {}
    for day in days:
        if day.standing != "missed" and day.state is not RunState.CANCELLED:
            lanes.setdefault(day.campaign.name, []).append(day)
    for quarter in span.quarters:
        for group in GROUPS:
            for channel in Channel:
                some = [lane for lane in lanes.values() if _writes(lane[-1].campaign, group, channel)]
                found = [day for lane in some for day in lane if day.on in quarter]
                whole, partly = ({day.on for day in found if day.narrow == narrow} for narrow in (False, True))
                yield Reach(group, quarter, channel, tuple(sorted(whole)), len(partly))


def _writes(campaign: Campaign, group: Segment, channel: Channel) -> bool:
    return group in campaign.groups and any(way.channel == channel for way in campaign.treatment(group).ways)
