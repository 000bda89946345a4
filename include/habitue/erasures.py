"""Erasures: who asked to be forgotten, or is due by retention, is taken out of every place, and does not come back.

1. `order` writes it down: the tombstone and its hold (never closed), in a transaction that no load overlaps. From here
   on nothing leaves for them, and every import meets the tombstone: only their number comes in.
2. All that is known of them is put aside (`erasing/` in HABITUE_OUT, readable by its owner only), so that whatever was
   emptied first, the later steps still know what to look for.
3. Their addresses and numbers are suppressed where they asked for it, so that no other list brings them back.
4. SendGrid is told to erase its copy, where it is the sender. If it does not answer, that alone stays to be done.
5. Each holding (`holdings`) lets go of them.
6. When all steps and the provider are done the erasure is finished, and what was put aside goes.

Each step is written down when it is done and may be done again: killed anywhere, `complete` goes on from there, for
everybody whose erasure is not finished. People of whom a worker has a message in hand wait until it answers.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, select, text, update

from habitue import events
from habitue.copying import copy_parquet
from habitue.erase_jobs import EraseJobs
from habitue.errors import SendError
from habitue.forgetting import FOLDER, Erasing, among
from habitue.holdings import HOLDINGS
from habitue.house import House
from habitue.statements import statement
from habitue.tables import customer, erasure

Say = Callable[[str], object]
"""Told what is being done now."""

KNOWN, SUPPRESSED = "known", "suppressed"
STEPS = (KNOWN, SUPPRESSED, *(holding.name for holding in HOLDINGS))
"""In this order; the provider's is beside them."""

COLUMNS = ("customer_id", "first_name", "last_name", "email", "phone", "street", "postcode")
"""What is put aside."""


@dataclass
class Erased:
    """What came of it."""

    people: int = 0
    """whose erasure is finished by this run"""
    taken: dict[str, int] = field(default_factory=dict)
    """by place: rows, pages or files"""
    jobs: int = 0
    """erase jobs that the provider took"""
    in_hand: int = 0
    """people whom a worker holds; they wait"""
    until: datetime | None = None
    provider: str | None = None
    """why the provider's copy is still to be erased"""


def order(engine: Engine, ids: Sequence[str], *, rule: str, by: str, reason: str, at: datetime) -> None:
    """Erases these customers from now on; `complete` does it. `rule`: asked, or the rule of retention."""
    with engine.begin() as connection:
        ordering(connection)
        said = {"rule": rule, "reason": reason, "by": by, "at": at}
        connection.execute(statement("erasure/order"), {"ids": list(ids), **said})
        shut(connection, at)


def ordering(connection: Connection) -> None:
    """Waits for a load that has already looked who is erased; a later one will see these."""
    connection.execute(text("select pg_advisory_xact_lock(hashtext('habitue.load'))"))


def shut(connection: Connection, at: datetime) -> None:
    """Nothing leaves any more for those whose erasure is ordered."""
    connection.execute(statement("erasure/holds"), {"at": at})
    connection.execute(statement("erasure/stopped"), {"at": at})


def also_known_as(house: House, customer_id: str) -> list[str]:
    """Other numbers of what seems to be the same person: the same name and e-mail address."""
    other = customer.alias()
    with house.engine.connect() as connection:
        mine = select(other.c.customer_id).join(customer, customer.c.person_mark == other.c.person_mark)
        found = mine.where(customer.c.customer_id == customer_id, other.c.customer_id != customer_id)
        return list(connection.scalars(found.order_by(other.c.customer_id)))


def is_known(house: House, customer_id: str) -> bool:
    """Whether the base or any snapshot has ever had this number."""
    with house.engine.connect() as connection:
        if connection.scalar(statement("explain/known"), {"customer_id": customer_id}):
            return True
        if connection.scalar(select(erasure.c.customer_id).where(erasure.c.customer_id == customer_id)):
            return True
    import duckdb

    files = [str(path) for path in house.lake.snapshots.glob("[0-9]*/customers.parquet")]
    if not files:
        return False
    with duckdb.connect() as duck:
        duck.read_parquet(files, union_by_name=True).create_view("held")
        return duck.execute("select 1 from held where customer_id = ? limit 1", [customer_id]).fetchone() is not None


def complete(house: House, *, at: datetime, ask_provider: bool = True, say: Say = lambda _: None) -> Erased:
    """Takes up every erasure that is not finished, and goes on with it. Safe to run again, at any time."""
    found = Erased()
    with house.engine.begin() as connection:
        shut(connection, at)
        waiting = connection.execute(statement("erasure/in_hand")).one()
        found.in_hand, found.until = waiting.customers, waiting.until
    # What providers have posted and nobody has read yet may name them: once applied, it is emptied with the rest.
    while events.apply(house.engine, key=house.mark_key, rules=house.shop.breaker, at=at).posts:
        say("applying what providers posted")
    for name, step in _steps(found):
        if ids := _due(house.engine, name):
            say(name)
            step(Erasing(house, ids, at.astimezone(house.shop.tz).date(), say), at)
            _mark_done(house.engine, name, ids)
        if name == SUPPRESSED:
            _tell_provider(house, found, ask_provider, say)
    with house.engine.begin() as connection:
        found.people = connection.execute(statement("erasure/finish"), {"steps": list(STEPS), "at": at}).rowcount
    _put_away(house)
    return found


def _steps(found: Erased) -> Iterator[tuple[str, Callable[[Erasing, datetime], None]]]:
    yield KNOWN, _put_aside
    yield SUPPRESSED, _suppress

    def of(name: str, erase: Callable[[Erasing], int]) -> Callable[[Erasing, datetime], None]:
        def step(task: Erasing, _: datetime) -> None:
            found.taken[name] = found.taken.get(name, 0) + erase(task)

        return step

    for holding in HOLDINGS:
        yield holding.name, of(holding.name, holding.erase)


def _due(engine: Engine, step: str) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(statement("erasure/due"), {"step": step}))


def _mark_done(engine: Engine, step: str, ids: list[str]) -> None:
    with engine.begin() as connection:
        connection.execute(statement("erasure/done"), {"step": step, "ids": ids})


def _put_aside(task: Erasing, _: datetime) -> None:
    """Adds to what is put aside every name, address and number of theirs, in the base and in the lake."""
    import duckdb
    import pyarrow as pa

    folder = task.people.parent
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    shapes = pa.schema([(name, pa.string()) for name in COLUMNS])
    with duckdb.connect() as duck, task.house.engine.connect() as connection:
        duck.execute("set enable_progress_bar = false")
        duck.register("wanted", pa.table({"customer_id": pa.array(task.ids, pa.string())}))
        columns = [customer.c[name] for name in COLUMNS]
        rows = connection.execute(select(*columns).where(among(customer.c.customer_id, task.ids))).all()
        duck.register("base", pa.Table.from_pylist([dict(row._mapping) for row in rows], schema=shapes))
        duck.sql("create table known as from base")
        if task.people.exists():  # of others, whose erasure is not finished
            duck.execute("insert into known from read_parquet(?)", [str(task.people)])
        for path in task.house.lake.snapshots.glob("*/customers.parquet"):
            held = duck.read_parquet(str(path))
            if set(COLUMNS) <= set(held.columns):
                held.create_view("held")
                duck.execute(
                    f"insert into known select {', '.join(COLUMNS)} from held semi join wanted using (customer_id)"  # noqa: S608
                )
                duck.execute("drop view held")
        _write_people(task.people, duck.sql("select distinct * from known order by all"))


def _write_people(path: Path, rows: Any) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    rows.write_parquet(str(partial))
    partial.chmod(0o600)
    partial.replace(path)


def _put_away(house: House) -> None:
    """What was put aside of people whose erasure is finished goes; of those who only wait for the provider, all but
    the addresses that it must be told."""
    import duckdb
    import pyarrow as pa

    folder = house.out / FOLDER
    waiting = select(erasure.c.customer_id, erasure.c.done).where(erasure.c.finished_at.is_(None))
    with house.engine.connect() as connection:
        left = {row.customer_id: set(STEPS) <= set(row.done) for row in connection.execute(waiting)}
    path = Erasing(house, [], date.min).people
    if not left or not path.exists():
        shutil.rmtree(folder, ignore_errors=True)
        return
    with duckdb.connect() as duck:
        rows = {
            "customer_id": pa.array(list(left), pa.string()),
            "only_email": pa.array(list(left.values()), pa.bool_()),
        }
        duck.register("waiting", pa.table(rows))
        columns = ", ".join(
            name if name in ("customer_id", "email") else f"case when not only_email then {name} end as {name}"
            for name in COLUMNS
        )
        people = duck.read_parquet(str(path))
        people.create_view("people")
        _write_people(path, duck.sql(f"select distinct {columns} from people join waiting using (customer_id)"))  # noqa: S608


def _suppress(task: Erasing, at: datetime) -> None:
    key = task.house.mark_key
    with task.house.engine.begin() as connection:
        names = ", ".join(f"{name} text" for name in COLUMNS)
        connection.execute(text(f"create temp table known ({names}) on commit drop"))
        copy_parquet(connection, task.people, "known")
        connection.execute(statement("erasure/suppress"), {**key.pads, "key": key.id, "at": at})


def _tell_provider(house: House, found: Erased, ask: bool, say: Say) -> None:
    """Of everybody whose copy is still with the provider, as far as they are put aside."""
    waiting = select(erasure.c.customer_id).where(
        erasure.c.finished_at.is_(None), erasure.c.provider.is_(None), erasure.c.done.contains([SUPPRESSED])
    )
    with house.engine.connect() as connection:
        ids = list(connection.scalars(waiting.order_by(erasure.c.customer_id)))
    if not ids:
        return
    state = "skipped"
    if house.shop.sender.kind != "sendgrid":
        state = "none"
    elif ask:
        say("provider")
        if not house.access.password:
            found.provider = "HABITUE_SENDGRID_KEY is not set, nor HABITUE_SENDGRID_KEY_FILE"
            return
        jobs = EraseJobs(house.access.password, house.shop.sender.sendgrid.base_url)
        try:
            found.jobs = len(jobs.order(Erasing(house, ids, date.min).emails()))
        except SendError as error:
            found.provider = str(error)
            return
        state = "taken"
    with house.engine.begin() as connection:
        connection.execute(update(erasure).where(among(erasure.c.customer_id, ids)).values(provider=state))
