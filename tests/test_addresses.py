"""Where a letter goes: NF Z10-011, and its refusals."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from habitue import addresses
from habitue.addresses import AddressProblem, address_lines, address_problem, plain
from habitue.errors import SettingError
from habitue.postcodes import Table, is_elsewhere, town_table

SHOP = Path(__file__).resolve().parents[2] / "shared" / "data" / "shop"


def lines(
    street: str | None = "12, rue de l'Église",
    city: str | None = "Saint-Étienne",
    postcode: str | None = "42000",
    *,
    extra: str | None = None,
    country: str | None = None,
    first: str | None = "Zoé",
    last: str | None = "Lelièvre",
    civility: str | None = "MME",
    language: str = "fr",
) -> tuple[str, ...]:
    return address_lines(civility, first, last, extra, street, postcode, city, country, language=language)


def rule(*where: str | None, **rest: Any) -> str:
    with pytest.raises(AddressProblem) as refused:
        lines(*where, **rest)
    return refused.value.rule


def test_zoe_lives_in_rue_de_l_eglise() -> None:
    assert lines() == ("MADAME Zoé LELIÈVRE", "12 RUE DE L EGLISE", "42000 SAINT ETIENNE")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("12, rue de l'Église", "12 RUE DE L EGLISE"),
        ("L’Haÿ-les-Roses", "L HAY LES ROSES"),
        ("Œuvre de l'Æther, ß & Łódź", "OEUVRE DE L AETHER SS LODZ"),
    ],
)
def test_the_post_reads_capitals_without_accents_or_punctuation(written: str, read: str) -> None:
    assert plain(written) == read


def test_flat_and_building_stand_on_lines_of_their_own() -> None:
    assert lines(extra="Bâtiment C, appt 3")[1:] == (
        "APPT 3",
        "BATIMENT C",
        "12 RUE DE L EGLISE",
        "42000 SAINT ETIENNE",
    )


@pytest.mark.parametrize(
    ("street", "line"),
    [
        ("12bis rue Haute", "12 BIS RUE HAUTE"),
        ("rue Haute, 12", "12 RUE HAUTE"),
        ("Bâtiment C, 12 rue Haute", "12 RUE HAUTE"),
        ("Le Bourg", "LE BOURG"),
    ],
)
def test_the_street_is_found_however_it_was_typed(street: str, line: str) -> None:
    assert lines(street)[-2] == line


def test_two_address_fields_filled_in_the_other_order_are_understood() -> None:
    block = lines("Résidence Les Tilleuls", extra="12 rue Haute")
    assert block[1:3] == ("RESIDENCE LES TILLEULS", "12 RUE HAUTE")


def test_a_post_box_and_its_cedex_are_kept() -> None:
    assert lines("Le Bourg", "Lyon Cedex 03", "69439", extra="BP 40123")[1:] == (
        "LE BOURG",
        "BP 40123",
        "69439 LYON CEDEX 03",
    )


def test_a_street_that_says_too_much_is_moved_and_never_cut() -> None:
    street = "655, rue Laporte, escalier de gauche au fond de la deuxième cour, porte verte"
    block = lines(street)
    assert block[1:4] == ("ESC DE GAUCHE AU FOND DE LA 2E COUR", "PORTE VERTE", "655 RUE LAPORTE")


@pytest.mark.parametrize(
    ("street", "block"),
    [
        (
            "12 rue de l'Église Résidence les Tilleuls Bâtiment C",
            ("RESIDENCE LES TILLEULS BATIMENT C", "12 RUE DE L EGLISE"),
        ),
        (
            "Lotissement les Hauts du Lac Bât C 12 bis rue Haute",
            ("LOTISSEMENT LES HAUTS DU LAC BAT C", "12 BIS RUE HAUTE"),
        ),
        ("Lotissement les Lilas, 12 rue Haute", ("LOTISSEMENT LES LILAS", "12 RUE HAUTE")),
        ("12 rue de la République BP 40123 CS 12345", ("12 RUE DE LA REPUBLIQUE", "BP 40123 CS 12345")),
        ("12 rue du Faubourg de la Porte Saint-Denis 3e étage", ("3E ETAGE", "12 RUE DU FG DE LA PORTE SAINT DENIS")),
    ],
)
def test_a_street_that_says_too_much_without_a_comma_is_moved_too(street: str, block: tuple[str, ...]) -> None:
    assert lines(street)[1:-1] == block


def test_what_fits_is_not_parted() -> None:
    assert lines("12 rue Haute Bâtiment C")[1] == "12 RUE HAUTE BATIMENT C"


def test_a_title_in_the_name_is_not_printed_twice() -> None:
    assert lines(first="Zoé", last="Madame Durand,")[0] == "MADAME Zoé DURAND"


def test_thirty_eight_characters_fit_and_one_more_is_abbreviated() -> None:
    fits = "1 AVENUE " + "X" * 29
    assert lines(fits)[1] == fits
    assert lines("1 AVENUE " + "X" * 30)[1] == "1 AV " + "X" * 30


def test_what_no_abbreviation_shortens_is_refused() -> None:
    assert rule("1 RUE " + "X" * 33) == "address_line_too_long"
    assert rule(extra="X" * 39) == "address_line_too_long"
    assert rule(last="X" * 39) == "address_line_too_long"
    assert rule(city="X" * 33) == "address_line_too_long"


def test_a_long_name_gives_up_its_title_and_then_its_first_names() -> None:
    assert lines(first="Jean-Baptiste", last="de Saint-Exupéry-Lon", civility="M")[0].startswith("M Jean-Baptiste DE")
    short = lines(first="Marie-Antoinette", last="de la Rochefoucauld-Montmorency")[0]
    assert short == "MME M DE LA ROCHEFOUCAULD-MONTMORENCY"


@pytest.mark.parametrize("postcode", [None, "", "4200", "42 00", "99000", "96000", "2A004", "٤٢٠٠٠", "420000"])
def test_a_bad_postcode_gets_no_letter(postcode: str | None) -> None:
    assert rule(postcode=postcode) == "bad_postcode"


@pytest.mark.parametrize(("postcode", "city"), [("97400", "Saint-Denis"), ("98800", "Nouméa"), ("01000", "Bourg")])
def test_overseas_and_first_departments_are_at_home(postcode: str, city: str) -> None:
    assert lines("1 rue Haute", city, postcode)[-1] == f"{postcode} {plain(city)}"
    assert lines("1 rue Haute", city, postcode, country="RE")[-1] == f"{postcode} {plain(city)}"


def test_na_is_a_town_and_xxx_is_none() -> None:
    assert lines(city="NA")[-1] == "42000 NA"
    assert rule(city="xxx") == rule(city=None) == rule(city="42000") == "no_town"


@pytest.mark.parametrize("street", [None, "", "-", "xxx", "N/A", "appartement 3"])
def test_without_a_street_there_is_no_letter(street: str | None) -> None:
    assert rule(street) == "no_street"


def test_an_address_in_another_alphabet_is_refused_not_guessed() -> None:
    assert rule("улица Ленина 4") == "address_not_latin"


def test_abroad_the_country_closes_the_block_in_french_capitals() -> None:
    assert lines("Hauptstraße 12", "Berlin", "D-10115", country="Allemagne")[1:] == (
        "Hauptstraße 12",
        "10115 BERLIN",
        "ALLEMAGNE",
    )
    assert lines("10 Downing Street", "London", "SW1A 2AA", country="GB")[2:] == ("LONDON", "SW1A 2AA", "ROYAUME-UNI")
    assert lines("1 Main St", "Boise", "83701", country="United States")[2:] == ("BOISE, ID 83701", "ÉTATS-UNIS")
    assert rule("Hauptstraße 12", "Berlin", "1011", country="DE") == "bad_postcode"
    assert rule(country="Syldavie") == "unknown_country"


def test_an_english_reader_in_lyon_is_ms() -> None:
    assert lines(language="en")[0] == "MS Zoé LELIÈVRE"
    assert lines(civility=None)[0] == "Zoé LELIÈVRE"


def test_a_refusal_quotes_nobody() -> None:
    with pytest.raises(AddressProblem) as refused:
        lines("1 RUE CANARI " + "X" * 40)
    assert "CANARI" not in str(refused.value)
    assert "address_line_too_long" in str(refused.value)


words = st.text(st.sampled_from("abcéÉœßŁ12 ,;'’-./\n\t\0x{}=#$🙂\u202e"), max_size=60) | st.none()
streets = words | st.builds("{} rue {}".format, st.integers(0, 99999), words)
cities = words | st.sampled_from(["Lyon", "XXX ", "Test", "Sainte-Foy"])
postcodes = st.sampled_from(["69001", "97400", "4200", "00000", None])


@given(words, words, words, streets, postcodes, cities)
def test_no_block_is_ever_too_wide_or_too_high(
    first: str | None, last: str | None, extra: str | None, street: str | None, postcode: str | None, city: str | None
) -> None:
    person = ("M", first, last, extra, street, postcode, city, "FR")
    problem = address_problem(*person, language="fr")
    if problem:
        with pytest.raises(AddressProblem, match=problem):
            address_lines(*person, language="fr")
        return
    block = address_lines(*person, language="fr")
    assert 3 <= len(block) <= 6
    assert all(0 < len(line) <= 38 for line in block)
    assert all(line == plain(line) for line in block[1:])


@pytest.mark.skipif(not SHOP.exists(), reason="the real shop's export is not on this machine")
def test_the_short_cut_never_passes_what_the_long_way_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    with (SHOP / "customers.csv").open(encoding="utf-8", newline="") as file:
        people = [
            [row[key] or None for key in ("civility", "first_name", "last_name", "address_extra", "street")]
            + [row[key] or None for key in ("postal_code", "city", "country")]
            for row in csv.DictReader(file)
        ]
    quick = [address_problem(*person, language="fr") for person in people]
    monkeypatch.setattr(addresses, "_plainly_fine", lambda *_: False)
    assert quick == [address_problem(*person, language="fr") for person in people]
    assert quick.count(None) > 4000


@pytest.fixture
def towns(tmp_path: Path) -> Table:
    """Two lines of La Poste's file, and how it writes them."""
    file = tmp_path / "hexasimal.csv"
    file.write_text(
        "#Code_commune_INSEE;Nom_de_la_commune;Code_postal;Libellé_d_acheminement;Ligne_5\r\n"
        "42218;ST ETIENNE;42000;ST ETIENNE;\r\n"
        "01004;AMBERIEU EN BUGEY;1500;AMBERIEU EN BUGEY;VAREILLES\r\n"
        "69382;LYON 02;69002;LYON;\r\n",
        "cp1252",
    )
    return town_table(file)


@pytest.mark.parametrize(
    ("postcode", "city"),
    [
        ("42000", "Saint-Étienne"),
        ("42000", "St Etienne"),
        ("01500", "Ambérieu-en-Bugey"),
        ("01500", "Vareilles"),
        ("69002", "Lyon 2e"),
        ("69002", "LYON 2EME ARRONDISSEMENT"),
        ("42007", "Saint-Étienne Cedex 1"),
    ],
)
def test_a_town_is_known_however_it_is_written(postcode: str, city: str, towns: Table) -> None:
    assert not is_elsewhere(towns, postcode, city)


@pytest.mark.parametrize(("postcode", "city"), [("42000", "Lyon"), ("42100", "Saint-Étienne"), ("69002", "Lyons")])
def test_a_postcode_of_another_town_is_seen(postcode: str, city: str, towns: Table) -> None:
    assert is_elsewhere(towns, postcode, city)


def test_a_table_without_towns_is_said(tmp_path: Path) -> None:
    (tmp_path / "towns.csv").write_text("a;b\n1;2\n")
    with pytest.raises(
        SettingError, match=r"validation\.postcodes: towns\.csv: the first line must name postcode;town"
    ):
        town_table(tmp_path / "towns.csv")
