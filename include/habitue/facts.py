"""What we know of the customers of a run, from its snapshot: one pass over the lake, kept as a file beside the run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from habitue.statements import source


@dataclass(frozen=True, slots=True)
class Facts:
    last_day: date | None
    lifetime_days: int
    lifetime_cents: int
    purchase_days: int
    """in the window: the last year"""
    favourites: tuple[str, ...]
    """what they spent most on, at most three products"""


def write_facts(customers: Sequence[str], *, segments: Path, orders: Sequence[Path], out: Path) -> None:
    """Writes one row a customer of the run to `out` (Parquet, sorted by customer), atomically."""
    import duckdb
    import pyarrow as pa

    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_suffix(f".{os.getpid()}.partial")
    with duckdb.connect() as duck:
        duck.execute("set enable_progress_bar = false")
        duck.register("chosen", pa.table({"customer_id": pa.array(customers, pa.string())}))
        duck.read_parquet([str(path) for path in orders]).create_view("orders")
        duck.read_parquet(str(segments)).create_view("segments")
        duck.sql(source("facts/known_of")).write_parquet(str(partial))
    partial.replace(out)


def read_facts(path: Path, customers: Sequence[str]) -> dict[str, Facts]:
    """What is known of these customers."""
    import duckdb
    import pyarrow as pa

    with duckdb.connect() as duck:
        duck.register("wanted", pa.table({"customer_id": pa.array(customers, pa.string())}))
        duck.read_parquet(str(path)).create_view("facts")
        rows = duck.sql(
            "select customer_id, last_day, lifetime_days, lifetime_cents, purchase_days, favourites "
            "from facts semi join wanted using (customer_id)"
        ).fetchall()
    return {row[0]: Facts(row[1], row[2], row[3], row[4], tuple(row[5] or ())) for row in rows}
