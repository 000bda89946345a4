"""A lake written by hand: each night's order lines, published as they would be, and the base that has loaded them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Engine, insert, text

from habitue import gathering
from habitue.house import House
from habitue.lake import Draft
from habitue.tables import snapshot
from staged_base import SCHEMAS


@dataclass(frozen=True)
class Line:
    """One order line; `cents` below 0: brought back. Bought at noon."""

    order: str
    who: str
    day: date
    cents: int
    product: str = "TEA"
    code: str | None = None
    hour: int = 12

    def row(self) -> dict[str, Any]:
        moment = datetime.combine(self.day, time(self.hour))
        known = {"order_id": self.order, "customer_id": self.who, "ordered_at": moment, "product_code": self.product}
        return {**known, "quantity": 1.0, "amount_cents": self.cents, "offer_code": self.code}


def moment(day: date) -> datetime:
    return datetime.combine(day, time(4), UTC)


def night(house: House, on: date, lines: Sequence[Line]) -> None:
    """The shop's lines as it tells them on that day, all of them, in the lake and known to the base."""
    checked = house.out / "checked"
    checked.mkdir(parents=True, exist_ok=True)
    rows = [line.row() for line in lines if line.day <= on]
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMAS["orders"]), checked / "orders.parquet")
    for name in ("customers", "consents", "problems"):
        pq.write_table(pa.table({"customer_id": pa.array([], pa.string())}), checked / f"{name}.parquet")
    made = house.lake.publish(checked, on=on, control={}, since=None, settings={}, segments=_segments)
    with house.engine.begin() as connection:
        known = {"taken_on": on, "manifest_sha256": "0", "loaded_at": moment(on)}
        connection.execute(insert(snapshot).values(snapshot_id=made.id, **known))


def _segments(draft: Draft) -> None:
    nobody = pa.table({"customer_id": pa.array([], pa.string()), "segment": pa.array([], pa.string())})
    pq.write_table(nobody, draft.segments)


def gathered(house: House, on: date, lines: Sequence[Line]) -> dict[str, Any]:
    """A night, and the round after it."""
    night(house, on, lines)
    return dict(gathering.credited_purchases(house, at=moment(on)))


def house_on(engine: Engine, out: Path) -> House:
    return House.of(
        {
            "HABITUE_OUT": str(out),
            "HABITUE_DATABASE_URL": engine.url.render_as_string(hide_password=False),
            "HABITUE_SECRET": "for tests only",
        }
    )


def book(engine: Engine, *, until: date | None = None) -> dict[tuple[str, str], tuple[str, int, int]]:
    """What the book comes to: (order, run) → rule, sold and returned; as it was known on the day `until`."""
    with engine.connect() as connection:
        rows = connection.execute(
            text(
                "select order_id, run_id, rule, sum(orders) as orders, sum(sold_cents)::int as sold, "
                "sum(returned_cents)::int as returned from credit "
                "where cast(:until as text) is null or snapshot_id <= :until "
                "group by order_id, run_id, message_id, rule, customer_id having sum(orders) <> 0 "
                "or sum(sold_cents) <> 0 or sum(returned_cents) <> 0"
            ),
            {"until": until and until.isoformat()},
        ).all()
    assert all(row.orders == 1 for row in rows)
    return {(row.order_id, row.run_id): (row.rule, row.sold, row.returned) for row in rows}
