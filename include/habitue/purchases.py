"""What was bought, order by order, with what came back of it: the lake's lines in DuckDB, a table `purchases`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from habitue.sources import STAGED
from habitue.statements import source

if TYPE_CHECKING:
    import duckdb

MEMORY = "1GB"
"""What it may take before it spills."""

RETURN_DAYS = 120
"""What is brought back so long after the end of a response window is still taken back; later, the figures stand."""


NO_ORDERS = ", ".join(f"cast(null as {kind}) as {name}" for name, kind in STAGED["orders"].items())


@contextmanager
def opened(orders: Sequence[Path], *, since: date) -> Iterator[duckdb.DuckDBPyConnection]:
    """The purchases since a day; `orders` are a snapshot's months."""
    import duckdb

    with tempfile.TemporaryDirectory() as spilt:
        duck = duckdb.connect(config={"memory_limit": MEMORY, "temp_directory": spilt})
        try:
            duck.execute("set enable_progress_bar = false")
            duck.execute("set preserve_insertion_order = false")
            duck.execute(f"create view no_orders as select {NO_ORDERS} where false")
            young = [str(path) for path in orders if path.parent.name >= f"{since:%Y-%m}"]
            found = duck.read_parquet(young, union_by_name=True) if young else duck.view("no_orders")
            if "offer_code" not in found.columns:  # of before there were codes
                found = found.project("*, cast(null as varchar) as offer_code")
            found.create_view("orders")
            duck.execute(source("credits/purchases"), {"since": since})
            yield duck
        finally:
            duck.close()
