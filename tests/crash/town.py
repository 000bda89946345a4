"""A base of so many people and a run of e-mails to them, planned as any run is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from habitue.campaigns import Campaign, find_campaign
from habitue.costs import price_list
from habitue.deliveries import run_folder
from habitue.facts import write_facts
from habitue.house import House
from habitue.loading import load
from habitue.plans import Base, plan
from habitue.providers import Access
from habitue.recipients import Run, planned_customers
from habitue.shop import load_shop

ON = date(2026, 10, 1)
AT = datetime(2026, 10, 1, 6, tzinfo=UTC)
KEY = "SG.for-the-stub-only"
HOLDOUT = 0.03
GROUPS = ("lapsed", "occasional_light")

FILES = {
    # One in twenty has no address, one in twenty-five has said no: planned are nine in ten.
    "customers": """
        select lpad(i::varchar, 7, '0') as customer_id, 'MME' as civility, 'Prénom' || i % 900 as first_name,
            'Nom' || i % 9000 as last_name, date '1970-01-01' + (i % 9000)::int as birth_date,
            case when i % 8 = 0 then 'en' else 'fr' end as language, 'client' || i || '@example.fr' as email,
            null::varchar as phone, null::varchar as phone_region, 'Europe/Paris' as timezone,
            null::varchar as street, null::varchar as address_extra, null::varchar as postcode, null::varchar as city,
            'FR' as country, date '2020-01-01' as created_on, null::date as deceased_on, md5(i::varchar) as household,
            'no_address' as letter_barrier, case when i % 20 = 7 then 'no_email' end as email_barrier,
            'no_phone' as call_barrier
        from n
    """,
    "consents": """
        select lpad(i::varchar, 7, '0') as customer_id, 'email' as channel, 'marketing' as purpose,
            case when i % 25 = 3 then 'withdrawn' else 'granted' end as status, 'consent' as basis,
            timestamp '2026-01-01' + interval (i % 200) day as recorded_at, null::date as valid_until,
            'till' as source, 'v1' as wording_version
        from n
    """,
    "segments": """
        select lpad(i::varchar, 7, '0') as customer_id,
            case when i % 2 = 0 then 'lapsed' else 'occasional_light' end as segment, (i % 400)::int as recency_days,
            3 as purchase_days, 3 as orders, i % 90000 as amount_cents, i % 30000 as average_basket_cents,
            3 as r, 3 as f, 3 as m, 18 as score, null as tier, date '2022-01-01' as first_day,
            date '2026-09-01' as last_day, i % 90000 as lifetime_cents, 9 as lifetime_days
        from n
    """,
    "orders": """
        select lpad(i::varchar, 7, '0') as customer_id, 'THÉ ' || i % 40 as product_name, 1200 + i % 900 as amount_cents
        from n
    """,
}


def audience(messages: int) -> int:
    """How many people it takes for about so many messages."""
    return round(messages / ((1 - 1 / 20) * (1 - 1 / 25) * (1 - HOLDOUT)))


def house(out: Path, database_url: str, *, port: int = 0, **changes: Any) -> House:
    """The house of a trial; `port` is where its provider listens. Its circuit breaker lets trials pass, its two
    providers are of this machine."""
    settings = {
        "HABITUE_SOURCE": "demo_shop",
        "HABITUE_OUT": str(out),
        "HABITUE_DATABASE_URL": database_url,
        "HABITUE_SECRET": "for trials only",
    }
    sender = {
        "kind": changes.pop("kind", "outbox"),
        "smtp": {"host": "127.0.0.1", "port": port or 25, "security": "none", "connections": 4},
        "sendgrid": {"base_url": f"http://127.0.0.1:{port or 80}", "connections": 4},
    }
    shop = load_shop(
        overrides={
            "sender": sender,
            "breaker": {"refused": changes.pop("refused", 1.0)},
            "approval": {"recipients": 1_000_000, "second_recipients": 1_000_000},
        }
    )
    return replace(House.of(settings), shop=shop, access=Access(password=KEY))


def campaign(here: House, delivery: str) -> Campaign:
    """The quarterly letter, by e-mail alone."""
    shipped = find_campaign("quarterly_letter", here.shop).model_dump(mode="json")
    treatments = {group: shipped["treatments"][group] for group in GROUPS}
    for treatment in treatments.values():
        treatment["ways"] = [way for way in treatment["ways"] if way["channel"] == "email"]
    changed = {"treatments": treatments, "holdout": HOLDOUT, "delivery": delivery, "pause_days": {}, "rest_days": 0}
    return Campaign.model_validate(shipped | changed)


def settle(here: House, *, people: int, delivery: str) -> str:
    """Fills the base and plans the run; returns its id."""
    import duckdb

    folder = here.out / "base"
    folder.mkdir(parents=True)
    with duckdb.connect() as duck:
        duck.execute("create table n as select range as i from range(?)", [people])
        for name, query in FILES.items():
            duck.sql(query).write_parquet(str(folder / f"{name}.parquet"))
    load(
        here.engine,
        snapshot_id=ON.isoformat(),
        taken_on=ON,
        folder=folder,
        manifest_sha256="0",
        at=AT,
        key=here.mark_key,
    )
    wanted = campaign(here, delivery)
    done = plan(
        here.engine,
        wanted,
        on=ON,
        at=AT,
        shop=here.shop,
        base=Base(ON.isoformat(), folder / "segments.parquet", folder / "customers.parquet"),
        secret=here.secret,
        price=price_list(wanted, here.shop, ON),
    )
    write_facts(
        planned_customers(here.engine, done.run_id),
        segments=folder / "segments.parquet",
        orders=[folder / "orders.parquet"],
        out=run_folder(here, Run.of(here.engine, done.run_id)) / "facts.parquet",
    )
    return done.run_id
