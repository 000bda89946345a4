"""Source files are read strictly, and a shop's files that are not whole are named, never half read."""

from __future__ import annotations

import csv
import gzip
import io
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from habitue import exports
from habitue.errors import SettingError, SourceError
from habitue.shop import INCLUDE, load_shop
from habitue.sources import STAGED, Dataset, SourceSpec, load_source, open_source

UNTIL = date(2026, 10, 2)


def a_shop(folder: Path, **changes: Any) -> SourceSpec:
    """A source file of its own with its SQL beside it, on the files of `folder`."""
    nothing = ", ".join(f"NULL AS {column}" for column in STAGED["consents"])
    others = ", ".join(f"NULL AS {name}" for name in STAGED["customers"] if name not in ("customer_id", "last_name"))
    bought = (
        "SELECT ticket AS order_id, who AS customer_id, as_moment(moment) AS ordered_at, NULL AS product_code, "
        "NULL AS product_name, 1 AS quantity, round(as_number(paid) * 100) AS amount_cents FROM tickets"
    )
    (folder / "who.sql").write_text(f"SELECT {others}, who AS customer_id, name AS last_name FROM people")  # noqa: S608
    (folder / "bought.sql").write_text(bought)
    (folder / "said.sql").write_text(f"SELECT {nothing} WHERE false")
    content: dict[str, Any] = {
        "title": "a shop",
        "kind": "csv",
        "files": {"people": {"path": "people.csv"}, "tickets": {"path": "tickets*.csv*"}},
        "datasets": {"customers": {"sql": "who.sql"}, "orders": {"sql": "bought.sql"}, "consents": {"sql": "said.sql"}},
        **changes,
    }
    (folder / "shop.yaml").write_text(yaml.safe_dump(content))
    return load_source(str(folder / "shop.yaml"), data=folder)


def rows(spec: SourceSpec, dataset: Dataset = "orders") -> list[dict[str, Any]]:
    batches = open_source(spec, timezone="Europe/Paris").fetch(dataset, None, UNTIL)
    return [row for batch in batches for row in batch.to_pylist()]


TICKETS = "ticket;who;moment;paid\n1;anna;12/03/2026 10:05;12,50\n2;boris;30/03/2026 11:00;1 234,00\n"


@pytest.mark.parametrize("path", sorted((INCLUDE / "sources").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_source_of_the_project_can_be_read(path: Path) -> None:
    spec = load_source(path.stem)
    assert spec.name == path.stem
    assert load_shop(overrides=spec.shop).timezone
    for dataset in STAGED:
        first_line = spec.sql_path(dataset).read_text("utf-8").split("\n", 1)[0]
        assert first_line.startswith("--")
        assert "?" in first_line


def test_online_retail_lapses_after_180_days() -> None:
    shop = load_shop(overrides=load_source("online_retail").shop)
    assert (shop.segments.lapsed_after_days, shop.segments.window_days, shop.currency) == (180, 365, "GBP")


def test_a_source_that_is_not_known_names_those_that_are() -> None:
    with pytest.raises(SettingError, match="online_retial is not known; there are adventureworks, demo_shop"):
        load_source("online_retial")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"delimitre": ";"}, "delimitre: unknown key; allowed are kind"),
        ({"kind": "excel"}, "kind: Input should be 'sql', 'csv' or 'parquet'"),
        ({"kind": "sql"}, "kind sql takes url, url_from or connection, no files"),
        ({"url": "sqlite://"}, "kind csv takes files"),
        ({"datasets": {"orders": {"sql": "bought.sql"}}}, "datasets lacks customers, consents"),
        ({"files": {"drop table": {"path": "x.csv"}}}, "letters, digits and _ only"),
        ({"lookback_days": -1}, "lookback_days: Input should be greater than or equal to 0"),
        ({"name": "other"}, "name: can't be set in the file"),
    ],
)
def test_a_wrong_setting_is_a_sentence_that_names_it(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        a_shop(tmp_path, **changes)


def test_an_sql_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    spec = a_shop(tmp_path)
    (tmp_path / "said.sql").unlink()
    with pytest.raises(SettingError, match=r"said\.sql is neither in include/sql/extract/ nor beside"):
        load_source(str(tmp_path / "shop.yaml"), data=spec.data)


def test_files_want_a_folder(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="say in which folder"):
        open_source(load_source("demo_shop"))
    with pytest.raises(SourceError, match="there is no folder"):
        open_source(load_source("demo_shop", data=tmp_path / "nowhere"))


def test_how_numbers_and_dates_are_written_is_found_out(tmp_path: Path) -> None:
    (tmp_path / "tickets.csv").write_text(TICKETS)
    anna, boris = rows(a_shop(tmp_path))
    assert (anna["customer_id"], str(anna["ordered_at"]), anna["amount_cents"]) == ("anna", "2026-03-12 10:05:00", 1250)
    assert (boris["customer_id"], str(boris["ordered_at"]), boris["amount_cents"]) == (
        *("boris", "2026-03-30 11:00:00"),
        123400,
    )


def test_an_american_file_is_read_as_one(tmp_path: Path) -> None:
    (tmp_path / "tickets.csv").write_text('ticket,who,moment,paid\n1,anna,03/04/2026,"1,234.50"\n2,b,12/31/2025,2.00\n')
    anna, _ = rows(a_shop(tmp_path))
    assert (str(anna["ordered_at"]), anna["amount_cents"]) == ("2026-03-04 00:00:00", 123450)


def test_dates_written_in_two_ways_want_a_declaration(tmp_path: Path) -> None:
    (tmp_path / "tickets.csv").write_text(
        "ticket;who;moment;paid\n1;a;12/31/2025;1\n2;b;11/30/2025;1\n3;c;31/12/2025;1\n"
    )
    with pytest.raises(SourceError, match="declare `dates:`"):
        rows(a_shop(tmp_path))
    first, second, third = rows(a_shop(tmp_path, dates=["%d/%m/%Y"]))
    assert (first["ordered_at"], second["ordered_at"], str(third["ordered_at"])) == (None, None, "2025-12-31 00:00:00")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_an_accent_survives_every_encoding(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "people.csv").write_bytes("who;name\n1;Élodie Œuf €\n".encode(encoding))
    assert [row["last_name"] for row in rows(a_shop(tmp_path), "customers")] == ["Élodie Œuf €"]


def test_a_declared_encoding_that_is_wrong_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_bytes("who;name\n1;Élodie\n".encode("cp1252"))
    files = {"people": {"path": "people.csv", "encoding": "utf-8"}, "tickets": {"path": "tickets.csv"}}
    with pytest.raises(SourceError, match=r"people\.csv: not written in utf-8"):
        rows(a_shop(tmp_path, files=files), "customers")


def test_nul_bytes_and_odd_line_breaks_survive(tmp_path: Path) -> None:
    naughty = b'who;name\r\n1;"x\0y"\r\n2;"a\rb"\n3;"a\nb\r\nc"\r\n4;u\0v\r\n5;\xe2\x80\xa8z\r\n6;"q""q;"\n7;NA\n8;""\n'
    (tmp_path / "people.csv").write_bytes(naughty)
    names = [row["last_name"] for row in rows(a_shop(tmp_path), "customers")]
    assert names == ["x\0y", "a\rb", "a\nb\r\nc", "u\0v", "\u2028z", 'q"q;', "NA", None]


text_of_people = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(names=st.lists(text_of_people, min_size=1, max_size=20), delimiter=st.sampled_from(";,\t|"))
@example(names=["\r", "\n", '"', '"\n', "\0", ";,"], delimiter=";")
def test_any_text_comes_through_as_it_is(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], delimiter: str
) -> None:
    path = tmp_path_factory.mktemp("any") / "people.csv"
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([["who", "name"], *([str(number), name] for number, name in enumerate(names))])
    path.write_bytes(out.getvalue().encode())
    export = exports.look(path, encoding="utf-8")
    read = [row["name"] for batch in exports.batches(export) for row in batch.to_pylist()]
    assert read == [name or None for name in names]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"people\.csv \(its `people`\) is missing in"):
        rows(a_shop(tmp_path), "customers")


def test_a_truncated_gzip_is_named(tmp_path: Path) -> None:
    whole = gzip.compress(TICKETS.encode() * 50)
    (tmp_path / "tickets.csv.gz").write_bytes(whole[: len(whole) - 9])
    with pytest.raises(SourceError, match=r"tickets\.csv\.gz: truncated, the gzip stream ends in the middle"):
        rows(a_shop(tmp_path))


def test_a_damaged_gzip_is_named(tmp_path: Path) -> None:
    (tmp_path / "tickets.csv.gz").write_bytes(b"\x1f\x8b" + b"nonsense" * 20)
    with pytest.raises(SourceError, match=r"tickets\.csv\.gz: damaged"):
        rows(a_shop(tmp_path))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty, there is not even a header"),
        (b"who;name", "truncated, it ends within the header"),
        (b"who;name\n1;Durand\n2", "line 3: 1 columns where the header has 2"),
        (b"who;name\n1;Durand;9\n2;Roy\n", "line 2: 3 columns where the header has 2"),
        (b'who;name\n1;Durand\n2;"Ro', "truncated or spoilt, a quote is opened and never closed"),
        (b'who;name\n1;"Durand\n2;Roy\n3;Petit\n', "truncated or spoilt, a quote is opened and never closed"),
        (b"who;who\n1;2\n", "column who stands in the header more than once"),
    ],
)
def test_a_file_that_is_not_whole_is_named_and_nobody_in_it(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "people.csv").write_bytes(content)
    with pytest.raises(SourceError, match=said) as raised:
        rows(a_shop(tmp_path), "customers")
    assert "people.csv" in str(raised.value)
    assert "Durand" not in str(raised.value)


def test_a_quote_inside_a_value_is_no_damage(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_bytes(b'who;name\n1;17" screen\n2;Roy\n')
    assert [row["last_name"] for row in rows(a_shop(tmp_path), "customers")] == ['17" screen', "Roy"]


def test_a_lost_column_is_named_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "tickets.csv").write_text("ticket;who;moment\n1;anna;12/03/2026\n")
    with pytest.raises(SourceError, match=r"bought\.sql reads the column paid, which tickets\*\.csv\* has not got"):
        rows(a_shop(tmp_path))
    meanings = {"people": {"path": "people.csv"}, "tickets": {"path": "tickets.csv", "columns": {"paid": "euros"}}}
    with pytest.raises(SourceError, match=r"tickets\.csv has lost the column paid; it has ticket, who, moment"):
        rows(a_shop(tmp_path, files=meanings))


def test_the_second_of_two_files_that_lost_a_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "tickets-1.csv").write_text(TICKETS)
    (tmp_path / "tickets-2.csv").write_text("ticket;who;moment\n3;anna;12/03/2026\n")
    with pytest.raises(SourceError, match=r"tickets-2\.csv has lost the column paid"):
        rows(a_shop(tmp_path))


def test_several_files_are_read_in_the_order_of_their_names_whatever_their_columns_order(tmp_path: Path) -> None:
    (tmp_path / "tickets-2.csv").write_text("paid,who,ticket,moment,note\n2.00,boris,8,2026-04-01,new\n")
    (tmp_path / "tickets-1.csv").write_text("ticket;who;moment;paid\n7;anna;2026-03-31;1.00\n")
    found = [(row["order_id"], row["customer_id"], row["amount_cents"]) for row in rows(a_shop(tmp_path))]
    assert found == [("7", "anna", 100), ("8", "boris", 200)]


def test_a_file_with_a_header_only_is_a_quiet_day(tmp_path: Path) -> None:
    (tmp_path / "tickets.csv").write_text("ticket;who;moment;paid\n")
    assert rows(a_shop(tmp_path)) == []


def test_sql_that_lacks_a_canonical_column_names_it(tmp_path: Path) -> None:
    spec = a_shop(tmp_path)
    (tmp_path / "tickets.csv").write_text(TICKETS)
    (tmp_path / "bought.sql").write_text("SELECT ticket AS order_id, who AS customer_id FROM tickets")
    with pytest.raises(SourceError, match=r"bought\.sql gives no column ordered_at, product_code"):
        rows(spec)


def test_a_parameter_that_nobody_gives_is_named(tmp_path: Path) -> None:
    spec = a_shop(tmp_path)
    (tmp_path / "tickets.csv").write_text(TICKETS)
    with (tmp_path / "bought.sql").open("a") as sql:
        sql.write(" WHERE who <> $landlord")
    with pytest.raises(SourceError, match=r"bought\.sql wants the parameter landlord; there are not_products, since"):
        rows(spec)
    given_one = load_source(str(tmp_path / "shop.yaml"), data=tmp_path).model_copy(
        update={"parameters": {"landlord": "boris"}}
    )
    assert [row["customer_id"] for row in rows(given_one)] == ["anna"]


def test_an_error_of_the_sql_shows_no_value_of_a_customer(tmp_path: Path) -> None:
    spec = a_shop(tmp_path)
    (tmp_path / "tickets.csv").write_text(TICKETS)
    (tmp_path / "bought.sql").write_text((tmp_path / "bought.sql").read_text() + " WHERE CAST(who AS INTEGER) > 0")
    with pytest.raises(SourceError, match=r"bought\.sql can't be run on its files") as raised:
        rows(spec)
    assert "anna" not in str(raised.value)


def test_a_broken_parquet_file_is_named(tmp_path: Path) -> None:
    files = {"people": {"path": "people.parquet"}, "tickets": {"path": "tickets.parquet"}}
    (tmp_path / "people.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(SourceError, match=r"people\.parquet: truncated or damaged"):
        rows(a_shop(tmp_path, kind="parquet", files=files), "customers")
