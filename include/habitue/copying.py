"""Parquet into PostgreSQL by COPY: DuckDB writes the text, psycopg carries it. Flat memory at any size."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Connection, text

from habitue.database import tell_of_nobody

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


def _quoted(value: str) -> str:
    return value.replace("'", "''")
