"""How dear are the figures of the customer base over five years, beside pandas making the same?

    python -m bench.figures [--customers 1000000 --lines 20000000] [--large]

Each runs in a process of its own, on the long-tailed orders of `bench.segments`. Counted is the work from the files to
the cells, without imports, and the process' peak memory. `--large` adds twice as many lines of twice as many
customers, without pandas. Targets: 20,000,000 lines in under 60 s on two cores; under the limit of memory whatever the
size; the same cells as pandas.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

from bench.segments import ON, ROOT, make_orders

SECONDS = 60
KINDS = {"ours": "habitue.trends", "pandas": "pandas 3", "large": "habitue.trends, twice the lines"}


def make_lake(folder: Path, *, customers: int, lines: int) -> None:
    """What a snapshot holds of it: the orders, and who has some."""
    import duckdb

    make_orders(folder / "orders.parquet", customers=customers, lines=lines)
    with duckdb.connect() as con:
        con.execute(
            f"COPY (SELECT DISTINCT customer_id FROM '{folder}/orders.parquet' ORDER BY customer_id) "  # noqa: S608
            f"TO '{folder}/customers.parquet' (FORMAT parquet)"
        )


def run(kind: str, folder: Path) -> dict[str, Any]:
    """One of KINDS in this process: wall and CPU seconds, the peak in MB, the cells."""
    import duckdb  # noqa: F401 - so that importing it is not counted

    from habitue import trends
    from habitue.lake import Snapshot
    from habitue.periods import periods
    from habitue.shop import SegmentSettings

    settings = SegmentSettings()
    if kind == "pandas":
        sys.path.insert(0, str(ROOT / "tests"))
        from figures_in_pandas import days_in_pandas, figures_in_pandas
    wall, cpu = time.perf_counter(), time.process_time()
    if kind == "pandas":
        days = days_in_pandas([folder / "orders.parquet"], folder / "customers.parquet")
        first = date.fromordinal(date(1970, 1, 1).toordinal() + int(days["day"].min()))
        slowing = (trends.SLOWING["factor"], trends.SLOWING["least_days"])
        wanted = periods(ON, first, settings.window_days)
        cells = [list(map(str, row)) for row in figures_in_pandas(days, wanted, settings, slowing=slowing)]
    else:
        snapshot = Snapshot(folder, folder, {"on": ON.isoformat(), "orders": {"parts": [{"file": "orders.parquet"}]}})
        found = trends.work_out(snapshot, settings)
        cells = [
            [one.name, one.span, str(one.ends), one.part, one.other, str(one.value), str(one.of)]
            for one in found
            if one.name != "movement" or one.value
        ]
    return {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "cells": cells,
    }


def in_its_own_process(kind: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.figures", "--one", kind, str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    answer = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True, text=True)
    found: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return found


def measure(
    customers: int = 1_000_000, lines: int = 20_000_000, *, large: bool = False, alone: bool = False
) -> dict[str, dict[str, Any]]:
    """Runs and prints; returns what each of KINDS took. `alone`: without pandas."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"Figures of the base: {customers:,} customers, {lines:,} lines, five years")
    for heading in ("", "wall s", "CPU s", "peak MB", "cells"):
        table.add_column(heading, justify="right" if heading else "left")
    found = {}
    with tempfile.TemporaryDirectory(prefix="bench-figures-") as name:
        folder = Path(name)
        make_lake(folder, customers=customers, lines=lines)
        for kind in ("ours",) if alone else ("ours", "pandas"):
            found[kind] = in_its_own_process(kind, folder)
        if large:
            make_lake(folder, customers=2 * customers, lines=2 * lines)
            found["large"] = in_its_own_process("ours", folder)
    for kind, one in found.items():
        numbers = (f"{one['wall']:.1f}", f"{one['cpu']:.1f}", f"{one['mb']:,.0f}", f"{len(one['cells']):,}")
        table.add_row(KINDS[kind], *numbers)
    console, ours = Console(), found["ours"]
    console.print(table)
    console.print(f"all figures in {ours['wall']:.1f} s (target < {SECONDS} s for 20,000,000 lines)")
    if "pandas" in found:
        theirs = found["pandas"]
        different = {*map(tuple, ours["cells"])} ^ {*map(tuple, theirs["cells"])}
        console.print(
            f"pandas takes {theirs['wall'] / ours['wall']:.1f} × as long and {theirs['mb'] / ours['mb']:.1f} × the "
            f"memory; cells that differ: {len(different):,}"
        )
    if large:
        console.print(
            f"twice the lines: {found['large']['wall'] / ours['wall']:.1f} × the time, "
            f"{found['large']['mb'] / ours['mb']:.2f} × the memory"
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--lines", type=int, default=20_000_000)
    parser.add_argument("--large", action="store_true", help="also twice as much")
    parser.add_argument("--alone", action="store_true", help="without pandas")
    parser.add_argument("--one", nargs=2, metavar=("KIND", "FOLDER"), help=argparse.SUPPRESS)
    given, _ = parser.parse_known_args()  # `python -m bench figures` has words of its own
    if given.one:
        print(json.dumps(run(given.one[0], Path(given.one[1]))))
    else:
        measure(given.customers, given.lines, large=given.large, alone=given.alone)


if __name__ == "__main__":
    main()
