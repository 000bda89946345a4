"""How dear is the lifetime value of a million customers, beside the same fit as one would write it first?

    python -m bench.lifetime [--customers 1000000 --lines 20000000]

Each runs in a process of its own, on the long-tailed orders of `bench.segments`. Ours goes from the order lines to the
three columns in the segments' file. Beside it stands the fit of both models alone: pandas makes a row a customer, and
scipy maximises the likelihood over all rows, without rough first steps and without sharing equal histories. Target:
under a minute.
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
from pathlib import Path
from typing import Any

from bench.segments import ON, ROOT, make_orders

SECONDS = 60
KINDS = {"ours": "habitue.lifetime", "scipy": "pandas and scipy, a row a customer"}


def in_scipy(orders: Path) -> dict[str, Any]:
    """The seven parameters of both models, sought on every customer."""
    import numpy as np
    import pandas as pd
    from scipy.optimize import minimize
    from scipy.special import betaln, gammaln

    lines = pd.read_parquet(orders, columns=["customer_id", "ordered_at", "amount_cents"])
    lines["day"] = lines.pop("ordered_at").dt.normalize()
    days = lines.groupby(["customer_id", "day"], sort=False)["amount_cents"].agg(["sum", "max"]).reset_index()
    bought = days[days["max"] > 0].sort_values(["customer_id", "day"])
    of = bought.groupby("customer_id").agg(
        first=("day", "min"), last=("day", "max"), number=("day", "size"), first_cents=("sum", "first")
    )
    of["cents"] = days.groupby("customer_id")["sum"].sum()
    x = of["number"].to_numpy(float) - 1
    t_x = (of["last"] - of["first"]).dt.days.to_numpy(float) / 7
    known = (pd.Timestamp(ON) - of["first"]).dt.days.to_numpy(float) / 7
    scale = known.max()
    t_x, known = t_x / scale, known / scale

    def buying(logs: Any) -> float:
        r, alpha, a, b = np.exp(logs)
        begin = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
        stays = betaln(a, b + x) - betaln(a, b) - (r + x) * np.log(alpha + known)
        leaves = betaln(a + 1, b + np.maximum(x, 1) - 1) - betaln(a, b) - (r + x) * np.log(alpha + t_x)
        return -float((begin + np.where(x > 0, np.logaddexp(stays, leaves), stays)).mean())

    again = (x > 0) & (of["cents"] > of["first_cents"].clip(lower=0)).to_numpy()
    n = x[again]
    average = (of["cents"] - of["first_cents"].clip(lower=0)).to_numpy(float)[again] / n
    unit = average.mean()
    average = average / unit

    def spending(logs: Any) -> float:
        p, q, v = np.exp(logs)
        found = gammaln(p * n + q) - gammaln(p * n) - gammaln(q) + q * np.log(v) + (p * n - 1) * np.log(average)
        return -float((found + p * n * np.log(n) - (p * n + q) * np.log(n * average + v)).mean())

    limits = [(-12.0, 12.0)]
    one = minimize(buying, np.log((0.5, 0.1, 0.5, 2.0)), method="L-BFGS-B", bounds=limits * 4)
    two = minimize(spending, np.log((2.0, 3.0, 1.0)), method="L-BFGS-B", bounds=limits * 3)
    r, alpha, a, b = np.exp(one.x)
    p, q, v = np.exp(two.x)
    return {"customers": len(of), "parameters": [r, alpha * scale, a, b, p, q, v * unit]}


def ours(orders: Path, segments: Path) -> dict[str, Any]:
    from habitue.lifetime import add_values

    found = add_values([orders], segments, on=ON)
    if found.buying is None or found.spending is None:
        raise RuntimeError("nothing was fitted")
    buying, spending = found.buying, found.spending
    parameters = [buying.r, buying.alpha, buying.a, buying.b, spending.p, spending.q, spending.v]
    return {"customers": found.customers, "parameters": parameters}


def run(kind: str, folder: Path) -> dict[str, Any]:
    """One of KINDS in this process: wall and CPU seconds, the peak in MB, what was fitted."""
    import duckdb  # noqa: F401 - so that importing it is not counted
    import scipy.optimize  # noqa: F401

    orders = folder / "orders.parquet"
    wall, cpu = time.perf_counter(), time.process_time()
    found = ours(orders, folder / "segments.parquet") if kind == "ours" else in_scipy(orders)
    return {
        **found,
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def in_its_own_process(kind: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.lifetime", "--one", kind, str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    answer = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return found


def measure(customers: int = 1_000_000, lines: int = 20_000_000, *, alone: bool = False) -> dict[str, dict[str, Any]]:
    """Runs and prints; returns what each of KINDS took. `alone`: without scipy's."""
    from rich.console import Console
    from rich.table import Table

    from habitue.segments import segment
    from habitue.shop import Scoring, SegmentSettings

    table = Table(title=f"Lifetime value: {customers:,} customers, {lines:,} lines", title_justify="left")
    for heading in ("", "wall s", "CPU s", "peak MB", "customers"):
        table.add_column(heading, justify="right" if heading else "left")
    found = {}
    with tempfile.TemporaryDirectory(prefix="bench-lifetime-") as name:
        folder = Path(name)
        orders = make_orders(folder / "orders.parquet", customers=customers, lines=lines)
        segment(orders, folder / "segments.parquet", on=ON, settings=SegmentSettings(), scoring=Scoring())
        for kind in ("ours",) if alone else ("ours", "scipy"):
            found[kind] = in_its_own_process(kind, folder)
    for kind, one in found.items():
        table.add_row(KINDS[kind], *(f"{one[key]:,.1f}" for key in ("wall", "cpu", "mb")), f"{one['customers']:,}")
    console, mine = Console(), found["ours"]
    console.print(table)
    console.print(f"fitted and written in {mine['wall']:.1f} s (target < {SECONDS} s)")
    if "scipy" in found:
        theirs = found["scipy"]
        pairs = zip(means(mine["parameters"]), means(theirs["parameters"]), strict=True)
        rates, leaving, spent = pairs
        console.print(
            f"scipy takes {theirs['cpu'] / mine['cpu']:.1f} × the CPU time and {theirs['mb'] / mine['mb']:.1f} × the "
            f"memory for the fit alone. Ours against its: purchases a week {rates[0]:.5f} and {rates[1]:.5f}, "
            f"chance to leave {leaving[0]:.3%} and {leaving[1]:.3%}, basket {spent[0]:.1f} and {spent[1]:.1f}"
        )
    return found


def means(parameters: list[float]) -> tuple[float, float, float]:
    """What the seven say of the mean customer: purchases a week, the chance to leave after one, and the basket. Where
    hardly anybody leaves, many pairs of a and b say the same."""
    r, alpha, a, b, p, q, v = parameters
    return r / alpha, a / (a + b), p * v / (q - 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--lines", type=int, default=20_000_000)
    parser.add_argument("--alone", action="store_true", help="without scipy's")
    parser.add_argument("--one", nargs=2, metavar=("KIND", "FOLDER"), help=argparse.SUPPRESS)
    given, _ = parser.parse_known_args()  # `python -m bench lifetime` has words of its own
    if given.one:
        print(json.dumps(run(given.one[0], Path(given.one[1]))))
    else:
        measure(given.customers, given.lines, alone=given.alone)


if __name__ == "__main__":
    main()
