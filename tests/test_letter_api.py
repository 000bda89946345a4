"""A letter service's API played on 127.0.0.1: a lot gets there whole and once, however it misbehaves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from habitue import lot_book, runs
from habitue.errors import LedgerError, SendError, SettingError
from habitue.hand_over import open_service
from habitue.house import House
from habitue.letter_api import LetterApi
from habitue.postbag import Patience
from habitue.shop import LetterSettings
from letter_service import LetterServiceFake
from letter_town import LOT_1, RUN, house, lots_of, planned, with_letters
from loopback import Faults, running
from people import AT, ON
from test_hand_over import a_lot

__all__ = ["house"]

KEY = "letters-key-zz"
PATIENCE = Patience(tries=4, first=0.001, longest=0.01)


@contextmanager
def speaking(fake: LetterServiceFake, *, key: str = KEY) -> Iterator[LetterApi]:
    with running(fake), closing(LetterApi(fake.base_url, key=key, timeout=5, patience=PATIENCE)) as api:
        yield api


def test_a_lot_is_taken_whole_and_keeps_its_name(tmp_path: Path) -> None:
    fake, lot = LetterServiceFake(key=KEY), a_lot(tmp_path)
    with speaking(fake) as api:
        assert api.taken(lot) is None
        assert api.status(LOT_1) == "not there"
        assert api.submit(lot, lot.key) == api.submit(lot, lot.key) == api.taken(lot) == "ORDER-0001"
        fake.lots[LOT_1]["status"] = "mailed"
        assert api.status(LOT_1) == "mailed"
    assert fake.lots[LOT_1]["files"] == {name: (lot.folder / name).read_bytes() for name in lot.files}


@pytest.mark.parametrize("fault", ["429", "500", "503", "reset early", "reset late"])
def test_while_the_service_is_busy_or_silent_it_is_asked_again_and_prints_once(fault: str, tmp_path: Path) -> None:
    fake = LetterServiceFake(key=KEY, faults=Faults({fault: 1.0}, most=2))
    lot = a_lot(tmp_path)
    with speaking(fake) as api:
        assert api.submit(lot, lot.key) == "ORDER-0001"
    assert len(fake.asked) == 3
    assert len(fake.lots) == 1


def test_a_service_that_stays_away_is_tried_again_later(tmp_path: Path) -> None:
    fake, lot = LetterServiceFake(key=KEY, faults=Faults({"503": 1.0})), a_lot(tmp_path)
    with speaking(fake) as api, pytest.raises(SendError, match=r"no answer \(503, 4 tries\)") as error:
        api.submit(lot, lot.key)
    assert not error.value.permanent
    assert len(fake.asked) == 4


def test_nobody_at_the_other_end(tmp_path: Path) -> None:
    fake, lot = LetterServiceFake(key=KEY), a_lot(tmp_path)
    with running(fake):
        pass
    api = LetterApi(fake.base_url, key=KEY, patience=PATIENCE)
    with closing(api), pytest.raises(SendError, match="ConnectError") as error:
        api.submit(lot, lot.key)
    assert not error.value.permanent


def test_a_wrong_key_is_given_up_at_once_and_stands_in_no_error(tmp_path: Path) -> None:
    fake, lot = LetterServiceFake(key=KEY), a_lot(tmp_path)
    with speaking(fake, key="another-zz") as api, pytest.raises(SendError, match=r"refuses it \(401\)") as error:
        api.submit(lot, lot.key)
    assert error.value.permanent
    assert "another-zz" not in str(error.value)
    assert len(fake.asked) == 1


def test_a_lot_that_is_not_whole_is_refused_for_good(tmp_path: Path) -> None:
    fake, lot = LetterServiceFake(key=KEY), a_lot(tmp_path)
    (lot.folder / "README.txt").write_bytes(b"other")
    with speaking(fake) as api, pytest.raises(SendError, match=r"refuses it \(422\)"):
        api.submit(lot, lot.key)
    assert fake.lots == {}


def test_another_lot_of_that_name_is_a_question_for_a_person(tmp_path: Path) -> None:
    fake, lot, other = LetterServiceFake(key=KEY), a_lot(tmp_path / "a"), a_lot(tmp_path / "b", b"%PDF other")
    with speaking(fake) as api:
        api.submit(lot, lot.key)
        for ask in (lambda: api.submit(other, other.key), lambda: api.taken(other)):
            with pytest.raises(LedgerError, match="has another lot of that name"):
                ask()


def test_an_answer_outside_the_contract_is_no_yes(tmp_path: Path) -> None:
    fake, lot = LetterServiceFake(key=KEY, faults=Faults({"garbage": 1.0}, most=1)), a_lot(tmp_path)
    with speaking(fake) as api:
        with pytest.raises(SendError, match="answers outside its contract"):
            api.submit(lot, lot.key)
        assert api.submit(lot, lot.key) == "ORDER-0001"


def test_without_its_key_the_service_is_not_asked() -> None:
    settings = LetterSettings.model_validate({"service": {"base_url": "https://letters.example"}})
    with pytest.raises(SettingError, match="HABITUE_LETTERS_PASSWORD is not set"):
        open_service(settings, password=None, letters=Path("/nowhere"))


def test_a_campaign_by_the_service_has_its_order_numbers_in_the_book(house: House) -> None:
    from dataclasses import replace

    fake = LetterServiceFake(key=KEY, faults=Faults({"reset late": 0.5, "500": 0.3}, seed=1, most=4))
    with running(fake):
        there = with_letters(house, service={"base_url": fake.base_url, "timeout": 5})
        there = replace(there, letters_password=KEY)
        vars(there)["engine"] = house.engine
        parts = planned(there)
        for part in parts:
            runs.render(there, part)
            runs.deliver(there, part, on=ON, now=lambda: AT)
    found = [(one.lot_id, one.handed_over_to, one.provider_id) for one in lot_book.of_run(house.engine, RUN)]
    assert [name for name, _, _ in found] == sorted(fake.lots)
    assert all(address == fake.base_url and order == fake.lots[name]["id"] for name, address, order in found)
    assert lots_of(house) == []
    with house.engine.connect() as connection:
        assert connection.scalar(text("select count(*) from message where state = 'accepted'")) == 12
