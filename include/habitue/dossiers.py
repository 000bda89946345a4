"""Dossiers: everything held on one person, for the person (Art. 15 and 20 GDPR), as JSON.

    version       1; it changes when a reader of the file must
    made_at       the moment, ISO 8601, UTC
    shop          who holds all this: name, legal line, e-mail address and page on personal data
    customer_id   whose it is
    also_known_as other numbers of what seems to be the same person: ask for these too, nothing is joined in silence
    base          by table, its rows: customer, segment, consent, message, exclusion, holdout, shop_holdout,
                  year_side, hold, erasure, outcome, lot_letter, suppression
    lake          snapshots: by day and file, its rows; orders: every order line
    nights, quarantine, facts   by file, its rows
    letters       each copy of a page: file, first_page, pages, pdf_base64, and its row of the lot's manifest
    mails         each mail that lies here: to_name, to_address, subject, text
    calls         each row of a call list
    journal       how often each mail was claimed

A key that holds nothing is there all the same. Days and moments are ISO 8601, marks are hexadecimal. A mail that a
provider has carried lies with the provider, a letter with the print shop and the post: the base says which they were.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from habitue import erasures
from habitue.errors import LedgerError
from habitue.forgetting import dossier_path
from habitue.holdings import HOLDINGS, nothing_of
from habitue.house import House
from habitue.persons import Person

VERSION = 1


def dossier(house: House, customer_id: str, *, at: datetime) -> dict[str, Any]:
    """Everything held on this customer. LedgerError for a number that nobody knows."""
    if not erasures.is_known(house, customer_id):
        raise LedgerError(
            "neither the base nor the lake knows a customer of this id: give it as it stands in the shop's data, every "
            "digit of it"
        )
    found: dict[str, Any] = {
        "version": VERSION,
        "made_at": at.astimezone(UTC).isoformat(),
        "shop": {name: getattr(house.shop, name) for name in ("name", "legal", "email", "privacy")},
        "customer_id": customer_id,
        "also_known_as": erasures.also_known_as(house, customer_id),
    }
    with house.engine.connect() as connection:
        who = Person(house, connection, customer_id)
        for holding in HOLDINGS:
            if holding.export is not nothing_of:
                found[holding.name] = holding.export(who)
    return found


def write_dossier(
    house: House, customer_id: str, *, at: datetime, out: Path | None = None
) -> tuple[Path, dict[str, int]]:
    """Writes it, for its owner's eyes only (mode 0600), and returns where, and how many things of each place are in it.

    An earlier one of the same name is replaced."""
    found = dossier(house, customer_id, at=at)
    path = out or dossier_path(house, customer_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.unlink(missing_ok=True)
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(found, file, indent=1, ensure_ascii=False, default=_plain)
        file.write("\n")
    partial.replace(path)
    return path, {
        name: _things(part) for name, part in found.items() if isinstance(part, dict | list) and name != "shop"
    }


def _plain(value: object) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    return value.isoformat() if isinstance(value, date) else str(value)


def _things(part: Any) -> int:
    """Rows, however deep they stand."""
    if isinstance(part, list):
        return len(part)
    return sum(_things(below) for below in part.values()) if isinstance(part, dict) else 0
