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
from ipaddress import ip_network
from pathlib import Path
from uuid import UUID

from sqlalchemy import Engine

from habitue import connections, database, tokens
from habitue.errors import LedgerError, SettingError
from habitue.lake import Lake, Snapshot
from habitue.providers import Access
from habitue.settings import INCLUDE
from habitue.shop import SenderSettings, Shop
from habitue.sources import SourceSpec, load_source, source_file
from habitue.suppressions import MarkKey
from habitue.tidings import Tidings

LEAST_KEY = 32
"""Characters of a key of tokens."""

_PASSWORDS = {"smtp": "HABITUE_SMTP_PASSWORD", "sendgrid": "HABITUE_SENDGRID_KEY"}


@dataclass(frozen=True)
class House:
    """One shop's installation, made from plain values: the package knows neither Airflow nor the environment."""

    source: SourceSpec
    shop: Shop
    out: Path
    database_url: str = field(repr=False)
    secret_setting: str | None = field(default=None, repr=False)
    access: Access = field(default_factory=Access)
    newer_token_keys: tuple[bytes, ...] = field(default=(), repr=False)
    proxies: tuple[str, ...] = ()
    """whose word the public pages take for where a request comes from: addresses or networks"""
    webhook_keys: str | None = None
    imap_password: str | None = field(default=None, repr=False)
    letters_password: str | None = field(default=None, repr=False)
    tidings: Tidings = field(default_factory=Tidings, repr=False)

    @staticmethod
    def settings(settings: Mapping[str, str]) -> Shop:
        """The shop's settings alone, with the source's overrides."""
        return _shop(_source(settings), settings)

    @classmethod
    def written(cls, settings: Mapping[str, str]) -> float:
        """When the files of the settings were last written: a house opened before is out of date."""
        files = [INCLUDE / "shop.yaml", source_file(settings.get("HABITUE_SOURCE") or "demo_shop")]
        return max(file.stat().st_mtime for file in files if file.is_file())

    @classmethod
    def of(cls, settings: Mapping[str, str]) -> House:
        """From settings named like the environment's variables.

        HABITUE_SOURCE   a file in include/sources (without ending) or a path; default `demo_shop`
        HABITUE_DATA     the folder of the source's files
        HABITUE_OUT      where results land; default `var/demo`
        HABITUE_DATABASE_URL   the base, or HABITUE_DATABASE_URL_FILE with it inside
        HABITUE_SECRET   signs tokens, or HABITUE_SECRET_FILE; made once in HABITUE_OUT where neither is set
        HABITUE_TOKEN_KEYS   keys that sign unsubscribe links instead, newest first, with commas or one a line (or
                         HABITUE_TOKEN_KEYS_FILE): the first signs, and all of them and HABITUE_SECRET are known again.
                         To change keys put a new one in front; take an old one out when no mail of its time is read
        HABITUE_PROXIES  the addresses or networks of the proxies in front of `habitue public`, with commas
        HABITUE_TODAY    a demonstration plays that day: whatever the shop says, mails and lots stay in HABITUE_OUT
        HABITUE_SMTP_PASSWORD, HABITUE_SENDGRID_KEY   let us in where the shop's sender is smtp or sendgrid; or …_FILE
        AIRFLOW_CONN_…   the connection that sender.connection names, where only the environment is asked
        HABITUE_SENDGRID_WEBHOOK_KEY   the public keys of SendGrid's signed event webhook, as its page shows them (or
                         …_FILE): several, with a space or a line between, while one takes the other's place
        HABITUE_IMAP_PASSWORD  opens the mailbox of sender.returns; or …_FILE
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
            access=_access(settings, shop.sender),
            newer_token_keys=_token_keys(_secret(settings, "HABITUE_TOKEN_KEYS") or ""),
            proxies=_proxies(settings.get("HABITUE_PROXIES") or ""),
            webhook_keys=_secret(settings, "HABITUE_SENDGRID_WEBHOOK_KEY"),
            imap_password=_secret(settings, "HABITUE_IMAP_PASSWORD"),
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
    def token_keys(self) -> tuple[bytes, ...]:
        """The keys of links: the first signs, all are known again."""
        return (*self.newer_token_keys, self.secret)

    def unsubscribe_url(self, message_id: UUID) -> str:
        """The link in a message that ends its kind (RFC 8058)."""
        return self.shop.sender.unsubscribe_url + tokens.sign(message_id, self.token_keys[0])

    def preferences_url(self, message_id: UUID) -> str | None:
        """The link in a message to what its recipient wishes to get; None where the shop leaves that page out."""
        token = tokens.sign(message_id, self.token_keys[0], tokens.Scope.PREFERENCES)
        return self.shop.sender.preferences_url and self.shop.sender.preferences_url + token

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
        sender = shop.sender.model_copy(update={"kind": "outbox", "connection": None})
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


def _token_keys(value: str) -> tuple[bytes, ...]:
    keys = [key.strip() for key in value.replace("\n", ",").split(",") if key.strip()]
    if any(len(key) < LEAST_KEY for key in keys):
        raise SettingError(f"HABITUE_TOKEN_KEYS: a key has at least {LEAST_KEY} characters (openssl rand -hex 32)")
    return tuple(key.encode() for key in keys)


def _proxies(value: str) -> tuple[str, ...]:
    named = [one.strip() for one in value.split(",") if one.strip()]
    for one in named:
        try:
            ip_network(one)
        except ValueError:
            raise SettingError(
                f"HABITUE_PROXIES: {one} is neither an IP address nor a network such as 172.16.0.0/12"
            ) from None
    return tuple(named)


def _access(settings: Mapping[str, str], sender: SenderSettings) -> Access:
    """From the environment. A connection that only Airflow knows is looked up there, before anything is sent."""
    if sender.connection and sender.kind != "outbox":
        written = settings.get(connections.variable(sender.connection))
        if not written:
            return Access()
        return connections.access(sender.connection, sender.kind, connections.read(sender.connection, written))
    name = _PASSWORDS.get(sender.kind)
    return Access(password=_secret(settings, name)) if name else Access()


def _needed(settings: Mapping[str, str], name: str, why: str) -> str:
    value = _secret(settings, name)
    if value is None:
        raise SettingError(f"{name} is not set: {why}")
    return value
