"""What everyone of a run bought in its response window, written to or held out, whatever was delivered and whatever
another message was credited with: intention to treat, from which the effect is measured.

The window is the run's day and `response_days` after it, the same for all. Two forms of the same:

    response (table)               a row for each side (treated, scope), group, channel and arm: customers, buyers,
                                   orders, sums, the sum of squares. Added whenever a snapshot says something new of
                                   the run, never changed: a figure that late returns restate stands there under both
                                   snapshots, and the last one counts
    runs/<run>/responses.parquet   a row for each customer, as the last snapshot has it: customer_id, treated, scope,
                                   segment, channel, arm, orders, sold_cents, returned_cents, first_on. A snapshot never
                                   changes, so `write` makes the same for any earlier one

Runs of which nothing has left have no responses.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, insert, text

from habitue import purchases
from habitue.copying import copy_answer
from habitue.lake import Snapshot
from habitue.statements import source, statement
from habitue.tables import response

if TYPE_CHECKING:
    import duckdb

PEOPLE = "customer_id text, treated boolean, scope text, segment text, channel text, arm text"


def write(connection: Connection, snapshot: Snapshot, run_id: str, out: Path) -> int:
    """The run's responses as that snapshot knows them, a row a customer, into a Parquet file; how many rows."""
    row = connection.execute(
        text("select on_date, on_date + response_days(settings) as until from run where run_id = :run_id"),
        {"run_id": run_id},
    ).one()
    with purchases.opened(snapshot.orders, since=row.on_date) as duck:
        _bought(connection, duck, run_id, row.on_date, row.until)
        bought = duck.table("bought")
        bought.write_parquet(str(out))
        return len(bought)


def refresh(
    connection: Connection,
    duck: duckdb.DuckDBPyConnection,
    *,
    runs: Path,
    about: Mapping[str, Any],
    at: datetime,
) -> int:
    """The figures of every run whose window, or the time for bringing things back after it, lasts; within a
    transaction. `about` as in `credits.enter`; returns of how many runs there was something new."""
    found = connection.execute(statement("responses/runs"), about).all()
    return sum(_refresh(connection, duck, one, runs=runs, about=about, at=at) for one in found)


def _refresh(
    connection: Connection,
    duck: duckdb.DuckDBPyConnection,
    one: Any,
    *,
    runs: Path,
    about: Mapping[str, Any],
    at: datetime,
) -> bool:
    _bought(connection, duck, one.run_id, one.on_date, one.until)
    answer = duck.sql(source("responses/figures"))
    rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.fetchall()]
    closed = about["on"] > one.until
    now = [{**row, "squares": Decimal(row["squares"]), "closed": closed} for row in rows]
    before = [dict(row) for row in connection.execute(statement("responses/last"), {"run_id": one.run_id}).mappings()]
    if _sorted(now) == _sorted(before):
        return False
    known = {
        "run_id": one.run_id,
        "snapshot_id": about["snapshot_id"],
        "known_at": at,
        "until": min(one.until, about["on"]),
    }
    connection.execute(insert(response), [{**row, **known, "margin_cents": _margin(row, one.gross)} for row in now])
    campaign, day = one.run_id.split(":")
    out = runs / campaign / day / "responses.parquet"
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_suffix(".partial")
    duck.table("bought").write_parquet(str(partial), compression="zstd")
    partial.replace(out)
    return True


def _bought(connection: Connection, duck: duckdb.DuckDBPyConnection, run_id: str, on: date, until: date) -> None:
    """The table `bought`: a row for each customer of the run."""
    copy_answer(connection, statement("responses/people"), {"run_id": run_id}, duck, "people", PEOPLE)
    duck.execute(f"create or replace temp table bought as {source('responses/bought')}", {"on": on, "until": until})


def _margin(row: Mapping[str, Any], gross: Decimal | None) -> int | None:
    return None if gross is None else round(gross * (row["sold_cents"] - row["returned_cents"]))


def _sorted(rows: list[dict[str, Any]]) -> list[tuple[tuple[str, str], ...]]:
    return sorted(tuple(sorted((name, str(value)) for name, value in row.items())) for row in rows)
