"""Campaigns as files: `include/campaigns/*.yaml`, read strictly. Adding a file adds a campaign, and its DAG."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from habitue.errors import SettingError
from habitue.shop import INCLUDE, Language, Strict, explain, read_yaml
from habitue.tables import Channel, Segment

FOLDERS = {Channel.LETTER: "letters", Channel.EMAIL: "emails", Channel.CALL: "calls"}


class Offer(Strict):
    text: dict[Language, str]
    valid_days: int = Field(60, ge=1)

    def valid_until(self, on: date) -> date:
        return on + timedelta(days=self.valid_days)


class Way(Strict):
    """One channel with its text: `template` is a path below the channel's folder in include/templates, without
    language and ending (`quarterly/lapsed` → letters/quarterly/lapsed.fr.j2)."""

    channel: Channel
    template: str

    def file(self, language: str) -> Path:
        return INCLUDE / "templates" / FOLDERS[self.channel] / f"{self.template}.{language}.j2"


class Treatment(Strict):
    """What one group gets: the ways in order of preference, the first that is lawful and possible is taken."""

    ways: list[Way] = Field(min_length=1)
    offer: Offer

    @field_validator("ways")
    @classmethod
    def _each_channel_once(cls, ways: list[Way]) -> list[Way]:
        channels = [way.channel for way in ways]
        if len(channels) != len(set(channels)):
            raise ValueError("each channel at most once")
        return ways


class Schedule(Strict):
    """A cron line in the shop's time zone, or `manual`."""

    cron: str

    @field_validator("cron")
    @classmethod
    def _five_fields(cls, cron: str) -> str:
        if cron != "manual" and len(cron.split()) != 5:
            raise ValueError("five fields (minute hour day month weekday) or `manual`")
        return cron


class Campaign(Strict):
    name: str
    title: dict[Language, str]
    owner: str
    kind: Literal["image", "product"]
    schedule: Schedule
    treatments: dict[Segment, Treatment] = Field(min_length=1)
    holdout: float = Field(0.0, ge=0, lt=1)
    seed: str = "1"
    pause_days: dict[Channel, int] = Field(
        default_factory=dict, description="no second message by that channel within so many days, whatever the campaign"
    )
    rest_days: int = Field(
        0, ge=0, description="nobody gets this campaign again within so many days, by whatever channel"
    )

    @model_validator(mode="after")
    def _prospects_are_outside(self) -> Campaign:
        if Segment.PROSPECT in self.treatments:
            raise ValueError("treatments: a prospect never bought and belongs to no group; leave it out")
        return self

    @property
    def sha256(self) -> str:
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()

    def templates(self, languages: list[Language]) -> Iterator[Path]:
        """Every copy file that this campaign may render."""
        ways = {(way.channel, way.template): way for treatment in self.treatments.values() for way in treatment.ways}
        for key in sorted(ways):
            for language in languages:
                yield ways[key].file(language)

    def template_sha256(self, languages: list[Language]) -> str:
        """A hash over the copy and the layouts of the channels that are used."""
        digest = hashlib.sha256()
        channels = {way.channel for treatment in self.treatments.values() for way in treatment.ways}
        layouts = [
            file
            for channel in sorted(channels)
            for file in sorted((INCLUDE / "templates" / FOLDERS[channel]).glob("*"))
            if file.is_file()
        ]
        for path in [*self.templates(languages), *layouts]:
            digest.update(path.relative_to(INCLUDE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
        return digest.hexdigest()


def load_campaign(path: Path, languages: list[Language]) -> Campaign:
    """One campaign; SettingError says which file, which key, what is allowed."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", path.stem):
        raise SettingError(f"{path}: a campaign's file name is its name: lower case letters, digits and _ only")
    try:
        campaign = Campaign.model_validate({"name": path.stem, **read_yaml(path)})
    except ValidationError as error:
        raise explain(path, error) from None
    unsaid = [
        f"{where}.{language}"
        for language in languages
        for where, said in [
            ("title", campaign.title),
            *((f"treatments.{group}.offer.text", kind.offer.text) for group, kind in campaign.treatments.items()),
        ]
        if language not in said
    ]
    if unsaid:
        raise SettingError(f"{path}: the shop writes in {' and '.join(languages)}; say {', '.join(unsaid)}")
    missing = [str(file.relative_to(INCLUDE)) for file in campaign.templates(languages) if not file.is_file()]
    if missing:
        raise SettingError(f"{path}: no such template: {', '.join(missing)}")
    return campaign


def campaign_files() -> list[Path]:
    return sorted((INCLUDE / "campaigns").glob("*.yaml"))
