"""A town whose people get a real letter: twelve at home, one abroad, one whose name no font has."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine, insert, select, text

from habitue import runs
from habitue.deliveries import run_folder
from habitue.house import House
from habitue.limits import Insert
from habitue.plans import Base, plan, shards
from habitue.recipients import Run
from habitue.shop import LetterSettings
from habitue.tables import customer, segment, snapshot
from people import AT, ON, SECRET, marked, person, standing
from test_plans import campaign

RUN = f"spring:{ON}"
LOT_1, LOT_2 = (f"LOT-spring-{ON}-{number:03}" for number in (1, 2))

# By country, postcode, town, street, then id: not by name, and `zoe` shares a house with `yann`.
PLACES = {
    "anna": ("FR", "69003", "Lyon", "12 rue des Lilas"),
    "bruno": ("FR", "01000", "Bourg-en-Bresse", "3 place de l'Église"),
    "carla": ("FR", "69003", "Lyon", "1 rue des Lilas"),
    "denis": ("FR", "75011", "Paris", "40 rue Oberkampf"),
    "elsa": ("DE", "10115", "Berlin", "Invalidenstraße 5"),
    "fanny": ("FR", "33000", "Bordeaux", "8 quai des Chartrons"),
    "gael": ("FR", "33000", "Bègles", "8 quai des Chartrons"),
    "hana": ("FR", "13001", "Marseille", "2 rue Thubaneau"),
    "ines": ("FR", "06000", "Nice", "2 rue Droite"),
    "jules": ("FR", "59000", "Lille", "9 rue Basse"),
    "yann": ("FR", "97400", "Saint-Denis", "5 rue de Paris"),
    "zoe": ("FR", "97400", "Saint-Denis", "5 rue de Paris"),
}
IN_ORDER = ["elsa", "bruno", "ines", "hana", "gael", "fanny", "jules", "carla", "anna", "denis", "yann", "zoe"]
"""As the post sorts: Bègles before Bordeaux, whatever the accent."""
MEI = "mei"
"""Her name is written in characters that no font of ours has; she lives in Lille."""


def house_of(engine: Engine, out: Path) -> House:
    return House.of(
        {
            "HABITUE_SOURCE": "demo_shop",
            "HABITUE_OUT": str(out),
            "HABITUE_DATABASE_URL": engine.url.render_as_string(hide_password=False),
            "HABITUE_SECRET": SECRET.decode(),
        }
    )


def with_letters(house: House, **changes: Any) -> House:
    """The same house whose shop says otherwise of letters."""
    letters = LetterSettings.model_validate({**house.shop.letters.model_dump(), **changes})
    made = replace(house, shop=house.shop.model_copy(update={"letters": letters}))
    vars(made)["engine"] = house.engine
    return made


def with_inserts(house: House, **grams: float) -> House:
    """The same house whose shop has these to lay beside letters."""
    inserts = {name: Insert(grams=weight) for name, weight in grams.items()}
    made = replace(house, shop=house.shop.model_copy(update={"inserts": inserts}))
    vars(made)["engine"] = house.engine
    return made


def move_in(engine: Engine, *more: dict[str, Any]) -> None:
    people = [
        person(name, country=country, postcode=postcode, city=city, street=street)
        for name, (country, postcode, city, street) in PLACES.items()
    ]
    people += more
    with engine.begin() as connection:
        connection.execute(insert(customer), [marked(who) for who in people])
        connection.execute(insert(segment), [standing(who["customer_id"], "regular_heavy") for who in people])
        connection.execute(
            insert(snapshot).values(snapshot_id=ON.isoformat(), taken_on=ON, manifest_sha256="0", loaded_at=AT)
        )


def planned(house: House, *, at: datetime = AT, on: date = ON, inserts: tuple[str, ...] = ()) -> list[str]:
    """A letter to everyone, planned, with what is known of them; returns the shards."""
    wanted = campaign("letter", window={"days": 60}).model_dump(mode="json")
    for treatment in wanted["treatments"].values():
        treatment["ways"] = [{"channel": "letter", "template": "quarterly/regular_heavy"}]
        treatment["inserts"] = list(inserts)
    made = type(campaign("letter")).model_validate(wanted)
    base = Base(ON.isoformat(), Path("unused"), Path("unused"))
    done = plan(house.engine, made, on=on, at=at, shop=house.shop, base=base, secret=SECRET, price=lambda *_: 1_000)
    with house.engine.connect() as connection:
        ids = sorted(connection.scalars(select(customer.c.customer_id)))
    known = {
        "customer_id": ids,
        "last_day": [date(2026, 9, 1)] * len(ids),
        "lifetime_days": [9] * len(ids),
        "lifetime_cents": [90_000] * len(ids),
        "purchase_days": [5] * len(ids),
        "favourites": [["Thé noir de Ceylan"]] * len(ids),
    }
    folder = run_folder(house, Run.of(house.engine, done.run_id))
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(known), folder / "facts.parquet")
    return [str(shard) for shard in shards(house.engine, done.run_id)]


def sent(house: House, parts: list[str], *, now: Callable[[], datetime] = lambda: AT) -> None:
    for part in parts:
        runs.render(house, part)
    for part in parts:
        runs.deliver(house, part, on=now().date(), now=now)


@pytest.fixture
def house(base: Engine, tmp_path: Path) -> Iterator[House]:
    """A shop whose people have moved in, with lots of seven letters; nothing is planned."""
    move_in(base)
    found = house_of(base, tmp_path / "out")
    yield with_letters(found, lot=7)
    found.engine.dispose()


def manifest(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as table:
        return list(csv.DictReader(table, delimiter=";"))


def lots_of(house: House) -> list[Path]:
    return sorted(path for path in (house.out / "letters").glob("LOT-*") if path.is_dir())


def customers_by_letter(house: House) -> dict[str, str]:
    with house.engine.connect() as connection:
        return {str(one): who for one, who in connection.execute(text("select message_id, customer_id from message"))}
