"""Lots on their way to the print shop's folder: whole or not there, once, whatever breaks in the middle."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from sqlalchemy import insert, text

from habitue import hand_over, lot_book, runs
from habitue.errors import LedgerError, SendError, SettingError
from habitue.hand_over import Folder
from habitue.house import House
from habitue.lots import SUMS, Lot
from habitue.tables import consent
from letter_town import LOT_1, RUN, customers_by_letter, house, lots_of, manifest, planned, with_letters
from people import AT, ON, event

__all__ = ["house"]


def a_lot(folder: Path, content: bytes = b"%PDF the letters") -> Lot:
    """A lot as the bindery leaves it, of other bytes."""
    made = Lot("spring:2026-10-01", 1, folder / LOT_1, [], {}, "")
    made.folder.mkdir(parents=True, exist_ok=True)
    sums = ""
    for name in made.files[:-1]:
        (made.folder / name).write_bytes(content + name.encode())
        sums += f"{hashlib.sha256(content + name.encode()).hexdigest()}  {name}\n"
    (made.folder / SUMS).write_text(sums)
    return made


class Flaky(LocalFileSystem):
    """A disk that breaks at the nth file that is opened to be written, or writes other bytes than it was given."""

    cachable = False

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.breaks_at = self.spoils_at = 0
        self.written: list[str] = []

    def open(self, path: str, mode: str = "rb", **given: Any) -> Any:
        if "w" in mode:
            self.written.append(Path(path).name)
            if len(self.written) == self.breaks_at:
                raise OSError("the cable is out, password=secret")
            if len(self.written) == self.spoils_at:
                path = f"{path}.elsewhere"
                Path(path.removesuffix(".elsewhere")).write_bytes(b"spoilt")
        return super().open(path, mode, **given)


def test_a_lot_arrives_whole_and_its_marker_last(tmp_path: Path) -> None:
    lot, disk = a_lot(tmp_path / "made"), Flaky()
    folder = Folder(disk, str(tmp_path / "there"), "file:///there")
    assert folder.taken(lot) is None
    assert folder.status(LOT_1) == "not there"
    assert folder.submit(lot, lot.key) == f"file:///there/{LOT_1}"
    assert disk.written == [*lot.files, f"{LOT_1}.done"]
    assert folder.status(LOT_1) == "handed over"
    for name in lot.files:
        assert (tmp_path / "there" / LOT_1 / name).read_bytes() == (lot.folder / name).read_bytes()


def test_handed_over_again_not_a_byte_is_written(tmp_path: Path) -> None:
    lot, disk = a_lot(tmp_path / "made"), Flaky()
    folder = Folder(disk, str(tmp_path / "there"), "file:///there")
    place = folder.submit(lot, lot.key)
    disk.written.clear()
    assert folder.submit(lot, lot.key) == folder.taken(lot) == place
    assert disk.written == []


@pytest.mark.parametrize("nth", [1, 2, 5, 6])
def test_after_a_crash_in_the_middle_only_the_rest_follows(nth: int, tmp_path: Path) -> None:
    lot, disk = a_lot(tmp_path / "made"), Flaky()
    folder = Folder(disk, str(tmp_path / "there"), "file:///there")
    disk.breaks_at = nth
    with pytest.raises(SendError, match=r"could not be handed over to file:///there \(OSError\)") as error:
        folder.submit(lot, lot.key)
    assert not error.value.permanent
    assert "secret" not in str(error.value)
    assert folder.taken(lot) is None  # no marker: nobody takes it
    disk.written.clear()
    disk.breaks_at = 0
    folder.submit(lot, lot.key)
    assert disk.written == [*lot.files, f"{LOT_1}.done"][nth - 1 :]


def test_other_bytes_than_were_sent_are_noticed_and_written_anew(tmp_path: Path) -> None:
    lot, disk = a_lot(tmp_path / "made"), Flaky()
    folder = Folder(disk, str(tmp_path / "there"), "file:///there")
    disk.spoils_at = 2
    with pytest.raises(SendError, match=r"manifest\.csv came back from file:///there with other bytes"):
        folder.submit(lot, lot.key)
    folder.submit(lot, lot.key)
    assert (tmp_path / "there" / LOT_1 / "manifest.csv").read_bytes() == (lot.folder / "manifest.csv").read_bytes()


def test_a_lot_that_is_made_again_while_it_travels_is_not_handed_over(tmp_path: Path) -> None:
    lot = a_lot(tmp_path / "made")
    (lot.folder / "manifest.csv").write_bytes(b"of another worker")
    folder = Folder(LocalFileSystem(), str(tmp_path / "there"), "file:///there")
    with pytest.raises(SendError, match=r"manifest\.csv was made again meanwhile"):
        folder.submit(lot, lot.key)
    assert folder.taken(lot) is None


def test_what_the_print_shop_may_have_taken_is_never_replaced(tmp_path: Path) -> None:
    folder = Folder(LocalFileSystem(), str(tmp_path / "there"), "file:///there")
    first = a_lot(tmp_path / "first")
    folder.submit(first, first.key)
    other = a_lot(tmp_path / "other", b"%PDF without her")
    with pytest.raises(LedgerError, match="was handed over to file:///there with other letters"):
        folder.submit(other, other.key)
    assert folder.taken(first)


def test_any_file_system_of_fsspec_will_do(tmp_path: Path) -> None:
    MemoryFileSystem.store.clear()
    lot = a_lot(tmp_path / "made")
    folder = Folder.at("memory://print/in")
    assert folder.submit(lot, lot.key) == f"memory://print/in/{LOT_1}"
    assert f"/print/in/{LOT_1}/{LOT_1}.done" in MemoryFileSystem.store
    assert Folder.at(f"file://{tmp_path}/there").submit(lot, lot.key) == f"file://{tmp_path}/there/{LOT_1}"


@pytest.mark.parametrize(("url", "needs"), [("s3://bucket/in", "s3fs"), ("sftp://print.example/in", "paramiko")])
def test_what_is_not_installed_is_named(url: str, needs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise ImportError(needs)

    monkeypatch.setattr("fsspec.core.url_to_fs", missing)
    monkeypatch.setitem(sys.modules, "paramiko", None)
    protocol = url.split(":", maxsplit=1)[0]
    with pytest.raises(SettingError, match=rf'{protocol}:// needs {needs}.*pip install "habitue\[{protocol}\]"'):
        Folder.at(url)


def handed_over(house: House) -> list[tuple[str, str]]:
    return [(one.lot_id, one.provider_id or "") for one in lot_book.of_run(house.engine, RUN) if one.handed_over_at]


def accepted(house: House) -> int:
    with house.engine.connect() as connection:
        return int(connection.scalar(text("select count(*) from message where state = 'accepted'")) or 0)


def test_a_campaign_goes_where_the_shop_says_and_the_book_says_where(house: House) -> None:
    MemoryFileSystem.store.clear()
    house = with_letters(house, hand_over="memory://print")
    parts = planned(house)
    for part in parts:
        runs.render(house, part)
        runs.deliver(house, part, on=ON, now=lambda: AT)
    assert handed_over(house) == [(f"LOT-spring-{ON}-00{n}", f"memory://print/LOT-spring-{ON}-00{n}") for n in (1, 2)]
    assert accepted(house) == 12
    assert lots_of(house) == []


def test_while_the_print_shop_is_away_nothing_counts_as_left_and_later_it_does(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Flaky()
    disk.breaks_at = 2
    monkeypatch.setattr(hand_over, "open_service", None)
    folder = Folder(disk, str(house.out / "letters"), "file:///there")
    monkeypatch.setattr("habitue.print_room.open_service", lambda *_, **__: folder)
    part = planned(house)[0]
    runs.render(house, part)
    with pytest.raises(SendError):
        runs.deliver(house, part, on=ON, now=lambda: AT)
    assert (handed_over(house), accepted(house)) == ([], 0)
    assert runs.deliver(house, part, on=ON, now=lambda: AT)["accepted"] == 6
    assert len(handed_over(house)) == 1


def test_what_a_dead_worker_had_handed_over_has_left_whoever_says_no_since(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lot lies at the print shop, the worker died before it told the ledger, then Bruno objected."""
    part = planned(house)[0]
    runs.render(house, part)
    with monkeypatch.context() as crash:
        crash.setattr("habitue.deliveries.Desk.settle", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            runs.deliver(house, part, on=ON, now=lambda: AT)
    with house.engine.begin() as connection:
        connection.execute(insert(consent), [event("bruno", "letter", "withdrawn", AT)])
    before = {path.name: path.read_bytes() for path in lots_of(house)[0].iterdir()}
    assert runs.deliver(house, part, on=ON, now=lambda: AT) == {"accepted": 6, "cancelled": 0}
    assert {path.name: path.read_bytes() for path in lots_of(house)[0].iterdir()} == before
    assert "bruno" in {customers_by_letter(house)[row["letter_id"]] for row in manifest(lots_of(house)[0])}
    with house.engine.connect() as connection:
        tally = connection.execute(text("select accepted, cancelled from shard where shard = 1")).one()
    assert tuple(tally) == (6, 0)
