"""How the house opens a letter."""

from __future__ import annotations

import pytest

from habitue.salutations import name, salutation


@pytest.mark.parametrize(
    ("civility", "language", "opening"),
    [
        ("MME", "fr", "Chère Madame\u00a0Durand,"),
        ("M", "fr", "Cher Monsieur\u00a0Durand,"),
        (None, "fr", "Bonjour Claude Durand,"),
        ("MME", "en", "Dear Ms\u00a0Durand,"),
        ("M", "en", "Dear Mr\u00a0Durand,"),
        (None, "en", "Dear Claude Durand,"),
    ],
)
def test_claude_durand_is_greeted_as_the_shop_knows_them(civility: str | None, language: str, opening: str) -> None:
    assert salutation(civility, "Claude", "Durand", language, channel="letter") == opening


@pytest.mark.parametrize("family", ["d’Arçon", "de la Tour", "N’Diaye", "Lévy-Strauss", "McDonald", "van den Berg"])
def test_hard_names_are_kept_as_their_bearers_write_them(family: str) -> None:
    assert salutation("M", "Jean", family, "fr", channel="letter") == f"Cher Monsieur\u00a0{family},"
    assert name("Jean", family) == f"Jean {family}"


def test_someone_known_by_first_name_only_is_greeted_by_it() -> None:
    assert salutation("MME", "Zoé", None, "fr", channel="email") == "Bonjour Zoé,"


@pytest.mark.parametrize(("language", "opening"), [("fr", "Bonjour,"), ("en", "Hello,")])
def test_nobody_is_called_none(language: str, opening: str) -> None:
    assert salutation(None, None, "  ", language, channel="email") == opening
    with pytest.raises(ValueError, match="no_name"):
        salutation(None, None, None, language, channel="letter")


def test_a_line_break_in_a_name_does_not_break_the_line() -> None:
    assert salutation(None, "Zoé\r\nBcc:", "Durand", "fr", channel="email") == "Bonjour Zoé Bcc: Durand,"
