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

from sqlalchemy import ColumnElement, Text, any_, literal, or_, update
from sqlalchemy.dialects.postgresql import ARRAY

from habitue import blanks, summaries
from habitue.binding import blanked
from habitue.blanks import Sought
from habitue.errors import HabitueError
from habitue.house import House
from habitue.lake import MANIFEST
from habitue.senders import replace_file
from habitue.statements import statement
from habitue.tables import Channel, metadata, snapshot

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
    """In the base: these columns of these tables, by customer_id, and what providers posted; every other column stays,
    as a number's."""
    found = 0
    with task.house.engine.begin() as connection:
        for name, columns in emptied.items():
            table = metadata.tables[name]
            something = or_(*(table.c[column].is_not(None) for column in columns))
            theirs = update(table).where(among(table.c.customer_id, task.ids), something)
            found += connection.execute(theirs.values(dict.fromkeys(columns))).rowcount
        if emails := list(task.emails()):
            found += connection.execute(statement("erasure/posts"), {"emails": emails}).rowcount
    return found


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
    from habitue.lots import lot_name

    found = 0
    with task.house.engine.connect() as connection:
        for row in connection.execute(statement("erasure/letters"), {"ids": task.ids}):
            name = lot_name(row.run_id, row.shard)
            printed = {
                str(one): (first, pages or 1)
                for one, first, pages in zip(row.ids, row.first_pages, row.pages, strict=True)
                if first
            }
            made = run_path(task.house, row.run_id) / "letters" / f"{name}.pdf"
            again = printed_places(made.with_suffix(".json"), {str(one) for one in row.ids})
            for lot, places in (
                (made, again or printed),
                (task.house.out / "letters" / f"{name}.pdf", printed or again),
            ):
                found += _empty(lot, places)
    return found


def _empty(lot: Path, places: dict[str, tuple[int, int]]) -> int:
    if not places or not lot.exists():
        return 0
    before = lot.read_bytes()
    wanted = [page for first, count in places.values() for page in range(first, first + count)]
    if (after := blanked(before, wanted)) == before:
        return 0
    replace_file(lot, after)
    return len(wanted)


def printed_places(rows: Path, wanted: set[str]) -> dict[str, tuple[int, int]]:
    """First page and pages of these letters in the lot that `rows` tells of; of all where nothing is told, nothing."""
    if not rows.exists():
        return {}
    return {
        row["message_id"]: (row["first_page"], row["pages"])
        for row in json.loads(rows.read_text())
        if row["message_id"] in wanted and row["pages"]
    }


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
    found = 0
    for run_id, ids in task.messages(Channel.CALL):
        named = task.house.out / "calls" / run_id.replace(":", "-")
        wanted = [str(one) for one in ids]
        table, book = (Path(f"{named}{ending}") for ending in (".csv", ".xlsx"))
        if table.exists():
            found += blanks.empty_csv_rows(table, wanted)
        if book.exists():
            found += blanks.empty_workbook_rows(book, wanted)
    return found


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
    """The run card with its sample letters, the mails' index, the print shop's manifest: made again without them. Where
    they can't be made they go, until the next report."""
    out = task.house.out
    summary = out / "summary.json"
    if not summary.exists():
        return 0
    on = json.loads(summary.read_text("utf-8"))["on"]
    try:
        summaries.write_all(task.house, on=date.fromisoformat(on))
    except HabitueError:
        for path in (out / "report.html", out / "emails" / "index.html", out / "letters" / "manifest.csv"):
            path.unlink(missing_ok=True)
        shutil.rmtree(out / "emails" / "previews", ignore_errors=True)
    return 1
