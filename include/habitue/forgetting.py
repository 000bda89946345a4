"""How each place lets go of people: one function a place, set-based, that may be done again at any time.

Files are gone through once for all who are erased, whether one person or a hundred thousand. A function returns how
many things it took away: rows, pages, files.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import ColumnElement, Table, Text, any_, literal, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY

from habitue import blanks, lot_blanks, summaries
from habitue.blanks import Sought
from habitue.errors import HabitueError
from habitue.house import House
from habitue.lake import MANIFEST
from habitue.lot_blanks import LotCopy
from habitue.lots import file_sha256
from habitue.statements import statement
from habitue.tables import Channel, lot, message, metadata, snapshot

FOLDER = "erasing"
"""In HABITUE_OUT, while an erasure is under way: what it must still know to finish (`people.parquet`)."""


@dataclass(frozen=True)
class Erasing:
    """Those whom a step erases."""

    house: House
    ids: list[str]
    on: date
    say: Callable[[str], object] = lambda _: None
    """told what is gone through now"""

    @property
    def people(self) -> Path:
        """Every name, address and number that was known of them before the first was erased."""
        return self.house.out / FOLDER / "people.parquet"

    @cached_property
    def sought(self) -> Sought:
        return Sought(self.ids, list(self.emails()))

    def emails(self) -> Iterator[str]:
        """Their addresses, in lower case, each once."""
        import duckdb

        if not self.people.exists():
            return
        with duckdb.connect() as duck:
            known = duck.read_parquet(str(self.people)).filter("email is not null")
            reader = known.aggregate("lower(trim(email)) as email, min(customer_id) as id").to_arrow_reader(10_000)
            wanted = set(self.ids)
            for batch in reader:
                for email, customer_id in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    if customer_id in wanted:
                        yield email

    def messages(self, channel: Channel) -> Iterator[tuple[str, list[Any]]]:
        """Run by run, their messages."""
        with self.house.engine.connect() as connection:
            asked = {"channel": channel, "ids": self.ids}
            for row in connection.execute(statement("erasure/messages"), asked):
                yield row.run_id, row.ids


def among(column: ColumnElement[str], ids: list[str]) -> ColumnElement[bool]:
    """Whether the column is one of these, however many: one parameter, where `in` would take one each."""
    return column == any_(literal(ids, ARRAY(Text)))


def base(task: Erasing, emptied: dict[str, tuple[str, ...]]) -> int:
    """In the base: these columns of these tables, by customer_id or message_id, and what providers posted; every other
    column stays, as a number's."""
    found = 0
    with task.house.engine.begin() as connection:
        for name, columns in emptied.items():
            table = metadata.tables[name]
            something = or_(*(table.c[column].is_not(None) for column in columns))
            theirs = update(table).where(_theirs(table, task.ids), something)
            found += connection.execute(theirs.values(dict.fromkeys(columns))).rowcount
        if emails := list(task.emails()):
            found += connection.execute(statement("erasure/posts"), {"emails": emails}).rowcount
    return found


def _theirs(table: Table, ids: list[str]) -> ColumnElement[bool]:
    if "customer_id" in table.c:
        return among(table.c.customer_id, ids)
    return table.c.message_id.in_(select(message.c.message_id).where(among(message.c.customer_id, ids)))


def lake(task: Erasing) -> int:
    """In every snapshot; the base then knows the manifests by their new hashes."""
    found = task.house.lake.erase(
        lambda source, target: blanks.blank_rows(source, target, task.sought), on=task.on, say=task.say
    )
    with task.house.engine.begin() as connection:
        for snapshot_id in task.house.lake.ids():
            held = task.house.lake.snapshot(snapshot_id)
            if held.erasures:
                digest = hashlib.sha256((held.path / MANIFEST).read_bytes()).hexdigest()
                known = update(snapshot).where(snapshot.c.snapshot_id == snapshot_id)
                connection.execute(known.values(manifest_sha256=digest))
    return sum(found.values())


def nights(task: Erasing) -> int:
    """What a night is working on, or left when it came to nothing."""
    found = 0
    for folder in (task.house.out / "work").glob("*"):
        for name in ("customers.parquet", "problems.parquet"):
            found += sum(blanks.blank_table(path, task.sought) for path in folder.rglob(name))
    return found


def quarantine(task: Erasing) -> int:
    folder = task.house.out / "quarantine"
    return sum(
        blanks.blank_csv(path, task.sought)
        for path in (folder / "customers.csv", folder / "problems.csv")
        if path.exists()
    )


def letters(task: Erasing) -> int:
    """Pages of lots, as they were made and as they were handed over, are left empty: all others keep their place."""
    found = 0
    for run_id, number, ids, copies in lots(task.house, task.ids):
        for copy in copies:
            found += lot_blanks.empty(copy, ids)
        with task.house.engine.begin() as connection:
            for copy in (copy for copy in copies if copy.is_whole):
                known = update(lot).where(lot.c.run_id == run_id, lot.c.number == number)
                connection.execute(known.values(pdf_sha256=file_sha256(copy.pdf)))
    return found


def lots(house: House, customers: list[str]) -> Iterator[tuple[str, int, set[str], list[LotCopy]]]:
    """Lots in which letters of these customers may stand: run, number, the letters, and where they lie here."""
    with house.engine.connect() as connection:
        rows = connection.execute(statement("erasure/letters"), {"ids": customers}).all()
    for row in rows:
        made = run_path(house, row.run_id) / "letters"
        here = list(lot_blanks.copies(made, house.out / "letters", row.run_id, row.number))
        yield row.run_id, row.number, {str(one) for one in row.ids}, here


def run_path(house: House, run_id: str) -> Path:
    campaign, day = run_id.split(":")
    return house.out / "runs" / campaign / day


def mails(task: Erasing) -> int:
    found = 0
    folder = task.house.out / "emails"
    for _, ids in task.messages(Channel.EMAIL):
        for one in ids:
            path = folder / f"{one}.eml"
            if path.exists():
                path.unlink()
                found += 1
    return found


def calls(task: Erasing) -> int:
    """In the lists as they were handed over, and as they were given away to be worked off the desk."""
    found = 0
    for run_id, ids in task.messages(Channel.CALL):
        wanted = [str(one) for one in ids]
        for table in call_files(task.house, run_id, ".csv"):
            found += blanks.empty_csv_rows(table, wanted)
        for book in call_files(task.house, run_id, ".xlsx"):
            found += blanks.empty_workbook_rows(book, wanted)
    return found


def call_files(house: House, run_id: str, ending: str) -> list[Path]:
    return sorted((house.out / "calls").glob(f"{run_id.replace(':', '-')}*{ending}"))


def samples(task: Erasing) -> int:
    """Samples can be made again: rehearsals and previews show people as pictures, and go, whoever is on them."""
    from habitue.questions import previews_folder

    found = 0
    shown = [*(task.house.out / "rehearsals").glob("*.html"), *(task.house.out / "previews").glob("*")]
    for file in shown:
        file.unlink()
        found += 1
    for run_id, ids in task.messages(Channel.EMAIL):
        folder = task.house.out / "emails" / previews_folder(run_id)
        if any((folder / f"{one}.eml").exists() for one in ids):
            shutil.rmtree(folder)
            found += 1
    return found


def dossiers(task: Erasing) -> int:
    found = 0
    for one in task.ids:
        path = dossier_path(task.house, one)
        if path.exists():
            path.unlink()
            found += 1
    return found


def dossier_path(house: House, customer_id: str) -> Path:
    """Where what is held on a person lands unless somebody says otherwise."""
    return house.out / "persons" / f"{quote(customer_id, safe='')}.json"


def pages(task: Erasing) -> int:
    """The run card with its sample letters, the mails' index: made again without them. Where they can't be made they
    go, until the next report."""
    out = task.house.out
    summary = out / "summary.json"
    if not summary.exists():
        return 0
    on = json.loads(summary.read_text("utf-8"))["on"]
    try:
        summaries.write_all(task.house, on=date.fromisoformat(on))
    except HabitueError:
        for path in (out / "report.html", out / "emails" / "index.html"):
            path.unlink(missing_ok=True)
        shutil.rmtree(out / "emails" / "previews", ignore_errors=True)
    return 1
