"""Links that nobody can guess."""

from __future__ import annotations

import base64
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as some

from habitue.errors import SettingError
from habitue.house import House
from habitue.tokens import LENGTH, Scope, decoy, read, sign

SECRET = b"k" * 32
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
SETTINGS = {"HABITUE_DATABASE_URL": "postgresql://nowhere/habitue", "HABITUE_SECRET": "s" * 32}


@given(some.uuids(), some.sampled_from(Scope))
def test_a_token_leads_back_to_its_message(message_id: UUID, scope: Scope) -> None:
    token = sign(message_id, SECRET, scope)
    assert read(token, SECRET, scope=scope) == message_id
    assert sign(message_id, SECRET, scope) == token
    assert len(token) == LENGTH
    assert str(message_id) not in token


@given(some.uuids(), some.integers(0, LENGTH - 1), some.sampled_from(LETTERS))
def test_a_token_with_one_letter_changed_is_nobodys(message_id: UUID, place: int, letter: str) -> None:
    token = sign(message_id, SECRET)
    forged = token[:place] + letter + token[place + 1 :]
    assert read(forged, SECRET) == (message_id if forged == token else None)


def test_every_letter_of_a_token_counts_even_the_last() -> None:
    """Its last two bits say nothing in base64: three other letters would be read the same."""
    token = sign(UUID(int=7), SECRET)
    same = [one for one in LETTERS if base64.urlsafe_b64decode(token[:-1] + one + "=") == _bytes(token)]
    assert len(same) == 4
    for place in range(LENGTH):
        for letter in LETTERS.replace(token[place], ""):
            assert read(token[:place] + letter + token[place + 1 :], SECRET) is None


def _bytes(token: str) -> bytes:
    return base64.urlsafe_b64decode(token + "=")


@given(some.text() | some.text(alphabet=LETTERS, min_size=LENGTH, max_size=LENGTH))
def test_any_text_may_arrive(text: str) -> None:
    assert read(text, SECRET) is None


@given(some.uuids(), some.sampled_from(Scope), some.sampled_from(Scope))
def test_a_token_opens_only_what_it_was_made_for(message_id: UUID, made: Scope, asked: Scope) -> None:
    token = sign(message_id, SECRET, made)
    assert read(token, SECRET, scope=asked) == (message_id if made is asked else None)


def test_another_key_reads_nothing() -> None:
    assert read(sign(UUID(int=7), SECRET), b"other" * 8) is None
    assert read(sign(UUID(int=7), SECRET)) is None


@given(some.lists(some.binary(min_size=32, max_size=32), min_size=1, max_size=4, unique=True), some.data())
def test_whatever_key_of_ours_signed_it_a_token_is_known(keys: list[bytes], draw: some.DataObject) -> None:
    assert read(sign(UUID(int=7), draw.draw(some.sampled_from(keys))), *keys) == UUID(int=7)


@given(some.text())
def test_a_decoy_looks_like_a_token_and_opens_nothing(text: str) -> None:
    made = decoy(text, SECRET)
    assert len(made) == LENGTH
    assert all(read(made, SECRET, scope=scope) is None for scope in Scope)


# Keys


def test_links_of_mails_sent_before_keys_were_changed_go_on_working() -> None:
    first = House.of(SETTINGS)
    second = House.of({**SETTINGS, "HABITUE_TOKEN_KEYS": "a" * 32})
    third = House.of({**SETTINGS, "HABITUE_TOKEN_KEYS": f"{'b' * 32}, {'a' * 32}"})
    links = [house.unsubscribe_url(UUID(int=7)) for house in (first, second, third)]
    assert len(set(links)) == 3
    for link in links:
        assert read(link.rpartition("/")[2], *third.token_keys) == UUID(int=7)
    assert read(links[2].rpartition("/")[2], *second.token_keys) is None
    retired = House.of({**SETTINGS, "HABITUE_TOKEN_KEYS": "b" * 32})
    assert [read(link.rpartition("/")[2], *retired.token_keys) for link in links] == [UUID(int=7), None, UUID(int=7)]


def test_keys_may_stand_in_a_file_one_a_line(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"{'b' * 40}\n{'a' * 40}\n")
    house = House.of({**SETTINGS, "HABITUE_TOKEN_KEYS_FILE": str(file)})
    assert house.token_keys == (b"b" * 40, b"a" * 40, b"s" * 32)


def test_a_short_key_is_refused_without_being_told() -> None:
    with pytest.raises(SettingError, match="HABITUE_TOKEN_KEYS: a key has at least 32 characters") as refused:
        House.of({**SETTINGS, "HABITUE_TOKEN_KEYS": "hunter2"})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("named", ["proxy.internal", "10.0.0.1, 10.0.0.0/99", "*"])
def test_a_proxy_is_named_by_its_address(named: str) -> None:
    with pytest.raises(SettingError, match=r"HABITUE_PROXIES: .* is neither an IP address nor a network"):
        House.of({**SETTINGS, "HABITUE_PROXIES": named})


def test_both_links_stand_side_by_side() -> None:
    house = House.of(SETTINGS)
    end, wishes = house.unsubscribe_url(UUID(int=7)), house.preferences_url(UUID(int=7))
    assert end.startswith("https://u.maison-tilleul.example/u/")
    assert wishes.startswith("https://u.maison-tilleul.example/p/")
    assert end.rpartition("/")[2] != wishes.rpartition("/")[2]
