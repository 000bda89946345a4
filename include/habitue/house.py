"""Where everything is: the shop's settings and source, the lake, the base, and the folder where results land."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

from sqlalchemy import Engine

from habitue import database
from habitue.errors import SettingError
from habitue.lake import Lake
from habitue.shop import Shop, load_shop
from habitue.sources import SourceSpec, load_source


@dataclass(frozen=True)
class House:
    """One shop's installation, made from plain values: the package knows neither Airflow nor the environment."""

    source: SourceSpec
    shop: Shop
    out: Path
    database_url: str

    @staticmethod
    def settings(settings: Mapping[str, str]) -> Shop:
        """The shop's settings alone, with the source's overrides."""
        return load_shop(overrides=_source(settings).shop)

    @classmethod
    def of(cls, settings: Mapping[str, str]) -> House:
        """From settings named like the environment's variables.

        HABITUE_SOURCE   a file in include/sources (without ending) or a path; default `demo_shop`
        HABITUE_DATA     the folder of the source's files
        HABITUE_OUT      where results land; default `var/demo`
        HABITUE_DATABASE_URL   the base, or HABITUE_DATABASE_URL_FILE with it inside
        """
        spec = _source(settings)
        return cls(
            source=spec,
            shop=load_shop(overrides=spec.shop),
            out=Path(settings.get("HABITUE_OUT") or "var/demo").resolve(),
            database_url=_secret(settings, "HABITUE_DATABASE_URL"),
        )

    @cached_property
    def engine(self) -> Engine:
        return database.connect(self.database_url)

    @property
    def lake(self) -> Lake:
        return Lake(self.out / "lake")

    def work(self, on: date) -> Path:
        """Where the steps of one night hand files to each other; safe to delete when the night is over."""
        return self.out / "work" / on.isoformat()


def _source(settings: Mapping[str, str]) -> SourceSpec:
    data = settings.get("HABITUE_DATA")
    return load_source(settings.get("HABITUE_SOURCE") or "demo_shop", data=Path(data) if data else None)


def _secret(settings: Mapping[str, str], name: str) -> str:
    if value := settings.get(name):
        return value
    if file := settings.get(f"{name}_FILE"):
        return Path(file).read_text("utf-8").strip()
    raise SettingError(f"{name} is not set: the base is a PostgreSQL, e.g. postgresql://user:password@host/habitue")
