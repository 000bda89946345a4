"""How the house opens a letter."""

from __future__ import annotations

import pytest

from habitue.salutations import name, salutation, spoken


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


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("DURAND", "Durand"),
        ("BURKE", "Burke"),
        ("MCDONALD", "McDonald"),
        ("MACRON", "Macron"),
        ("O'BRIEN", "O'Brien"),
        ("O’BRIEN", "O’Brien"),
        ("DE LA TOUR", "de la Tour"),
        ("DE L'ISLE", "de l'Isle"),
        ("D'ORMESSON", "d'Ormesson"),
        ("LELIÈVRE-D’ARÇON", "Lelièvre-d’Arçon"),
        ("DUPONT DE NEMOURS", "Dupont de Nemours"),
        ("LE GOFF", "Le Goff"),
        ("LA ROCHE", "La Roche"),
        ("L'HERMITE", "L'Hermite"),
        ("N'DIAYE", "N'Diaye"),
        ("DELL'ACQUA", "Dell'Acqua"),
        ("VAN DER BERG", "Van der Berg"),
        ("VAN 'T HOFF", "Van 't Hoff"),
        ("TER HORST", "Ter Horst"),
        ("VON DER LEYEN", "von der Leyen"),
        ("NGUYEN VAN TAM", "Nguyen Van Tam"),
        ("DA SILVA", "Da Silva"),
        ("ORTEGA Y GASSET", "Ortega y Gasset"),
        ("AL-HASSAN", "Al-Hassan"),
        ("SAINT-EXUPÉRY", "Saint-Exupéry"),
        ("ÇELİK", "Çelik"),
        ("YİĞIT IŞIK", "Yiğıt Işık"),
        ("ŁODARCZYK", "Łodarczyk"),
        ("ИВАНОВ", "Иванов"),
        ("GROẞMANN", "Großmann"),
        ("VLK", "Vlk"),
        ("NG", "Ng"),
        ("DU", "Du"),  # nobody is a particle alone
        ("X", "X"),
        ("HENRY III", "Henry III"),
        ("ΠΑΠΑΔΟΠΟΥΛΟΣ", "ΠΑΠΑΔΟΠΟΥΛΟΣ"),
        ("山田", "山田"),
        ("3", "3"),
    ],
)
def test_a_family_name_in_capitals_is_spoken_as_one_writes_it(written: str, said: str) -> None:
    assert spoken(written, family=True) == said
    assert spoken(said, family=True) == said
    assert salutation("MME", "Zoé", written, "fr", channel="letter") == f"Chère Madame\u00a0{said},"


@pytest.mark.parametrize("kept", ["de La TOUR", "McDONALD", "Durand (née MARTIN)", "van den BERG", "durand"])
def test_who_writes_small_letters_at_all_is_left_alone(kept: str) -> None:
    assert spoken(kept, family=True) == kept


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("ZOÉ", "Zoé"),
        ("JEAN-PIERRE", "Jean-Pierre"),
        ("JC", "JC"),
        ("J. P.", "J. P."),
        ("MARIA DE JESUS", "Maria de Jesus"),
    ],
)
def test_a_first_name_in_capitals_too_but_for_initials(written: str, said: str) -> None:
    assert spoken(written) == said
    assert name(written, "DURAND") == f"{said} Durand"


def test_someone_known_by_first_name_only_is_greeted_by_it() -> None:
    assert salutation("MME", "Zoé", None, "fr", channel="email") == "Bonjour Zoé,"


@pytest.mark.parametrize(("language", "opening"), [("fr", "Bonjour,"), ("en", "Hello,")])
def test_nobody_is_called_none(language: str, opening: str) -> None:
    assert salutation(None, None, "  ", language, channel="email") == opening
    with pytest.raises(ValueError, match="no_name"):
        salutation(None, None, None, language, channel="letter")


def test_a_line_break_in_a_name_does_not_break_the_line() -> None:
    assert salutation(None, "Zoé\r\nBcc:", "Durand", "fr", channel="email") == "Bonjour Zoé Bcc: Durand,"


@pytest.mark.parametrize("typed", ["Madame Durand", "MME DURAND", "Mme. Durand", "M.Durand", "Durand,", "Durand ;"])
def test_a_title_that_was_typed_into_the_name_is_not_said_twice(typed: str) -> None:
    assert salutation("MME", "Claude", typed, "fr", channel="letter") == "Chère Madame\u00a0Durand,"


@pytest.mark.parametrize("family", ["Msika", "Mrozek", "Madamet", "Monsieur", "M Bala"])
def test_a_name_that_begins_like_a_title_is_whole(family: str) -> None:
    assert salutation("MME", "Claude", family, "fr", channel="letter") == f"Chère Madame\u00a0{family},"
