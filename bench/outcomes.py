"""A quarter of outcomes: what the round makes of 1,000,000 messages and 20,000,000 order lines, and the pages of it.

    python -m bench.outcomes [--messages 1000000 --lines 20000000] [--fewer 4]

Ten runs of one quarter lie in a real PostgreSQL, with holdouts, arms, deliveries, clicks, returns and complaints; the
lake holds five years of orders of as many customers as there are messages, some with offer codes, as they were two
nights ago and last night. Then the functions that refresh what is stored are run in a process of their own: first the
figures of the base over five years, which a shop works out once, then what follows a new customer base and a day's
news. Beside the latter stands pandas making the same of the same rows (for figures of the base see `bench.figures`).
The pages are asked as the browser asks them, each twenty times. `--fewer`: the same with so many times fewer of both,
to see what memory does; 0: not at all. Targets: refreshed in under 60 s on two cores, pages under 200 ms, memory flat.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from sqlalchemy import Engine, insert, text

from bench.segments import ROOT, make_orders

if TYPE_CHECKING:
    from habitue.house import House

AT = datetime(2026, 9, 30, 18, tzinfo=UTC)
NIGHTS = date(2026, 9, 28), date(2026, 9, 29)
"""The days of the two customer bases. No quarter ends on them: then there would be less to do."""
ON = NIGHTS[-1]
SECONDS, MILLISECONDS = 60, 200
ASKED = 20
SINCE = date(2026, 7, 1)


@dataclass(frozen=True, slots=True)
class Run:
    """One of the quarter's: its share of the messages; a letter is what every other of `letter` and `email` gets."""

    campaign: str
    on: date
    channels: tuple[str, ...]
    share: float
    arms: tuple[str, ...] = ()


RUNS = (
    Run("quarterly_letter", date(2026, 7, 1), ("letter", "email"), 0.30, ("a", "b")),
    Run("thank_you", date(2026, 7, 8), ("email",), 0.10),
    Run("birthday", date(2026, 7, 15), ("email",), 0.05),
    Run("private_event", date(2026, 7, 20), ("email",), 0.15, ("a", "b")),
    Run("winback_calls", date(2026, 8, 3), ("call",), 0.02),
    Run("we_miss_you", date(2026, 8, 5), ("letter",), 0.08),
    Run("birthday", date(2026, 8, 15), ("email",), 0.05),
    Run("offer_price", date(2026, 8, 20), ("email",), 0.05),
    Run("private_event", date(2026, 9, 1), ("email",), 0.15),
    Run("birthday", date(2026, 9, 15), ("email",), 0.05),
)
LARGEST = f"{RUNS[0].campaign}:{RUNS[0].on}"

CODED = """
    select o.*, case when ordered_at >= timestamp '2026-07-01' and hash(order_id, 5) % 20 = 0
        then 'K' || hash(order_id, 6) % 10 || 'C' || customer_id[2:] end as offer_code
    from read_parquet('{path}') o
    where ordered_at >= timestamp '{first}' and ordered_at < timestamp '{next}'
"""

PEOPLE = """
    insert into customer (customer_id, language, snapshot_id)
    select 'C' || lpad(i::text, 8, '0'), case when i % 8 = 0 then 'en' else 'fr' end, :snapshot
    from generate_series(1, cast(:customers as int)) i;
    insert into segment (customer_id, snapshot_id, segment, recency_days, purchase_days, orders, amount_cents,
        lifetime_cents, lifetime_days)
    select 'C' || lpad(i::text, 8, '0'), :snapshot, (cast(:groups as text[]))[1 + i % 5], i % 400, 3, 3, i % 90000,
        i % 90000, 9
    from generate_series(1, cast(:customers as int)) i;
    insert into consent (customer_id, channel, purpose, status, recorded_at, known_at)
    select 'C' || lpad(i::text, 8, '0'), 'email', 'open_tracking', 'granted', '2026-01-01', '2026-01-01'
    from generate_series(1, cast(:customers as int), 4) i
"""

WRITTEN = """
    insert into run (run_id, campaign, on_date, snapshot_id, campaign_sha256, template_sha256, package_version, seed,
        settings, shop, files, audience_sha256, content_sha256, cost_micros, deliver_until, audience, planned, held_out,
        excluded, planned_at)
    values (:run_id, :campaign, :on, :snapshot, '', '', '', '1', :settings, :shop, '{}', '', '', 0, :at,
        cast(:planned as int) + :held, :planned, :held, 0, :at);
    insert into message (message_id, run_id, customer_id, channel, segment, language, template, arm, offer_code,
        cost_micros, shard, position, state, settled_at)
    select gen_random_uuid(), :run_id, 'C' || lpad(who::text, 8, '0'), channel, (cast(:groups as text[]))[1 + who % 5],
        'fr', cast(:campaign as text) || '/' || channel,
        case when cardinality(cast(:arms as text[])) > 0 then (cast(:arms as text[]))[1 + place / 2 % 2] end,
        'K' || cast(:number as text) || 'C' || lpad(who::text, 8, '0'),
        case channel when 'letter' then 1730000 when 'call' then 3300000 else 1000 end,
        1 + place / 2000, 1 + place,
        case when place % 50 = 3 then 'refused' when place % 100 = 7 then 'cancelled'
            when place / 2000 % 50 = 2 and place % 2 = 0 then 'unknown' -- what a worker held that died
            else 'accepted' end,
        cast(:at as timestamptz) + make_interval(secs => place / 20)
    from (
        select place, 1 + (place * 7919::bigint + cast(:number as int) * 104729) % cast(:customers as int) as who,
            (cast(:channels as text[]))[1 + place % cardinality(cast(:channels as text[]))] as channel
        from generate_series(0, cast(:planned as int) - 1) place
    ) drawn;
    insert into holdout (run_id, customer_id, segment, channel, draw)
    select :run_id, 'C' || lpad(who::text, 8, '0'), (cast(:groups as text[]))[1 + who % 5],
        (cast(:channels as text[]))[1 + place % cardinality(cast(:channels as text[]))], 0.01
    from (
        select place, 1 + (place * 7919::bigint + cast(:number as int) * 104729) % cast(:customers as int) as who
        from generate_series(cast(:planned as int), cast(:planned as int) + :held - 1) place
    ) drawn;
    insert into shard (run_id, channel, shard, messages, accepted, unknown, refused, cancelled, audience_sha256)
    select run_id, channel, shard, count(*), count(*) filter (where state = 'accepted'),
        count(*) filter (where state = 'unknown'), count(*) filter (where state = 'refused'),
        count(*) filter (where state = 'cancelled'), ''
    from message where run_id = :run_id group by run_id, channel, shard
"""

HEARD = """
    insert into outcome (message_id, kind, occurred_at, recorded_at, source, source_key)
    select message_id, kind, told.at, told.at, 'bench', message_id || kind || extract(epoch from told.at)
    from (select *, settled_at as left_at, position + shard as n from message where state = 'accepted') m
    cross join lateral (values
        ('delivered', channel = 'email' and n % 30 > 0, left_at + interval '3 seconds'),
        ('hard_bounce', channel = 'email' and n % 30 = 0, left_at + interval '4 seconds'),
        ('opened', channel = 'email' and n % 10 > 6, left_at + interval '2 hours'),
        ('clicked', channel = 'email' and n % 10 = 9, left_at + interval '125 minutes'),
        ('clicked', channel = 'email' and n % 25 = 4, left_at + interval '5 seconds'),
        ('clicked', channel = 'email' and n % 25 = 4, left_at + interval '6 seconds'),
        ('unsubscribed', channel = 'email' and n % 200 = 9, left_at + interval '3 hours'),
        ('complaint', channel = 'email' and n % 2000 = 19, left_at + interval '3 hours'),
        ('printed', channel = 'letter', left_at + interval '2 days'),
        ('mailed', channel = 'letter', left_at + interval '3 days'),
        ('returned', channel = 'letter' and n % 40 = 1, left_at + interval '20 days'),
        ('reached', channel = 'call' and n % 2 = 0, left_at + interval '1 day'),
        ('not_reached', channel = 'call' and n % 2 = 1, left_at + interval '5 days')
    ) told (kind, happened, at)
    where happened and told.at < :now
"""


def make_lake(root: Path, *, customers: int, lines: int) -> None:
    """Two snapshots of five years of orders, month by month, some of the last quarter's with a code. The later one has
    a day more, and some new customers."""
    import duckdb

    root.mkdir(parents=True)
    whole = make_orders(root / "all.parquet", customers=customers, lines=lines)
    month, parts = date(2021, 10, 1), list[dict[str, str]]()

    def write(name: str, until: date) -> dict[str, str]:
        file = root / "orders" / f"{month:%Y-%m}" / f"{name}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        asked = CODED.format(path=whole, first=month, next=until)
        duck.execute(f"copy ({asked}) to '{file}' (format parquet, compression zstd, row_group_size 122880)")
        return {"month": f"{month:%Y-%m}", "file": str(file.relative_to(root))}

    with duckdb.connect() as duck:
        while (following := (month + timedelta(days=31)).replace(day=1)) <= ON:
            parts.append(write("lines", following))
            month = following
        for night in NIGHTS:
            folder = root / "snapshots" / night.isoformat()
            folder.mkdir(parents=True)
            rows = customers + (night == ON) * customers // 5000
            duck.execute(
                f"copy (select 'C' || lpad(i::varchar, 8, '0') as customer_id from range(1, {rows} + 1) r(i)) "  # noqa: S608
                f"to '{folder}/customers.parquet' (format parquet)"
            )
            orders = {"parts": [*parts, write(f"until-{night}", night + timedelta(days=1))], "rows": lines}
            files = {"customers.parquet": {"rows": rows}}
            manifest = {"id": night.isoformat(), "on": night.isoformat(), "orders": orders, "files": files}
            (folder / "manifest.json").write_text(json.dumps(manifest))
    whole.unlink()


def make_ledger(engine: Engine, *, messages: int) -> None:
    """The ten runs, whom they wrote to and held out, and what came of it."""
    from habitue.campaigns import find_campaign
    from habitue.shop import load_shop
    from habitue.tables import snapshot
    from habitue.trends import FIVE

    shop = load_shop(overrides={"margin": {"gross": 0.6}})
    known = {"snapshot": ON.isoformat(), "customers": messages, "groups": list(FIVE)}
    with engine.begin() as connection:
        _filled(connection, PEOPLE, known)
        for number, one in enumerate(RUNS):
            at = datetime(one.on.year, one.on.month, one.on.day, 8, tzinfo=UTC)
            planned = int(messages * one.share)
            settings = find_campaign(one.campaign, shop).model_dump(mode="json")
            given = {
                "run_id": f"{one.campaign}:{one.on}",
                "campaign": one.campaign,
                "on": one.on,
                "at": at,
                "settings": json.dumps(settings),
                "shop": shop.model_dump_json(),
                "number": number,
                "channels": list(one.channels),
                "arms": list(one.arms),
                "planned": planned,
                "held": planned // 10,
            }
            _filled(connection, WRITTEN, known | given)
        connection.execute(text(HEARD), {"now": AT})
        loaded = {"snapshot_id": ON.isoformat(), "taken_on": ON, "manifest_sha256": "", "loaded_at": AT}
        connection.execute(insert(snapshot).values(**loaded))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("vacuum analyze"))


def _filled(connection: Any, statements: str, known: Mapping[str, Any]) -> None:
    for one in statements.split(";\n"):
        connection.execute(text(one), {name: value for name, value in known.items() if f":{name}" in one})


class Servers:
    """What the database's processes have used of the processors, those that have ended among them."""

    def __init__(self, engine: Engine) -> None:
        with engine.connect() as connection:
            backend = connection.execute(text("select pg_backend_pid()")).scalar_one()
            self.first = psutil.Process(psutil.Process(backend).ppid())

    def seconds(self) -> float:
        total = sum(self.first.cpu_times()[:4])
        for child in self.first.children():
            try:
                total += sum(child.cpu_times()[:2])
            except psutil.NoSuchProcess:
                continue
        return total


def house_of(url: str, out: Path) -> House:
    from habitue.house import House

    settings = {"HABITUE_OUT": str(out), "HABITUE_DATABASE_URL": url, "HABITUE_SECRET": "for the bench only"}
    return House.of(settings)


ONCE = "the base, five years, once"
CREDITS, BASE, RUNS_COUNTED = "credits and responses", "the base, last night", "runs, money, won back"


def refreshed(house: House) -> dict[str, Callable[[], object]]:
    """What refreshes stored figures, in the order in which it happens."""
    from habitue import gathering, trends

    first, last = (house.lake.snapshot(night.isoformat()) for night in NIGHTS)
    return {
        ONCE: lambda: trends.refresh(house, at=AT - timedelta(days=1), snapshot=first),
        CREDITS: lambda: gathering.credited_purchases(house, at=AT),
        BASE: lambda: trends.refresh(house, at=AT, snapshot=last),
        RUNS_COUNTED: lambda: gathering.counted_outcomes(house, at=AT),
    }


def in_pandas(house: House) -> dict[str, Callable[[], object]]:
    """The same figures of the same rows, as one would write them in memory: the last message before each order without
    codes, returns and the book; both sides' buyers; what came of each message."""
    import pandas as pd

    snapshot = house.lake.snapshot(ON.isoformat())
    engine = house.engine

    def credited() -> int:
        asked = "select message_id::text, run_id, customer_id, settled_at from message"
        sent = pd.read_sql(text(asked), engine)
        held = pd.read_sql(text("select run_id, customer_id from holdout"), engine)
        young = [path for path in snapshot.orders if path.parent.name >= f"{SINCE:%Y-%m}"]
        wanted = ["order_id", "customer_id", "ordered_at", "amount_cents"]
        lines = pd.concat([pd.read_parquet(path, columns=wanted) for path in young], ignore_index=True)
        orders = lines.groupby(["customer_id", "order_id"], as_index=False).agg(
            ordered_at=("ordered_at", "min"), cents=("amount_cents", "sum")
        )
        sent["left_at"] = sent["settled_at"].dt.tz_convert(None).astype(orders["ordered_at"].dtype)
        found = pd.merge_asof(
            orders.sort_values("ordered_at"),
            sent.sort_values("left_at"),
            left_on="ordered_at",
            right_on="left_at",
            by="customer_id",
        )
        sides = pd.concat([sent[["run_id", "customer_id"]].assign(written=True), held.assign(written=False)])
        bought = sides.merge(orders, on="customer_id", how="left")
        bought.groupby(["run_id", "written"]).agg(cents=("cents", "sum"), orders=("order_id", "count"))
        return int(found["message_id"].notna().sum())

    def of_the_runs() -> int:
        asked = "select message_id::text, run_id, segment, channel, arm, state, cost_micros from message"
        sent = pd.read_sql(text(asked), engine)
        told = pd.read_sql(text("select message_id::text, kind from outcome"), engine)
        wide = told.assign(one=1).pivot_table(index="message_id", columns="kind", values="one", aggfunc="max")
        joined = sent.merge(wide, left_on="message_id", right_index=True, how="left")
        kinds = list(wide.columns)
        keys = ["run_id", "segment", "channel", "arm", "state"]
        return len(joined.groupby(keys, dropna=False).agg(dict.fromkeys([*kinds, "cost_micros"], "sum")))

    return {CREDITS: credited, RUNS_COUNTED: of_the_runs}


PAGES = {
    "home": "/home/",
    "figures": "/figures/",
    "a figure's history": "/figures/movement",
    "campaigns": "/campaigns/",
    "calendar": "/campaigns/calendar?span=2026-Q3",
    "runs": "/runs/",
    "a run, a third of all messages": f"/runs/{LARGEST}",
    "its results": f"/runs/{LARGEST}/results",
    "its results as CSV": f"/runs/{LARGEST}/results/csv",
    "results, a tenth": f"/runs/{RUNS[1].campaign}:{RUNS[1].on}/results",
    "holdout": "/holdout/",
    "what follows, and who was won back": "/after/?quarter=2026Q3",
    "budget of the year": "/budget/?year=2026",
}


def pages(house: House) -> dict[str, dict[str, float]]:
    """Milliseconds of each page: the first time it is asked, the median and the 95th percentile of the rest, and what
    the processors worked for one of these, here and in the database."""
    sys.path.insert(0, str(ROOT / "tests"))
    from ops_site import Site

    site, servers, found = Site(house, AT), Servers(house.engine), {}
    site.get("olga", "/files/")  # the first page of a process compiles what the next ones use
    for name, path in PAGES.items():
        times, worked = [], 0.0
        for number in range(ASKED + 1):
            if number == 1:
                worked = time.process_time() + servers.seconds()
            began = time.perf_counter()
            answer = site.get("olga", path)
            times.append(1000 * (time.perf_counter() - began))
            if answer.status_code != 200:
                raise RuntimeError(f"{path} answers {answer.status_code}")
        rest = statistics.quantiles(times[1:], n=20)
        cpu = 1000 * (time.process_time() + servers.seconds() - worked) / ASKED
        found[name] = {"first": times[0], "median": statistics.median(times[1:]), "most": rest[18], "cpu": cpu}
    return found


def run(kind: str, url: str, out: Path) -> dict[str, Any]:
    """`refreshed`, `in_pandas` or `pages` in this process: for each piece of work wall and CPU seconds, of this process
    and of the database, what it returned; and this process' peak in MB."""
    house = house_of(url, out)
    if kind == "pages":
        return {"pages": pages(house)}
    servers, steps = Servers(house.engine), {}
    for name, work in {"refreshed": refreshed, "in_pandas": in_pandas}[kind](house).items():
        wall, cpu, theirs = time.perf_counter(), time.process_time(), servers.seconds()
        said = work()
        steps[name] = {
            "wall": time.perf_counter() - wall,
            "cpu": time.process_time() - cpu,
            "database": servers.seconds() - theirs,
            "said": str(said),
        }
    return {"steps": steps, "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def in_its_own_process(kind: str, url: str, out: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.outcomes", "--one", kind, url, str(out)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    answer = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return found


def measured(folder: Path, *, messages: int, lines: int, kinds: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """A ledger and a lake of that size, and each of `kinds` on them."""
    from habitue.database import connect, embedded, ensure_database, upgrade

    out = folder / "out"
    make_lake(out / "lake", customers=messages, lines=lines)
    with embedded(folder / "postgres") as server:
        url = ensure_database(server, "bench")
        engine = connect(url)
        upgrade(engine)
        make_ledger(engine, messages=messages)
        engine.dispose()
        return {kind: in_its_own_process(kind, url.render_as_string(hide_password=False), out) for kind in kinds}


def measure(
    messages: int = 1_000_000, lines: int = 20_000_000, *, fewer: int = 4, alone: bool = False
) -> dict[str, dict[str, Any]]:
    """Runs and prints; returns what each kind took. `alone`: without pandas."""
    kinds = ("refreshed", "pages") if alone else ("refreshed", "pages", "in_pandas")
    found: dict[str, dict[str, Any]] = {}
    for name, size, asked in (("whole", 1, kinds), ("fewer", fewer, ("refreshed",))):
        if size:
            with tempfile.TemporaryDirectory(prefix="bench-outcomes-") as made:
                folder = Path(made)
                folder.chmod(0o755)
                told = measured(folder, messages=messages // size, lines=lines // size, kinds=asked)
                found |= told if name == "whole" else {"fewer": told["refreshed"]}
    _print(found, messages, lines, fewer)
    return found


def _print(found: Mapping[str, Mapping[str, Any]], messages: int, lines: int, fewer: int) -> None:
    from rich.console import Console
    from rich.table import Table

    console, ours, theirs = Console(), found["refreshed"], found.get("in_pandas")
    table = Table(title=f"A quarter of outcomes: {messages:,} messages, {lines:,} lines", title_justify="left")
    for heading in ("refreshed", "wall s", "CPU s", "database CPU s", "pandas wall s", "CPU s", "ratio of CPU"):
        table.add_column(heading, justify="left" if heading == "refreshed" else "right")
    others = theirs["steps"] if theirs else {}
    rows = {**ours["steps"], "all but the first": total(ours)}
    for name, one in rows.items():
        cells = [f"{one[key]:.1f}" for key in ("wall", "cpu", "database")]
        if name in others:
            cpu, other = one["cpu"] + one["database"], others[name]["cpu"] + others[name]["database"]
            cells += [f"{others[name]['wall']:.1f}", f"{other:.1f}", f"{other / cpu:.1f} ×"]
        table.add_row(name, *cells)
    console.print(table)
    memory = f"peak {ours['mb']:,.0f} MB"
    if theirs:
        memory += f", pandas {theirs['mb']:,.0f} MB"
    if "fewer" in found:
        small = found["fewer"]
        memory += f"; 1/{fewer} of both: {small['mb']:,.0f} MB, {total(small)['wall']:.1f} s"
    console.print(f"refreshed in {total(ours)['wall']:.1f} s (target < {SECONDS} s); {memory}")
    shown = Table(title="Pages", title_justify="left")
    for heading in ("page", "first ms", "median ms", "95 % ms", "CPU ms"):
        shown.add_column(heading, justify="left" if heading == "page" else "right")
    for name, took in found["pages"]["pages"].items():
        shown.add_row(name, *(f"{took[key]:.0f}" for key in ("first", "median", "most", "cpu")))
    console.print(shown)
    slowest = max(took["most"] for took in found["pages"]["pages"].values())
    console.print(f"slowest page {slowest:.0f} ms (target < {MILLISECONDS} ms)")


def total(found: Mapping[str, Any]) -> dict[str, float]:
    steps = [one for name, one in found["steps"].items() if name != ONCE]
    return {key: sum(one[key] for one in steps) for key in ("wall", "cpu", "database")}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--lines", type=int, default=20_000_000)
    parser.add_argument("--fewer", type=int, default=4, help="also so many times fewer of both; 0: not")
    parser.add_argument("--alone", action="store_true", help="without pandas")
    parser.add_argument("--one", nargs=3, metavar=("KIND", "URL", "OUT"), help=argparse.SUPPRESS)
    given, _ = parser.parse_known_args()  # `python -m bench outcomes` has words of its own
    if given.one:
        kind, url, out = given.one
        print(json.dumps(run(kind, url, Path(out))))
    else:
        measure(given.messages, given.lines, fewer=given.fewer, alone=given.alone)


if __name__ == "__main__":
    main()
