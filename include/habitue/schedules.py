"""When a campaign runs, and when what it made may leave."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from habitue.settings import Count, Strict, Timezone

MANUAL = "manual"


class Schedule(Strict):
    """A cron line, or `manual`."""

    cron: str = Field(
        description="five fields (minute hour day month weekday), such as `0 8 1 1,4,7,10 *`, or `manual`"
    )
    timezone: Timezone | None = Field(None, description="IANA name; default: the shop's")

    @field_validator("cron")
    @classmethod
    def _a_time_that_comes(cls, cron: str) -> str:
        if cron == MANUAL:
            return cron
        if len(cron.split()) != 5:
            raise ValueError("five fields (minute hour day month weekday) or `manual`")
        if re.search(r"(?<![a-z])[rh](?![a-z])", cron, re.IGNORECASE):
            raise ValueError("R and H draw a time at random: say which")
        from croniter import CroniterError, croniter

        try:
            croniter(cron, datetime(2000, 1, 1)).get_next(datetime)  # noqa: DTZ001 - any day: does it ever come?
        except (CroniterError, ValueError) as error:
            raise ValueError(f"not a cron line ({error})") from None
        return cron

    def zone(self, default: tzinfo) -> tzinfo:
        return ZoneInfo(self.timezone) if self.timezone else default

    def next_after(self, moment: datetime, default_zone: tzinfo) -> datetime | None:
        """The first slot after a moment with a time zone, in the schedule's; None for `manual`.

        Slots are read off the wall clock, as Airflow's cron timetable does: 08:00 stays 08:00 all year, a time that the
        change to summer leaves out comes an hour later, one that occurs twice counts once; what runs every hour runs
        every hour of these days too.
        """
        return next(self.slots(moment, default_zone), None)

    def slots(self, moment: datetime, default_zone: tzinfo) -> Iterator[datetime]:
        """The slots after a moment, as `next_after`, one after the other and without an end; `manual` has none."""
        if self.cron == MANUAL:
            return
        from croniter import croniter

        zone, start = self.zone(default_zone), moment.astimezone(UTC)
        # From some hours before: the clock that is put back shows them again.
        slots = croniter(self.cron, moment.astimezone(zone).replace(tzinfo=None) - timedelta(hours=3))
        hourly = _every_hour(slots.expanded[1])
        later: list[datetime] = []
        while True:
            moments = _moments(slots.get_next(datetime), zone, twice=hourly)
            later = sorted({*later, *(slot for slot in moments if slot > start)})
            while later and later[0] <= moments[0]:
                start = later.pop(0)
                yield start.astimezone(zone)

    def daily(self) -> Schedule:
        """Every day at this schedule's (first) minute and hour; a manual one's at eight."""
        if self.cron == MANUAL:
            return Schedule(cron="0 8 * * *", timezone=self.timezone)
        from croniter import croniter

        first = [0 if field[0] == "*" else field[0] for field in croniter(self.cron).expanded[:2]]
        return Schedule(cron=f"{first[0]} {first[1]} * * *", timezone=self.timezone)


def _every_hour(hours: list[int | str]) -> bool:
    return hours[0] == "*" or len(hours) == 24


def _moments(wall: datetime, zone: tzinfo, *, twice: bool) -> list[datetime]:
    """When a wall clock shows this time, in UTC: two moments, if both are wanted, when it is put back over it."""
    first, second = _moment(wall, zone), _moment(wall.replace(fold=1), zone)
    return [first, second] if twice and second > first else [first]


def _moment(wall: datetime, zone: tzinfo) -> datetime:
    """A wall clock's time in UTC (in a zone, Python compares the wall clocks); one that the change to summer leaves out
    comes an hour later."""
    return wall.replace(tzinfo=zone).astimezone(UTC)


class Window(Strict):
    """When a run's messages may leave; what has not left by then waits for a person."""

    days: Count = Field(7, description="on the run's day and the days after it, so many in all; default 7")
    hours: str | None = Field(None, description='between these hours of the shop, such as "08:00-20:00"')

    @field_validator("hours")
    @classmethod
    def _from_earlier_to_later(cls, hours: str | None) -> str | None:
        if hours is not None:
            found = re.fullmatch(r"(([01]\d|2[0-3]):[0-5]\d)-(([01]\d|2[0-3]):[0-5]\d|24:00)", hours)
            if not found or found[1] >= found[3]:
                raise ValueError('from-to on one day, such as "08:00-20:00"')
        return hours

    def ends(self, on: date, zone: tzinfo) -> datetime:
        """The end, itself outside, of the last day of a run of the day `on`."""
        return _moment(datetime.combine(on + timedelta(days=self.days), time()), zone).astimezone(zone)

    def open_at(self, moment: datetime, zone: tzinfo) -> datetime | None:
        """None where messages may leave at this moment, else when they next may."""
        if self.hours is None:
            return None
        here = moment.astimezone(zone)
        first, last = self.hours.split("-")
        if first <= f"{here:%H:%M}" < last:
            return None
        day = here.date() if f"{here:%H:%M}" < first else here.date() + timedelta(days=1)
        return _moment(datetime.combine(day, time.fromisoformat(first)), zone).astimezone(zone)
