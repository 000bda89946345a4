"""A town of former customers who may be called, and the list that was made of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine, insert, select, update

from habitue import call_lists, runs
from habitue.call_cards import Card
from habitue.call_desk import dial, finish, next_card
from habitue.call_endings import Ending, Finished
from habitue.deliveries import run_folder
from habitue.facts import FactsFile
from habitue.house import House
from habitue.kinds import Disposition
from habitue.plans import Base, plan, shards
from habitue.recipients import Run, recipients
from habitue.tables import State, call_line, consent, customer, message, segment, snapshot
from letter_town import house_of
from people import AT, ON, SECRET, SPRING, event, marked, person, standing
from test_plans import campaign

RUN = f"spring:{ON}"
PARIS = ZoneInfo("Europe/Paris")
TEN = datetime(2026, 10, 1, 10, 0, tzinfo=PARIS)
"""Thursday, when the list is made and the desk opens."""
NAMES = ("anna", "boris", "clara", "david", "emma")
"""The best customer first."""


def number(place: int) -> str:
    return f"+3319900{place:04}"


def former(name: str, place: int, **known: Any) -> dict[str, Any]:
    return person(name, phone=number(place), household=name, **known)


def move_in(engine: Engine, people: list[dict[str, Any]], *, agreed: datetime = SPRING) -> None:
    """Each worth a little less than the one before; all agreed in spring to be called."""
    with engine.begin() as connection:
        connection.execute(insert(customer), [marked(who) for who in people])
        stands = [
            standing(who["customer_id"], "lapsed", worth=90_000 - place, last=date(2025, 1, 1))
            for place, who in enumerate(people)
        ]
        connection.execute(insert(segment), stands)
        connection.execute(insert(consent), [event(who["customer_id"], "call", "granted", agreed) for who in people])
        connection.execute(
            insert(snapshot).values(snapshot_id=ON.isoformat(), taken_on=ON, manifest_sha256="0", loaded_at=AT)
        )


def planned(house: House, *, on: date = ON, at: datetime = AT, name: str = "spring", **changes: Any) -> list[str]:
    """Calls to all of them, with what is known of each; returns the shards."""
    given = {"window": {"days": 10}, "capacity": {"call": 10_000}} | changes
    wanted = campaign("call", name=name, **given).model_dump(mode="json")
    for treatment in wanted["treatments"].values():
        treatment["ways"] = [{"channel": "call", "template": "winback"}]
    made = type(campaign("call")).model_validate(wanted)
    base = Base(ON.isoformat(), Path("unused"), Path("unused"))
    done = plan(house.engine, made, on=on, at=at, shop=house.shop, base=base, secret=SECRET, price=lambda *_: 1_000)
    with house.engine.connect() as connection:
        ids = sorted(connection.scalars(select(customer.c.customer_id)))
    known = {
        "customer_id": ids,
        "last_day": [date(2025, 1, 1)] * len(ids),
        "lifetime_days": [9] * len(ids),
        "lifetime_cents": [90_000] * len(ids),
        "purchase_days": [0] * len(ids),
        "favourites": [["Thé noir de Ceylan"]] * len(ids),
    }
    folder = run_folder(house, Run.of(house.engine, done.run_id))
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(known), folder / "facts.parquet")
    return [str(shard) for shard in shards(house.engine, done.run_id)]


def handed_over(house: House, parts: list[str], *, at: datetime = AT) -> None:
    """The list is made: a workbook, and lines for the desk."""
    for part in parts:
        runs.render(house, part)
        runs.deliver(house, part, on=at.date(), now=lambda: at)


def opened(house: House, run_id: str = RUN, *, at: datetime = AT) -> None:
    """The same without the workbook, for a crowd."""
    facts = FactsFile(run_folder(house, Run.of(house.engine, run_id)) / "facts.parquet")
    for shard in shards(house.engine, run_id):
        people = list(recipients(house.engine, shard, facts=facts, shop=house.shop, states=[State.PLANNED]))
        call_lists.open_lines(house, run_id, people, at=at)
    with house.engine.begin() as connection:
        connection.execute(update(message).where(message.c.run_id == run_id).values(state=State.ACCEPTED))


@pytest.fixture
def house(base: Engine, tmp_path: Path) -> Iterator[House]:
    """Five former customers on a list that the desk has just got."""
    move_in(base, [former(name, place) for place, name in enumerate(NAMES)])
    found = house_of(base, tmp_path / "out")
    planned(found)
    opened(found)
    yield found
    found.engine.dispose()


def with_calls(house: House, **changes: Any) -> House:
    """The same house whose shop says otherwise of calls."""
    calls = house.shop.calls.model_copy(update=changes)
    made = replace(house, shop=house.shop.model_copy(update={"calls": calls}))
    vars(made)["engine"] = house.engine
    return made


def given(house: House, agent: str = "zoe", at: datetime = TEN) -> Card:
    found = next_card(house, agent, at)
    assert found is not None
    return found


def rung(house: House, how: Disposition, agent: str = "zoe", at: datetime = TEN, **said: Any) -> tuple[Card, Finished]:
    """The next customer is called, and it ends like this a minute later."""
    card = given(house, agent, at)
    made = dial(house, card.message_id, agent, at)
    return card, finish(house, made.attempt_id, agent, Ending(how, **said), at + timedelta(minutes=1))  # type: ignore[union-attr]


def line(house: House, customer_id: str) -> Any:
    with house.engine.connect() as connection:
        return connection.execute(select(call_line).where(call_line.c.customer_id == customer_id)).one()


def id_of(house: House, customer_id: str) -> UUID:
    return UUID(str(line(house, customer_id).message_id))


__all__ = ["UTC", "house"]
