"""A house in which everything was done that leaves traces of people; made once, and copied for each test."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, create_engine, text

from habitue import customer_base, events, gathering, previews, reprints, runs
from habitue.database import connect, ensure_database, upgrade
from habitue.house import House
from habitue.journal import Journal
from habitue.rehearsal_page import rehearse_and_show
from habitue.reprints import Wanted
from test_runs import ON, STEPS, house_at, now

NEXT = ON + timedelta(days=1)


_MADE: list[Path] = []
"""Each module that borrows the fixture has one of its own; the house is made once."""


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory, exports: Path, server: URL) -> Path:
    if _MADE:
        return _MADE[0]
    out = tmp_path_factory.mktemp("lived")
    engine = connect(ensure_database(server, "habitue_lived"))
    upgrade(engine)
    house = house_at(out, exports, engine)
    for step in STEPS:
        getattr(customer_base, step)(house, ON)
    customer_base.load(house, ON, at=now())
    for campaign in ("quarterly_letter", "winback_calls"):
        shards = runs.plan(house, campaign, on=ON, at=now())
        for shard in shards:
            runs.render(house, shard)
        previews.write_previews(house, f"{campaign}:{ON}")
        for shard in shards:
            runs.deliver(house, shard, on=ON, now=now)
        rehearse_and_show(house, campaign, on=NEXT, at=now())
    spoilt = person(house, "letter")["customer_id"]
    theirs = one(house, "select run_id from message where channel = 'letter' and customer_id = :id", id=spoilt)
    again = Wanted(customer_id=spoilt)
    reprints.reprint(house, theirs, again, reason="spoilt", by="olga", on=ON, now=now)
    runs.report(house, on=ON)
    gathering.credited_purchases(house, at=now())
    with house.engine.begin() as connection:  # as a provider's sender, its webhook and the public pages leave it
        mailed = connection.execute(
            text("select message_id, email from message join customer using (customer_id) where channel = 'email'")
        ).all()
        connection.execute(
            text(
                "insert into preference (customer_id, language, fewer, since) select customer_id, 'en', true, :at "
                "from message where channel = 'call'"
            ),
            {"at": now() + timedelta(hours=1)},
        )
    claimed = [row.message_id for row in mailed]
    told = [
        {
            "event": "delivered",
            "email": row.email,
            "timestamp": int(now().timestamp()),
            "message_id": str(row.message_id),
        }
        for row in mailed
    ]
    events.store(house.engine, [(now(), json.dumps(told).encode())])
    events.apply(house.engine, key=house.mark_key, rules=house.shop.breaker, at=now())
    events.store(house.engine, [(now(), json.dumps(told[::-1]).encode())])  # and one more waits
    (out / "previews").mkdir()
    (out / "previews" / "quarterly-lapsed.fr.customer.txt").write_text(mailed[0].email)
    Journal(out / "runs" / "quarterly_letter" / str(ON) / "claims" / "email-001.log").add(claimed)
    customer_base.extract(house, NEXT)  # a night under way
    customer_base.validate(house, NEXT)
    house.engine.dispose()
    engine.dispose()
    _MADE.append(out)
    return out


@pytest.fixture
def town(tmp_path: Path, exports: Path, lived: Path, server: URL) -> Iterator[House]:
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("drop database if exists habitue_town with (force)"))
        connection.execute(text("create database habitue_town template habitue_lived"))
    admin.dispose()
    shutil.copytree(lived, tmp_path / "out", copy_function=shutil.copyfile)
    engine = connect(server.set(database="habitue_town"))
    house = house_at(tmp_path / "out", exports, engine)
    yield house
    house.engine.dispose()
    engine.dispose()


def one(house: House, question: str, **given: Any) -> Any:
    with house.engine.connect() as connection:
        return connection.execute(text(question), given).scalar()


def person(house: House, channel: str) -> dict[str, Any]:
    """Somebody with a message of this channel, of whom nobody else has the name, the street or the number."""
    with house.engine.connect() as connection:
        row = connection.execute(
            text(
                "select c.* from customer c join message m using (customer_id) where m.channel = :channel "
                "and m.state = 'accepted' and c.email is not null and c.street is not null and not exists ("
                "select from customer o where o.customer_id <> c.customer_id and (o.last_name = c.last_name "
                "and o.first_name = c.first_name or o.street = c.street or o.phone = c.phone)) order by 1 limit 1"
            ),
            {"channel": channel},
        ).mappings()
        return dict(row.one())
