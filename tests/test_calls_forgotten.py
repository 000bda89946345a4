"""What the desk keeps of people is theirs to read, and is let go of; attempts go on counting, by number alone."""

from __future__ import annotations

from datetime import date, timedelta

from sqlalchemy import select

from call_town import RUN, TEN, given, house, rung
from habitue import call_imports, forgetting, persons
from habitue.forgetting import Erasing
from habitue.holdings import TABLES
from habitue.house import House
from habitue.kinds import Disposition
from habitue.persons import Person
from habitue.tables import call_attempt, call_line, complaint

__all__ = ["house"]


def test_notes_and_complaints_are_told_and_emptied_and_attempts_still_count(house: House) -> None:
    rung(house, Disposition.COMPLAINT, notes="Très déçue", complaint="Thé éventé")
    with house.engine.connect() as connection:
        asking = Person(house, connection, "anna")
        told = persons.base(asking, [name for name, rows in TABLES.items() if rows.by == "customer_id"], [])
    assert told["call_attempt"][0]["notes"] == "Très déçue"
    assert told["complaint"][0]["about"] == "Thé éventé"
    assert told["call_line"][0]["favourites"] == ["Thé noir de Ceylan"]
    emptied = {name: tuple(rows.emptied.split()) for name, rows in TABLES.items() if rows.emptied}
    forgetting.base(Erasing(house, ["anna"], date(2026, 10, 2)), emptied)
    with house.engine.connect() as connection:
        made = connection.execute(select(call_attempt)).one()
        listed = connection.execute(select(call_line).where(call_line.c.customer_id == "anna")).one()
        about = connection.execute(select(complaint)).one()
    assert (made.notes, made.disposition) == (None, "complaint")
    assert made.phone_mark is not None
    assert (listed.favourites, listed.timezone, listed.phone_mark, about.about) == (None, None, None, None)


def test_she_is_taken_out_of_every_list_that_was_given_away(house: House) -> None:
    book, _ = call_imports.export(house, RUN, to="paul", at=TEN)
    table = book.with_suffix(".csv")
    with house.engine.connect() as connection:
        assert len(persons.calls(Person(house, connection, "anna"))) == 2
    assert forgetting.calls(Erasing(house, ["anna"], date(2026, 10, 2))) == 2
    assert "Anna" not in table.read_text("utf-8-sig")
    assert "Boris" in table.read_text("utf-8-sig")


def test_whoever_was_erased_is_given_to_nobody(house: House) -> None:
    from habitue import erasures

    erasures.order(house.engine, ["anna"], rule="asked", by="ops", reason="x", at=TEN - timedelta(hours=1))
    assert given(house).customer_id == "boris"
