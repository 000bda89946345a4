"""Order files, Parquet or CSV, as DuckDB's view `lines` (customer_id, order_id, day, cents): what segments are made of.

Values are checked as they stream by, so the orders are read once; only when one can't be read are they read again, to
name its row.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from habitue import exports
from habitue.errors import SourceError
from habitue.file_views import DAY_FIRST, MONTH_FIRST, TIMES

Amount = Literal["amount", "amount_cents"]
"""`amount`: units of the currency; `amount_cents`: whole cents, as in the lake."""

INTEGER = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?")
OFFSET = r"[T ]\d{2}:\d{2}.*([zZ]|[+-]\d{2}(:?\d{2})?)$"
NO_ZONE = "has a time zone or offset: say which time zone the shop's days are of"


@dataclass(frozen=True)
class Column:
    """How a column is read: an expression that is NULL where there is no value that can be, and what to say then."""

    value: str
    rule: str


@dataclass(frozen=True)
class OrderLines:
    """What stands behind the view `lines`."""

    paths: Sequence[Path]
    columns: dict[str, Column]

    def unreadable(self, con: Any) -> SourceError | None:
        """The first row that can't be read, by its number (1 is the first below a CSV's header) and the rule."""
        import duckdb

        whys = " ".join(f"WHEN ({column.value}) IS NULL THEN '{name}'" for name, column in self.columns.items())
        con.execute("SET preserve_insertion_order = true")
        for path in self.paths:
            try:
                _view(con, "one_file", [path])
                found = con.execute(
                    f"SELECT row, why FROM (SELECT row_number() OVER () AS row, CASE {whys} END AS why "  # noqa: S608
                    "FROM one_file) WHERE why IS NOT NULL ORDER BY row LIMIT 1"
                ).fetchone()
            except duckdb.Error as error:
                return _damaged(path, error)
            if found:
                return SourceError(f"{path.name}, row {found[0]}: {found[1]} {self.columns[found[1]].rule}")
        return None


def open_lines(con: Any, orders: Sequence[Path] | Path, *, amount: Amount, timezone: str | None = None) -> OrderLines:
    """Makes the view `lines`. Rows without a customer_id stay in it with NULL: the caller counts and leaves them out.

    `timezone` is the shop's: moments with an offset become its days; those without one are taken as its own.
    SourceError: a file is missing or damaged, a column is missing or of a type that can't be read.
    """
    paths = [orders] if isinstance(orders, Path) else list(orders)
    if not paths:
        con.execute(
            "CREATE VIEW lines AS SELECT CAST(NULL AS VARCHAR) AS customer_id, CAST(NULL AS VARCHAR) AS order_id, "
            "CAST(NULL AS DATE) AS day, CAST(NULL AS BIGINT) AS cents WHERE false"
        )
        return OrderLines([], {})
    if timezone is not None:
        con.execute("SET timezone = $timezone", {"timezone": timezone})
    for path in paths:
        if not path.is_file():
            raise SourceError(f"{path}: no such file")
    found = _view(con, "files", paths)
    types = dict(con.execute("SELECT column_name, column_type FROM (DESCRIBE files)").fetchall())
    wanted = ("customer_id", "order_id", "ordered_at", amount)
    if lost := [name for name in wanted if name not in types]:
        raise SourceError(f"{paths[0].name} has no column {', '.join(lost)}; it has {', '.join(types)}")
    customer_id = _identifier("customer_id", types["customer_id"])
    columns = {
        "order_id": _identifier("order_id", types["order_id"]),
        "ordered_at": _day(paths[0], types["ordered_at"], found, timezone),
        amount: _cents(paths[0], amount, types[amount], found),
    }
    order_id, day, cents = (f"coalesce({column.value}, error('unreadable'))" for column in columns.values())
    con.execute(
        f"CREATE VIEW lines AS SELECT {customer_id.value} AS customer_id, {order_id} AS order_id, "  # noqa: S608
        f"{day} AS day, {cents} AS cents FROM files"
    )
    return OrderLines(paths, columns)


def is_csv(path: Path) -> bool:
    """By its name; what is not named like text is taken for Parquet."""
    return path.name.lower().removesuffix(".gz").endswith((".csv", ".tsv", ".txt"))


def _view(con: Any, name: str, paths: Sequence[Path]) -> exports.Export | None:
    """The files' rows as they are; for a CSV also how it is written. CSV is read one file at a time."""
    import duckdb

    if not is_csv(paths[0]):
        try:
            con.read_parquet([str(path) for path in paths], union_by_name=True).create_view(name, replace=True)
        except duckdb.Error as error:
            raise _damaged(paths[0], error) from None
        return None
    if len(paths) > 1:
        raise SourceError("orders in several CSV files: make them one, or Parquet")
    found = exports.look(paths[0])
    if found.encoding == "utf-8":
        con.execute(f"CREATE OR REPLACE VIEW {name} AS {_reading(found)}")
    else:
        import pyarrow as pa

        schema = pa.schema([(column, pa.string()) for column in found.columns])
        con.register("delivered", pa.RecordBatchReader.from_batches(schema, exports.batches(found)))
        con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM delivered")  # noqa: S608
    return found


def _reading(export: exports.Export) -> str:
    """DuckDB's own reader, many times faster than ours, on what ours has found out about the file."""
    columns = ", ".join(f"{_quoted(column)}: 'VARCHAR'" for column in export.columns)
    return (
        f"SELECT * FROM read_csv({_quoted(str(export.path))}, delim = {_quoted(export.delimiter)}, header = true, "  # noqa: S608
        f"""quote = '"', escape = '"', auto_detect = false, columns = {{{columns}}})"""
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _damaged(path: Path, error: Exception) -> SourceError:
    """DuckDB's messages quote rows: only the number of the line is taken from them."""
    if line := re.search(r"CSV Error on Line: (\d+)", str(error)):
        return SourceError(
            f"{path.name}, line {line[1]}: not as many columns as the header has, or a quote that is never closed"
        )
    return SourceError(f"{path.name}: truncated or damaged, it can't be read as {'CSV' if is_csv(path) else 'Parquet'}")


def _identifier(name: str, type_: str) -> Column:
    rule = "is missing"
    if type_ == "VARCHAR":
        return Column(f"nullif({name}, '')", rule)
    if INTEGER.fullmatch(type_):
        return Column(name, rule)
    if type_ in ("DOUBLE", "FLOAT"):  # what pandas makes of whole numbers where one is missing
        return Column(f"TRY_CAST({name} AS BIGINT)", rule)
    return Column(f"CAST({name} AS VARCHAR)", rule)


def _day(path: Path, type_: str, export: exports.Export | None, timezone: str | None) -> Column:
    rule = "is missing or no date; write it like 2026-09-30 or 2026-09-30 14:05:00"
    if type_ == "TIMESTAMP WITH TIME ZONE":
        if timezone is None:
            raise SourceError(f"{path.name}: ordered_at {NO_ZONE}")
        return Column("CAST(ordered_at AS DATE)", rule)
    if type_ == "DATE" or type_.startswith("TIMESTAMP"):
        return Column("CAST(ordered_at AS DATE)", rule)
    if type_ != "VARCHAR":
        raise SourceError(f"{path.name}: ordered_at is of type {type_}; write it as a date or a timestamp")
    month_first = export is not None and export.month_first > export.day_first
    formats = [day + time for day in (MONTH_FIRST if month_first else DAY_FIRST) for time in TIMES]
    local = f"coalesce(TRY_CAST(ordered_at AS TIMESTAMP), try_strptime(ordered_at, {formats}))"
    there = "NULL" if timezone is None else "CAST(TRY_CAST(ordered_at AS TIMESTAMPTZ) AS DATE)"
    if timezone is None:
        rule += f"; one with an offset {NO_ZONE}"
    return Column(f"CASE WHEN regexp_matches(ordered_at, '{OFFSET}') THEN {there} ELSE CAST({local} AS DATE) END", rule)


def _cents(path: Path, name: Amount, type_: str, export: exports.Export | None) -> Column:
    cents = name == "amount_cents"
    rule = "is missing or no whole number of cents" if cents else "is missing or no number; write it like 12.34"
    if type_ == "VARCHAR":
        comma = export is not None and export.decimal_commas > export.decimal_points
        written = f"replace({name}, ',', '.')" if comma else name
        number = f"TRY_CAST({written} AS DECIMAL(18, 4))"
    elif INTEGER.fullmatch(type_) or type_.startswith("DECIMAL") or type_ in ("DOUBLE", "FLOAT"):
        number = name
    else:
        raise SourceError(f"{path.name}: {name} is of type {type_}; write it as a number")
    if cents and INTEGER.fullmatch(type_):
        return Column(f"CAST({name} AS BIGINT)", rule)
    return Column(f"TRY_CAST(round({number}{'' if cents else ' * 100'}) AS BIGINT)", rule)
