"""Links that nobody can guess."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as some

from habitue.tokens import read, sign

SECRET = b"k" * 32


@given(some.uuids())
def test_a_token_leads_back_to_its_message(message_id: UUID) -> None:
    assert read(sign(message_id, SECRET), SECRET) == message_id
    assert sign(message_id, SECRET) == sign(message_id, SECRET)


@given(some.uuids(), some.integers(0, 42), some.sampled_from("abcXYZ019-_"))
def test_a_token_with_one_letter_changed_is_nobodys(message_id: UUID, place: int, letter: str) -> None:
    token = sign(message_id, SECRET)
    forged = token[:place] + letter + token[place + 1 :]
    assert read(forged, SECRET) == (message_id if forged == token else None)


@given(some.text())
def test_any_text_may_arrive(text: str) -> None:
    assert read(text, SECRET) is None


def test_another_key_reads_nothing() -> None:
    assert read(sign(UUID(int=7), SECRET), b"other" * 8) is None
