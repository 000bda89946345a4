"""What holds for segments of any orders: laws by Hypothesis, the same rows as pandas, the same as PostgreSQL."""

from __future__ import annotations

import math
import random
import re
import tempfile
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
import sqlglot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from sqlalchemy import URL, text

from conftest import ROOT
from habitue.segments import GROUPS, score_sql, segment, year_before
from habitue.shop import Scoring, SegmentSettings
from habitue.statements import source
from segments_in_pandas import segments_in_pandas
from test_segments import COLUMNS, Line, at, write_ids, write_lines

ON = date(2026, 10, 1)
SQL = sorted((ROOT / "include" / "sql" / "segment").glob("*.sql"))

some_lines = st.lists(
    st.tuples(
        st.sampled_from("abcdefgh"),
        st.sampled_from(["1", "2", "3", "4", "5", "6"]),
        st.integers(-10, 800).map(lambda days: at("2026-10-01 12:00") - timedelta(days=days)),
        st.integers(-5000, 20000),
    ),
    max_size=40,
)
some_settings = st.builds(
    SegmentSettings,
    lapsed_after_days=st.sampled_from([180, 365]),
    regular_purchase_days=st.integers(1, 4),
    heavy_percentile=st.sampled_from([0.5, 0.67, 0.9]),
)
few = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def rows_of(lines: Sequence[Line], chosen: SegmentSettings, **more: Any) -> dict[str, dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        orders, out = write_lines(Path(folder) / "orders.parquet", lines), Path(folder) / "out.parquet"
        ids = write_ids(Path(folder) / "customers.parquet", more.pop("ids")) if "ids" in more else None
        result = segment(orders, out, on=ON, settings=chosen, scoring=Scoring(), customers=ids, **more)
        rows = {row["customer_id"]: row for row in parquet.read_table(out).to_pylist()}
    assert sum(result.counts.values()) == len(rows)
    assert sum(result.amounts.values()) == sum(row["amount_cents"] for row in rows.values())
    return rows


@few
@given(some_lines, some_settings)
def test_everyone_is_in_exactly_one_group(lines: list[Line], chosen: SegmentSettings) -> None:
    everyone = list("abcdefghij")
    rows = rows_of(lines, chosen, ids=everyone)
    assert sorted(rows) == everyone
    for row in rows.values():
        assert row["segment"] in GROUPS
        assert (row["segment"] == "prospect") == (row["last_day"] is None) == (row["r"] is None)
        if row["segment"] not in ("prospect", "lapsed"):
            assert row["purchase_days"] >= 1
            assert row["orders"] >= 1
            assert row["recency_days"] < chosen.lapsed_after_days
            assert ("regular" in row["segment"]) == (row["purchase_days"] >= chosen.regular_purchase_days)
        assert (row["tier"] is None) == (row["segment"] in ("prospect", "lapsed"))


@few
@given(some_lines, some_settings, st.randoms(use_true_random=False))
def test_the_order_of_rows_is_irrelevant(lines: list[Line], chosen: SegmentSettings, chance: random.Random) -> None:
    shuffled = list(lines)
    chance.shuffle(shuffled)
    assert rows_of(lines, chosen) == rows_of(shuffled, chosen)


@few
@given(some_lines, some_settings, st.integers(2, 1000))
def test_other_money_changes_nothing_but_amounts_and_points(
    lines: list[Line], chosen: SegmentSettings, factor: int
) -> None:
    free = {"amount_cents", "average_basket_cents", "lifetime_cents", "score"}
    before = rows_of(lines, chosen)
    after = rows_of([(who, order, when, cents * factor) for who, order, when, cents in lines], chosen)
    for who, row in before.items():
        assert {k: v for k, v in row.items() if k not in free} == {k: v for k, v in after[who].items() if k not in free}
        assert after[who]["amount_cents"] == factor * row["amount_cents"]


@few
@given(some_lines, some_settings)
def test_fifths_never_contradict_the_values(lines: list[Line], chosen: SegmentSettings) -> None:
    bought = [row for row in rows_of(lines, chosen).values() if row["last_day"]]
    for one in bought:
        for other in bought:
            assert (one["recency_days"] <= other["recency_days"]) <= (one["r"] >= other["r"])
            assert (one["purchase_days"] >= other["purchase_days"]) <= (one["f"] >= other["f"])
            assert (one["amount_cents"] >= other["amount_cents"]) <= (one["m"] >= other["m"])


def random_lines(count: int, customers: int, seed: int) -> list[Line]:
    chance = random.Random(seed)
    return [
        (
            f"C{int(customers * chance.random() ** 2):06}",
            f"O{chance.randrange(count // 2)}",
            at("2026-10-05") - timedelta(minutes=int(chance.random() * 1440 * 900)),
            chance.choice([-2000, -500, 0, 990, 1490, 2500, 2500, 9900]),
        )
        for _ in range(count)
    ]


def compared(rows: pd.DataFrame) -> pd.DataFrame:
    """One shape for both: plain integers and text, nothing where nothing is."""
    shaped = {
        name: rows[name].astype("string" if name in ("customer_id", "segment", "tier") else "Int64")
        for name in COLUMNS
        if name not in ("first_day", "last_day")
    }
    days = {name: pd.to_datetime(rows[name]).dt.strftime("%Y-%m-%d") for name in ("first_day", "last_day")}
    return pd.DataFrame({**shaped, **days}).astype("object").where(lambda frame: frame.notna(), None)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("lapsed_after_days", [365, 180])
def test_pandas_finds_the_same_rows(seed: int, lapsed_after_days: int, tmp_path: Path) -> None:
    orders, out = write_lines(tmp_path / "orders.parquet", random_lines(20_000, 1501, seed)), tmp_path / "out.parquet"
    given_ = {"on": ON, "settings": SegmentSettings(lapsed_after_days=lapsed_after_days), "scoring": Scoring()}
    segment(orders, out, **given_)  # type: ignore[arg-type]
    ours = compared(pd.read_parquet(out))
    theirs = compared(segments_in_pandas(orders, **given_))  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(ours, theirs)
    assert len(ours) > 1000


def test_little_memory_gives_the_same_file(tmp_path: Path) -> None:
    orders = write_lines(tmp_path / "orders.parquet", random_lines(20_000, 1501, 7))
    given_ = {"on": ON, "settings": SegmentSettings(), "scoring": Scoring()}
    spill = tmp_path / "spill"
    spill.mkdir()
    segment(orders, tmp_path / "much.parquet", **given_)  # type: ignore[arg-type]
    segment(orders, tmp_path / "little.parquet", memory_limit="100MB", temp_dir=spill, **given_)  # type: ignore[arg-type]
    assert parquet.read_table(tmp_path / "much.parquet").equals(parquet.read_table(tmp_path / "little.parquet"))
    assert list(spill.iterdir()) == []


@pytest.mark.parametrize("path", SQL, ids=lambda path: path.stem)
def test_the_sql_is_one_statement_that_three_dialects_know(path: Path) -> None:
    """sqlglot parses it and can write it for PostgreSQL and Spark; that is a check, not a guarantee."""
    for dialect in ("postgres", "spark"):
        written = sqlglot.transpile(
            path.read_text("utf-8"), read="duckdb", write=dialect, unsupported_level=sqlglot.ErrorLevel.RAISE
        )
        assert len(written) == 1


def test_postgresql_finds_the_same_rows(server: URL, tmp_path: Path) -> None:
    """The same files, written in PostgreSQL's dialect by sqlglot, on the embedded server."""
    from habitue.database import connect, ensure_database

    lines = random_lines(3000, 301, 11)
    orders, out = write_lines(tmp_path / "orders.parquet", lines), tmp_path / "out.parquet"
    chosen = SegmentSettings()
    segment(orders, out, on=ON, settings=chosen, scoring=Scoring())
    named = {
        "on": f"DATE '{ON}'",
        "window_start": f"DATE '{ON - timedelta(days=chosen.window_days)}'",
        "year_before": f"DATE '{year_before(ON)}'",
        "lapsed_after_days": str(chosen.lapsed_after_days),
        "heavy_percentile": str(chosen.heavy_percentile),
        "regular_purchase_days": str(chosen.regular_purchase_days),
    }

    def in_postgresql(question: str) -> str:
        sql = re.sub(r"\$(\w+)", lambda found: named[found[1]], source(f"segment/{question}"))
        return sqlglot.transpile(sql, read="duckdb", write="postgres", comments=False)[0]

    engine = connect(ensure_database(server, "habitue_segments"))
    with engine.begin() as connection:
        connection.execute(
            text('create temp table lines (customer_id text collate "C", order_id text, day date, cents bigint)')
        )
        connection.execute(
            text("insert into lines values (:who, :number, :day, :cents)"),
            [{"who": who, "number": number, "day": when.date(), "cents": cents} for who, number, when, cents in lines],
        )
        connection.exec_driver_sql(f"create temp table purchases as {in_postgresql('purchases')}")
        connection.exec_driver_sql("create temp view known as select * from purchases")
        connection.exec_driver_sql(f"create temp table thresholds as {in_postgresql('thresholds')}")
        score = score_sql(Scoring(), ON)
        connection.exec_driver_sql(f"create temp view scored as select *, {score} as score from known")  # noqa: S608
        rows = connection.exec_driver_sql(f"{in_postgresql('segments')} order by customer_id").mappings().all()
    engine.dispose()
    ours = parquet.read_table(out).to_pylist()
    assert [{name: row[name] for name in COLUMNS} for row in rows] == [
        {name: row[name] for name in COLUMNS} for row in ours
    ]


def test_duckdb_interpolates_equal_baskets_to_themselves() -> None:
    """Were it not so, nobody would be heavy where all baskets are alike."""
    for count in range(1, 120):
        rows = duckdb.execute(
            "SELECT percentile_cont(0.67) WITHIN GROUP (ORDER BY b) FROM (SELECT 1000::DOUBLE / 3 AS b FROM range($n))",
            {"n": count},
        ).fetchall()
        assert math.isclose(rows[0][0], 1000 / 3, rel_tol=0)
