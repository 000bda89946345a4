"""What we know of the customers of a run, from its snapshot: one pass over the lake, kept as a file beside the run."""

from __future__ import annotations

import os
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from habitue.statements import source

ROWS = 8192
"""Customers in a group of the file's rows: a page of a run's mails, in the same order, is in one or two of them."""


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
        duck.read_parquet([str(path) for path in orders], union_by_name=True).create_view("orders")
        duck.read_parquet(str(segments)).create_view("segments")
        duck.sql(source("facts/known_of")).write_parquet(str(partial), row_group_size=ROWS)
    partial.replace(out)


class FactsFile:
    """What `write_facts` wrote, kept open: a page of customers costs the rows around them, however long the file is."""

    def __init__(self, path: Path) -> None:
        import duckdb

        self._path = str(path)
        duck = duckdb.connect(config={"threads": 1})
        duck.execute("set enable_progress_bar = false")
        duck.execute("set parquet_metadata_cache = true")
        self._open = [duck]
        weakref.finalize(self, self._open.clear)  # before the interpreter ends, too: DuckDB minds

    def of(self, customers: Sequence[str]) -> dict[str, Facts]:
        """What is known of these customers."""
        rows = (
            self._open[0]
            .execute(
                "select customer_id, last_day, lifetime_days, lifetime_cents, purchase_days, favourites "
                "from read_parquet($path) semi join (select unnest($wanted) as customer_id) using (customer_id)",
                {"path": self._path, "wanted": list(customers)},
            )
            .fetchall()
        )
        return {row[0]: Facts(row[1], row[2], row[3], row[4], tuple(row[5] or ())) for row in rows}
