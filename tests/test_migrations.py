"""A shop that has run the first version keeps all it had, and can go back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Engine, MetaData, Table, insert, select, text

from habitue import controls
from habitue.campaigns import Campaign
from habitue.database import MIGRATIONS, connect, ensure_database
from habitue.errors import LedgerError
from habitue.ledger import claim
from habitue.plans import Shard
from habitue.tables import Channel, State
from people import ANNA, AT, BORIS, ON, event, person, standing
from test_controls import CAPS, SHOP, run_of, tallies_are_right

MARCH = datetime(2026, 3, 2, 9, tzinfo=UTC)
RUN = "winback:2026-03-02"
SETTINGS = {
    "name": "winback",
    "title": {"fr": "Prendre des nouvelles"},
    "owner": "ops",
    "kind": "image",
    "schedule": {"cron": "0 8 5 * *"},
    "treatments": {
        "lapsed": {
            "ways": [{"channel": "email", "template": "winback/lapsed"}],
            "offer": {"text": {"fr": "Un thé offert."}, "valid_days": 60},
        }
    },
    "holdout": 0.1,
    "seed": "1",
    "pause_days": {"email": 5},
    "rest_days": 0,
}
"""A campaign as the first version kept it."""


def move(engine: Engine, to: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        step = command.downgrade if to == "back" else command.upgrade
        step(config, "0001" if to == "back" else to)


def reflected(engine: Engine) -> dict[str, Table]:
    found = MetaData()
    found.reflect(engine)
    return found.tables  # type: ignore[return-value]


def content(engine: Engine, names: dict[str, list[str]]) -> dict[str, list[Any]]:
    """The rows of these tables in these columns."""
    tables = reflected(engine)
    with engine.connect() as connection:
        return {
            name: sorted(
                (tuple(row) for row in connection.execute(select(*[tables[name].c[column] for column in columns]))),
                key=repr,
            )
            for name, columns in names.items()
        }


def shape(engine: Engine) -> dict[str, object]:
    """Columns, indexes and constraints."""
    with engine.connect() as connection:
        rows = connection.execute(
            text(
                "select 'column', table_name, column_name, data_type || is_nullable || coalesce(column_default, '') "
                "from information_schema.columns where table_schema = 'public' union all "
                "select 'index', tablename, indexname, indexdef from pg_indexes where schemaname = 'public' union all "
                "select 'check', conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint "
                "where connamespace = 'public'::regnamespace union all "
                "select 'function', '', proname, pg_get_functiondef(oid) from pg_proc "
                "where pronamespace = 'public'::regnamespace"
            )
        )
        return {f"{kind} {table}.{name}": rest for kind, table, name, rest in rows}


@pytest.fixture
def first_version(server: URL) -> Iterator[Engine]:
    """A base of the first version, in the middle of a run."""
    engine = connect(ensure_database(server, "habitue_migrations"))
    with engine.begin() as connection:
        connection.execute(text("drop schema public cascade"))
        connection.execute(text("create schema public"))
    move(engine, "0001")
    tables = reflected(engine)

    def old(name: str, row: dict[str, Any]) -> dict[str, Any]:
        return {column: value for column, value in row.items() if column in tables[name].c}

    counts = {"audience": 8, "planned": 6, "held_out": 1, "excluded": 1, "planned_at": MARCH}
    hashes = {"campaign_sha256": "0", "template_sha256": "0", "package_version": "0.0.1", "seed": "1"}
    named = {"run_id": RUN, "campaign": "winback", "on_date": date(2026, 3, 2), "snapshot_id": "2026-03-01"}
    wording = {"channel": "email", "segment": "lapsed", "language": "fr", "template": "winback/lapsed", "shard": 1}
    with engine.begin() as connection:
        for name, rows in {
            "customer": [person(ANNA), person(BORIS)],
            "segment": [standing(ANNA, "lapsed"), standing(BORIS, "lapsed")],
            "consent": [event(ANNA, "email", "granted", MARCH), event(BORIS, "email", "granted", MARCH)],
            "snapshot": [
                {"snapshot_id": "2026-03-01", "taken_on": date(2026, 3, 1), "manifest_sha256": "0", "loaded_at": MARCH}
            ],
            "run": [{**named, **counts, **hashes, "settings": SETTINGS}],
            "holdout": [{"run_id": RUN, "customer_id": "h", "segment": "lapsed", "channel": "email", "draw": 0.05}],
            "exclusion": [{"run_id": RUN, "customer_id": "e", "segment": "lapsed", "rule": "minor", "value": "16"}],
            "message": [
                {"message_id": f"00000000-0000-0000-0000-{number:012}", "run_id": RUN, "customer_id": who, **wording}
                | {"position": number, "state": state}
                for number, (who, state) in enumerate(zip([ANNA, BORIS, *"cdef"], State, strict=True), 1)
            ],
        }.items():
            connection.execute(insert(tables[name]), [old(name, row) for row in rows])
    yield engine
    engine.dispose()


def test_rows_survive_the_way_up_and_the_way_back(first_version: Engine) -> None:
    columns = {
        name: list(table.c.keys()) for name, table in reflected(first_version).items() if name != "alembic_version"
    }
    before, was = content(first_version, columns), shape(first_version)
    move(first_version, "head")
    assert content(first_version, columns) == before
    assert tallies_are_right(first_version)
    assert content(first_version, {"shard": ["messages", "accepted", "refused", "unknown", "cancelled"]}) == {
        "shard": [(6, 1, 1, 1, 1)]
    }
    assert content(first_version, {"consent": ["known_at"]}) == {"consent": [(MARCH,), (MARCH,)]}
    now = shape(first_version)
    move(first_version, "back")
    assert (content(first_version, columns), shape(first_version)) == (before, was)
    move(first_version, "head")
    assert (content(first_version, columns), shape(first_version)) == (before, now)


def test_what_an_old_run_had_left_over_leaves_when_a_person_has_looked_at_it(
    first_version: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Campaign, "template_files", lambda self, languages: {"copy": "0"})
    move(first_version, "head")
    part = Shard(RUN, Channel.EMAIL, 1)

    def claimed() -> Any:
        return claim(first_version, part, worker="one", on=ON, at=AT, shop=SHOP, caps=CAPS, most=10)

    assert claimed().shut == "late"
    with pytest.raises(LedgerError, match=f"{RUN} was planned by an older version: take it in first"):
        controls.resume(first_version, RUN, by="olga", at=AT)
    assert controls.accept(first_version, RUN, SHOP, by="olga", at=AT)
    assert claimed().shut == "unapproved"
    row = run_of(first_version, RUN)
    said = {"audience": str(row["audience_sha256"]), "content": str(row["content_sha256"])}
    assert controls.approve(first_version, RUN, by="olga", at=AT, **said).open == 0
    assert len(claimed().messages) == 1
    controls.check(first_version, part, SHOP)
