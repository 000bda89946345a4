"""The files of a run: lots for the print shop, call lists, the mails of its samples. Only what the run made itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from habitue.house import House
from habitue.lots import FOR_PEOPLE, MANIFEST, SUMS
from habitue.questions import previews_folder

Kind = Literal["letters", "manifest", "spreadsheet", "readme", "sums", "call_list", "sample"]

KINDS: dict[str, Kind] = {MANIFEST: "manifest", FOR_PEOPLE: "spreadsheet", "README.txt": "readme", SUMS: "sums"}


@dataclass(frozen=True, slots=True)
class RunFile:
    """`key` names it among the run's files: `<folder>/<name>`; `personal` where people stand in it."""

    folder: str
    name: str
    kind: Kind
    path: Path
    bytes: int

    @property
    def key(self) -> str:
        return f"{self.folder}/{self.name}"

    @property
    def personal(self) -> bool:
        return self.kind not in ("readme", "sums")


def files(house: House, run_id: str) -> list[RunFile]:
    """Those that there are, lots first. A run that is not planned has none."""
    campaign, _, day = run_id.partition(":")
    if not (campaign.replace("_", "").isalnum() and day.replace("-", "").isdigit()):
        return []
    return [*_lots(house, campaign, day), *_lists(house, campaign, day), *_samples(house, run_id)]


def find(house: House, run_id: str, key: str) -> RunFile | None:
    """The run's file of that key: one of those listed, whatever the key looks like."""
    return next((file for file in files(house, run_id) if file.key == key), None)


def _lots(house: House, campaign: str, day: str) -> Iterator[RunFile]:
    made = house.out / "runs" / campaign / day / "letters"
    for folder in sorted(found for found in made.glob(f"LOT-{campaign}-{day}-*") if found.is_dir()):
        for path in sorted(folder.iterdir(), key=lambda path: (path.suffix != ".pdf", path.name)):
            if path.name == f"{folder.name}.pdf":
                yield _file(folder.name, path, "letters")
            elif path.name in KINDS:
                yield _file(folder.name, path, KINDS[path.name])


def _lists(house: House, campaign: str, day: str) -> Iterator[RunFile]:
    for ending in (".xlsx", ".csv"):
        path = house.out / "calls" / f"{campaign}-{day}{ending}"
        if path.is_file():
            yield _file("calls", path, "call_list")


def _samples(house: House, run_id: str) -> Iterator[RunFile]:
    for path in sorted((house.out / "emails" / previews_folder(run_id)).glob("*.eml")):
        yield _file("samples", path, "sample")


def _file(folder: str, path: Path, kind: Kind) -> RunFile:
    return RunFile(folder, path.name, kind, path, path.stat().st_size)
