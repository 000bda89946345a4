"""How dear are the segments, beside the bare aggregation in DuckDB and a well-written pandas?

    python -m bench.segments [--customers 1000000 --lines 20000000] [--large]

Each runs in a process of its own, on the same long-tailed orders of five years, made here. Counted are the work from
the files to the file, without imports, and the process' peak memory. `--large` adds five times as much, under a limit
of 2 GB. Targets: at most 2 × the bare aggregation; at least 2 × faster than pandas in under half its memory, with the
same rows; five times the lines in five times the time.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ON = date(2026, 9, 30)
LARGE = 5
LIMIT = "2GB"

MAKE = """
    COPY (
        SELECT
            'C' || lpad(CAST(1 + CAST(floor(power(hash(o) / 18446744073709551616.0, 2.2) * {customers}) AS BIGINT)
                AS VARCHAR), 8, '0') AS customer_id,
            'O' || lpad(CAST(o AS VARCHAR), 9, '0') AS order_id,
            TIMESTAMP '2021-10-01' + INTERVAL 1 SECOND * (o * (1826 * 86400.0 / ({lines} * 0.4 + 1))) AS ordered_at,
            'P' || hash(i, 1) % 5000 AS product_code,
            CAST(1 + hash(i, 2) % 3 AS DOUBLE) AS quantity,
            CAST(CASE WHEN hash(i, 3) % 25 = 0 THEN -1 ELSE 1 END * (300 + hash(i, 4) % 6000) AS BIGINT) AS amount_cents
        FROM (SELECT i, i * 2 // 5 AS o FROM range({lines}) AS r(i))
    ) TO '{path}' (FORMAT parquet, COMPRESSION zstd)
"""
BARE = """
    CREATE TEMP TABLE bare AS
    SELECT customer_id, {count} AS orders, count(DISTINCT CAST(ordered_at AS DATE)) AS days,
        sum(amount_cents) AS amount, min(ordered_at) AS first, max(ordered_at) AS last
    FROM '{path}' GROUP BY customer_id
"""
KINDS = {
    "ours": "habitue.segments",
    "bare": "DuckDB, bare aggregation",
    "bare_orders": "DuckDB, bare, count(DISTINCT order_id)",
    "pandas": "pandas 3",
    "limited": f"habitue.segments, memory_limit {LIMIT}",
}


def make_orders(path: Path, *, customers: int, lines: int) -> Path:
    """Orders in the lake's schema: 2.5 lines an order, a few customers with very many, every 25th line a return."""
    import duckdb

    with tempfile.TemporaryDirectory(dir=path.parent) as spill, duckdb.connect() as con:
        con.execute("SET temp_directory = $spill", {"spill": spill})
        con.execute(MAKE.format(customers=customers, lines=lines, path=path))
    return path


def run(kind: str, orders: Path, out: Path) -> dict[str, Any]:
    """One of KINDS in this process: wall and CPU seconds and the peak in MB."""
    import duckdb

    from habitue.segments import segment
    from habitue.shop import Scoring, SegmentSettings

    given: dict[str, Any] = {"on": ON, "settings": SegmentSettings(), "scoring": Scoring()}
    if kind == "pandas":
        sys.path.insert(0, str(ROOT / "tests"))
        from segments_in_pandas import segments_in_pandas
    wall, cpu = time.perf_counter(), time.process_time()
    if kind == "pandas":
        segments_in_pandas(orders, **given).to_parquet(out, compression="zstd", index=False)
    elif kind.startswith("bare"):
        with duckdb.connect(config={"preserve_insertion_order": False}) as con:
            con.execute(
                BARE.format(count="count(DISTINCT order_id)" if kind == "bare_orders" else "count(*)", path=orders)
            )
    else:
        segment(orders, out, memory_limit=LIMIT if kind == "limited" else None, **given)
    return {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def in_its_own_process(kind: str, orders: Path, out: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.segments", "--one", kind, str(orders), str(out)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    answer = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True, text=True)
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def median_of(kind: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    return {"kind": kind, **{name: statistics.median(run[name] for run in runs) for name in ("wall", "cpu", "mb")}}


def different_rows(ours: Path, theirs: Path) -> int:
    """Rows of either file that the other has not, in all columns."""
    import duckdb

    columns = "customer_id, segment, recency_days, purchase_days, orders, amount_cents, average_basket_cents, r, f, m, "
    columns += "score, tier, first_day::DATE, last_day::DATE, lifetime_cents, lifetime_days"
    one, other = (f"SELECT {columns} FROM '{path}'" for path in (ours, theirs))  # noqa: S608
    both = f"({one} EXCEPT ALL {other}) UNION ALL ({other} EXCEPT ALL {one})"
    return int(duckdb.sql(f"SELECT count(*) FROM ({both})").fetchall()[0][0])  # noqa: S608


def measure(customers: int = 1_000_000, lines: int = 20_000_000, *, large: bool = False) -> list[dict[str, Any]]:
    """Runs and prints; returns a dict a kind: kind, wall, cpu (seconds), mb, and what it is a multiple of."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"Segments: {customers:,} customers, {lines:,} lines")
    for heading in ("", "wall s", "CPU s", "peak MB", "CPU × bare", "wall × bare"):
        table.add_column(heading, justify="right" if heading else "left")
    with tempfile.TemporaryDirectory(prefix="bench-segments-") as name:
        folder = Path(name)
        orders = make_orders(folder / "orders.parquet", customers=customers, lines=lines)
        kinds = ["bare", "ours", "bare_orders"]
        runs: dict[str, list[dict[str, Any]]] = {kind: [] for kind in kinds}
        for _ in range(3):  # in turns, so that a busy machine is unfair to nobody
            for kind in kinds:
                runs[kind].append(in_its_own_process(kind, orders, folder / f"{kind}.parquet"))
        runs["pandas"] = [in_its_own_process("pandas", orders, folder / "pandas.parquet")]
        found = [median_of(kind, some) for kind, some in runs.items()]
        different = different_rows(folder / "ours.parquet", folder / "pandas.parquet")
        if large:
            runs["limited"] = [in_its_own_process("limited", orders, folder / "limited.parquet")]
            found.append(median_of("limited", runs["limited"]))
            orders.unlink()
            orders = make_orders(orders, customers=LARGE * customers, lines=LARGE * lines)
            found.append(
                {"kind": f"limited × {LARGE}", **in_its_own_process("limited", orders, folder / "limited.parquet")}
            )
    by_kind = {one["kind"]: one for one in found}
    bare, ours, pandas = by_kind["bare"], by_kind["ours"], by_kind["pandas"]
    for one in found:
        one["cpu_of_bare"], one["wall_of_bare"] = one["cpu"] / bare["cpu"], one["wall"] / bare["wall"]
        title = KINDS.get(one["kind"], f"{KINDS['limited']}, {LARGE} × the lines")
        numbers = [f"{one['wall']:.2f}", f"{one['cpu']:.2f}", f"{one['mb']:,.0f}"]
        table.add_row(title, *numbers, f"{one['cpu_of_bare']:.2f}", f"{one['wall_of_bare']:.2f}")
    console = Console()
    console.print(table)
    console.print(
        f"ours: {ours['wall_of_bare']:.2f} × the bare aggregation's time (target ≤ 2), pandas takes "
        f"{pandas['wall'] / ours['wall']:.1f} × ours (target ≥ 2), ours has {ours['mb'] / pandas['mb']:.2f} × its "
        f"memory (target < 0.5); rows that differ from pandas: {different:,} of {customers:,}"
    )
    if large:
        one, five = by_kind["limited"], by_kind[f"limited × {LARGE}"]
        console.print(f"under {LIMIT}: {LARGE} × the lines take {five['cpu'] / one['cpu']:.1f} × the CPU time")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--lines", type=int, default=20_000_000)
    parser.add_argument("--large", action="store_true", help=f"also {LARGE} times as much under {LIMIT}")
    parser.add_argument("--one", nargs=3, metavar=("KIND", "ORDERS", "OUT"), help=argparse.SUPPRESS)
    given, _ = parser.parse_known_args()  # `python -m bench segments` has words of its own
    if given.one:
        kind, orders, out = given.one
        print(json.dumps(run(kind, Path(orders), Path(out))))
    else:
        measure(given.customers, given.lines, large=given.large)


if __name__ == "__main__":
    main()
