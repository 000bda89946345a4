"""A source's files as DuckDB views, and a dataset's SQL on them."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from habitue import exports
from habitue.errors import HabitueError, SourceError
from habitue.sources import BATCH_ROWS, Dataset, FileSource, check_columns, check_parameters
from habitue.statements import source as sql_text

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

TIMES = ("", " %H:%M", " %H:%M:%S")
DAY_FIRST = ("%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y")
MONTH_FIRST = ("%m/%d/%Y", "%m.%d.%Y", "%m-%d-%Y")


def rows(source: FileSource, dataset: Dataset, since: date | None, until: date) -> Iterator[pa.RecordBatch]:
    """The dataset's SQL in batches. CSV files are read into DuckDB (in memory up to a limit, beyond it in a folder that
    is gone afterwards): memory stays flat and the SQL may use a file more than once."""
    import duckdb

    spec = source.spec
    path = spec.sql_path(dataset)
    sql = path.read_text("utf-8")
    with tempfile.TemporaryDirectory(prefix="habitue-") as folder:
        con = duckdb.connect(config={"memory_limit": "1GB", "temp_directory": folder})
        try:
            con.execute("SET timezone = $timezone", {"timezone": source.timezone})
            found = [export for name in _used(sql, list(spec.files)) for export in _make_view(con, source, name)]
            _make_functions(con, source, found)
            used = set().union(*(statement.named_parameters for statement in duckdb.extract_statements(sql)))
            given = check_parameters(spec, dataset, used, spec.given(since, until, source.timezone))
            reader = con.sql(sql, params=given).to_arrow_reader(BATCH_ROWS)
            check_columns(spec, dataset, reader.schema.names)
            yield from reader
        except HabitueError:
            raise
        except (duckdb.Error, OSError, ValueError) as error:  # pyarrow's errors are one of these
            raise _explained(source, dataset, error) from None
        finally:
            con.close()


def _used(sql: str, names: list[str]) -> list[str]:
    words = set(re.findall(r"\w+", re.sub(r"--[^\n]*", "", sql)))
    return [name for name in names if name in words]


def _make_view(con: duckdb.DuckDBPyConnection, source: FileSource, name: str) -> list[exports.Export]:
    paths = source.paths(name)
    wanted = list(source.spec.files[name].columns)
    if source.spec.kind == "parquet":
        _parquet_view(con, name, paths, wanted)
        return []
    return _csv_table(con, source, name, paths, wanted)


def _parquet_view(con: duckdb.DuckDBPyConnection, name: str, paths: list[Path], wanted: list[str]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    for path in paths:
        try:
            columns = parquet.read_schema(path).names
        except (pa.ArrowException, OSError):
            raise SourceError(f"{path.name}: truncated or damaged, not a readable Parquet file") from None
        _check_file(path, columns, wanted)
    con.read_parquet([str(path) for path in paths], union_by_name=True).create_view(name)


def _csv_table(
    con: duckdb.DuckDBPyConnection, source: FileSource, name: str, paths: list[Path], wanted: list[str]
) -> list[exports.Export]:
    import pyarrow as pa

    spec = source.spec.files[name]
    found = [exports.look(path, delimiter=spec.delimiter, encoding=spec.encoding) for path in paths]
    for export in found:
        _check_file(export.path, export.columns, wanted or found[0].columns)
    for number, export in enumerate(found):
        failed: list[SourceError] = []
        reader = pa.RecordBatchReader.from_batches(
            pa.schema([(column, pa.string()) for column in export.columns]), _remembering(export, failed)
        )
        try:
            con.register("delivered", reader)
            into = f'CREATE TABLE "{name}" AS' if number == 0 else f'INSERT INTO "{name}" BY NAME'
            con.execute(f"{into} SELECT {_columns(found[0])} FROM delivered")  # noqa: S608
        except Exception:
            if failed:  # DuckDB wraps what the reader raised, with its own words around it
                raise failed[0] from None
            raise
    return found


def _remembering(export: exports.Export, failed: list[SourceError]) -> Iterator[pa.RecordBatch]:
    try:
        yield from exports.batches(export)
    except SourceError as error:
        failed.append(error)
        raise


def _columns(export: exports.Export) -> str:
    return ", ".join('"' + column.replace('"', '""') + '"' for column in export.columns)


def _check_file(path: Path, columns: tuple[str, ...] | list[str], wanted: tuple[str, ...] | list[str]) -> None:
    if lost := [column for column in wanted if column not in columns]:
        raise SourceError(f"{path.name} has lost the column {', '.join(lost)}; it has {', '.join(columns)}")


def _make_functions(con: duckdb.DuckDBPyConnection, source: FileSource, found: list[exports.Export]) -> None:
    decimal, dates = _ways_of_writing(source, found)
    con.execute("SET VARIABLE decimal_mark = $decimal", {"decimal": decimal})
    con.execute("SET VARIABLE date_formats = $dates", {"dates": dates})
    con.execute(sql_text("extract/functions"))


def _ways_of_writing(source: FileSource, found: list[exports.Export]) -> tuple[str, list[str]]:
    """The decimal mark and the date formats: declared, or what the files' cells show. 03/04/2026 is the third of
    April unless some date of the files can only be month first."""
    spec = source.spec
    commas, points = sum(e.decimal_commas for e in found), sum(e.decimal_points for e in found)
    decimal = spec.decimal or ("," if commas > points else ".")
    if spec.dates:
        return decimal, spec.dates
    day_first, month_first = sum(e.day_first for e in found), sum(e.month_first for e in found)
    if month_first > day_first > 0:
        raise SourceError(
            f"source {spec.name}: some dates can only be day/month, others only month/day; declare `dates:`"
        )
    formats = MONTH_FIRST if month_first > day_first else DAY_FIRST
    return decimal, [format_ + time for format_ in formats for time in TIMES]


LOST_COLUMN = re.compile(r'Referenced column "([^"]+)"|does not have a column named "([^"]+)"')


def _explained(source: FileSource, dataset: Dataset, error: Any) -> SourceError:
    """DuckDB's messages may quote values of customers: only names of columns are taken from them."""
    spec = source.spec
    where = f"source {spec.name}: {spec.datasets[dataset].sql}"
    if lost := LOST_COLUMN.search(str(error)):
        files = [spec.files[name].path for name in _used(spec.sql_path(dataset).read_text("utf-8"), list(spec.files))]
        return SourceError(f"{where} reads the column {lost[1] or lost[2]}, which {' and '.join(files)} has not got")
    return SourceError(f"{where} can't be run on its files ({type(error).__name__}); try it there in DuckDB to see why")
