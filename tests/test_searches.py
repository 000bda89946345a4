"""Customers are found by what is known of them, with one slip of the finger, whatever they are called."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, insert, select, update

from habitue.searches import MOST, find, one_away
from habitue.shop import load_shop
from habitue.tables import customer, metadata
from people import person

SHOP = load_shop()

PEOPLE: list[dict[str, Any]] = [
    person("C0000101", first_name="Anna", last_name="Lefèvre", email="anna.lefevre@example.fr", phone="+33612345678"),
    person(
        "C0000102", first_name="Jean-Pierre", last_name="Le Goff", email="jp.legoff@example.fr", phone="+33145678901"
    ),
    person("C0000103", first_name="Élodie", last_name="D’Œuvre", email=None, phone=None, city="Saint-Étienne"),
    person("C0000104", first_name="Γιώργος", last_name="Παπαδόπουλος", email="g.p@example.gr", phone="+302101234567"),
    person("C0000105", first_name="Marie", last_name="Martin", email="marie.martin42@example.fr", phone="+33700112233"),
    person("C0000106", first_name="Martin", last_name="Marie", email="mm@ex.fr", phone="+32470123456", city="Paris"),
    person("C0000107", first_name=None, last_name=None, email="nobody@example.fr", phone="+33799887766", city=None),
    person("C0000108", first_name="Łukasz", last_name="Straße", email=None, phone="+442079460958"),
    person("C0000109", first_name="Юлия", last_name="Соколова", email=None, phone=None),
    person("C0000110", first_name="محمد", last_name="العربي", email=None, phone=None),
    person("C0000111", first_name="Li", last_name="Wu", email=None, phone=None),
    person("C0000112", first_name="A" * 5000, last_name="ﷺ" * 300, email="x" * 3000 + "@example.fr", phone=None),
    person("C0000113", first_name="Ånna", last_name="O'Brien-Nuñez", email=None, phone=None),
]
NAMED = [one for one in PEOPLE if one["last_name"] and len(one["last_name"]) < 80]
CALLED = [one for one in PEOPLE if one["phone"]]
MAILED = [one for one in PEOPLE if one["email"] and len(one["email"]) < 80]


@pytest.fixture(scope="module")
def asked(migrated: Engine) -> Iterator[Connection]:
    from sqlalchemy import text

    with migrated.begin() as connection:
        connection.execute(text(f"truncate {', '.join(metadata.tables)}"))
        connection.execute(insert(customer), PEOPLE)
    with migrated.connect() as connection:
        yield connection


def ids(connection: Connection, typed: str) -> list[str]:
    with connection.begin():
        return find(connection, typed, SHOP).ids


def names(connection: Connection, typed: str) -> list[str]:
    return [one.removeprefix("C0000") for one in ids(connection, typed)]


@pytest.mark.parametrize(
    ("typed", "who"),
    [
        ("lefevre", "101"),
        ("LEFÈVRE", "101"),
        ("anna  Lefèvre ", "101"),
        ("lefevre anna", "101"),
        ("lefe", "101"),
        ("lefvere", "101"),
        ("lefevre lyon", "101"),
        ("goff", "102"),
        ("legoff jean pierre", "102"),
        ("jeanpierre", "102"),
        ("le gof", "102"),
        ("d'oeuvre", "103"),
        ("elodie saint-etienne", "103"),
        ("Παπαδοπουλος", "104"),
        ("παπαδοπουλο", "104"),
        ("straße", "108"),
        ("strasse", "108"),
        ("sokolova юлия соколва", None),
        ("соколва", "109"),
        ("محمد", "110"),
        ("wu li", "111"),
        ("obrien", "113"),
        ("o brien nunez", "113"),
        ("06 12 34 56 78", "101"),
        ("06.12.34", "101"),
        ("+33 6 12 34", "101"),
        ("+33 (0)6 12 34 56 78", "101"),
        ("0033612345678", "101"),
        ("34 56 78", "101"),
        ("8901", "102"),
        ("06 12 34 56 87", "101"),
        ("٠٦١٢٣٤٥٦٧٨", "101"),
        ("0470123456", "106"),
        ("020 7946 0958", "108"),
        ("c0000101", "101"),
        ("C000101", "101"),
        ("C0000l01", "101"),
        ("anna.lef", "101"),
        ("anna.lefevre@exmaple.fr", "101"),
        ("Marie.Martin42@example.fr", "105"),
        ("marie.mertin42", "105"),
        ("nobody@", "107"),
    ],
)
def test_somebody_is_found_by_what_is_known(asked: Connection, typed: str, who: str | None) -> None:
    found = names(asked, typed)
    assert (found[0] if found else None) == who


def test_both_orders_of_a_name_are_found(asked: Connection) -> None:
    assert set(names(asked, "martin marie")) == {"105", "106"}
    assert names(asked, "marie martin paris") == ["106"]
    assert set(names(asked, "mari emartin")) == {"105", "106"}


def slip(draw: st.DrawFn, word: str, letters: str) -> str:
    """The text with one letter left out, doubled up, exchanged, or swapped with its neighbour."""
    at = draw(st.integers(0, len(word) - 1))
    letter = draw(st.sampled_from(letters))
    kinds = [word[:at] + word[at + 1 :], word[:at] + letter + word[at + 1 :], word[:at] + letter + word[at:]]
    if at + 1 < len(word):
        kinds.append(word[:at] + word[at + 1] + word[at] + word[at + 2 :])
    return draw(st.sampled_from(kinds))


@st.composite
def slipped(draw: st.DrawFn) -> tuple[str, str]:
    who = draw(st.sampled_from(NAMED))
    parts = [who["first_name"], who["last_name"]]
    name = " ".join(draw(st.permutations(parts))).replace("ß", "ss").replace("Œ", "oe")
    return slip(draw, name, "aeiostrqz"), who["customer_id"]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(slipped())
def test_everybody_is_found_by_their_name_with_one_slip(asked: Connection, case: tuple[str, str]) -> None:
    typed, who = case
    assert who in ids(asked, typed)


@st.composite
def dialled(draw: st.DrawFn) -> tuple[str, str]:
    """A number in one of the ways in which people write it, perhaps with one digit wrong."""
    import phonenumbers as pn

    who = draw(st.sampled_from(CALLED))
    number = pn.parse(who["phone"])
    way = draw(st.sampled_from(["E164", "INTERNATIONAL", "NATIONAL"]))
    written = pn.format_number(number, getattr(pn.PhoneNumberFormat, way))
    for old, new in draw(st.sampled_from([(), ((" ", "."),), ((" ", ""),), ((" ", "-"),), (("+", "00"),)])):
        written = written.replace(old, new)
    if number.country_code == 33 and draw(st.booleans()):
        at = draw(st.integers(len(written) - 6, len(written) - 1))
        if written[at].isdigit():
            written = written[:at] + draw(st.sampled_from("0123456789")) + written[at + 1 :]
    return written, who["customer_id"]


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(dialled())
def test_everybody_is_found_by_their_number_in_any_writing(asked: Connection, case: tuple[str, str]) -> None:
    typed, who = case
    assert who in ids(asked, typed)


@st.composite
def addressed(draw: st.DrawFn) -> tuple[str, str]:
    who = draw(st.sampled_from(MAILED))
    return slip(draw, who["email"], "abdeiz.-"), who["customer_id"]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(addressed())
def test_everybody_is_found_by_their_address_with_one_slip(asked: Connection, case: tuple[str, str]) -> None:
    typed, who = case
    assert who in ids(asked, typed)


@pytest.mark.parametrize("who", [one["customer_id"] for one in PEOPLE])
def test_everybody_is_found_by_their_id_and_first(asked: Connection, who: str) -> None:
    assert ids(asked, who)[0] == who
    assert ids(asked, who.lower())[0] == who
    assert who in ids(asked, who[:5] + who[6:])


@pytest.mark.parametrize(
    "typed",
    ["", " ", "\0", "%", "_", "'", '"; drop table customer; --', "\\", "{{ 7*7 }}", "=1+1", "@", "+", "x" * 10_000,
     "\u202egro", "👩‍👩‍👧", "' or ''='", "()", "a b c d e f g h i j k l", "\ud7ff", "0" * 300, "a@b@c@d"],
)  # fmt: skip
def test_nothing_that_is_typed_breaks_the_search_or_finds_everybody(asked: Connection, typed: str) -> None:
    assert len(ids(asked, typed)) < len(PEOPLE)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=40))
def test_any_text_may_be_typed(asked: Connection, typed: str) -> None:
    assert len(ids(asked, typed)) <= MOST


def test_a_slip_is_one_letter_in_every_way() -> None:
    assert set(one_away("ab", "x")) == {"ab", "a", "b", "ba", "xb", "ax", "xab", "axb", "abx"}
    assert one_away("ab", "x")[0] == "ab"


def test_who_was_erased_or_has_changed_their_name_is_not_found_by_the_old_one(asked: Connection) -> None:
    with asked.begin() as change:
        asked.execute(
            update(customer).where(customer.c.customer_id == "C0000105").values(last_name="Durand", email=None)
        )
        assert "C0000105" in find(asked, "marie durand", SHOP).ids
        assert "C0000105" not in find(asked, "marie.martin42@example.fr", SHOP).ids
        change.rollback()


def test_who_finds_too_many_is_told_so(asked: Connection) -> None:
    with asked.begin() as change:
        many = [person(f"M{n:05}", last_name="Martin", email=None, phone=None) for n in range(MOST + 5)]
        asked.execute(insert(customer), many)
        found = find(asked, "martin", SHOP)
        assert (len(found.ids), found.more) == (MOST, True)
        assert asked.scalar(select(customer.c.customer_id).where(customer.c.customer_id == found.ids[0]))
        change.rollback()
