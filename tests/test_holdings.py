"""Every column of the base and every file of a house is known: it holds something of people, or it is free of it."""

from __future__ import annotations

from sqlalchemy import Engine, text

from habitue.dossiers import write_dossier
from habitue.holdings import FREE_TABLES, HOLDINGS, TABLES, place_of
from habitue.house import House
from habitue.tables import metadata
from lived_in import lived, person, town
from test_runs import now

__all__ = ["lived", "town"]


def test_every_column_of_the_base_is_declared(migrated: Engine) -> None:
    """Decide in holdings.py what a new one holds of people, and what an erasure does to it."""
    with migrated.connect() as connection:
        rows = connection.execute(
            text("select table_name, column_name from information_schema.columns where table_schema = 'public'")
        ).all()
    there: dict[str, set[str]] = {}
    for table, column in rows:
        there.setdefault(table, set()).add(column)
    declared = {name: rows.columns for name, rows in TABLES.items()}
    declared |= {name: set(columns.split()) for name, columns in FREE_TABLES.items()}
    assert there == declared


def test_what_is_emptied_may_be_empty_and_what_leads_to_a_person_is_a_column() -> None:
    for name, rows in TABLES.items():
        table = metadata.tables[name]
        assert rows.by in table.c
        assert all(table.c[column].nullable for column in rows.emptied.split())
        assert not set(rows.emptied.split()) & set(rows.stay.split())


def test_every_file_of_a_house_is_declared(town: House) -> None:
    """Decide in holdings.py what a new one holds of people, how it is told to them, and how it lets go of them."""
    write_dossier(town, person(town, "letter")["customer_id"], at=now())
    names = [str(path.relative_to(town.out)) for path in town.out.rglob("*") if path.is_file()]
    assert [name for name in names if place_of(name) is None] == []
    used = {place_of(name) for name in names}
    assert {holding.name for holding in HOLDINGS if holding.files} <= used
    assert place_of("anything/else.csv") is None


def test_holdings_have_names_of_their_own() -> None:
    names = [holding.name for holding in HOLDINGS]
    assert len(names) == len(set(names))
