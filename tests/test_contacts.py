"""Who can be named, written to and rung."""

from __future__ import annotations

import random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from habitue import contacts

REAL_NAMES = [
    "N’Diaye", "d’Ormesson", "'t Hooft", "Łukasz", "Null", "Na", "O", "de La Tour", "Saint-Exupéry", "Ng", "李",
    "Martin (veuve Petit)", "محمد", "J.-P.", "Ó Séaghdha", "Ndiaye Ba", "Zoë",
]  # fmt: skip


@pytest.mark.parametrize("name", REAL_NAMES)
def test_real_names_stay(name: str) -> None:
    assert contacts.name_rule(name) is None


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("xxx", "placeholder_name"),
        ("AAAA", "placeholder_name"),
        ("Mme", "placeholder_name"),
        ("TEST", "placeholder_name"),
        ("N/A", "placeholder_name"),
        ("-", "placeholder_name"),
        ("12345", "digits_only"),
        ('=HYPERLINK("http://evil.example","x")', "formula"),
        ("+33 6 anna", "formula"),
        ("@SUM(A1)", "formula"),
        ("＝cmd", "formula"),
        ('"=1+a"', "formula"),
        ("{{ 7*7 }}", "template_code"),
        ("${jndi:x}", "template_code"),
        ("<script>alert(1)</script>", "template_code"),
        ("Pénélope\r\nBcc: all@example.fr", "control_characters"),
        ("An\x1bna", "control_characters"),
        ("\u3164", "control_characters"),
        ("Anna\u202egnp", "control_characters"),
        ("https://evil.example", "not_a_name"),
        ("anna@example.fr", "not_a_name"),
        ("Anna " * 20, "name_too_long"),
    ],
)
def test_what_is_no_name_is_told_by_its_rule(name: str, rule: str) -> None:
    assert contacts.name_rule(name) == rule


@pytest.mark.parametrize(
    ("who", "printed"),
    [
        (("MME", "Anna", "Lefèvre"), ("Anna", "Lefèvre")),
        (("MME", None, "Lefèvre"), (None, "Lefèvre")),
        (("MME", "xxx", "Lefèvre"), (None, "Lefèvre")),
        ((None, None, "Lefèvre"), (None, None)),
        (("M", "Luc", "TEST"), (None, None)),
        (("M", "Luc", None), (None, None)),
        (("M", "{{ 7*7 }}", "Petit"), (None, None)),
        (("M", "Jean", "Null"), ("Jean", "Null")),
        ((None, "null", "NULL"), (None, None)),
    ],
)
def test_a_person_is_addressed_by_last_name_and_first_name_or_civility(who: tuple, printed: tuple) -> None:
    civility, first, last = who
    rules = contacts.name_rule(first), contacts.name_rule(last)
    assert contacts.usable_name(civility, first, last, *rules) == printed


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("Mme", "MME"),
        ("MLLE", "MME"),
        ("Madame", "MME"),
        ("Mrs", "MME"),
        ("Ms.", "MME"),
        ("M.", "M"),
        ("Mr", "M"),
        ("Monsieur", "M"),
        ("Dr", None),
        ("", None),
        (None, None),
    ],
)
def test_civilities(written: str | None, code: str | None) -> None:
    assert contacts.civility(written) == code


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("anna@example.fr", "anna@example.fr"),
        ("Anna.Lefevre+Lyon@EXAMPLE.FR", "Anna.Lefevre+Lyon@example.fr"),
        ("anna@exämple.fr", "anna@xn--exmple-cua.fr"),
        ("o'brien@example.fr", "o'brien@example.fr"),
        ("anna@maison.example", "anna@maison.example"),
        ("anna@shop.test", "anna@shop.test"),
    ],
)
def test_good_addresses_are_made_canonical(written: str, address: str) -> None:
    assert contacts.check_email(written) == (address, None)


@pytest.mark.parametrize(
    "written",
    [
        "anna at example.fr",
        "anna@",
        "anna@example",
        "anna@@example.fr",
        "an na@example.fr",
        "anna@example.fr\r\nBcc: x@y.fr",
        "anna..l@example.fr",
        ".anna@example.fr",
        "a@b.fr, c@d.fr",
        "anna@-example.fr",
        "anna@shop.local",
        "é@example.fr",
        "a" * 65 + "@example.fr",
        "anna@192.168.0.1",
    ],
)
def test_bad_addresses_are_told(written: str) -> None:
    assert contacts.check_email(written) == (None, "bad_email")


@given(st.emails())
def test_the_quick_answer_on_emails_is_the_librarys(address: str) -> None:
    assert contacts.check_email(address) == contacts._odd_email(address)


@pytest.mark.parametrize(
    ("written", "place", "number", "region"),
    [
        ("01 99 00 12 34", "FR", "+33199001234", "FR"),
        ("+33 (0)1 23 45 67 89", "FR", "+33123456789", "FR"),
        ("0033 1 99 00 12 34", "FR", "+33199001234", "FR"),
        ("+33 465717518", "FR", "+33465717518", "FR"),
        ("0262 12 34 56", "RE", "+262262123456", "RE"),
        ("0262 12 34 56", "FR", "+262262123456", "RE"),  # dialled so from Paris too
        ("01 99 00 12 34", "RE", "+33199001234", "FR"),
        ("0590 82 12 34", "GP", "+590590821234", "GP"),
        ("0269 61 12 34", "YT", "+262269611234", "YT"),
        ("+44 20 7946 0018", "FR", "+442079460018", "GB"),
        ("020 7946 0018", "GB", "+442079460018", "GB"),
    ],
)
def test_numbers_become_e164(written: str, place: str, number: str, region: str) -> None:
    assert contacts.check_phone(written, place) == (number, region, None)


@pytest.mark.parametrize(
    "written", ["06", "3900", "0899 12 34 56", "0800 12 34 56", "appelez-moi", "+", "01 99 00 12 3"]
)
def test_what_rings_at_nobodys_is_no_number(written: str) -> None:
    assert contacts.check_phone(written, "FR") == (None, None, "bad_phone")


@pytest.mark.parametrize("place", ["FR", "RE", "GP", "MQ", "YT", "BE", "DE"])
def test_the_quick_answer_on_numbers_is_the_librarys(place: str) -> None:
    draw = random.Random(place)
    code = contacts.phonenumbers.country_code_for_region(place)
    for _ in range(150):
        digits = "".join(draw.choices("0123456789", k=draw.choice((8, 9, 9, 9, 10))))
        text = draw.choice(("0", f"+{code}", f"00{code} ", f"+{code} (0)", "")) + digits
        assert contacts.check_phone(text, place) == contacts._odd_phone(text, place), text


@pytest.mark.parametrize(
    ("place", "postcode", "phone", "region", "zone"),
    [
        ("FR", "69002", None, None, "Europe/Paris"),
        ("RE", "97400", "+33199001234", "FR", "Indian/Reunion"),
        ("FR", None, "+262262123456", "RE", "Indian/Reunion"),
        ("GP", "97110", None, None, "America/Guadeloupe"),
        ("PF", "98713", None, None, "Pacific/Tahiti"),
        ("DE", "10115", None, None, "Europe/Berlin"),
        ("ES", "35001", None, None, "Atlantic/Canary"),
        ("US", "10001", "+12125550123", "US", "America/New_York"),
        ("US", "10001", None, None, None),
    ],
)
def test_the_clock_of_a_person_is_that_of_their_address(
    place: str, postcode: str | None, phone: str | None, region: str | None, zone: str | None
) -> None:
    found = contacts.time_zone(place, postcode, phone, region)
    assert found == zone
    assert found is None or ZoneInfo(found)


def test_the_territory_comes_from_the_postcode() -> None:
    assert [contacts.territory("FR", code) for code in ("97133", "97400", "98800", "69002", None)] == [
        "GP", "RE", "NC", "FR", "FR",
    ]  # fmt: skip
    assert contacts.territory("BE", "97400") == "BE"


def test_postcodes_are_tidied_and_never_guessed() -> None:
    assert contacts.postcode("F-69 002", "FR") == "69002"
    assert contacts.postcode("1000", "FR") == "1000"
    assert contacts.postcode("SW1A 1AA", "GB") == "SW1A 1AA"


def test_languages_and_countries_by_code_and_by_name() -> None:
    assert [contacts.language(text) for text in ("fr-FR", "ENG", "Français", "de", None)] == [
        "fr",
        "en",
        "fr",
        None,
        None,
    ]
    assert [contacts.country(text) for text in ("fr", "France", "Belgium", "Narnia")] == ["FR", "FR", "BE", None]


@given(st.text())
def test_a_mask_shows_no_more_than_a_letter_of_a_name(text: str) -> None:
    shown = contacts.mask(text) or ""
    assert len(shown.replace("*", "").replace("@", "")) <= 1 or "@" in text or text.startswith("+")


def test_masks() -> None:
    assert contacts.mask("anna@example.fr") == "a***@e***.fr"
    assert contacts.mask("+33199001234") == "+331******34"
    assert contacts.mask("Lefèvre") == "L***"
    assert contacts.mask("\r\nBcc") == "·***"
    assert contacts.mask(None) is None
