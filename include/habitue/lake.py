"""The lake: dated snapshots of the customer base, never changed once published, but for erasures (`erase`).

    orders/<yyyy-mm>/<SHA-256>.parquet   order lines of a month, shared by the snapshots that agree on it; 12 digits
    snapshots/<yyyy-mm-dd>/              customers, consents, problems, segments (.parquet), quarantine/,
                                         validation.json, manifest.json, erasures.json where people were erased
    snapshots/.draft-<yyyy-mm-dd>/       what is not published yet

1. `prepare` merges the checked orders into the months they touch, writes those months, and fills a draft.
2. The caller puts `segments.parquet` into the draft.
3. `commit` writes the manifest, brings everything to the disk and renames the draft: only then it is there.

Whatever happens before the rename, the last good snapshot stays in force. A snapshot's id is its date, ISO.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

from habitue.errors import HabitueError, LedgerError
from habitue.sources import BEGINNING
from habitue.statements import source as sql_text

CHECKED = ("customers.parquet", "consents.parquet", "problems.parquet")
SEGMENTS = "segments.parquet"
MANIFEST = "manifest.json"
ERASURES = "erasures.json"

Change = Callable[[Path, Path], int]
"""Writes a table of people anew, from one file to another, and returns in how many rows nobody is named any more."""


@dataclass(frozen=True)
class Snapshot:
    """One published customer base."""

    root: Path
    path: Path
    manifest: Mapping[str, Any]
    fresh: bool = False
    """It was published just now; False: it was there already."""

    @property
    def id(self) -> str:
        return str(self.manifest["id"])

    @property
    def on(self) -> date:
        return date.fromisoformat(self.manifest["on"])

    @property
    def orders_until(self) -> date:
        """The last day whose orders are in it (whether or not there were any)."""
        return date.fromisoformat(self.manifest["orders_until"])

    @property
    def orders(self) -> list[Path]:
        """The months' files, in order of time."""
        return [self.root / part["file"] for part in self.manifest["orders"]["parts"]]

    def same_before(self, other: Snapshot) -> date:
        """Of the days before this one both have the very same orders: the files of their months are the same."""
        ours, theirs = (
            {(part["month"], part["file"]) for part in one.manifest["orders"]["parts"]} for one in (self, other)
        )
        return min((date.fromisoformat(f"{month}-01") for month, _ in ours ^ theirs), default=date.max)

    @property
    def customers(self) -> Path:
        return self.path / "customers.parquet"

    @property
    def consents(self) -> Path:
        return self.path / "consents.parquet"

    @property
    def problems(self) -> Path:
        return self.path / "problems.parquet"

    @property
    def segments(self) -> Path:
        return self.path / SEGMENTS

    @property
    def erasures(self) -> list[dict[str, Any]]:
        """`on` and `people` of each time that people were erased from it."""
        notes = self.path / ERASURES
        return list(json.loads(notes.read_text("utf-8"))) if notes.is_file() else []


@dataclass(frozen=True)
class Draft:
    """A snapshot in the making: everything but its segments and manifest."""

    root: Path
    path: Path
    on: date
    base: str | None
    """The snapshot that its orders build on."""
    since: date | None
    parts: list[dict[str, Any]]
    control: Mapping[str, Any]
    settings: Mapping[str, Any]

    @property
    def orders(self) -> list[Path]:
        return [self.root / part["file"] for part in self.parts]

    @property
    def customers(self) -> Path:
        return self.path / "customers.parquet"

    @property
    def segments(self) -> Path:
        """Where the caller writes the segments."""
        return self.path / SEGMENTS


class Lake:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.snapshots = root / "snapshots"

    def ids(self) -> list[str]:
        """The published snapshots, oldest first."""
        if not self.snapshots.is_dir():
            return []
        return sorted(path.parent.name for path in self.snapshots.glob(f"[0-9]*/{MANIFEST}"))

    def snapshot(self, snapshot_id: str) -> Snapshot:
        path = self.snapshots / snapshot_id
        if snapshot_id not in self.ids():
            raise LedgerError(f"snapshot {snapshot_id} is not in the lake; there are {', '.join(self.ids()) or 'none'}")
        return Snapshot(self.root, path, json.loads((path / MANIFEST).read_text("utf-8")))

    def latest(self, on: date | None = None) -> Snapshot | None:
        """The last snapshot of the day `on` or before; of all where `on` is None."""
        ids = [found for found in self.ids() if on is None or found <= on.isoformat()]
        return self.snapshot(ids[-1]) if ids else None

    def publish(
        self,
        checked: Path,
        *,
        on: date,
        control: Mapping[str, Any],
        since: date | None,
        settings: Mapping[str, Any],
        segments: Callable[[Draft], object],
    ) -> Snapshot:
        """`prepare`, then `segments` (which writes `draft.segments`), then `commit`."""
        draft = self.prepare(checked, on=on, control=control, since=since, settings=settings)
        segments(draft)
        return self.commit(draft)

    def prepare(
        self,
        checked: Path,
        *,
        on: date,
        control: Mapping[str, Any],
        since: date | None,
        settings: Mapping[str, Any],
    ) -> Draft:
        """A draft from the checked files. Their orders of the days `since` to `on` replace what the last snapshot
        before `on` held of those days; all of it where `since` is None. A draft of the same date is thrown away.

        LedgerError: orders outside these days, or days between the last snapshot and `since` that nobody read.
        """
        base = self.latest(on - timedelta(days=1))
        _check_interval(base, on, since)
        path = self.snapshots / f".draft-{on}"
        with self._alone(), self._writing(on, path):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(parents=True)
            for name in CHECKED:
                shutil.copyfile(checked / name, path / name)
            if (checked / "validation.json").is_file():
                shutil.copyfile(checked / "validation.json", path / "validation.json")
            if (checked / "quarantine").is_dir():
                shutil.copytree(checked / "quarantine", path / "quarantine", copy_function=shutil.copyfile)
            parts = self._merge(checked / "orders.parquet", base, on, since, path)
        return Draft(self.root, path, on, base.id if base else None, since, parts, control, settings)

    def commit(self, draft: Draft, extra: Mapping[str, Any] | None = None) -> Snapshot:
        """Publishes the draft, all or nothing; `extra` goes into the manifest beside our own keys.

        Where the date is published already: that snapshot (`fresh` False) if it says the same, else LedgerError.
        """
        if not draft.segments.is_file():
            raise LedgerError(f"the draft of {draft.on} has no {SEGMENTS}; segment it before it is published")
        final = self.snapshots / draft.on.isoformat()
        with self._alone(), self._writing(draft.on, draft.path):
            manifest = {**(extra or {}), **_manifest(draft)}
            if draft.on.isoformat() in self.ids():
                return self._already(draft, manifest)
            _write_json(draft.path / MANIFEST, manifest)
            for file in sorted(draft.path.rglob("*")):
                if file.is_file():
                    _to_disk(file)
                    file.chmod(0o444)
            for folder in (draft.path / "quarantine", draft.path):
                if folder.is_dir():
                    _to_disk(folder)
            draft.path.rename(final)
            _to_disk(self.snapshots)
        return Snapshot(self.root, final, manifest, fresh=True)

    def _already(self, draft: Draft, manifest: Mapping[str, Any]) -> Snapshot:
        there = self.snapshot(draft.on.isoformat())
        shutil.rmtree(draft.path)
        if there.manifest["content"] == manifest["content"]:
            return there
        ours, theirs = _contents(manifest), _contents(there.manifest)
        differing = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
        raise LedgerError(
            f"snapshot {there.id} is published and is never changed; today's differs in {', '.join(differing)}. "
            "Corrections go into the next day's snapshot"
        )

    def verify(self, snapshot: Snapshot) -> list[str]:
        """What is wrong with its files, a sentence each; nothing where each is as it was published."""
        found = []
        for name, entry in _contents(snapshot.manifest).items():
            path = self.root / name if name.startswith("orders/") else snapshot.path / name
            if not path.is_file():
                found.append(f"{name} of snapshot {snapshot.id} is missing")
            elif _sha256(path) != entry["sha256"]:
                found.append(f"{name} of snapshot {snapshot.id} was changed after it was published")
        return found

    def erase(self, change: Change, *, on: date, say: Callable[[str], object] = lambda _: None) -> dict[str, int]:
        """Takes people out of every snapshot and draft: the one exception to "never changed", which the law makes.

        Their rows stay, so that no count and no sum changes, with nothing in them that names them. The manifest gets
        the new files' hashes, and `erasures.json` beside it says when and how many people: `verify` holds, and a
        replay says so. All that changes in a snapshot lies ready before the first file takes its place; what a crash
        left half done is finished the next time. Returns the people erased, by snapshot.
        """
        found = {}
        with self._alone():
            for snapshot_id in self.ids():
                say(snapshot_id)
                self._take_over(snapshot_id)
                if rows := self._erase_from(self.snapshot(snapshot_id), change, on):
                    found[snapshot_id] = rows.get("customers.parquet", 0)
                    self._take_over(snapshot_id)
            for draft in self.snapshots.glob(".draft-*"):
                for path in _tables_of_people(draft):
                    _replace(path, change)
        return found

    def _erase_from(self, snapshot: Snapshot, change: Change, on: date) -> dict[str, int]:
        """The files that change, made ready beside the snapshot; how many rows of each."""
        ready = self.snapshots / f".erased-{snapshot.id}"
        shutil.rmtree(ready, ignore_errors=True)
        (ready / "quarantine").mkdir(parents=True)
        rows = {}
        for path in _tables_of_people(snapshot.path):
            name = str(path.relative_to(snapshot.path))
            if changed := change(path, ready / name):
                rows[name] = changed
        if not rows:
            shutil.rmtree(ready)
            return rows
        _write_json(
            ready / ERASURES,
            [*snapshot.erasures, {"on": on.isoformat(), "people": rows.get("customers.parquet", 0), "rows": rows}],
        )
        files = {**snapshot.manifest["files"]}
        for name in rows:
            files[name] = {**files[name], "sha256": _sha256(ready / name)}
        manifest = {**snapshot.manifest, "files": files}
        _write_json(ready / f".{MANIFEST}", {**manifest, "content": _content(manifest)})
        for path in ready.rglob("*"):
            _to_disk(path)
            if path.is_file():
                path.chmod(0o444)
        (ready / f".{MANIFEST}").rename(ready / MANIFEST)  # from here on it is carried through
        _to_disk(ready)
        return rows

    def _take_over(self, snapshot_id: str) -> None:
        """Puts what lies ready in its place, the manifest last; throws away what was not ready yet."""
        ready, final = self.snapshots / f".erased-{snapshot_id}", self.snapshots / snapshot_id
        if (ready / MANIFEST).is_file():
            for path in sorted(ready.rglob("*"), key=lambda path: path.name == MANIFEST):
                if path.is_file():
                    path.replace(final / path.relative_to(ready))
            for folder in (final / "quarantine", final):
                if folder.is_dir():
                    _to_disk(folder)
        shutil.rmtree(ready, ignore_errors=True)

    def prune(self) -> int:
        """Removes months' files that no snapshot uses (a draft that came to nothing left them); how many.
        Not while a draft is between `prepare` and `commit`: then nothing is removed."""
        with self._alone():
            if list(self.snapshots.glob(".draft-*")):
                return 0
            used = {path for found in self.ids() for path in self.snapshot(found).orders}
            unused = [path for path in (self.root / "orders").rglob("*") if path.is_file() and path not in used]
            for path in unused:
                path.unlink()
        return len(unused)

    def _merge(
        self, delivered: Path, base: Snapshot | None, on: date, since: date | None, work: Path
    ) -> list[dict[str, Any]]:
        """The order parts of the new snapshot: months before `since` as they are, the others written anew."""
        import duckdb

        month = since.strftime("%Y-%m") if since else ""
        held = base.manifest["orders"]["parts"] if base and since else []
        touched = [self.root / part["file"] for part in held if part["month"] == month]
        # In memory up to the limit, beyond it in files beside the draft: a third of the time of a database file.
        con = duckdb.connect(config={"memory_limit": "1GB", "temp_directory": str(work / ".spilt")})
        try:
            orders = _lines(con, [delivered])
            orders.create_view("delivered")
            (_lines(con, touched) if touched else orders.limit(0)).create_view("held")
            _check_days(con, on, since)
            merge = sql_text("extract/merge_orders")
            con.execute(f"CREATE TABLE merged AS {merge}", {"since": since or BEGINNING})
            months = con.execute("SELECT month, count(*) FROM merged GROUP BY month ORDER BY month").fetchall()
            written = [self._write_part(con, name, rows, on) for name, rows in months]
        finally:
            con.close()
            shutil.rmtree(work / ".spilt", ignore_errors=True)
        return [part for part in held if part["month"] < month] + written

    def _write_part(self, con: Any, month: str, rows: int, on: date) -> dict[str, Any]:
        folder = self.root / "orders" / month
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f".{on}.part"
        lines = con.sql(sql_text("extract/month_orders"), params={"month": month})
        try:
            lines.write_parquet(str(part), compression="zstd", row_group_size=122_880)
            sha256 = _sha256(part)
            _to_disk(part)
            part.chmod(0o444)
            final = folder / f"{sha256[:12]}.parquet"
            part.replace(final)
        finally:
            part.unlink(missing_ok=True)
        _to_disk(folder)
        return {"month": month, "file": str(final.relative_to(self.root)), "rows": rows, "sha256": sha256}

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One writer at a time; readers need no lock, what they see never changes."""
        self.snapshots.mkdir(parents=True, exist_ok=True)
        with (self.root / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def _writing(self, on: date, draft: Path) -> Iterator[None]:
        """A full disk or the like ends in a sentence, and the draft is gone."""
        import duckdb

        try:
            yield
        except (OSError, duckdb.Error) as error:
            shutil.rmtree(draft, ignore_errors=True)
            last = self.latest()
            raise HabitueError(
                f"the snapshot of {on} could not be written ({_reason(error)}); "
                + (f"{last.id} stays in force" if last else "there is none yet")
            ) from error


def _lines(con: Any, paths: list[Path]) -> Any:
    """Order lines; files of before there were codes have the column, too."""
    lines = con.read_parquet([str(path) for path in paths], union_by_name=True)
    return lines if "offer_code" in lines.columns else lines.project("*, CAST(NULL AS VARCHAR) AS offer_code")


def _check_interval(base: Snapshot | None, on: date, since: date | None) -> None:
    if since is None:
        return
    if since > on:
        raise LedgerError(f"orders since {since} can't be published for {on}: the interval ends before it begins")
    if base is None:
        raise LedgerError(f"orders since {since} want a snapshot before {on} to build on; read them all (since = none)")
    if since > base.orders_until + timedelta(days=1):
        raise LedgerError(
            f"nobody read the orders between {base.orders_until} and {since}; read them since "
            f"{base.orders_until + timedelta(days=1)} or earlier"
        )


def _check_days(con: Any, on: date, since: date | None) -> None:
    outside = con.execute(
        "SELECT count(*) FROM delivered "
        "WHERE ordered_at IS NULL OR CAST(ordered_at AS DATE) NOT BETWEEN $since AND $on",
        {"since": since or BEGINNING, "on": on},
    ).fetchall()[0][0]
    if outside:
        raise LedgerError(f"{outside} order lines lie outside {since or 'the beginning'} to {on}; validate them again")


def _manifest(draft: Draft) -> dict[str, Any]:
    from pyarrow import parquet

    files: dict[str, dict[str, Any]] = {}
    rejects: dict[str, dict[str, int]] = {}
    for path in sorted(draft.path.rglob("*.parquet")):
        name = str(path.relative_to(draft.path))
        files[name] = {"rows": parquet.read_metadata(path).num_rows, "sha256": _sha256(path)}
        if name.startswith("quarantine/"):
            rejects[path.stem] = _counts(path, "reason")
    manifest = {
        "id": draft.on.isoformat(),
        "on": draft.on.isoformat(),
        "orders_until": draft.on.isoformat(),
        "orders_since": draft.since and draft.since.isoformat(),
        "base": draft.base,
        "version": version("habitue"),
        "orders": {"rows": sum(part["rows"] for part in draft.parts), "parts": draft.parts},
        "files": files,
        "rejects": rejects,
        "control": dict(draft.control),
        "profile": _profile(draft.path / "validation.json"),
        "settings": dict(draft.settings),
        "segments": _counts(draft.segments, "segment"),
    }
    return {**manifest, "content": _content(manifest)}


def _content(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(_contents(manifest), sort_keys=True).encode()).hexdigest()


def _contents(manifest: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Every Parquet file of a snapshot by its name, with what it must be."""
    parts = {part["file"]: {"rows": part["rows"], "sha256": part["sha256"]} for part in manifest["orders"]["parts"]}
    return {**parts, **manifest["files"]}


def _tables_of_people(folder: Path) -> list[Path]:
    """The files of a snapshot in which people may be named. Orders and segments know no more than numbers."""
    names = ("customers.parquet", "problems.parquet", "quarantine/customers.parquet")
    return [folder / name for name in names if (folder / name).is_file()]


def _replace(path: Path, change: Change) -> int:
    partial = path.with_name(f".{path.name}.part")
    try:
        changed = change(path, partial)
        if changed:
            partial.replace(path)
        return changed
    finally:
        partial.unlink(missing_ok=True)


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _profile(validation: Path) -> Any:
    return json.loads(validation.read_text("utf-8")).get("profile") if validation.is_file() else None


def _counts(path: Path, column: str) -> dict[str, int]:
    import duckdb

    with duckdb.connect() as con:
        lines = con.read_parquet(str(path))
        return {str(value): count for value, count in lines.aggregate(f"{column}, count(*)").order("1").fetchall()}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _reason(error: Exception) -> str:
    """The system's words for it, or the kind of DuckDB's error (its text may quote a path or a value)."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
