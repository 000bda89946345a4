"""How long does it take, and how much memory, to validate a million customers?

    python bench/validation.py [CUSTOMERS [LINES]]     by default 1000000 customers, 20 order lines each

Makes a synthetic staged base below a temporary folder, with two consents a customer (none where LINES is 0). About one
customer in ten is spoilt, as in real files, and one in eight has an address that needs a second look. It is then
validated in a process of its own, which prints seconds, CPU seconds and peak memory.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

ON = date(2026, 10, 1)

CUSTOMERS = """
    select 'C' || lpad(i::varchar, 8, '0') as customer_id, ['M', 'MME', 'Mlle', null][1 + i % 4] as civility,
        case when i % 41 = 0 then 'xxx'
            else ['Anna', 'Boris', 'Clara', 'Étienne', 'Zoë', 'Jean-Luc', 'Hélène'][1 + (i * 5) % 7] end as first_name,
        case when i % 97 = 0 then '{{ 7*7 }}'
            else chr((65 + i % 26)::int) || 'e' || chr((97 + (i // 26) % 26)::int)
                || ['ier', 'fèvre', 'mont', 'er'][1 + i % 4] || chr((97 + (i // 700) % 26)::int) end as last_name,
        case when i % 3 > 0 then strftime(date '1940-01-01' + (i * 37 % 25000)::int, '%Y-%m-%d') end as birth_date,
        case when i % 7 = 0 then 'en' else 'fr' end as language,
        case when i % 50 = 0 then 'someone at example.fr' else 'client.' || i || '@example.fr' end as email,
        case when i % 40 = 0 then '06' else printf('01 99 00 %02d %02d', i // 100 % 100, i % 100)
            end as phone,
        case when i % 60 = 0 then null else (1 + i % 300) || ', ' || ['rue des Lilas', 'avenue Carnot', 'allée du Pré',
            'boulevard Voltaire', 'lieu-dit le Moulin', 'rue de l''Église', 'chemin Vert',
            'place du Marché'][1 + i % 8]
            end as street,
        [null, null, 'Bâtiment B', 'Appartement ' || i % 90][1 + i % 4] as address_extra,
        case when i % 80 = 0 then '1000' else lpad((1000 + i * 13 % 94000)::varchar, 5, '0') end as postcode,
        ['Saint-Étienne', 'Lyon', 'Bourg-en-Bresse', 'L''Haÿ-les-Roses', 'Angers'][1 + i % 5] as city, 'FR' as country,
        '2021-05-06' as created_on, null::varchar as deceased_on
    from range({n}) t(i)
"""
CONSENTS = """
    select 'C' || lpad((i // 2)::varchar, 8, '0') as customer_id, ['email', 'call'][1 + i % 2] as channel,
        'marketing' as purpose, ['granted', 'granted', 'withdrawn'][1 + i % 3] as status, 'consent' as basis,
        case when i % 1000 = 0 then 'hier' else
            strftime(timestamp '2024-01-01' + to_seconds(i % 50000000), '%Y-%m-%dT%H:%M:%S+01:00') end as recorded_at,
        null::varchar as valid_until, 'till' as source, 'v1' as wording_version
    from range({consents} * {n}) t(i)
"""
ORDERS = """
    select 'O' || (i // 3) as order_id, 'C' || lpad((i // 3 * 7919 % {n})::varchar, 8, '0') as customer_id,
        case when i % 5000 > 0 then timestamp '2023-10-01' + to_minutes((i * 31 % 1500000)::int) end as ordered_at,
        'P' || i % 500 as product_code, 'Product ' || i % 500 as product_name, 1.0::double as quantity,
        (500 + i * 17 % 9000)::bigint as amount_cents, null::varchar as offer_code
    from range({lines} * {n}) t(i)
"""


def make(folder: Path, customers: int, lines: int = 20) -> None:
    import duckdb

    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as con:
        con.execute("set enable_progress_bar = false")
        for name, query in (("customers", CUSTOMERS), ("consents", CONSENTS), ("orders", ORDERS)):
            rows = query.format(n=customers, lines=lines, consents=2 if lines else 0)
            con.execute(f"copy ({rows}) to '{folder / name}.parquet' (format parquet)")


def measure(folder: Path) -> None:
    started, busy = time.perf_counter(), time.process_time()
    from habitue.expectations import Examiner
    from habitue.shop import load_shop
    from habitue.validation import validate

    shop = load_shop()
    Examiner(shop.validation)
    ready = time.perf_counter() - started, time.process_time() - busy
    result = validate(folder / "staged", folder / "checked", on=ON, shop=shop, previous=None)
    tally = result.datasets["customers"]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{tally.staged:,} customers: {time.perf_counter() - started:.1f} s wall, {time.process_time() - busy:.1f} s "
        f"CPU (of which importing Great Expectations {ready[0]:.1f} s wall, {ready[1]:.1f} s CPU), "
        f"{memory:,.0f} MB at most; load {os.getloadavg()[0]:.1f}"
    )
    print({name: (one.published, one.quarantined) for name, one in result.datasets.items()})
    print({channel: found["reachable"] for channel, found in result.reachability.items()})


def main() -> None:
    if sys.argv[1:2] == ["measure"]:
        measure(Path(sys.argv[2]))
        return
    customers = int(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1].isdigit() else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder) / "staged", customers, int(sys.argv[2]) if len(sys.argv) > 2 else 20)
        subprocess.run([sys.executable, __file__, "measure", folder], check=True)


if __name__ == "__main__":
    main()
