"""Where everything is: the shop's settings and source, the lake, the base, and the folder where results land."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path

from sqlalchemy import Engine

from habitue import database
from habitue.errors import LedgerError, SettingError
from habitue.lake import Lake, Snapshot
from habitue.providers import Access
from habitue.shop import Shop
from habitue.sources import SourceSpec, load_source
from habitue.suppressions import MarkKey

_PASSWORDS = {"smtp": "HABITUE_SMTP_PASSWORD", "sendgrid": "HABITUE_SENDGRID_KEY"}


@dataclass(frozen=True)
class House:
    """One shop's installation, made from plain values: the package knows neither Airflow nor the environment."""

    source: SourceSpec
    shop: Shop
    out: Path
    database_url: str
    secret_setting: str | None = None
    access: Access = field(default_factory=Access)
    letters_password: str | None = field(default=None, repr=False)

    @staticmethod
    def settings(settings: Mapping[str, str]) -> Shop:
        """The shop's settings alone, with the source's overrides."""
        return _shop(_source(settings), settings)

    @classmethod
    def of(cls, settings: Mapping[str, str]) -> House:
        """From settings named like the environment's variables.

        HABITUE_SOURCE   a file in include/sources (without ending) or a path; default `demo_shop`
        HABITUE_DATA     the folder of the source's files
        HABITUE_OUT      where results land; default `var/demo`
        HABITUE_DATABASE_URL   the base, or HABITUE_DATABASE_URL_FILE with it inside
        HABITUE_SECRET   signs tokens, or HABITUE_SECRET_FILE; made once in HABITUE_OUT where neither is set
        HABITUE_TODAY    a demonstration plays that day: whatever the shop says, mails and lots stay in HABITUE_OUT
        HABITUE_SMTP_PASSWORD, HABITUE_SENDGRID_KEY   let us in where the shop's sender is smtp or sendgrid; or …_FILE
        HABITUE_LETTERS_PASSWORD   the letter service's key, or the password of letters.hand_over by sftp; or …_FILE
        """
        spec = _source(settings)
        shop = _shop(spec, settings)
        return cls(
            source=spec,
            shop=shop,
            out=Path(settings.get("HABITUE_OUT") or "var/demo").resolve(),
            database_url=_needed(
                settings,
                "HABITUE_DATABASE_URL",
                "the base is a PostgreSQL, e.g. postgresql://user:password@host/habitue",
            ),
            secret_setting=_secret(settings, "HABITUE_SECRET"),
            access=_access(settings, shop.sender.kind),
            letters_password=_secret(settings, "HABITUE_LETTERS_PASSWORD"),
        )

    @cached_property
    def engine(self) -> Engine:
        return database.connect(self.database_url)

    @property
    def lake(self) -> Lake:
        return Lake(self.out / "lake")

    def last_snapshot(self, on: date) -> Snapshot:
        """The last customer base of that day or before; LedgerError where there is none."""
        snapshot = self.lake.latest(on)
        if snapshot is None:
            raise LedgerError(f"no customer base is published for {on} or before: run the DAG customer_base first")
        return snapshot

    @cached_property
    def secret(self) -> bytes:
        """The key of tokens, ids and codes: HABITUE_SECRET, else a file made once, for its owner's eyes, in `out`.

        It must outlive every mail whose unsubscribe link it signed: keep it with the database's backups.
        """
        if self.secret_setting:
            return self.secret_setting.encode()
        file = self.out / "secret.key"
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False) as made:  # mode 0600
                made.write(secrets.token_hex(32))
            with contextlib.suppress(FileExistsError):  # another process was first: its key counts
                os.link(made.name, file)
            Path(made.name).unlink()
        return file.read_text().encode()

    @property
    def mark_key(self) -> MarkKey:
        """The key of suppressed addresses and numbers."""
        return MarkKey(self.secret)

    def work(self, on: date) -> Path:
        """Where the steps of one night hand files to each other; safe to delete when the night is over."""
        return self.out / "work" / on.isoformat()


def _source(settings: Mapping[str, str]) -> SourceSpec:
    data = settings.get("HABITUE_DATA")
    return load_source(settings.get("HABITUE_SOURCE") or "demo_shop", data=Path(data) if data else None)


def _shop(spec: SourceSpec, settings: Mapping[str, str]) -> Shop:
    shop = spec.settings()
    if settings.get("HABITUE_TODAY"):
        sender = shop.sender.model_copy(update={"kind": "outbox"})
        letters = shop.letters.model_copy(update={"hand_over": None, "service": None})
        return shop.model_copy(update={"sender": sender, "letters": letters})
    return shop


def _secret(settings: Mapping[str, str], name: str) -> str | None:
    """A setting that may also stand in a file: NAME, or the content of NAME_FILE."""
    if value := settings.get(name):
        return value
    if file := settings.get(f"{name}_FILE"):
        return Path(file).read_text("utf-8").strip()
    return None


def _access(settings: Mapping[str, str], kind: str) -> Access:
    name = _PASSWORDS.get(kind)
    return Access(password=_secret(settings, name)) if name else Access()


def _needed(settings: Mapping[str, str], name: str, why: str) -> str:
    value = _secret(settings, name)
    if value is None:
        raise SettingError(f"{name} is not set: {why}")
    return value
