"""Lots by SFTP, to a real server on this machine: whole, to nobody else, and after the line broke only the rest."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from habitue import runs
from habitue.errors import SendError
from habitue.hand_over import Folder, open_service
from habitue.house import House
from habitue.shop import LetterSettings
from letter_town import LOT_1, house, planned, with_letters
from people import AT, ON
from sftp_server import SftpServer, sftp_server
from test_hand_over import a_lot, accepted, handed_over

__all__ = ["house"]

PASSWORD = "geheim-42"


@pytest.fixture
def print_shop(tmp_path: Path) -> Iterator[SftpServer]:
    with sftp_server(tmp_path / "print-shop", PASSWORD) as running:
        yield running


def folder(at: SftpServer, password: str = PASSWORD) -> Folder:
    return Folder.at(at.url, password=password, host_key=at.host_key)


def hung_up(at: SftpServer) -> bool:
    for _ in range(100):
        if not at.open_lines:
            return True
        time.sleep(0.05)
    return False


def test_a_lot_arrives_by_sftp_its_marker_last_and_the_line_is_hung_up(print_shop: SftpServer, tmp_path: Path) -> None:
    lot = a_lot(tmp_path / "made", b"%PDF" + bytes(range(256)) * 4_000)
    with closing(folder(print_shop)) as printer:
        assert printer.status(LOT_1) == "not there"
        assert printer.submit(lot, lot.key) == f"{print_shop.url}/{LOT_1}"
        assert print_shop.written == [*lot.files, f"{LOT_1}.done"]
        assert printer.submit(lot, lot.key) == printer.taken(lot)
        assert len(print_shop.written) == 6
        assert printer.status(LOT_1) == "handed over"
    there = print_shop.root / "in" / LOT_1
    assert all((there / name).read_bytes() == (lot.folder / name).read_bytes() for name in lot.files)
    assert hung_up(print_shop)


@pytest.mark.parametrize("nth", [1, 3, 6])
def test_after_the_line_broke_only_the_rest_follows(nth: int, print_shop: SftpServer, tmp_path: Path) -> None:
    lot = a_lot(tmp_path / "made")
    print_shop.hangs_up_at = nth
    with closing(folder(print_shop)) as printer, pytest.raises(SendError, match="could not be handed over") as error:
        printer.submit(lot, lot.key)
    assert not error.value.permanent
    assert "geheim" not in str(error.value)
    print_shop.written.clear()
    print_shop.hangs_up_at = 0
    with closing(folder(print_shop)) as printer:
        assert printer.taken(lot) is None
        printer.submit(lot, lot.key)
        assert printer.taken(lot)
    assert print_shop.written == [*lot.files, f"{LOT_1}.done"][nth - 1 :]


def test_a_server_that_nobody_named_gets_nothing_and_its_key_is_said(
    print_shop: SftpServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # no known_hosts there
    for named in (None, f"SHA256:{'A' * 43}"):
        with pytest.raises(SendError, match="nothing was sent") as error:
            Folder.at(print_shop.url, password=PASSWORD, host_key=named)
        assert error.value.permanent
        assert print_shop.host_key in str(error.value)
    assert hung_up(print_shop)


def test_a_server_that_known_hosts_names_is_trusted_and_one_with_another_key_is_not(
    print_shop: SftpServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    known = tmp_path / ".ssh" / "known_hosts"
    known.write_text(f"[127.0.0.1]:{print_shop.port} ssh-rsa {print_shop.key.get_base64()}\n")
    with closing(Folder.at(print_shop.url, password=PASSWORD)) as printer:
        assert printer.status(LOT_1) == "not there"
    with sftp_server(tmp_path / "impostor", PASSWORD) as impostor:
        known.write_text(f"[127.0.0.1]:{impostor.port} ssh-rsa {print_shop.key.get_base64()}\n")
        with pytest.raises(SendError, match="another host key than known_hosts says") as error:
            Folder.at(impostor.url, password=PASSWORD)
        assert error.value.permanent


def test_a_wrong_password_is_for_a_person_and_is_not_told(print_shop: SftpServer) -> None:
    with pytest.raises(SendError, match="HABITUE_LETTERS_PASSWORD") as error:
        folder(print_shop, password="falsch-7")
    assert error.value.permanent
    assert "falsch" not in str(error.value)


def test_nobody_there_is_tried_again_later(print_shop: SftpServer) -> None:
    print_shop.stop()
    with pytest.raises(SendError, match="no connection by sftp://") as error:
        folder(print_shop)
    assert not error.value.permanent


def test_a_host_key_belongs_to_sftp() -> None:
    with pytest.raises(ValueError, match="host_key is an SFTP server's"):
        LetterSettings.model_validate({"hand_over": "file:///mnt/in", "host_key": f"SHA256:{'A' * 43}"})


def test_a_campaign_is_handed_over_by_sftp(house: House, print_shop: SftpServer) -> None:
    house = with_letters(house, hand_over=print_shop.url, host_key=print_shop.host_key)
    letters = house.shop.letters
    with closing(open_service(letters, password=PASSWORD, letters=house.out)) as printer:
        assert printer.status(LOT_1) == "not there"
    vars(house)["letters_password"] = PASSWORD
    for part in planned(house):
        runs.render(house, part)
        runs.deliver(house, part, on=ON, now=lambda: AT)
    assert [place for _, place in handed_over(house)] == [f"{print_shop.url}/LOT-spring-{ON}-00{n}" for n in (1, 2)]
    assert accepted(house) == 12
