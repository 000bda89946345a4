"""What each place holds of one person: one function a place, as plain rows for a program to read.

Binary marks are written in hexadecimal, days and moments as ISO 8601, a letter's pages as a PDF in Base64.
"""

from __future__ import annotations

import base64
import csv
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select

from habitue import forgetting
from habitue.house import House
from habitue.journal import Journal
from habitue.mime import read
from habitue.questions import previews_folder
from habitue.statements import statement
from habitue.tables import Channel, customer, message, metadata

Row = dict[str, Any]


@dataclass(frozen=True)
class Person:
    """The one who asks, and the house that is gone through."""

    house: House
    connection: Connection
    customer_id: str

    @cached_property
    def messages(self) -> list[Row]:
        mine = select(message).where(message.c.customer_id == self.customer_id).order_by(message.c.run_id)
        return [dict(row) for row in self.connection.execute(mine).mappings()]

    def by(self, channel: Channel) -> list[Row]:
        return [row for row in self.messages if row["channel"] == channel]


def base(who: Person, by_customer: Iterable[str], by_message: Iterable[str]) -> dict[str, list[Row]]:
    """Their rows of these tables, and what is suppressed of their addresses and numbers, with the reason."""
    found: dict[str, list[Row]] = {}
    for name in by_customer:
        table = metadata.tables[name]
        mine = select(table).where(table.c.customer_id == who.customer_id)
        found[name] = [dict(row) for row in who.connection.execute(mine).mappings()]
    ids = [row["message_id"] for row in who.messages]
    for name in by_message:
        table = metadata.tables[name]
        mine = select(table).where(table.c.message_id.in_(ids))
        found[name] = [dict(row) for row in who.connection.execute(mine).mappings()]
    barred = who.connection.execute(statement("explain/suppressions"), {"customer_id": who.customer_id})
    found["suppression"] = [dict(row) for row in barred.mappings()]
    apart = who.connection.execute(statement("explain/events_apart"), {"customer_id": who.customer_id})
    found["event_apart"] = [dict(row) for row in apart.mappings()]
    found["webhook_post"] = list(_told(who))
    return found


def _told(who: Person) -> Iterator[Row]:
    """What providers posted of their address, event by event; a post tells of others too."""
    known = who.connection.scalar(select(customer.c.email).where(customer.c.customer_id == who.customer_id))
    if email := (known or "").strip().lower():
        for post in who.connection.execute(statement("explain/posts"), {"email": email}):
            try:
                events = json.loads(post.body)
            except ValueError:
                continue
            for event in events if isinstance(events, list) else [events]:
                if isinstance(event, dict) and str(event.get("email")).strip().lower() == email:
                    yield {"post_id": post.post_id, "received_at": post.received_at, "event": event}


def lake(who: Person) -> Row:
    """Their rows of every snapshot, and each order line that any month's file holds, once."""
    lake = who.house.lake
    snapshots = {}
    for snapshot_id in lake.ids():
        folder = lake.snapshot(snapshot_id).path
        snapshots[snapshot_id] = {
            str(path.relative_to(folder)): rows
            for path in sorted(folder.rglob("*.parquet"))
            if (rows := _rows([path], who.customer_id))
        }
    months = sorted((lake.root / "orders").glob("*/*.parquet"))
    return {"snapshots": snapshots, "orders": _rows(months, who.customer_id)}


def _rows(files: list[Path], customer_id: str) -> list[Row]:
    import duckdb

    if not files:
        return []
    with duckdb.connect() as duck:
        held = duck.read_parquet([str(path) for path in files], union_by_name=True)
        if "customer_id" not in held.columns:
            return []
        held.create_view("held")
        found = duck.execute("select distinct * from held where customer_id = ? order by all", [customer_id])
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def nights(who: Person) -> Row:
    """What a night is working on, or left when it came to nothing."""
    work = who.house.out / "work"
    return {
        str(path.relative_to(work)): rows
        for path in sorted(work.rglob("*.parquet"))
        if (rows := _rows([path], who.customer_id))
    }


def facts(who: Person) -> Row:
    """What texts may know of their purchases, run by run."""
    found = {}
    for run_id in sorted({row["run_id"] for row in who.messages}):
        path = forgetting.run_path(who.house, run_id) / "facts.parquet"
        if path.exists() and (rows := _rows([path], who.customer_id)):
            found[run_id] = rows
    return found


def quarantine(who: Person) -> Row:
    """Rows of the tables that the shop mends."""
    found = {}
    for path in sorted((who.house.out / "quarantine").glob("*.csv")):
        with path.open(encoding="utf-8-sig", newline="") as file:
            mine = [row for row in csv.DictReader(file, delimiter=";") if row.get("customer_id") == who.customer_id]
        if mine:
            found[path.name] = mine
    return found


def letters(who: Person) -> list[Row]:
    """Their pages of each lot, as it was made and as it was handed over, and what the manifest says of them."""
    return [
        {
            "message_id": row["letter_id"],
            "file": str(copy.pdf.relative_to(who.house.out)),
            "first_page": pages.start,
            "pages": len(pages),
            "pdf_base64": base64.b64encode(copy.pages(pages)).decode(),
            "manifest": row,
        }
        for _, _, ids, copies in forgetting.lots(who.house, [who.customer_id])
        for copy in copies
        for row, pages in copy.of(ids)
    ]


def mails(who: Person) -> list[Row]:
    """Mails in the outbox, and samples that were shown before a run."""
    found = []
    for row in who.by(Channel.EMAIL):
        name = f"{row['message_id']}.eml"
        folder = who.house.out / "emails"
        for path in (folder / name, folder / previews_folder(row["run_id"]) / name):
            if path.exists():
                content = read(path.read_bytes())
                found.append(
                    {
                        "message_id": row["message_id"],
                        "file": str(path.relative_to(who.house.out)),
                        "to_name": content.to_name,
                        "to_address": content.to_address,
                        "subject": content.subject,
                        "text": content.text,
                    }
                )
    return found


def calls(who: Person) -> list[Row]:
    """Their rows of call lists, with what an agent wrote into the workbook."""
    found = []
    for row in who.by(Channel.CALL):
        for table in forgetting.call_files(who.house, row["run_id"], ".csv"):
            found += [{"file": str(table.relative_to(who.house.out)), **one} for one in _listed(table, row)]
        for book in forgetting.call_files(who.house, row["run_id"], ".xlsx"):
            if cells := _cells(book, str(row["message_id"])):
                found.append({"file": str(book.relative_to(who.house.out)), "cells": cells})
    return found


def _listed(path: Path, row: Mapping[str, Any]) -> list[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [one for one in csv.DictReader(file, delimiter=";") if str(row["message_id"]) in one.values()]


def _cells(path: Path, message_id: str) -> list[str]:
    """What stands in the row of that message, cell by cell; of a workbook that somebody may have saved since."""
    from xml.etree.ElementTree import fromstring

    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    with zipfile.ZipFile(path) as book:
        parts = {name: book.read(name) for name in book.namelist() if name.endswith(".xml")}
        strings = parts.get("xl/sharedStrings.xml")
        shared = ["".join(one.itertext()) for one in fromstring(strings)] if strings else []  # noqa: S314
        for name in parts:
            if not name.startswith("xl/worksheets/sheet"):
                continue
            for row in fromstring(parts[name]).iter(f"{space}row"):  # noqa: S314
                cells = [
                    shared[int("".join(cell.itertext()))] if cell.get("t") == "s" else "".join(cell.itertext())
                    for cell in row
                ]
                if message_id in cells:
                    return [cell for cell in cells if cell]
    return []


def journal(who: Person) -> list[Row]:
    """How often each of their mails was claimed, as the journal beside the database has it."""
    mine = {row["message_id"]: row for row in who.by(Channel.EMAIL)}
    found = []
    for run_id in sorted({row["run_id"] for row in mine.values()}):
        for path in sorted((forgetting.run_path(who.house, run_id) / "claims").glob("*.log")):
            claims = Journal(path).claims()
            found += [
                {"message_id": one, "file": str(path.relative_to(who.house.out)), "claims": claims[UUID(str(one))]}
                for one in mine
                if claims[UUID(str(one))]
            ]
    return found
