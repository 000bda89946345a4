"""Purchases credited to messages, and everyone's responses: a run of so many, order lines of three years beside it.

The lake has twenty lines a message, as a shop has them a customer; a twentieth of them brought back, a hundredth with a
code. Beside ours stands what one would write at first: pandas, `merge_asof` for the last message alone, without codes,
returns and the book, on a tenth.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import Engine, insert, text

from habitue import database, gathering
from habitue.house import House

ON = date(2026, 10, 1)
AT = datetime(2026, 10, 1, 6, tzinfo=UTC)
MESSAGES = 100_000
FEWER = 10

LINES = """
    select strftime(day, '%Y-%m') as month, 'O' || (i // 3) as order_id, 'C' || (i // 3 * 7919 % {n}) as customer_id,
        day + interval 12 hour as ordered_at, 'P' || i % 500 as product_code, null::varchar as product_name,
        1.0 as quantity,
        case when i % 20 = 0 then -1 else 1 end * (500 + i * 17 % 9000)::bigint as amount_cents,
        case when i % 100 = 1 then 'X' || (i * 31 % {n}) end as offer_code
    from (select i, (date '2023-11-01' + (i * 31 % 1095)::int)::timestamp as day from range(20 * {n}) t(i))
"""


def lake(house: House, customers: int) -> None:
    """A snapshot of that many customers' lines, and a run that wrote to all of them two months before."""
    import duckdb

    from habitue.tables import run, shard, snapshot

    orders = house.out / "lake" / "orders"
    with duckdb.connect() as duck:
        duck.execute("set enable_progress_bar = false")
        query = LINES.format(n=customers)
        duck.execute(f"create table lines as {query}")
        for (month,) in duck.execute("select distinct month from lines order by 1").fetchall():
            (orders / month).mkdir(parents=True)
            duck.sql("select * exclude month from lines where month = $m", params={"m": month}).write_parquet(
                str(orders / month / "lines.parquet")
            )
    folder = house.out / "lake" / "snapshots" / ON.isoformat()
    folder.mkdir(parents=True)
    parts = [{"file": f"orders/{path.parent.name}/{path.name}"} for path in sorted(orders.glob("*/*.parquet"))]
    (folder / "manifest.json").write_text(json.dumps({"id": str(ON), "on": str(ON), "orders": {"parts": parts}}))
    known: dict[str, Any] = dict.fromkeys(("campaign_sha256", "template_sha256", "package_version"), "")
    known |= dict.fromkeys(("audience_sha256", "content_sha256"), "")
    day = date(2026, 8, 1)
    row = {
        **known,
        "run_id": f"spring:{day}",
        "campaign": "spring",
        "on_date": day,
        "snapshot_id": str(day),
        "seed": "1",
        "settings": {"response_days": 60},
        "shop": {"margin": {"gross": 0.5}},
        "files": {},
        "audience": customers,
        "planned": customers - customers // 10,
        "held_out": customers // 10,
        "excluded": 0,
        "planned_at": AT,
        "cost_micros": 0,
        "deliver_until": AT,
    }
    with house.engine.begin() as connection:
        connection.execute(insert(run).values(**row))
        connection.execute(
            text(
                "insert into message (message_id, run_id, customer_id, channel, segment, language, template, shard, "
                "position, state, settled_at, offer_code) select gen_random_uuid(), :run, 'C' || i, 'email', 'lapsed', "
                "'fr', 'x', 1, i, 'accepted', cast('2026-08-01 08:00+00' as timestamptz), 'X' || i "
                "from generate_series(1, cast(:last as int)) i"
            ),
            {"run": f"spring:{day}", "last": customers - customers // 10},
        )
        connection.execute(
            text(
                "insert into holdout (run_id, customer_id, segment, channel, draw) "
                "select :run, 'C' || i, 'lapsed', 'email', 0 "
                "from generate_series(cast(:first as int), cast(:last as int)) i"
            ),
            {"run": f"spring:{day}", "first": customers - customers // 10 + 1, "last": customers},
        )
        part = {"run_id": f"spring:{day}", "channel": "email", "shard": 1, "messages": 1, "audience_sha256": ""}
        connection.execute(insert(shard).values(**part, accepted=1))
        told = {"taken_on": ON, "manifest_sha256": "", "loaded_at": AT}
        connection.execute(insert(snapshot).values(snapshot_id=str(ON), **told))


def usual(house: House) -> int:
    """The last message before each order, in memory."""
    import pandas as pd

    with house.engine.connect() as connection:
        sent = pd.read_sql(text("select customer_id, message_id, settled_at from message"), connection)
    lines = pd.concat(
        pd.read_parquet(path, columns=["order_id", "customer_id", "ordered_at", "amount_cents"])
        for path in sorted((house.out / "lake" / "orders").glob("*/*.parquet"))
    )
    orders = lines.groupby(["customer_id", "order_id"], as_index=False).agg(
        {"ordered_at": "min", "amount_cents": "sum"}
    )
    sent["left_at"] = sent["settled_at"].dt.tz_convert(None).astype(orders["ordered_at"].dtype)
    found = pd.merge_asof(
        orders.sort_values("ordered_at"),
        sent.sort_values("left_at"),
        left_on="ordered_at",
        right_on="left_at",
        by="customer_id",
        tolerance=timedelta(days=60),
    )
    return int(found["message_id"].notna().sum())


def timed(work: Callable[[], object]) -> tuple[object, float, float, int]:
    """What it returned, seconds, CPU seconds of this process, and its highest memory in MB."""
    me = psutil.Process()
    cpu, begun = sum(me.cpu_times()[:2]), time.perf_counter()
    found = work()
    return found, time.perf_counter() - begun, sum(me.cpu_times()[:2]) - cpu, me.memory_info().rss >> 20


def rows(messages: int) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as made, database.embedded(Path(made) / "postgres") as server:
        for way, size in (("habitue", messages), ("pandas", messages // FEWER)):
            url = database.ensure_database(server, f"bench_{way}")
            engine: Engine = database.connect(url)
            database.upgrade(engine)
            engine.dispose()
            house = House.of(
                {
                    "HABITUE_OUT": str(Path(made) / way),
                    "HABITUE_DATABASE_URL": url.render_as_string(hide_password=False),
                    "HABITUE_SECRET": "for the bench only",
                }
            )
            lake(house, size)
            ours = partial(gathering.credited_purchases, house, at=AT)
            found, seconds, cpu, memory = timed(ours if way == "habitue" else partial(usual, house))
            said = f"{found['new']:,} credited" if isinstance(found, dict) else f"{found:,} found"
            yield (
                f"{way:<9}{size:>11,} messages {20 * size:>13,} lines {seconds:>8.1f} s {cpu:>8.1f} s CPU "
                f"{memory:>6} MB  {said}"
            )
            house.engine.dispose()


def main() -> None:
    for line in rows(MESSAGES):
        print(line)


if __name__ == "__main__":
    main()
