"""Who is in which group: given lines, expected rows; then the boundaries of time, the grid, movement and attrition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import yaml
from pyarrow import parquet

from conftest import ROOT
from habitue.errors import SourceError
from habitue.segments import GROUPS, SegmentResult, months_before, score_sql, segment, year_before
from habitue.shop import Scoring, SegmentSettings

ON = date(2026, 10, 1)
CASES = sorted((ROOT / "tests" / "sql" / "segment").glob("*.yaml"))
COLUMNS = ["customer_id", "segment", "recency_days", "purchase_days", "orders", "amount_cents", "average_basket_cents"]
COLUMNS += ["r", "f", "m", "score", "tier", "first_day", "last_day", "lifetime_cents", "lifetime_days"]
Line = tuple[str, str, datetime, int]


def write_lines(path: Path, lines: Sequence[Line]) -> Path:
    columns = list(zip(*lines, strict=True)) or [()] * 4
    types = [pa.string(), pa.string(), pa.timestamp("us"), pa.int64()]
    names = ["customer_id", "order_id", "ordered_at", "amount_cents"]
    arrays = [pa.array(values, type_) for values, type_ in zip(columns, types, strict=True)]
    parquet.write_table(pa.table(dict(zip(names, arrays, strict=True))), path)
    return path


def write_ids(path: Path, ids: Sequence[str]) -> Path:
    parquet.write_table(pa.table({"customer_id": pa.array(ids, pa.string())}), path)
    return path


def segmented(
    tmp: Path, lines: Sequence[Line], *, on: date = ON, settings: Mapping[str, Any] | None = None, **more: Any
) -> tuple[dict[str, dict[str, Any]], SegmentResult]:
    out = tmp / "segments.parquet"
    orders = write_lines(tmp / "orders.parquet", lines)
    result = segment(orders, out, on=on, settings=SegmentSettings(**settings or {}), scoring=Scoring(), **more)
    return {row["customer_id"]: row for row in parquet.read_table(out).to_pylist()}, result


def at(written: object) -> datetime:
    return datetime.fromisoformat(str(written))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path, tmp_path: Path) -> None:
    case = yaml.safe_load(path.read_text("utf-8"))
    lines = [(who, order, at(when), cents) for who, order, when, cents in case["lines"]]
    customers = write_ids(tmp_path / "customers.parquet", case["customers"]) if "customers" in case else None
    rows, result = segmented(tmp_path, lines, on=case["day"], settings=case.get("settings"), customers=customers)
    assert sorted(rows) == sorted(case["expect"])
    for who, expected in case["expect"].items():
        assert {name: rows[who][name] for name in expected} == expected, who
    if "heavy_basket_cents" in case:
        assert result.thresholds["heavy_basket_cents"] == pytest.approx(case["heavy_basket_cents"])


def test_there_are_cases() -> None:
    assert len(CASES) >= 15


def test_the_file_has_the_columns_of_the_base_sorted_by_customer(tmp_path: Path) -> None:
    lines = [(f"{n:05}", "1", at("2026-09-01"), n) for n in range(3000, 0, -1)]
    rows, _ = segmented(tmp_path, lines)
    table = parquet.read_table(tmp_path / "segments.parquet")
    assert table.column_names == COLUMNS
    assert list(rows) == sorted(rows)
    types = {field.name: str(field.type) for field in table.schema}
    assert {types[name] for name in ("amount_cents", "average_basket_cents", "lifetime_cents")} == {"int64"}
    assert {types[name] for name in ("recency_days", "purchase_days", "orders", "score", "lifetime_days")} == {"int32"}
    assert {types["first_day"], types["last_day"]} == {"date32[day]"}


def test_the_acceptance_table_of_the_grid() -> None:
    """A, B, C, D: 15, 18, 27, 18 points, through the very expression that every customer goes through."""
    table = [(5500, 10, 1), (2500, 6, 3), (8500, 3, 2), (12000, 18, 1)]
    with duckdb.connect() as con:
        scores = [
            con.execute(
                f"SELECT {score_sql(Scoring(), ON)} FROM (SELECT $average::DOUBLE AS average_order, "  # noqa: S608
                "$last::DATE AS last_day, $orders::INTEGER AS orders)",
                {"average": average, "last": months_before(ON, months), "orders": orders},
            ).fetchall()[0][0]
            for average, months, orders in table
        ]
    assert scores == [15, 18, 27, 18]


def test_bounds_of_the_grid_are_inclusive() -> None:
    def score(average: float, last: date, orders: int) -> Any:
        rows = f"(SELECT {average}::DOUBLE AS average_order, DATE '{last}' AS last_day, {orders} AS orders)"
        return duckdb.sql(f"SELECT {score_sql(Scoring(), ON)} FROM {rows}").fetchall()[0][0]  # noqa: S608

    old = date(2020, 1, 1)
    assert [score(cents, old, 0) for cents in (2999, 3000, 4999.9, 5000, 10000, -1)] == [0, 3, 3, 6, 12, 0]
    days = (date(2026, 7, 1), date(2026, 6, 30), date(2024, 10, 1), date(2024, 9, 30))
    assert [score(0, day, 0) for day in days] == [12, 9, 3, 0]
    assert [score(0, old, orders) for orders in (0, 1, 4, 5, 900)] == [0, 3, 12, 12, 12]


@pytest.mark.parametrize(
    ("on", "months", "first"),
    [
        (date(2026, 10, 1), 3, date(2026, 7, 1)),
        (date(2026, 3, 31), 1, date(2026, 3, 1)),  # 28 February + 1 month is 28 March
        (date(2024, 3, 31), 1, date(2024, 3, 1)),
        (date(2024, 2, 29), 12, date(2023, 3, 1)),
        (date(2026, 2, 28), 3, date(2025, 11, 28)),
        (date(2026, 1, 31), 2, date(2025, 12, 1)),
        (date(2026, 12, 31), 24, date(2024, 12, 31)),
    ],
)
def test_months_are_calendar_months(on: date, months: int, first: date) -> None:
    """Held against DuckDB's own calendar: the first day qualifies, the day before does not."""
    assert months_before(on, months) == first
    reaches = "SELECT $day::DATE + to_months($months) >= $on::DATE, $day::DATE - 1 + to_months($months) >= $on::DATE"
    assert duckdb.execute(reaches, {"day": first, "months": months, "on": on}).fetchall() == [(True, False)]


def test_a_year_before_a_leap_day() -> None:
    days = (date(2024, 2, 29), date(2026, 10, 1))
    assert [year_before(day) for day in days] == [date(2023, 2, 28), date(2025, 10, 1)]


def test_movement_says_who_came_who_went_and_who_moved(tmp_path: Path) -> None:
    before = [("anna", "1", at("2026-06-01"), 5000), ("boris", "2", at("2025-08-01"), 900)]
    _, first = segmented(tmp_path, before, on=date(2026, 7, 1))
    previous = (tmp_path / "segments.parquet").rename(tmp_path / "previous.parquet")
    now = [*before, ("emma", "3", at("2026-09-01"), 9000)]
    customers = write_ids(tmp_path / "customers.parquet", ["boris", "emma"])
    _, second = segmented(tmp_path, now, customers=customers, previous=previous)
    assert first.movement == {}
    assert second.movement == {
        "occasional_heavy": {"gone": 1},
        "occasional_light": {"lapsed": 1},
        "new": {"occasional_heavy": 1},
    }


def test_attrition_leaves_the_new_ones_out(tmp_path: Path) -> None:
    """A year before, Anna, Boris and Emma were active; Boris no longer is. Felix came since, Gilles had lapsed."""
    lines = [
        ("anna", "1", at("2025-09-30"), 100),
        ("anna", "2", at("2026-09-01"), 100),
        ("boris", "3", at("2025-10-01"), 100),
        ("emma", "4", at("2024-10-02"), 100),
        ("emma", "5", at("2026-09-30"), 100),
        ("felix", "6", at("2025-10-02"), 100),
        ("gilles", "7", at("2024-10-01"), 100),
    ]
    _, result = segmented(tmp_path, lines)
    assert result.attrition == {"at_start": 3, "lost": 1, "rate": pytest.approx(1 / 3)}


def test_without_a_year_of_history_there_is_no_attrition(tmp_path: Path) -> None:
    _, result = segmented(tmp_path, [("anna", "1", at("2026-09-30"), 100)])
    assert result.attrition is None
    assert result.figures()["attrition"] is None


def test_no_orders_and_no_customers_make_an_empty_file(tmp_path: Path) -> None:
    rows, result = segmented(tmp_path, [])
    assert rows == {}
    assert result.counts == dict.fromkeys(GROUPS, 0)
    assert result.thresholds["heavy_basket_cents"] is None


def test_a_shop_without_any_order_file_has_prospects_only(tmp_path: Path) -> None:
    customers = write_ids(tmp_path / "customers.parquet", ["anna", "boris"])
    out = tmp_path / "segments.parquet"
    result = segment([], out, on=ON, settings=SegmentSettings(), scoring=Scoring(), customers=customers)
    assert result.counts["prospect"] == sum(result.counts.values()) == 2
    assert [row["segment"] for row in parquet.read_table(out).to_pylist()] == ["prospect", "prospect"]


def test_orders_in_many_files_are_one_history(tmp_path: Path) -> None:
    files = [
        write_lines(tmp_path / f"2026-0{month}.parquet", [("anna", str(month), at(f"2026-{month:02}-05"), 1000)])
        for month in range(1, 5)
    ]
    out = tmp_path / "segments.parquet"
    result = segment(files, out, on=ON, settings=SegmentSettings(), scoring=Scoring())
    assert result.counts["regular_heavy"] == 1


def test_every_threshold_is_written_with_the_run(tmp_path: Path) -> None:
    _, result = segmented(tmp_path, [("anna", "1", at("2026-09-30"), 100)], settings={"heavy_percentile": 0.5})
    figures = result.figures()
    assert figures["thresholds"] == {
        "window_days": 365,
        "lapsed_after_days": 365,
        "regular_purchase_days": 4,
        "heavy_percentile": 0.5,
        "heavy_basket_cents": 100.0,
    }
    assert figures["fifths"] == {"r": [1] * 4, "f": [1] * 4, "m": [100] * 4}
    assert figures["tiers"] == {"top_20": 100, "next_40": 100}
    assert figures["scoring"]["version"] == "1"


def test_the_last_good_file_stays_when_the_orders_are_broken(tmp_path: Path) -> None:
    segmented(tmp_path, [("anna", "1", at("2026-09-30"), 100)])
    good = (tmp_path / "segments.parquet").read_bytes()
    broken: Any = [("anna", "1", at("2026-09-30"), 100), ("boris", "2", at("2026-09-30"), None)]
    with pytest.raises(SourceError, match=r"orders.parquet, row 2: amount_cents is missing"):
        segmented(tmp_path, broken)
    assert (tmp_path / "segments.parquet").read_bytes() == good
    assert sorted(path.name for path in tmp_path.iterdir()) == ["orders.parquet", "segments.parquet"]
