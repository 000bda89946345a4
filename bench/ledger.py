"""The base at a million customers: loading a snapshot, planning a run, claiming and settling, and what one would
write first instead. Each in its own process, so that the peak memory is its own."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from habitue.campaigns import Campaign
from habitue.suppressions import MarkKey

CUSTOMERS = int(os.environ.get("BENCH_CUSTOMERS", "1000000"))
SAMPLE = 20_000
ON = date(2026, 10, 1)
AT = datetime(2026, 10, 1, 8, tzinfo=UTC)
SECRET = b"0" * 32


FILES = {
    "customers": """
        select lpad(i::varchar, 9, '0') as customer_id, case i % 3 when 0 then 'M' else 'MME' end as civility,
            'Prénom' || i % 900 as first_name, 'Nom' || i % 9000 as last_name,
            date '1970-01-01' + (i % 9000)::int as birth_date, case when i % 8 = 0 then 'en' else 'fr' end as language,
            'client' || i || '@example.fr' as email, '+33199' || lpad((i % 1000000)::varchar, 6, '0') as phone,
            'FR' as phone_region, 'Europe/Paris' as timezone, i % 200 || ' rue des Lilas' as street,
            null as address_extra, lpad((1000 + i % 94000)::varchar, 5, '0') as postcode, 'Ville' || i % 5000 as city,
            'FR' as country, date '2020-01-01' as created_on, null::date as deceased_on,
            md5((i - i % 2)::varchar) as household, case when i % 20 = 0 then 'bad_postcode' end as letter_barrier,
            case when i % 6 = 0 then 'no_email' end as email_barrier,
            case when i % 5 = 0 then 'no_phone' end as call_barrier
        from n
    """,
    "consents": """
        select lpad(i::varchar, 9, '0') as customer_id, channel, 'marketing' as purpose,
            case when i % 13 = 0 then 'withdrawn' else 'granted' end as status, 'consent' as basis,
            timestamp '2026-01-01' + interval (i % 200) day as recorded_at, null::date as valid_until,
            'till' as source, 'v1' as wording_version
        from n, (values ('email'), ('call')) c(channel)
    """,
    "segments": """
        select lpad(i::varchar, 9, '0') as customer_id,
            ['regular_heavy', 'regular_light', 'occasional_heavy', 'occasional_light', 'lapsed'][1 + i % 5] as segment,
            (i % 400)::int as recency_days, 3 as purchase_days, 3 as orders, i % 90000 as amount_cents,
            i % 30000 as average_basket_cents, 3 as r, 3 as f, 3 as m, 18 as score, null as tier,
            date '2022-01-01' as first_day, date '2026-09-01' as last_day, i % 90000 as lifetime_cents,
            9 as lifetime_days
        from n
    """,
}


def made(folder: Path, customers: int) -> None:
    """A snapshot's three files, drawn by DuckDB."""
    import duckdb

    with duckdb.connect() as duck:
        duck.execute("create table n as select range as i from range(?)", [customers])
        for name, query in FILES.items():
            duck.sql(query).write_parquet(str(folder / f"{name}.parquet"))


def measured(steps: str, url: str, folder: Path) -> dict[str, Any]:
    """One process a step; several steps, with a plus between them, run at the same time."""
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "bench.ledger", step, url, str(folder)], stdout=subprocess.PIPE, text=True
        )
        for step in steps.split("+")
    ]
    told = [process.communicate()[0].split()[-3:] for process in started]
    assert all(process.returncode == 0 for process in started), steps
    seconds, megabytes, rows = zip(*told, strict=True)
    return {
        "seconds": max(map(float, seconds)),
        "megabytes": max(map(float, megabytes)),
        "rows": sum(map(int, rows)),
    }


def load(engine: Engine, folder: Path, day: int = 1) -> int:
    from habitue.loading import load as load_snapshot

    on = ON.replace(day=day)
    load_snapshot(
        engine,
        snapshot_id=on.isoformat(),
        taken_on=on,
        folder=folder,
        manifest_sha256=str(day),
        at=AT,
        key=MarkKey(SECRET),
    )
    return 4 * CUSTOMERS  # customers, two consents each, segments


def campaign() -> Campaign:
    """The quarterly letter with every rule on: caps, pauses, a budget, capacities, both holdouts, two arms."""
    from habitue.campaigns import find_campaign
    from habitue.shop import load_shop

    shipped = find_campaign("quarterly_letter", load_shop()).model_dump(mode="json")
    return Campaign.model_validate(
        shipped
        | {
            "arms": {"a": 0.5, "b": 0.5},
            "budget": 900_000,
            "capacity": {"letter": 400_000},
            "approval": {
                "recipients": 2_000_000,
                "cost": 9_000_000,
                "second_recipients": 2_000_000,
                "second_cost": 9_000_000,
            },
            "caps": {"email": {"most": 2, "days": 30}, "any": {"most": 3, "days": 90}},
        }
    )


def history(engine: Engine, folder: Path) -> int:
    """What the rules look at: an earlier run to 300,000, suppressed addresses, complaints, payment incidents."""
    with engine.begin() as connection:
        for line in HISTORY.split(";"):
            connection.execute(text(line.replace(":", "\\:")))
    return 300_000


HISTORY = """
    insert into run (run_id, campaign, on_date, snapshot_id, campaign_sha256, template_sha256, package_version, seed,
        settings, shop, files, audience_sha256, content_sha256, cost_micros, deliver_until, audience, planned, held_out,
        excluded, planned_at)
    values ('summer:2026-09-10', 'summer', '2026-09-10', 's', '', '', '', '1', '{}', '{}', '{}', '', '', 0, now(),
        300000, 300000, 0, 0, now());
    insert into message (message_id, run_id, customer_id, channel, segment, language, template, shard, position, state)
    select gen_random_uuid(), 'summer:2026-09-10', customer_id, 'email', 'lapsed', 'fr', 'x', 1,
        row_number() over (), 'accepted'
    from customer where email_barrier is null order by customer_id limit 300000;
    insert into suppression (channel, mark, reason, recorded_at, mark_key, source)
    select 'email', email_mark, 'unsubscribed', now(), mark_key, 'bench' from customer
    where email_mark is not null and customer_id like '%7' on conflict do nothing;
    insert into hold (customer_id, reason, opened_at, opened_by)
    select customer_id, 'complaint', now(), 'bench' from customer where customer_id like '%99';
    analyze
"""


def plan(engine: Engine, folder: Path) -> int:
    from habitue.costs import price_list
    from habitue.plans import Base
    from habitue.plans import plan as plan_run
    from habitue.shop import load_shop

    shop = load_shop(overrides={"holdout": {"share": 0.02}})
    files = Base(ON.replace(day=2).isoformat(), folder / "segments.parquet", folder / "customers.parquet")
    done = plan_run(
        engine, campaign(), on=ON, at=AT, shop=shop, base=files, secret=SECRET, price=price_list(campaign(), shop, ON)
    )
    assert done.audience == done.planned + done.held_out + done.excluded
    return done.audience


def settle(engine: Engine, folder: Path, part: int) -> int:
    """Every other shard's mails, as one of two workers."""
    from habitue import ledger
    from habitue.plans import shards
    from habitue.shop import load_shop
    from habitue.tables import Channel, State

    shop, total = load_shop(), 0
    caps = campaign().effective_caps(shop)
    for shard in shards(engine, f"quarterly_letter:{ON}"):
        after = 0
        while (
            shard.channel is Channel.EMAIL
            and shard.number % 2 == part
            and (
                claimed := ledger.claim(
                    engine, shard, worker="bench", on=ON, at=AT, shop=shop, caps=caps, most=1000, after=after
                )
            )
        ):
            after = claimed.last
            outcomes = [ledger.Outcome(one, State.ACCEPTED) for one in claimed.messages]
            total += ledger.settle(engine, outcomes, worker="bench", at=AT)
    return total


def settle_by_orm(engine: Engine, folder: Path) -> int:
    """A session, an object a message, a commit a message: what one would write first."""
    from sqlalchemy import select
    from sqlalchemy.orm import Session, registry

    from habitue.tables import message

    class Row:
        state: str

    registry().map_imperatively(Row, message)
    total = 0
    with Session(engine) as session:
        for row in session.scalars(select(Row).where(message.c.channel == "letter").limit(SAMPLE // 40)).all():
            row.state = "claimed"
            session.commit()
            row.state = "accepted"
            session.commit()
            total += 1
    return total


def load_by_pandas(engine: Engine, folder: Path) -> int:
    import pandas

    frame = pandas.read_parquet(folder / "segments.parquet").head(SAMPLE)
    frame.to_sql("segments_by_pandas", engine, if_exists="replace", index=False)
    return len(frame)


def main() -> None:
    """Prints the table; `customers` rows each."""
    from rich.console import Console
    from rich.table import Table

    from habitue.database import connect, embedded, ensure_database, upgrade

    with tempfile.TemporaryDirectory(prefix="habitue-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        made(folder, CUSTOMERS)
        with embedded(folder / "postgres") as server:
            url = ensure_database(server, "bench")
            engine = connect(url)
            upgrade(engine)
            address = url.render_as_string(hide_password=False)
            steps = [
                ("load a snapshot, all new", "load", "load_by_pandas"),
                ("load the next one, nothing changed", "load_again", "load_by_pandas"),
                ("the past that rules look at", "history", None),
                ("plan the quarterly letter, all rules on", "plan", None),
                ("claim and settle e-mails, two workers", "settle_even+settle_odd", "settle_by_orm"),
            ]
            table = Table("step", "rows", "s", "rows/s", "peak MB", "instead", "rows/s", "ratio", title="The base")
            for title, step, instead in steps:
                ours = measured(step, address, folder)
                rate = ours["rows"] / ours["seconds"]
                row = [title, f"{ours['rows']:,}", f"{ours['seconds']:.1f}", f"{rate:,.0f}", f"{ours['megabytes']:.0f}"]
                if instead:
                    theirs = measured(instead, address, folder)
                    other = theirs["rows"] / theirs["seconds"]
                    row += [instead.replace("_", " "), f"{other:,.0f}", f"{rate / other:.1f} ×"]
                table.add_row(*row)
            engine.dispose()
    Console().print(table)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
        raise SystemExit
    from habitue.database import connect

    step, url, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    steps = {
        "load": load,
        "load_again": lambda engine, folder: load(engine, folder, day=2),
        "history": history,
        "plan": plan,
        "settle_even": lambda engine, folder: settle(engine, folder, 0),
        "settle_odd": lambda engine, folder: settle(engine, folder, 1),
        "settle_by_orm": settle_by_orm,
        "load_by_pandas": load_by_pandas,
    }
    bound = connect(url)
    started = time.perf_counter()
    count = steps[step](bound, folder)
    seconds = time.perf_counter() - started
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, count)
