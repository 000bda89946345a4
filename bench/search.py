"""Finding one customer among a million, and what being found costs when customers are loaded.

    BENCH_CUSTOMERS=1000000 python -m bench.search

Names are French, as frequent as they are in France (1 % are called Martin), with a long tail; searches are drawn from
those who are there, with and without a slip of the finger. Shown are the median and the 95th percentile of the time
until the customers are known, in milliseconds, and beside them `ilike '%…%'` over the table. Target: under 100 ms.
"""

from __future__ import annotations

import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, text

CUSTOMERS = int(os.environ.get("BENCH_CUSTOMERS", "1000000"))
ASKED = 40
ON = date(2026, 10, 1)
AT = datetime(2026, 10, 1, 8, tzinfo=UTC)
SYLLABLES = [f"{first}{second}" for first in "bdlmr" for second in ("an", "e", "io", "ou")]

PEOPLE = """
    with drawn as (
        select i, hash(i::varchar || 'a') as a, hash(i::varchar || 'b') as b, hash(i::varchar || 'c') as c,
            hash(i::varchar || 'd') as d, hash(i::varchar || 'e') as e, hash(i::varchar || 'f') as f
        from range({customers}) r(i)
    ), named as (
        select d.*, f.name as first,
            case when d.a % 5 = 0 then l.name else
                upper(s1.name[1]) || s1.name[2:] || s2.name || s3.name || case when d.f % 2 = 0 then s4.name else '' end
            end as last
        from drawn d
        join lasts l on l.n = least(floor({lasts} * power(d.b / 18446744073709551616.0, 2))::int, {lasts} - 1)
        join firsts f on f.n = least(floor({firsts} * power(d.c / 18446744073709551616.0, 2))::int, {firsts} - 1)
        join syllables s1 on s1.n = d.d % 20
        join syllables s2 on s2.n = (d.d // 20) % 20
        join syllables s3 on s3.n = (d.d // 400) % 20
        join syllables s4 on s4.n = (d.d // 8000) % 20
    )
    select lpad(i::varchar, 9, '0') as customer_id, 'MME' as civility, first as first_name,
        last || case when i % 100 < {changed} then 'e' else '' end as last_name, null::date as birth_date,
        'fr' as language, lower(strip_accents(replace(first, ' ', ''))) || '.'
            || lower(strip_accents(replace(last, ' ', ''))) || i % 10000 || '@example.fr' as email,
        '+33' || [6, 7, 6, 1, 4][1 + (e % 5)::int] || lpad((f % 100000000)::varchar, 8, '0') as phone,
        'FR' as phone_region, 'Europe/Paris' as timezone, i % 200 || ' rue des Lilas' as street,
        null as address_extra, lpad((1000 + i % 94000)::varchar, 5, '0') as postcode,
        case when e % 10 = 0 then 'Paris' else 'Ville' || e % 5000 end as city, 'FR' as country,
        date '2020-01-01' as created_on, null::date as deceased_on, i::varchar as household,
        null as letter_barrier, null as email_barrier, null as call_barrier
    from named
"""


def made(folder: Path, customers: int, *, changed: int = 0) -> None:
    """A snapshot's files; `changed`: how many in a hundred have another last name than before."""
    import duckdb
    import pyarrow as pa
    from faker.providers.person.fr_FR import Provider

    from bench.ledger import FILES

    lasts = list(dict.fromkeys(str(name) for name in Provider.last_names))
    firsts = list(dict.fromkeys([*Provider.first_names_female, *Provider.first_names_male]))
    with duckdb.connect() as duck:
        for name, words in (("lasts", lasts), ("firsts", firsts), ("syllables", SYLLABLES)):
            duck.register(name, pa.table({"n": list(range(len(words))), "name": words}))
        question = PEOPLE.format(customers=customers, lasts=len(lasts), firsts=len(firsts), changed=changed)
        duck.sql(question).write_parquet(str(folder / "customers.parquet"))
        duck.execute("create table n as select range as i from range(?)", [customers])
        for name in ("consents", "segments"):
            duck.sql(FILES[name]).write_parquet(str(folder / f"{name}.parquet"))


def loaded(engine: Engine, folder: Path, day: int) -> float:
    """Seconds."""
    from bench.ledger import SECRET
    from habitue.loading import load
    from habitue.suppressions import MarkKey

    on, began = ON.replace(day=day), time.perf_counter()
    given: dict[str, Any] = {"snapshot_id": on.isoformat(), "taken_on": on, "manifest_sha256": str(day)}
    load(engine, folder=folder, at=AT, key=MarkKey(SECRET), **given)
    return time.perf_counter() - began


def without_indexes(engine: Engine) -> None:
    with engine.begin() as connection:
        names = connection.scalars(
            text("select indexname from pg_indexes where tablename = 'customer' and indexname like 'ix_customer_%'")
        ).all()
        for name in names:
            connection.execute(text(f"drop index {name}"))


def slip(word: str, dice: random.Random) -> str:
    at, kind = dice.randrange(1, len(word)), dice.randrange(3)
    letter = dice.choice("1234567890" if word.isdigit() else "aeiourstln")
    return word[:at] + ("" if kind == 0 else letter) + word[at + (kind < 2) :]


def searches(engine: Engine, dice: random.Random) -> Iterator[tuple[str, Callable[[dict[str, Any]], str]]]:
    yield "last name", lambda who: who["last_name"]
    yield "first and last name", lambda who: f"{who['first_name']} {who['last_name']}"
    yield "… one slip", lambda who: f"{who['first_name']} {slip(who['last_name'], dice)}"
    yield "… a slip in each", lambda who: f"{slip(who['last_name'], dice)} {slip(who['first_name'], dice)}"
    yield "last name and town", lambda who: f"{who['last_name']} {who['city']}"
    yield "Martin", lambda who: "Martin"
    yield "martn", lambda who: "martn"
    yield "beginning of a last name", lambda who: who["last_name"][:4]
    yield "e-mail address", lambda who: who["email"]
    yield "… one slip", lambda who: slip(who["email"], dice)
    yield "beginning of an address", lambda who: who["email"].split("@")[0]
    yield "number", lambda who: f"0{who['phone'][3:]}"
    yield "… one slip", lambda who: f"0{slip(who['phone'][3:], dice)}"
    yield "six digits of a number", lambda who: who["phone"][5:11]
    yield "id", lambda who: who["customer_id"]
    yield "… one slip", lambda who: slip(who["customer_id"], dice)
    yield "nobody's", lambda who: "wqxz" + who["customer_id"]


def timed(engine: Engine, typed: list[str], wanted: list[str]) -> tuple[list[float], int]:
    """Milliseconds of each search, and how many found whom they meant."""
    from habitue.searches import find
    from habitue.shop import load_shop

    shop, times, right = load_shop(), [], 0
    for one, who in zip(typed, wanted, strict=True):
        began = time.perf_counter()
        with engine.connect() as connection:
            found = find(connection, one, shop)
        times.append(1000 * (time.perf_counter() - began))
        right += who in found.ids or found.more
    return times, right


def scanned(engine: Engine, typed: str) -> float:
    began = time.perf_counter()
    with engine.connect() as connection:
        connection.execute(
            text(
                "select customer_id from customer where last_name ilike :like or first_name ilike :like "
                "or email ilike :like or phone ilike :like or customer_id ilike :like limit 50"
            ),
            {"like": f"%{typed}%qq"},
        ).all()
    return 1000 * (time.perf_counter() - began)


def measure(server: URL, folder: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    from habitue.database import connect, ensure_database, upgrade

    costs = Table("load, s", "all new", "1 % changed", title=f"Being found: {CUSTOMERS:,} customers")
    for title, name in (("without the indexes", "plain"), ("with them", "bench")):
        engine = connect(ensure_database(server, name))
        upgrade(engine)
        if name == "plain":
            without_indexes(engine)
        made(folder, CUSTOMERS)
        first = loaded(engine, folder, 1)
        made(folder, CUSTOMERS, changed=1)
        costs.add_row(title, f"{first:.1f}", f"{loaded(engine, folder, 2):.1f}")
        if name == "plain":
            engine.dispose()
    Console().print(costs)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("vacuum analyze customer"))
        rows = [
            dict(row)
            for row in connection.execute(
                text("select * from customer tablesample bernoulli (0.2) repeatable (1) limit :n"), {"n": ASKED}
            ).mappings()
        ]
    table = Table("looked for", "ms, median", "ms, 95th", "found", title="Searches")
    dice, all_times = random.Random(1), []
    wanted = [row["customer_id"] for row in rows]
    for title, write in searches(engine, dice):
        times, right = timed(engine, [write(row) for row in rows], wanted)
        all_times += times
        centiles = statistics.quantiles(times, n=20)
        known = "" if title in ("Martin", "martn", "nobody's") else f"{right} of {len(rows)}"
        table.add_row(title, f"{statistics.median(times):.1f}", f"{centiles[18]:.1f}", known)
    every = statistics.quantiles(all_times, n=20)
    table.add_row("all of them", f"{statistics.median(all_times):.1f}", f"{every[18]:.1f}", "")
    table.add_row("instead: ilike over the table", f"{statistics.median(scanned(engine, 'mar') for _ in range(3)):.0f}")
    Console().print(table)
    engine.dispose()


def main() -> None:
    from habitue.database import embedded

    with tempfile.TemporaryDirectory(prefix="habitue-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with embedded(folder / "postgres") as server:
            measure(server, folder)


if __name__ == "__main__":
    main()
