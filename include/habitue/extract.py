"""From a shop's source to the staged customer base: three Parquet files and their control totals.

Lines read = lines kept + lines left out, by reason. The reasons given here, before those of the source's own SQL:

    after_date        later than the run's date: a customer not yet created, a consent not yet given, an order to come
    before_interval   an order from before the days asked for; the lake has it
    duplicate         delivered more than once (the dataset's `unique_by`); the one read last counts
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from habitue.errors import SettingError, SourceError
from habitue.sources import BEGINNING, DATASETS, OPTIONAL, STAGED, Dataset, Source
from habitue.statements import source as sql_text

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

OnProgress = Callable[[Dataset, int], None]
"""Called with the dataset and the lines read of it so far."""


class Counted(TypedDict):
    read: int
    kept: int
    left_out: dict[str, int]


ERASED = "erased.parquet"
"""Beside the staged files: the numbers of those who were erased."""

STAGED_SQL: dict[Dataset, str] = {
    "customers": "extract/staged_customers",
    "orders": "extract/staged_orders",
    "consents": "extract/staged_consents",
}

Control = dict[str, Counted]
"""The control totals of each dataset."""


def extract(
    source: Source,
    staging: Path,
    *,
    on: date,
    since: date | None,
    erased: Sequence[str] = (),
    on_progress: OnProgress | None = None,
) -> Control:
    """Reads the source as it stood at the end of the day `on` into `staging`; what was there is replaced at once.

    Orders of the days `since` to `on` (all of them where `since` is None), customers and consents in full. A day
    without a line is normal. Of customers who were `erased` only the number is staged. SourceError: data missing,
    truncated, or without a column; `staging` is left as it was.
    """
    if since and since > on:
        raise SettingError(f"orders since {since} can't be read for {on}: the interval ends before it begins")
    work = staging.with_name(f".{staging.name}.part")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        control: Control = {
            dataset: _extract(source, dataset, work, on, since, erased, on_progress) for dataset in DATASETS
        }
        (work / "control.json").write_text(json.dumps(control, indent=2) + "\n", "utf-8")
        shutil.rmtree(staging, ignore_errors=True)
        work.rename(staging)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return control


def _extract(
    source: Source,
    dataset: Dataset,
    work: Path,
    on: date,
    since: date | None,
    erased: Sequence[str],
    on_progress: OnProgress | None,
) -> Counted:
    import duckdb

    delivered = _Delivery(source.fetch(dataset, since, on + timedelta(days=1)), dataset, on_progress)
    # In memory up to the limit, beyond it in files: memory stays flat however many lines there are.
    con = duckdb.connect(config={"memory_limit": "1GB", "temp_directory": str(work / ".spilt")})
    try:
        con.execute("SET timezone = $timezone", {"timezone": source.timezone})
        _read(con, delivered, dataset, on, since)
        if dataset == "customers":
            _forget(con, erased, work / ERASED)
        _find_repeated(con, source, dataset)
        return _keep(con, dataset, work / f"{dataset}.parquet")
    finally:
        con.close()
        shutil.rmtree(work / ".spilt", ignore_errors=True)


class _Delivery:
    """The batches of a source on their way into DuckDB, counted; keeps the error that DuckDB would wrap."""

    def __init__(self, batches: Iterator[pa.RecordBatch], dataset: Dataset, on_progress: OnProgress | None) -> None:
        self.batches = batches
        self.dataset = dataset
        self.on_progress = on_progress
        self.read = 0
        self.failed: Exception | None = None

    def reader(self) -> pa.RecordBatchReader:
        import pyarrow as pa

        first = next(self.batches, None)
        if first is None:
            empty = pa.schema([(name, pa.string()) for name in STAGED[self.dataset]])
            return pa.RecordBatchReader.from_batches(empty, iter(()))
        return pa.RecordBatchReader.from_batches(first.schema, self._counted(first))

    def _counted(self, first: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        batch: pa.RecordBatch | None = first
        try:
            while batch is not None:
                self.read += batch.num_rows
                if self.on_progress and batch.num_rows:
                    self.on_progress(self.dataset, self.read)
                yield batch
                batch = next(self.batches, None)
        except Exception as error:
            self.failed = error
            raise


def _read(con: duckdb.DuckDBPyConnection, delivery: _Delivery, dataset: Dataset, on: date, since: date | None) -> None:
    """The table `lines`: what was delivered, in our types, with `outside` and `left_out`, in the order of delivery."""
    con.register("delivered", delivery.reader())
    parameters = {"on": on, "since": since or BEGINNING} if dataset == "orders" else {"on": on}
    try:
        con.execute(f"CREATE TABLE lines AS {sql_text(STAGED_SQL[dataset])}", parameters)
    except Exception:
        if delivery.failed is not None:
            raise delivery.failed from None
        raise
    written = con.execute("SELECT count(*) FROM lines").fetchall()[0][0]
    if written != delivery.read:
        raise SourceError(f"{dataset}: {delivery.read} lines were read and {written} written; try again")
    for name in ("left_out", *(name for name in STAGED[dataset] if name in OPTIONAL)):
        con.execute(f"ALTER TABLE lines ADD COLUMN IF NOT EXISTS {name} VARCHAR")


def _forget(con: duckdb.DuckDBPyConnection, erased: Sequence[str], out: Path) -> None:
    """Who asked to be forgotten is a number from here on; which numbers these are, the validation reads from `out`."""
    import pyarrow as pa

    con.register("erased", pa.table({"customer_id": pa.array(erased, pa.string())}))
    con.sql("FROM erased").write_parquet(str(out))
    if erased:
        con.execute(sql_text("validate/macros"))
        con.execute(sql_text("extract/forget"))


def _find_repeated(con: duckdb.DuckDBPyConnection, source: Source, dataset: Dataset) -> None:
    """The table `repeated`: lines that come again further down."""
    con.execute("CREATE TABLE repeated (line BIGINT)")
    rule = source.spec.datasets[dataset].unique_by
    if rule is None:
        return
    key = ", ".join(f'"{column}"' for column in (STAGED[dataset] if rule == "exact" else rule))
    con.execute(
        "INSERT INTO repeated SELECT rowid FROM lines WHERE outside IS NULL "  # noqa: S608
        f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY rowid DESC) > 1"
    )


def _keep(con: duckdb.DuckDBPyConnection, dataset: Dataset, out: Path) -> Counted:
    columns = ", ".join(f"CAST({name} AS {kind}) AS {name}" for name, kind in STAGED[dataset].items())
    con.execute(sql_text("extract/reasons"))
    # Orders are many, and the lake sorts them anyway.
    order = "" if dataset == "orders" else "ORDER BY line"
    kept_lines = con.sql(f"SELECT {columns} FROM reasons WHERE reason IS NULL {order}")  # noqa: S608
    kept_lines.write_parquet(str(out), compression="zstd")
    counts = con.execute("SELECT reason, count(*) FROM reasons GROUP BY reason ORDER BY reason").fetchall()
    left_out = {reason: count for reason, count in counts if reason is not None}
    kept = sum(count for reason, count in counts if reason is None)
    return {"read": kept + sum(left_out.values()), "kept": kept, "left_out": left_out}
