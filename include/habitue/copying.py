"""Between Parquet and PostgreSQL by COPY: DuckDB reads and writes the text, psycopg carries it. Flat memory."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, TextClause, text

from habitue.database import tell_of_nobody

if TYPE_CHECKING:
    import duckdb

BLOCK = 1 << 20


def copy_parquet(connection: Connection, path: Path, table: str, *, constants: Mapping[str, str] | None = None) -> int:
    """Copies the Parquet file's columns that `table` has too, and `constants` beside them; returns the rows copied."""
    import duckdb

    constants = constants or {}
    wanted = [
        row[0]
        for row in connection.execute(
            text(
                "select attname from pg_attribute "
                "where attrelid = cast(:name as regclass) and attnum > 0 and not attisdropped"
            ),
            {"name": table},
        )
    ]
    with duckdb.connect() as duck, tempfile.TemporaryDirectory() as folder:
        duck.execute("set preserve_insertion_order = true")
        there = {row[0] for row in duck.execute("describe select * from read_parquet(?)", [str(path)]).fetchall()}
        columns = [name for name in wanted if name in there and name not in constants]
        pipe = Path(folder) / "rows.csv"
        chosen = ", ".join([f'"{name}"' for name in columns] + [f"'{_quoted(value)}'" for value in constants.values()])
        duck.execute(
            f"copy (select {chosen} from read_parquet('{_quoted(str(path))}')) to '{_quoted(str(pipe))}' "  # noqa: S608
            "(format csv, header false, nullstr '\\N', force_quote *)"
        )
        driver = connection.connection.driver_connection
        if driver is None:
            raise RuntimeError("the connection is closed")
        names = ", ".join(f'"{name}"' for name in [*columns, *constants])
        with driver.cursor() as cursor, pipe.open("rb") as rows:
            try:
                with cursor.copy(f"copy {table} ({names}) from stdin (format csv, null '\\N')") as copy:
                    while block := rows.read(BLOCK):
                        copy.write(block)
            except Exception as error:
                tell_of_nobody(error)
                raise
            pipe.unlink()
            return int(cursor.rowcount)


def copy_answer(
    connection: Connection,
    question: TextClause,
    parameters: Mapping[str, Any],
    duck: duckdb.DuckDBPyConnection,
    table: str,
    columns: str,
) -> None:
    """The rows that answer a question into a temporary table of DuckDB, made anew with these `columns`."""
    connection.execute(text(f"create temp table answer on commit drop as {question.text}"), parameters)
    driver = connection.connection.driver_connection
    if driver is None:
        raise RuntimeError("the connection is closed")
    with tempfile.TemporaryDirectory() as folder:
        pipe = Path(folder) / "rows.csv"
        with (
            pipe.open("wb") as rows,
            driver.cursor() as cursor,
            cursor.copy("copy answer to stdout (format csv)") as copy,
        ):
            for block in copy:
                rows.write(block)
        duck.execute(f"create or replace temp table {table} ({columns})")
        # As PostgreSQL writes it; DuckDB would guess, and of a few rows guess wrong.
        duck.execute(
            f"copy {table} from '{_quoted(str(pipe))}' (format csv, header false, auto_detect false, delimiter ',', "
            "quote '\"', escape '\"', nullstr '', new_line '\\n')"
        )
    connection.execute(text("drop table answer"))


def _quoted(value: str) -> str:
    return value.replace("'", "''")
