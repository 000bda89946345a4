"""Addresses and numbers that must not be used again, kept as keyed hashes ("marks") and never in plain.

A mark is HMAC-SHA-256 over a canonical value, with a key made from HABITUE_SECRET that the database never holds: a
plain hash of a telephone number is turned back by trying them all. Matched at every plan and at every claim.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from sqlalchemy import Connection, Engine

from habitue.errors import LedgerError
from habitue.statements import statement
from habitue.tables import Channel, SuppressionReason

BLOCK = 64
"""Bytes of SHA-256's block (RFC 2104)."""


@dataclass(frozen=True)
class MarkKey:
    """The key of marks, derived from the installation's secret."""

    secret: bytes

    @cached_property
    def key(self) -> bytes:
        return hmac.digest(self.secret, b"habitue.suppression", "sha256")

    @property
    def id(self) -> str:
        """Names the key without telling it: marks of another key can't be compared."""
        return hashlib.sha256(b"id" + self.key).hexdigest()[:12]

    @property
    def pads(self) -> dict[str, bytes]:
        """The two pads of HMAC, as the SQL function `mark` takes them: a statement's parameters, stored nowhere."""
        padded = self.key.ljust(BLOCK, b"\0")
        return {"inner_pad": bytes(one ^ 0x36 for one in padded), "outer_pad": bytes(one ^ 0x5C for one in padded)}

    def mark(self, value: str) -> bytes:
        return hmac.digest(self.key, value.encode(), "sha256")


def email(address: str) -> str:
    """The canonical value of an e-mail address: NFC, without the white space around, lower case (letter by letter, as
    PostgreSQL does it: Python's own makes two letters of `İ`, and another `Σ` at the end of a word)."""
    if address.isascii():
        return "email:" + address.strip().lower()
    return "email:" + "".join(letter.lower()[0] for letter in unicodedata.normalize("NFC", address.strip()))


def phone(e164: str) -> str:
    """Of a number in E.164."""
    return f"phone:{e164}"


def letter_box(name: str, street: str, postcode: str) -> str:
    """Of one person at one address: letters and digits without accents, in capitals."""
    return "letter:" + bare("|".join((name, street, postcode)))


def bare(text: str) -> str:
    """The same as the SQL function of that name: bars part what is joined."""
    return re.sub("[^A-Za-z0-9|]", "", unicodedata.normalize("NFKD", text)).upper()


@dataclass(frozen=True, slots=True)
class Suppression:
    """One address or number, in its canonical value."""

    channel: Channel
    value: str
    reason: SuppressionReason
    source: str
    """who said so: sendgrid, printer, desk, import, person"""


def add(engine: Engine, suppressions: Iterable[Suppression], *, key: MarkKey, at: datetime) -> int:
    """Adds what is not there yet; returns how many were new."""
    rows = list(suppressions)
    if not rows:
        return 0
    with engine.begin() as connection:
        return connection.execute(
            statement("suppressions/add"),
            {
                "channels": [row.channel.value for row in rows],
                "marks": [key.mark(row.value) for row in rows],
                "reasons": [row.reason.value for row in rows],
                "sources": [row.source for row in rows],
                "key": key.id,
                "at": at,
            },
        ).rowcount


def check_key(connection: Connection, key: MarkKey) -> None:
    """LedgerError where suppressions or customers were marked with another key: they could not be matched."""
    row = connection.execute(statement("suppressions/of_another_key"), {"key": key.id}).one()
    if row.suppressions:
        raise LedgerError(
            f"{row.suppressions} suppressions were made with another HABITUE_SECRET and can't be matched: "
            "put the old one back"
        )
    if row.any_suppression and row.unmarked:
        raise LedgerError("the customer base was loaded with another HABITUE_SECRET: run the DAG customer_base first")


def lift(engine: Engine, channel: Channel, values: Iterable[str], *, key: MarkKey, by: str, at: datetime) -> int:
    """These canonical values may be used again, whatever the reason was; returns how many suppressions were lifted."""
    marks = [key.mark(value) for value in values]
    with engine.begin() as connection:
        return connection.execute(
            statement("suppressions/lift"), {"channel": channel, "marks": marks, "by": by, "at": at}
        ).rowcount


def counts(engine: Engine) -> dict[tuple[Channel, SuppressionReason], int]:
    """How many there are by channel and reason."""
    with engine.connect() as connection:
        rows = connection.execute(statement("suppressions/counts")).all()
    return {(Channel(row.channel), SuppressionReason(row.reason)): row.suppressions for row in rows}


def canonical(channel: Channel, typed: str, *, country: str) -> str | None:
    """The canonical value of what a person typed: an e-mail address, a telephone number (read as in `country`), or
    `name; street; postcode`. None where it is no such thing."""
    from habitue import contacts  # it reads telephone numbering plans: most who import this module need none

    typed = unicodedata.normalize("NFC", typed.strip())
    match channel:
        case Channel.EMAIL:
            address, _ = contacts.check_email(typed)
            return email(address) if address else None
        case Channel.CALL:
            number, _, _ = contacts.check_phone(typed, country)
            return phone(number) if number else None
        case Channel.LETTER:
            parts = typed.split(";")
            return letter_box(*parts) if len(parts) == 3 and all(bare(part) for part in parts) else None
