"""The customers behind a run's effect, as `responses` left them: a row each, by number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from habitue.statements import source as sql_text

COLUMNS = (*("customer_id", "segment", "channel", "arm", "orders", "sold_cents", "returned_cents", "first_on"),)
SIDES = ("written", "campaign", "shop")
"""Planned to be written to; held out by the campaign; held out by the shop for the year."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which of them; empty: any."""

    side: str
    segment: str = ""
    channel: str = ""
    arm: str = ""
    bought: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    rows: Sequence[tuple[Any, ...]]
    """as COLUMNS, who bought most first"""
    customers: int
    """all of them, of whom `rows` may be the first"""
    buyers: int


def read(runs: Path, run_id: str, wanted: Wanted, *, most: int | None, skipped: int = 0) -> Found | None:
    """None where nothing has been gathered for the run yet, or its id is none. `most` rows after those `skipped`."""
    import duckdb

    campaign, _, day = run_id.partition(":")
    file = (runs / campaign / day / "responses.parquet").resolve()
    if not file.is_relative_to(runs.resolve()) or not file.is_file():
        return None
    given = {
        "side": wanted.side,
        "segment": wanted.segment,
        "channel": wanted.channel,
        "arm": wanted.arm,
        "bought": wanted.bought,
    }
    with duckdb.connect() as duck:
        duck.read_parquet(str(file)).create_view("responses")
        duck.execute(f"create temp table wanted as {sql_text('responses/rows')}", given)
        customers, buyers = duck.execute(
            "select count(*)::bigint, count(*) filter (where orders > 0)::bigint from wanted"
        ).fetchall()[0]
        limit = "" if most is None else f" limit {most} offset {skipped}"
        rows = duck.execute(
            f"select {', '.join(COLUMNS)} from wanted order by orders desc, customer_id{limit}"  # noqa: S608
        ).fetchall()
    return Found(rows, customers, buyers)
