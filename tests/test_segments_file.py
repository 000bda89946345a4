"""`habitue segment`: anybody's own file in, a file for people out, no database."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from pyarrow import parquet

from habitue.errors import SourceError
from habitue.segments import SegmentResult, segment_file
from habitue.shop import Scoring, SegmentSettings
from test_segments import at

ON = date(2026, 10, 1)
COLUMNS = "customer_id,segment,recency_days,purchase_days,orders,amount,average_basket,r,f,m,score,tier"
ORDERS = """\
customer_id,order_id,ordered_at,amount
007,0001,2026-09-01 10:00:00,12.30
007,0002,2026-09-01 18:00:00,7.70
42,0003,2026-08-01,99.99
42,0003,2026-08-09,-9.99
1e3,0004,2025-01-05T08:00:00,5
"""


def sorted_into_groups(
    orders: Path, out: Path, *, on: date = ON, **more: Any
) -> tuple[dict[str, dict[str, str]], SegmentResult]:
    result = segment_file(orders, out, on=on, settings=SegmentSettings(), scoring=Scoring(), **more)
    with out.open(newline="", encoding="utf-8") as file:
        return {row["customer_id"]: row for row in csv.DictReader(file)}, result


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refused(tmp_path: Path, content: str | bytes, name: str = "orders.csv", **more: Any) -> str:
    with pytest.raises(SourceError) as caught:
        sorted_into_groups(written(tmp_path / name, content), tmp_path / "out.csv", **more)
    assert not (tmp_path / "out.csv").exists()
    return str(caught.value)


def test_a_csv_in_a_csv_out(tmp_path: Path) -> None:
    rows, result = sorted_into_groups(written(tmp_path / "orders.csv", ORDERS), tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text().splitlines() == [
        COLUMNS,
        "007,occasional_light,30,1,2,20.00,20.00,5,2,2,18,next_40",
        "1e3,lapsed,634,0,0,0.00,,2,1,1,3,",
        "42,occasional_heavy,61,1,1,90.00,90.00,4,2,4,24,top_20",
    ]
    assert result.summary()[2:] == [
        ("occasional_heavy", 1, pytest.approx(1 / 3), 9000),
        ("occasional_light", 1, pytest.approx(1 / 3), 2000),
        ("lapsed", 1, pytest.approx(1 / 3), 0),
        ("prospect", 0, 0.0, 0),
    ]
    assert list(rows) == sorted(rows)


def test_parquet_out_has_decimals_of_two_places(tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    segment_file(written(tmp_path / "o.csv", ORDERS), out, on=ON, settings=SegmentSettings(), scoring=Scoring())
    table = parquet.read_table(out)
    assert table.column_names == COLUMNS.split(",")
    assert (
        str(table.schema.field("amount").type) == str(table.schema.field("average_basket").type) == "decimal128(18, 2)"
    )
    assert table.to_pylist()[0]["amount"] == Decimal("20.00")


@pytest.mark.parametrize(
    "types",
    [
        {"amount": pa.float64()},
        {"amount": pa.decimal128(9, 2)},
        {"amount": pa.decimal128(30, 4), "ordered_at": pa.date32()},
        {"customer_id": pa.int64(), "order_id": pa.int32(), "ordered_at": pa.timestamp("ns")},
        {"customer_id": pa.float64(), "ordered_at": pa.timestamp("s")},
        {"customer_id": pa.large_string(), "ordered_at": pa.string(), "amount": pa.string()},
    ],
    ids=str,
)
def test_parquet_of_any_type_gives_the_same_rows(types: Mapping[str, pa.DataType], tmp_path: Path) -> None:
    rows = [
        ("7", "1", at("2026-09-01"), "12.3"),
        ("7", "2", at("2026-09-05"), "7.7"),
        ("42", "3", at("2026-08-01"), "99.99"),
    ]
    names = ("customer_id", "order_id", "ordered_at", "amount")
    plain = {
        "customer_id": pa.string(),
        "order_id": pa.string(),
        "ordered_at": pa.timestamp("us"),
        "amount": pa.float64(),
    }
    table = {}
    for name, values in zip(names, zip(*rows, strict=True), strict=True):
        type_ = {**plain, **types}[name]
        array = pa.array([str(value) for value in values] if name == "ordered_at" and type_ == pa.string() else values)
        if pa.types.is_decimal(type_):
            array = pa.array([Decimal(value) for value in values], type_)
        table[name] = array.cast(type_)
    parquet.write_table(pa.table(table), tmp_path / "orders.parquet")
    found, _ = sorted_into_groups(tmp_path / "orders.parquet", tmp_path / "out.csv")
    assert {who: (row["purchase_days"], row["amount"]) for who, row in found.items()} == {
        "7": ("2", "20.00"),
        "42": ("1", "99.99"),
    }


@pytest.mark.parametrize(
    "content",
    [
        ORDERS.replace(",", ";").replace(".", ","),  # as a French spreadsheet writes it
        "﻿" + ORDERS.replace(",", "\t"),
        ORDERS.replace("\n", "\r\n"),
        ORDERS.replace("customer_id,", "customer,customer_id,")
        .replace("\n0", "\nThé,0")
        .replace("\n4", "\nœuf,4")
        .replace("\n1", '\n"a, b",1')
        .encode("cp1252"),
        ORDERS.replace("2026-09-01", "01/09/2026")
        .replace("2026-08-01", "1/08/2026")
        .replace("2026-08-09", "09/08/2026"),
    ],
    ids=["semicolons", "tabs", "windows", "cp1252", "slashes"],
)
def test_a_csv_may_be_written_otherwise(content: str | bytes, tmp_path: Path) -> None:
    plain, _ = sorted_into_groups(written(tmp_path / "plain.csv", ORDERS), tmp_path / "plain_out.csv")
    found, _ = sorted_into_groups(written(tmp_path / "orders.csv", content), tmp_path / "out.csv")
    assert found == plain


def test_a_packed_csv_is_read(tmp_path: Path) -> None:
    rows, _ = sorted_into_groups(
        written(tmp_path / "orders.csv.gz", gzip.compress(ORDERS.encode())), tmp_path / "out.csv"
    )
    assert sorted(rows) == ["007", "1e3", "42"]


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        (("42,0003,2026-08-09", "42,0003,yesterday"), "row 4: ordered_at is missing or no date"),
        (("42,0003,2026-08-09", "42,0003,2026-02-30"), "row 4: ordered_at is missing or no date"),
        (("42,0003,2026-08-09", "42,0003,"), "row 4: ordered_at is missing or no date"),
        ((",-9.99", ",nine"), "row 4: amount is missing or no number"),
        ((",-9.99", ","), "row 4: amount is missing or no number"),
        ((",-9.99", ",NaN"), "row 4: amount is missing or no number"),
        (("42,0003,2026-08-09", "42,,2026-08-09"), "row 4: order_id is missing"),
        (("42,0003,2026-08-09,", "42,0003,"), "line 5: not as many columns as the header has"),
        (("amount\n", "price\n"), "has no column amount; it has customer_id, order_id, ordered_at, price"),
    ],
)
def test_what_cant_be_read_is_named_by_row_and_rule(spoil: tuple[str, str], rule: str, tmp_path: Path) -> None:
    said = refused(tmp_path, ORDERS.replace(*spoil))
    assert said.startswith("orders.csv")
    assert rule in said
    assert "yesterday" not in said


def test_parquet_that_cant_be_read_is_named_by_row_and_rule(tmp_path: Path) -> None:
    amounts = [1.0] * 5000 + [float("nan")] + [None] * 10
    table = pa.table(
        {
            "customer_id": ["a"] * 5011,
            "order_id": ["b"] * 5011,
            "ordered_at": [at("2026-09-01")] * 5011,
            "amount": amounts,
        }
    )
    parquet.write_table(table, tmp_path / "orders.parquet", row_group_size=1000)
    with pytest.raises(SourceError, match=r"orders.parquet, row 5001: amount is missing or no number"):
        sorted_into_groups(tmp_path / "orders.parquet", tmp_path / "out.csv")


def test_what_is_no_file_of_orders_is_refused(tmp_path: Path) -> None:
    assert "damaged" in refused(tmp_path, b"PAR1 and nothing more", "orders.parquet")
    assert "empty" in refused(tmp_path, b"")
    assert "gzip" in refused(tmp_path, gzip.compress(ORDERS.encode() * 50)[:-30], "orders.csv.gz")
    with pytest.raises(SourceError, match="no such file"):
        sorted_into_groups(tmp_path / "nowhere.csv", tmp_path / "out.csv")
    with pytest.raises(SourceError, match=r"written as \.csv or \.parquet"):
        sorted_into_groups(written(tmp_path / "o.csv", ORDERS), tmp_path / "out.xlsx")
    table = pa.table({"customer_id": ["a"], "order_id": ["b"], "ordered_at": [20260901], "amount": [1.0]})
    parquet.write_table(table, tmp_path / "orders.parquet")
    with pytest.raises(SourceError, match="ordered_at is of type BIGINT"):
        sorted_into_groups(tmp_path / "orders.parquet", tmp_path / "out.csv")


def test_lines_without_a_customer_are_left_out_and_counted(tmp_path: Path) -> None:
    rows, result = sorted_into_groups(
        written(tmp_path / "orders.csv", ORDERS + ',0005,2026-09-02,3\n"",0006,2026-09-02,4\n,0007,2026-12-01,5\n'),
        tmp_path / "out.csv",
    )
    assert sorted(rows) == ["007", "1e3", "42"]
    assert result.left_out == {"no_customer": 2}


def test_days_are_the_shops_days(tmp_path: Path) -> None:
    """22:30 of 30 September in UTC is half past midnight of 1 October in Paris."""
    content = "customer_id,order_id,ordered_at,amount\na,1,2026-09-30T22:30:00Z,5\nb,2,2026-09-30T22:30:00,5\n"
    content += "c,3,2026-10-01T00:30:00.000+02:00,5\n"
    rows, _ = sorted_into_groups(written(tmp_path / "o.csv", content), tmp_path / "out.csv", timezone="Europe/Paris")
    assert {who: row["recency_days"] for who, row in rows.items()} == {"a": "0", "b": "1", "c": "0"}
    moments = pa.array([datetime(2026, 9, 30, 22, 30, tzinfo=UTC)], pa.timestamp("us", "UTC"))
    table = pa.table({"customer_id": ["a"], "order_id": ["1"], "ordered_at": moments, "amount": [5]})
    parquet.write_table(table, tmp_path / "o.parquet")
    rows, _ = sorted_into_groups(tmp_path / "o.parquet", tmp_path / "p.csv", timezone="Europe/Paris")
    assert rows["a"]["recency_days"] == "0"


def test_offsets_without_the_shops_time_zone_are_refused(tmp_path: Path) -> None:
    said = refused(tmp_path, ORDERS.replace("10:00:00", "10:00:00+02:00"))
    assert "row 1: ordered_at" in said
    assert "say which time zone" in said


def test_an_id_that_would_be_a_formula_is_quoted_in_the_csv(tmp_path: Path) -> None:
    content = "customer_id,order_id,ordered_at,amount\n=1+1,1,2026-09-01,5\n-12,2,2026-09-01,5\n"
    rows, _ = sorted_into_groups(written(tmp_path / "o.csv", content), tmp_path / "out.csv")
    assert sorted(rows) == ["'=1+1", "-12"]


def test_a_header_alone_gives_a_header_alone(tmp_path: Path) -> None:
    rows, result = sorted_into_groups(written(tmp_path / "o.csv", ORDERS.splitlines()[0] + "\n"), tmp_path / "out.csv")
    assert rows == {}
    assert (tmp_path / "out.csv").read_text().strip() == COLUMNS
    assert sum(result.counts.values()) == 0


def test_a_real_shop_in_one_command(real_shop: Path, tmp_path: Path) -> None:
    """Half a million lines as they come, only the columns named: every customer, every line without one counted."""
    duckdb.sql(
        "COPY (SELECT CustomerID AS customer_id, InvoiceNo AS order_id, InvoiceDate AS ordered_at, "  # noqa: S608
        "Quantity * UnitPrice AS amount "
        f"FROM read_csv('{real_shop}/orders.csv.gz', types = {{'CustomerID': 'VARCHAR', 'InvoiceNo': 'VARCHAR'}})) "
        f"TO '{tmp_path}/orders.csv'"
    )
    rows, result = sorted_into_groups(tmp_path / "orders.csv", tmp_path / "out.csv", on=date(2011, 12, 9))
    assert len(rows) == sum(result.counts.values()) == 4372
    assert result.left_out == {"no_customer": 135_080}
    amounts = sum(Decimal(row["amount"]) for row in rows.values())
    assert 100 * amounts == sum(cents for *_, cents in result.summary())
