"""What is published, what is kept out and why, and when the whole batch is refused."""

from __future__ import annotations

import csv
import json
import random
import shutil
import socket
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from habitue.addresses import address_problem
from habitue.errors import BatchRefused, HabitueError, LedgerError, SettingError, SourceError
from habitue.expectations import DATASETS, Examiner, Rule, contact_rules, load_suite
from habitue.reachability import COLUMNS, easy, look_at
from habitue.shop import Shop, load_shop
from habitue.statements import source as sql_text
from habitue.validation import Validation, check_lapsed, render_page, validate, write_quarantine
from staged_base import ANNA, ON, by_id, consent, customer, order, read, shop_consents, shop_customers, stage

SHOP = load_shop()
LENIENT = load_shop(overrides={"validation": {"most_quarantined_share": 1}})
REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "shop"


def check(
    folder: Path,
    customers: Iterable[Mapping[str, Any]] = (ANNA,),
    orders: Iterable[Mapping[str, Any]] = (),
    consents: Iterable[Mapping[str, Any]] = (),
    *,
    shop: Shop = LENIENT,
    before: Mapping[str, Any] | None = None,
    on: date = ON,
) -> tuple[Validation, Path]:
    staged = stage(folder / "staged", customers, orders, consents)
    manifest = folder / "manifest.json"
    if before is not None:
        manifest.write_text(json.dumps({"profile": before}), "utf-8")
    checked = folder / "checked"
    return validate(staged, checked, on=on, shop=shop, previous=manifest if before else None), checked


# Who can be reached --------------------------------------------------------------------------------------------------

PEOPLE = [
    ANNA,
    customer("boris", postcode="1000"),  # the leading zero is lost
    customer("clara", email="clara at example.fr", phone="06"),
    customer("david", birth_date="2010-05-04"),  # sixteen
    customer("emma", deceased_on="2024-02-30"),  # the day can't be, the death is known
    customer("farid", first_name="xxx", last_name="TEST"),
    customer("gita", first_name="Gi\0ta", last_name="N’Diaye", city="Bourg\r\nla Reine"),
    customer("hugo", last_name='=HYPERLINK("http://evil.example","x")'),
    customer("ines", email=None, phone=None, street=None, postcode=None, city=None),
    customer("jules", birth_date="31/02/1980", language="de"),
    customer("karim", birth_date="2030-01-01"),
    customer("lea", birth_date="1850-01-01", street="12 RUE DES LILAS", postcode="F-69002"),
    customer("marc", postcode="97400", city="Saint-Denis", phone="0262 12 34 56", street="12 rue des Lilas"),
    customer("nina", country="Narnia"),
    customer("omar", first_name="Null", last_name="Na", civility=None, country=None, language=None),
    customer("paul", first_name="  Paul ", last_name="e\u0301tienne\t", email=" Paul@EXAMPLE.fr "),
    customer("rosa", street="12, rue de la Très Longue Histoire des Marchands de Lin"),
]  # fmt: skip


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> tuple[Validation, Path]:
    return check(tmp_path_factory.mktemp("people"), PEOPLE)


def barriers(people: tuple[Validation, Path], name: str) -> tuple[str | None, ...]:
    row = by_id(people[1] / "customers.parquet")[name]
    return row["letter_barrier"], row["email_barrier"], row["call_barrier"]


@pytest.mark.parametrize(
    ("name", "letter", "email", "call"),
    [
        ("anna", None, None, None),
        ("boris", "bad_postcode", None, None),
        ("clara", None, "bad_email", "bad_phone"),
        ("david", "minor", "minor", "minor"),
        ("emma", "deceased", "deceased", "deceased"),
        ("farid", "no_usable_name", None, "no_usable_name"),
        ("gita", None, None, None),
        ("hugo", "no_usable_name", None, "no_usable_name"),
        ("ines", "no_address", "no_email", "no_phone"),
        ("jules", None, None, None),
        ("karim", None, None, None),
        ("lea", None, None, None),
        ("marc", None, None, None),
        ("nina", "unknown_country", None, None),
        ("omar", "no_usable_name", None, "no_usable_name"),
        ("paul", None, None, None),
        ("rosa", "address_line_too_long", None, None),
    ],
)
def test_each_channel_is_closed_by_its_own_rule(
    people: tuple[Validation, Path], name: str, letter: str | None, email: str | None, call: str | None
) -> None:
    assert barriers(people, name) == (letter, email, call)


def test_a_postcode_of_another_town_gets_no_letter_where_the_shop_has_a_table(tmp_path: Path) -> None:
    """Anna's row is plain and boris's is not: both are held against the table."""
    table = tmp_path / "towns.csv"
    table.write_text("postcode;town\n69001;Lyon\n42000;Saint-Étienne\n", "utf-8")
    limits = {**LENIENT.validation.model_dump(), "postcodes": str(table)}
    _, checked = check(
        tmp_path,
        [
            customer("anna", postcode="69001", city="Lyon"),
            customer("boris", street="12, rue de l'Église, escalier B", postcode="42000", city="Lyon"),
            customer("clara", postcode="42000", city="Lyon"),
        ],
        shop=load_shop(overrides={"validation": limits}),
    )
    found = by_id(checked / "customers.parquet")
    barriers = [found[name]["letter_barrier"] for name in ("anna", "boris", "clara")]
    assert barriers == [None, "wrong_town", "wrong_town"]


def test_null_and_na_are_names_of_real_people(tmp_path: Path) -> None:
    result, checked = check(
        tmp_path,
        [
            customer("null", last_name="Null"),
            customer("na", last_name="Na"),
            customer("both", first_name="NULL", last_name="Null"),
        ],
    )
    found = by_id(checked / "customers.parquet")
    assert (found["null"]["last_name"], found["na"]["last_name"], found["both"]["last_name"]) == ("Null", "Na", None)
    assert result.reachability["letter"] == {"reachable": 2, "barriers": {"no_usable_name": 1}}


def test_nobody_is_dropped_for_being_hard_to_reach(people: tuple[Validation, Path]) -> None:
    assert people[0].datasets["customers"].published == len(PEOPLE)
    for found in people[0].reachability.values():
        assert found["reachable"] + sum(found["barriers"].values()) == len(PEOPLE)


def test_what_is_published_is_tidy(people: tuple[Validation, Path]) -> None:
    found = by_id(people[1] / "customers.parquet")
    assert (found["paul"]["first_name"], found["paul"]["last_name"]) == ("Paul", "étienne")
    assert found["paul"]["email"] == "Paul@example.fr"
    assert found["gita"]["first_name"] == "Gita"
    assert found["gita"]["city"] == "Bourg, la Reine"
    assert found["lea"]["postcode"] == "69002"
    assert found["anna"]["civility"] == "MME"
    assert found["anna"]["phone"] == "+33199001234"
    assert found["anna"]["birth_date"] == date(1980, 5, 17)
    assert [found[name]["birth_date"] for name in ("jules", "karim", "lea")] == [None, None, None]
    assert found["jules"]["language"] == "fr"
    assert (found["farid"]["first_name"], found["farid"]["last_name"]) == (None, None)


def test_overseas_france_has_its_own_numbers_and_clock(people: tuple[Validation, Path]) -> None:
    marc = by_id(people[1] / "customers.parquet")["marc"]
    assert (marc["phone"], marc["phone_region"], marc["timezone"]) == ("+262262123456", "RE", "Indian/Reunion")


def test_a_household_is_one_letter_box(people: tuple[Validation, Path]) -> None:
    found = by_id(people[1] / "customers.parquet")
    assert len(found["anna"]["household"]) == 16
    assert found["anna"]["household"] == found["lea"]["household"]  # "12 RUE DES LILAS", "12, rue des Lilas"
    assert found["marc"]["household"] != found["anna"]["household"]
    assert all((row["household"] is None) == (row["letter_barrier"] is not None) for row in found.values())


def test_every_problem_is_a_row_and_shows_no_one(people: tuple[Validation, Path]) -> None:
    rows = read(people[1] / "problems.parquet")
    found = {(row["customer_id"], row["field"], row["rule"]): row for row in rows}
    assert len(found) == len(rows)
    assert found["clara", "email", "bad_email"]["value_masked"] == "c***"
    assert found["hugo", "last_name", "formula"]["effect"] == "no_letter"
    assert found["gita", "first_name", "nul_byte"]["effect"] == "noted"
    assert found["boris", "postcode", "bad_postcode"]["effect"] == "no_letter"
    expected = {
        ("david", "birth_date", "minor"),
        ("emma", "deceased_on", "deceased"),
        ("emma", "deceased_on", "bad_date"),
        ("jules", "birth_date", "bad_birth_date"),
        ("jules", "language", "unknown_language"),
        ("karim", "birth_date", "birth_in_future"),
        ("lea", "birth_date", "birth_too_long_ago"),
        ("clara", "phone", "bad_phone"),
        ("nina", "country", "unknown_country"),
    }
    assert expected <= set(found)
    assert "anna" not in {row["customer_id"] for row in rows}
    assert {row["rule"] for row in rows} <= set(contact_rules())


def test_an_eighteenth_birthday_opens_the_channels_that_very_day(tmp_path: Path) -> None:
    _, checked = check(
        tmp_path, [customer("today", birth_date="2008-10-01"), customer("tomorrow", birth_date="2008-10-02")]
    )
    found = by_id(checked / "customers.parquet")
    assert (found["today"]["letter_barrier"], found["tomorrow"]["letter_barrier"]) == (None, "minor")


# Row rules -----------------------------------------------------------------------------------------------------------


def test_customers_without_a_sound_identifier_go_to_quarantine(tmp_path: Path) -> None:
    result, checked = check(
        tmp_path,
        [
            ANNA,
            ANNA,
            customer(None),
            customer("  "),
            customer("bo\x07ris"),
            customer("clara"),
            customer("clara", city="Paris"),
            customer("da\x00vid"),
        ],
    )
    tally = result.datasets["customers"]
    # Two nameless rows differ in nothing once blanks are gone: one of them is a copy.
    assert (tally.staged, tally.published, tally.copies) == (8, 2, 2)
    assert tally.quarantined == {"id_conflict": 2, "id_missing": 1, "id_unreadable": 1}
    assert set(by_id(checked / "customers.parquet")) == {"anna", "david"}
    kept_out = read(checked / "quarantine" / "customers.parquet")
    assert Counter(row["reason"] for row in kept_out) == tally.quarantined
    assert {row["city"] for row in kept_out if row["reason"] == "id_conflict"} == {"Lyon", "Paris"}


def test_order_lines_that_can_not_be_counted_go_to_quarantine(tmp_path: Path) -> None:
    lines = [order(), order("2", cents=-500, quantity=None), order(None), order(" "), order("3", None)]
    lines += [order("4", ordered_at=None), order("5", cents=None), order("6 ", "an\0na", product_name="Ta\0sse")]
    result, checked = check(tmp_path, orders=lines)
    assert result.datasets["orders"].quarantined == {
        "order_id_missing": 2,
        "order_customer_missing": 1,
        "ordered_at_missing": 1,
        "amount_missing": 1,
    }
    published = read(checked / "orders.parquet")
    assert [(row["order_id"], row["customer_id"], row["quantity"]) for row in published] == [
        ("1", "anna", 1.0),
        ("2", "anna", -1.0),
        ("6", "anna", 1.0),
    ]
    assert published[2]["product_name"] == "Tasse"


def test_sound_order_lines_are_handed_on_as_they_are(tmp_path: Path) -> None:
    _, checked = check(tmp_path, orders=[order(str(number)) for number in range(5)])
    assert (checked / "orders.parquet").read_bytes() == (tmp_path / "staged" / "orders.parquet").read_bytes()


EVENTS = [
    consent(),
    consent(recorded_at="2026-01-05T09:00:00Z", valid_until="2027-01-04"),  # the same moment told otherwise: stricter
    consent(None),
    consent(channel=None),
    consent(channel="fax"),
    consent(channel=" Call", status="GRANTED", valid_until="2027-01-05"),
    consent(status=None),
    consent(status="peut-être"),
    consent(recorded_at="hier"),
    consent(recorded_at=None),
    consent(valid_until="un jour"),
    consent(purpose=None),
    consent("clara", status="withdrawn", purpose=None, valid_until="jamais"),
]


def test_consents_that_prove_nothing_go_to_quarantine(tmp_path: Path) -> None:
    result, checked = check(tmp_path, [ANNA, customer("clara")], consents=EVENTS)
    tally = result.datasets["consents"]
    assert tally.quarantined == {
        "consent_customer_missing": 1,
        "channel_missing": 1,
        "unknown_channel": 1,
        "status_missing": 1,
        "unknown_status": 1,
        "recorded_at_missing": 2,
        "valid_until_unreadable": 1,
        "purpose_missing": 1,
    }
    assert (tally.copies, tally.published) == (1, 3)
    email, call, clara = read(checked / "consents.parquet")
    assert email["recorded_at"] == datetime(2026, 1, 5, 9, 0)  # noqa: DTZ001 - UTC by contract
    assert email["valid_until"] == date(2027, 1, 4)
    assert (call["channel"], call["status"], call["valid_until"]) == ("call", "granted", date(2027, 1, 5))
    assert (clara["status"], clara["purpose"], clara["valid_until"]) == ("withdrawn", "marketing", None)


def test_a_time_without_a_zone_is_the_shops(tmp_path: Path) -> None:
    _, checked = check(tmp_path, consents=[consent(recorded_at="2026-07-05T10:00:00")])
    assert read(checked / "consents.parquet")[0]["recorded_at"] == datetime(2026, 7, 5, 8, 0)  # noqa: DTZ001


def test_clara_is_not_written_to_because_her_objection_has_no_date(tmp_path: Path) -> None:
    people = [customer("clara"), customer("david"), ANNA]
    events = [consent("clara", "email"), consent("clara", "email", status="withdrawn", recorded_at="hier")]
    events += [consent("david", "sms", status="refused"), consent("anna", "email", recorded_at="hier")]
    _, checked = check(tmp_path, people, consents=events)
    found = by_id(checked / "customers.parquet")
    assert [found["clara"][f"{channel}_barrier"] for channel in ("letter", "email", "call")] == [
        None,
        "unclear_objection",
        None,
    ]
    assert found["david"]["letter_barrier"] == found["david"]["call_barrier"] == "unclear_objection"
    assert found["anna"]["email_barrier"] is None
    assert ("clara", "no_email") in {(row["customer_id"], row["effect"]) for row in read(checked / "problems.parquet")}


# Batch rules ---------------------------------------------------------------------------------------------------------

MANY = [customer(f"c{number}") for number in range(20)]
SALES = [order(str(number), cents=2500) for number in range(40)]


def test_a_sound_batch_passes_every_rule(tmp_path: Path) -> None:
    before = {"rows": {"customers": 20, "orders": 9, "consents": 2}, "median_amount_cents": 2000}
    result, _ = check(tmp_path, MANY, SALES, [consent(), consent(channel="call")], shop=SHOP, before=before)
    assert result.passed
    assert all(verdict.held for verdict in result.rules)
    assert result.profile["rows"] == {"customers": 20, "orders": 40, "consents": 2}
    assert (result.profile["median_amount_cents"], result.profile["last_day"]) == (2500, "2026-09-01")


def test_a_first_batch_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    result, _ = check(tmp_path, MANY, SALES, shop=SHOP)
    assert {verdict.rule for verdict in result.rules if verdict.held is None} == {
        "customers_changed",
        "consents_changed",
        "amounts_jumped",
    }


@pytest.mark.parametrize(
    ("batch", "before", "rule", "said"),
    [
        ({"customers": []}, None, "no_customers", "aucun client"),
        ({"customers": [*MANY, customer(None), customer("a\x07")]}, None, "customers_quarantined", "5,0 %"),
        ({"customers": MANY[:10]}, {"rows": {"customers": 20}}, "customers_changed", "50,0 %"),
        ({"customers": MANY}, {"rows": {"customers": 10}}, "customers_changed", "100,0 %"),
        ({"orders": [*SALES, order("x", ordered_at=datetime(2026, 10, 2))]}, None, "orders_in_future", "1 ligne"),  # noqa: DTZ001
        ({"orders": [order("x", ordered_at=None)]}, None, "orders_quarantined", "100,0 %"),
        ({"orders": SALES}, {"median_amount_cents": 25}, "amounts_jumped", "100"),
        ({"orders": SALES}, {"median_amount_cents": 250_000}, "amounts_jumped", "100"),
        ({"consents": [consent(), consent(channel="fax")]}, None, "consents_quarantined", "50,0 %"),
        ({"consents": [consent()]}, {"rows": {"consents": 4}}, "consents_changed", "75,0 %"),
    ],
)  # fmt: skip
def test_a_batch_is_refused_by_its_rule(
    tmp_path: Path, batch: dict[str, Any], before: Mapping[str, Any] | None, rule: str, said: str
) -> None:
    with pytest.raises(BatchRefused, match=said.replace(" %", ".%")):
        check(tmp_path, **batch, shop=SHOP, before=before)
    told = json.loads((tmp_path / "checked" / "validation.json").read_text("utf-8"))
    assert not told["passed"]
    broken = {
        verdict["rule"] for verdict in told["rules"] if verdict["severity"] == "batch" and verdict["held"] is False
    }
    assert broken == {rule}
    render_page(tmp_path / "checked" / "validation.json", tmp_path / "validation.html", shop=SHOP)
    assert "n’est pas publié" in (tmp_path / "validation.html").read_text("utf-8")


def test_a_quiet_day_does_not_change_the_measure_of_amounts(tmp_path: Path) -> None:
    result, _ = check(tmp_path, MANY, [order(cents=900_000)], shop=SHOP, before={"median_amount_cents": 2500})
    assert result.profile["median_amount_cents"] == 2500


@pytest.mark.parametrize("dataset", ["customers", "consents"])
def test_a_key_published_twice_refuses_the_batch(dataset: str) -> None:
    examiner = Examiner(SHOP.validation)
    rules = [rule for rule in load_suite(dataset).of("batch") if rule.name == f"{dataset}_twice"]
    assert examiner.judge({"published_twice": 0}, rules) == {f"{dataset}_twice": True}
    assert examiner.judge({"published_twice": 1}, rules) == {f"{dataset}_twice": False}


def test_a_rule_that_can_not_be_asked_is_our_error_and_not_bad_data() -> None:
    rule = Rule.model_validate(
        {"name": "odd", "severity": "batch", "check": "expect_column_values_to_be_between", "fr": "", "en": ""}
        | {"with": {"column": "no_such_column", "max_value": 1}}
    )
    with pytest.raises(HabitueError, match=r"odd.*could not be asked"):
        Examiner(SHOP.validation).judge({"published": 1}, [rule])


def test_the_lapsed_do_not_grow_by_half_overnight() -> None:
    before = {"lapsed": 200, "regular_heavy": 400, "occasional_light": 400, "prospect": 5000}
    check_lapsed({"lapsed": 299, "regular_heavy": 401, "occasional_light": 300}, before, SHOP)
    with pytest.raises(BatchRefused, match=r"most_lapsed_growth"):
        check_lapsed({"lapsed": 301, "regular_heavy": 399, "occasional_light": 300}, before, SHOP)
    check_lapsed({"lapsed": 10}, {}, SHOP)
    check_lapsed({"lapsed": 1, "regular_light": 9}, {"lapsed": 0, "regular_light": 10}, SHOP)


def test_a_small_shop_may_lose_a_few_customers_at_once() -> None:
    check_lapsed({"lapsed": 11, "regular_light": 9}, {"lapsed": 2, "regular_light": 18}, SHOP)
    with pytest.raises(BatchRefused):
        check_lapsed({"lapsed": 12, "regular_light": 8}, {"lapsed": 2, "regular_light": 18}, SHOP)


# Everything adds up --------------------------------------------------------------------------------------------------

TEXTS = st.one_of(
    st.none(), st.sampled_from(["", " ", "anna", "xxx", "=1+1", "a\0b", "a\r\nb", "31/02/1980", "2001-01-01"])
)
SPOILT = st.lists(
    st.fixed_dictionaries(
        {"customer_id": st.sampled_from(["anna", "boris", " anna", "cl\x07", None, "", "an\0na"])},
        optional={name: TEXTS for name in ANNA if name != "customer_id"},
    ),
    max_size=12,
)


# Each example is a whole validation: none is spent on making a failing one smaller.
@settings(
    max_examples=5,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
@given(SPOILT, st.data())
def test_every_row_is_published_or_in_quarantine_or_a_copy(
    tmp_path: Path, rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    rows = [*rows, *data.draw(st.lists(st.sampled_from(rows), max_size=3) if rows else st.just([])), ANNA]
    shutil.rmtree(tmp_path / "checked", ignore_errors=True)
    with suppress(BatchRefused):  # all of anna's rows may be in conflict: then nobody is left
        check(tmp_path, rows)
    checked = tmp_path / "checked"
    tally = json.loads((checked / "validation.json").read_text("utf-8"))["datasets"]["customers"]
    published, kept_out = read(checked / "customers.parquet"), read(checked / "quarantine" / "customers.parquet")
    assert len(published) + len(kept_out) + tally["copies"] == len(rows)
    ids = [row["customer_id"] for row in published]
    assert len(ids) == len(set(ids))

    def tidy(row: Mapping[str, Any]) -> tuple[str | None, ...]:
        return tuple(
            str(row.get(name) or "").replace("\0", "").strip().replace("\r\n", ", ")
            if name in ("street", "address_extra", "city")
            else str(row.get(name) or "").replace("\0", "").strip()
            for name in ANNA
        )

    different = {tidy(row) for row in rows}
    assert len(published) + len(kept_out) == len(different)
    assert {row for row in different if row[0] not in ids} == {tidy(row) for row in kept_out}


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        check(tmp_path / folder, PEOPLE, SALES, EVENTS)
    for path in sorted((tmp_path / "one" / "checked").rglob("*.*")):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes(), path.name


def test_nothing_is_left_lying_about_and_a_second_run_replaces_the_first(tmp_path: Path) -> None:
    check(tmp_path, [ANNA, customer("boris")])
    _, checked = check(tmp_path, [ANNA])
    assert set(by_id(checked / "customers.parquet")) == {"anna"}
    assert sorted(path.name for path in checked.iterdir()) == [
        "consents.parquet",
        "customers.parquet",
        "orders.parquet",
        "problems.parquet",
        "quarantine",
        "validation.json",
    ]


def test_types_are_those_of_the_contract(tmp_path: Path) -> None:
    _, checked = check(tmp_path, [ANNA], SALES, [consent()])
    schema = pq.read_schema(checked / "customers.parquet")
    assert {
        name: str(schema.field(name).type) for name in ("birth_date", "created_on", "deceased_on")
    } == dict.fromkeys(("birth_date", "created_on", "deceased_on"), "date32[day]")
    assert str(pq.read_schema(checked / "consents.parquet").field("recorded_at").type) == "timestamp[us]"
    assert pq.read_schema(checked / "quarantine" / "consents.parquet").names[-1] == "reason"


def test_the_extracts_count_is_held_against_what_is_staged(tmp_path: Path) -> None:
    staged = stage(tmp_path / "staged", MANY)
    (staged / "control.json").write_text('{"customers": {"read": 21, "kept": 21, "left_out": {}}}', "utf-8")
    with pytest.raises(LedgerError, match="kept 21 rows and 20 are staged"):
        validate(staged, tmp_path / "checked", on=ON, shop=SHOP, previous=None)


def test_a_missing_file_or_column_is_named(tmp_path: Path) -> None:
    staged = stage(tmp_path / "staged")
    pq.write_table(pq.read_table(staged / "consents.parquet").drop(["status"]), staged / "consents.parquet")
    with pytest.raises(SourceError, match=r"consents.parquet: no column status"):
        validate(staged, tmp_path / "checked", on=ON, shop=SHOP, previous=None)
    (staged / "orders.parquet").unlink()
    with pytest.raises(SourceError, match=r"orders.parquet"):
        validate(staged, tmp_path / "checked", on=ON, shop=SHOP, previous=None)


def test_the_network_is_never_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: Any) -> None:
        raise AssertionError("somebody called home")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    assert check(tmp_path, MANY)[0].passed


# The suites, the page, the files for the shop ------------------------------------------------------------------------


def test_every_rule_has_words_in_both_languages() -> None:
    rules = [rule for dataset in DATASETS for rule in load_suite(dataset).rules]
    assert all(rule.fr and rule.en for rule in rules)
    assert len({rule.name for rule in rules}) == len(rules)
    assert all(set(words) == {"fr", "en"} for words in contact_rules().values())


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("limits: {max_value: most_wishes}", "no limit is called most_wishes"),
        ("severity: some", "severity"),
        ("with: {max_value: 1}", "says no column"),
        ("refused: {fr: non}", "says in fr and en"),
    ],
)
def test_a_wrong_suite_is_named(tmp_path: Path, rule: str, said: str) -> None:
    rows = {
        "severity": "batch",
        "check": "expect_column_values_to_be_between",
        "with": "{column: a}",
        "fr": "a",
        "en": "b",
    }
    rows |= {"refused": "{fr: a, en: b}"}
    key, _, value = rule.partition(": ")
    rows[key] = value
    text = "dataset: orders\nrules:\n  odd:\n" + "".join(f"    {name}: {value}\n" for name, value in rows.items())
    (tmp_path / "orders.yaml").write_text(text, "utf-8")
    with pytest.raises(SettingError, match=said):
        load_suite("orders", tmp_path)


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_page_stands_alone_and_names_nobody(people: tuple[Validation, Path], tmp_path: Path, language: str) -> None:
    told = json.loads((people[1] / "validation.json").read_text("utf-8"))
    told["control"] = {"customers": {"read": 20, "kept": 17, "left_out": {"duplicate": 3}}}
    (tmp_path / "validation.json").write_text(json.dumps(told), "utf-8")
    shop = load_shop(overrides={"language": language})
    render_page(tmp_path / "validation.json", tmp_path / "page.html", shop=shop)
    page = (tmp_path / "page.html").read_text("utf-8")
    assert f'<html lang="{language}">' in page
    assert contact_rules()["bad_postcode"][language] in page
    assert not any(name in page for name in ("Lefèvre", "HYPERLINK", "example.fr", "Lilas", "farid"))
    assert not any(outside in page for outside in ("http://", "https://", "<script", "<link", "@import", "url("))


def test_the_shop_gets_files_that_run_nothing(tmp_path: Path) -> None:
    rows = [
        customer("boris", first_name='=cmd|"/C calc"!A0', last_name=" @SUM(1)"),
        customer("boris", phone="+33199001234"),
    ]
    _, checked = check(tmp_path, [ANNA, *rows])
    write_quarantine(checked, tmp_path / "quarantine")
    path = tmp_path / "quarantine" / "customers.csv"
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    assert path.stat().st_mode & 0o077 == 0
    with path.open(encoding="utf-8-sig", newline="") as file:
        found = list(csv.DictReader(file, delimiter=";"))
    assert {row["first_name"] for row in found} == {'\'=cmd|"/C calc"!A0', "Anna"}
    assert {row["phone"] for row in found} == {"01 99 00 12 34", "'+33199001234"}
    assert {row["reason"] for row in found} == {"id_conflict"}
    cells = [cell for row in found for cell in row.values() if cell and not cell.startswith("'")]
    assert not any(cell.lstrip(" \"'").startswith(("=", "+", "-", "@", "\t")) for cell in cells)
    assert sorted(path.name for path in (tmp_path / "quarantine").iterdir()) == [
        "consents.csv",
        "customers.csv",
        "orders.csv",
        "problems.csv",
    ]


# A real shop ---------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not REAL.exists(), reason=f"the real shop's data is not at {REAL}")
def test_the_real_shops_spoilt_rows_are_all_found(tmp_path: Path) -> None:
    rows = shop_customers(REAL / "customers.csv")
    on = date(2011, 10, 3)
    result, checked = check(tmp_path, rows, consents=shop_consents(REAL / "consents.csv"), shop=SHOP, on=on)
    tally = result.datasets["customers"]
    assert (tally.staged, tally.published, tally.copies, tally.quarantined) == (4384, 4372, 12, {})
    found = by_id(checked / "customers.parquet")
    harmful = [
        row["customer_id"]
        for row in rows
        if any(mark in f"{row['first_name']}{row['last_name']}" for mark in ("{{", "=HYPERLINK", "\r", "\n"))
    ]
    assert len(harmful) == 25
    assert {found[one]["letter_barrier"] for one in harmful} == {"no_usable_name"}
    assert {found[one]["last_name"] for one in harmful} == {None}
    assert result.reachability == {
        "letter": {
            "reachable": 4192,
            "barriers": {"no_usable_name": 83, "bad_postcode": 51, "no_street": 34, "minor": 12},
        },
        "email": {"reachable": 4282, "barriers": {"bad_email": 44, "no_email": 34, "minor": 12}},
        "call": {"reachable": 4217, "barriers": {"no_usable_name": 83, "bad_phone": 32, "no_phone": 28, "minor": 12}},
    }


def test_an_address_that_looks_plain_can_be_printed(tmp_path: Path) -> None:
    draw = random.Random(1)
    numbers = ["", "1", "12 bis", "12bis", "9999", "5 A"]
    ways = ["rue", "Avenue", "IMPASSE", "place", "lieu-dit", "chemin", "3e étage", "BP 12", ""]
    words = ["des Lilas", "de l’Église", "Saint-Étienne", "du 8 mai 1945", "Œuf", "Straße", "-", "Bis", "test", "null"]
    words += ["de la Très Longue Histoire des Marchands", "L'Haÿ", "X", "inconnue", "12", "Łódź"]
    rows = [
        customer(
            str(number),
            street=draw.choice(numbers) + draw.choice([", ", " ", ""]) + f"{draw.choice(ways)} {draw.choice(words)}",
            address_extra=draw.choice([None, "Bâtiment B", "12 rue Haute, Apt 3", *words]),
            postcode=draw.choice(["69002", "01000", "97400", "00000", "96123", "99999", "1000"]),
            city=draw.choice(words),
            first_name=draw.choice([None, *words]),
            last_name=draw.choice(words),
        )
        for number in range(20_000)
    ]
    staged = stage(tmp_path, rows)
    with duckdb.connect() as con:
        con.execute(sql_text("validate/macros"))
        parameters = {"staged": str(staged / "customers.parquet"), "on": ON, **easy(SHOP)}
        found = con.sql(sql_text("validate/customer_rows"), params=parameters).to_arrow_table().to_pylist()
    plain = [row for row in found if row["has_plain_address"]]
    assert len(plain) > 50
    for row in plain:
        who = "MME", row["first_name"], row["last_name"] or "X"
        where = row["address_extra"], row["street"], row["postcode"], row["city"], "FR"
        assert address_problem(*who, *where, language="fr") is None, where


def test_the_easy_way_and_the_careful_way_agree(tmp_path: Path) -> None:
    draw = random.Random(2)
    values: dict[str, list[str | None]] = {
        "civility": ["M", "Mme", "Dr", None],
        "first_name": ["Anna", "Jean-Luc", "xxx", "Aaa", "Null", "TEST", "É" * 3, "Zoë", None, "{{x}}"],
        "last_name": ["Lefèvre", "d’Ormesson", "Nan", "null", "Inconnue", "Petit", "A" * 25, "=1+1", None],
        "email": ["a.b@example.fr", "A@Example.FR", "a@shop.local", "a@b", "a" * 65 + "@example.fr", None, "é@e.fr"],
        "phone": ["01 99 00 12 34", "+33 465717518", "0899 12 34 56", "0262 12 34 56", "06", None, "+330199001234"],
        "postcode": ["69002", "01000", "97400", "98000", "1000", "F-69002", None],
        "country": ["FR", "France", "BE", "fr", None],
        "language": ["fr", "en-GB", "de", None],
    }
    rows = [
        customer(str(n), **{name: draw.choice([some[0], *some]) for name, some in values.items()})
        for n in range(20_000)
    ]
    staged = stage(tmp_path, rows)
    with duckdb.connect() as con:
        con.execute(sql_text("validate/macros"))
        parameters = {"staged": str(staged / "customers.parquet"), "on": ON, **easy(SHOP)}
        table = con.sql(sql_text("validate/customer_rows"), params=parameters).to_arrow_table().combine_chunks()
    batch = table.to_batches()[0]
    careful = batch.set_column(
        batch.schema.get_field_index("is_easy"), "is_easy", pa.array([False] * batch.num_rows, pa.bool_())
    )
    assert sum(batch.column("is_easy").to_pylist()) > 50
    one, other = look_at(batch, SHOP, {}), look_at(careful, SHOP, {})
    for name in COLUMNS:
        assert one.column(name).to_pylist() == other.column(name).to_pylist(), name
