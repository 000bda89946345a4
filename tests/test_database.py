"""The base's errors: what went wrong, and nobody's name."""

from __future__ import annotations

import traceback
from pathlib import Path

import duckdb
import psycopg
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from conftest import HOME
from habitue.copying import copy_parquet

ADDRESS = "zz-canari@example.fr"


@pytest.mark.parametrize(
    "statement",
    [
        "insert into consent (customer_id, channel, purpose, status, recorded_at, known_at) "
        "values (:who, 'email', 'marketing', 'perhaps', now(), now())",
        "insert into customer (customer_id, email, language, snapshot_id) "
        "values ('anna', 'x', 'fr', '1'), (:who, 'y', 'fr', '1'), (:who, 'z', 'fr', '1')",
        "insert into customer (customer_id, language) values (:who, null)",
        "select 1 / (length(cast(:who as text)) - length(cast(:who as text)))",
    ],
)
def test_an_error_of_the_base_says_what_is_wrong_and_not_with_whom(base: Engine, statement: str) -> None:
    with pytest.raises(DBAPIError) as raised, base.begin() as connection:
        connection.execute(text(statement), {"who": ADDRESS})
    said = "".join(traceback.format_exception(raised.value))
    assert "psycopg.errors" in said
    assert ADDRESS not in said


def test_the_embedded_servers_log_tells_of_nobody(base: Engine) -> None:
    with pytest.raises(DBAPIError), base.begin() as connection:
        connection.execute(text("insert into customer (customer_id, language) values (:who, null)"), {"who": ADDRESS})
    log = (HOME / "postgres" / "log").read_text("utf-8", "replace")
    assert "null value in column" in log
    assert ADDRESS not in log


def test_a_row_that_cannot_be_copied_is_not_shown(base: Engine, tmp_path: Path) -> None:
    file = tmp_path / "customers.parquet"
    duckdb.sql(f"select '{ADDRESS}' as customer_id, null::varchar as language, 'x' as email").write_parquet(str(file))
    with pytest.raises(psycopg.Error) as raised, base.begin() as connection:
        copy_parquet(connection, file, "customer", constants={"snapshot_id": "1"})
    said = "".join(traceback.format_exception(raised.value))
    assert "not-null" in said
    assert ADDRESS not in said
