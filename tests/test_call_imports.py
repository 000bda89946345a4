"""A list is worked off the desk: whom it takes away, and how its outcomes come back."""

from __future__ import annotations

import csv
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from call_town import NAMES, PARIS, RUN, TEN, given, house, id_of, line
from habitue import call_board, call_imports, call_lists
from habitue.call_desk import next_card
from habitue.call_imports import export, take_in
from habitue.errors import LedgerError, SourceError
from habitue.house import House
from habitue.tables import call_attempt, consent, message, outcome
from people import event
from test_call_desk import rows

__all__ = ["house"]

EVENING = datetime(2026, 10, 1, 19, 0, tzinfo=PARIS)


def worked(book: Path, **told: dict[str, str]) -> Path:
    """The exported CSV with what an agent wrote into the rows of these customers, by heading."""
    table = book.with_suffix(".csv")
    with table.open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file, delimiter=";"))
    for row in lines:
        row.update(told.get(row["Nom"].split()[0].lower(), {}))
    done = table.with_name("worked.csv")
    with done.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(lines[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(lines)
    return done


def said(how: str, at: str = "01/10/2026 11:00", **more: str) -> dict[str, str]:
    return {"Résultat": how, "Appelé le (jour et heure)": at, "Appelé par": "paul", **more}


def test_who_is_given_away_is_not_given_at_the_desk(house: House) -> None:
    card = given(house)
    book, written = export(house, RUN, to="paul", at=TEN, most=3)
    assert (written, book.suffix, book.with_suffix(".csv").exists()) == (3, ".xlsx", True)
    assert [line(house, name).assigned_to for name in NAMES] == [None, "paul", "paul", "paul", None]
    assert card.customer_id == "anna"
    assert given(house, "yann").customer_id == "emma"
    assert next_card(house, "xena", TEN) is None
    with pytest.raises(LedgerError, match="no line to give away"):
        export(house, RUN, to="nina", at=TEN)


def test_the_outcomes_come_back_with_all_that_follows_and_twice_counts_once(house: House) -> None:
    book, _ = export(house, RUN, to="paul", at=TEN)
    done = worked(
        book,
        anna=said("Passera à la boutique", Notes="Samedi"),
        boris=said("pas de réponse", "01/10/2026 11:10"),
        clara=said("Ne plus appeler", "2026-10-01 11:20"),
        david=said("Bonne conversation", "01/10/2026 11h30", **{"Raison du départ": "Prix"}),
    )
    found = take_in(house, done, by="paul", at=EVENING)
    assert (found.read, found.new, found.known, found.empty, found.problems, found.unlawful) == (5, 4, 0, 1, [], [])
    assert found.errors is None
    again = take_in(house, done, by="paul", at=EVENING)
    assert (again.new, again.known, again.empty) == (0, 4, 1)
    kept = {one.customer_id: one for one in rows(house, call_attempt)}
    assert {who: (one.disposition, one.source, one.agent) for who, one in kept.items()} == {
        "anna": ("will_visit", "import", "paul"),
        "boris": ("no_answer", "import", "paul"),
        "clara": ("do_not_call", "import", "paul"),
        "david": ("reached_courtesy", "import", "paul"),
    }
    assert (kept["anna"].notes, kept["anna"].dialled_at) == ("Samedi", datetime(2026, 10, 1, 11, 0, tzinfo=PARIS))
    assert [one.customer_id for one in rows(house, consent, status="withdrawn")] == ["clara"]
    assert line(house, "boris").not_before == datetime(2026, 10, 2, 11, 10, tzinfo=PARIS)
    assert call_board.board(house, EVENING).reasons == {"price": 1}


def test_a_call_that_the_law_did_not_allow_is_kept_and_shown(house: House) -> None:
    book, _ = export(house, RUN, to="paul", at=TEN)
    done = worked(book, anna=said("Passera à la boutique", "01/10/2026 13:30"))
    found = take_in(house, done, by="paul", at=EVENING)
    assert [(one.rule, one.reference) for one in found.unlawful] == [("outside_hours", str(id_of(house, "anna")))]
    [kept] = rows(house, call_attempt)
    assert (kept.barrier, kept.disposition) == ("outside_hours", "will_visit")
    assert call_board.board(house, EVENING).lists[0].unlawful == 1
    assert found.errors
    assert "outside_hours" in found.errors.read_text("utf-8-sig")


def test_a_refusal_that_came_after_the_call_makes_no_breach_of_it(house: House) -> None:
    book, _ = export(house, RUN, to="paul", at=TEN)
    with house.engine.begin() as connection:
        connection.execute(insert(consent), [event("anna", "call", "withdrawn", EVENING, direct=True)])
    done = worked(book, anna=said("Passera à la boutique"), boris=said("Passera à la boutique"))
    assert take_in(house, done, by="paul", at=EVENING + timedelta(hours=1)).unlawful == []


@pytest.mark.parametrize(
    ("told", "rule"),
    [
        (said("Peut-être"), "unknown_result"),
        (said("Pas de réponse", ""), "no_moment"),
        (said("Pas de réponse", "hier"), "bad_moment"),
        (said("Pas de réponse", "31/02/2026 10:00"), "bad_moment"),
        (said("Pas de réponse", "02/10/2026 11:00"), "in_the_future"),
        (said("Pas de réponse", "01/09/2026 11:00"), "before_list"),
        (said("Pas de réponse", **{"Raison du départ": "Trop loin"}), "unknown_reason"),
        (said("Pas de réponse", Notes="x" * 5000), "note_too_long"),
        (said("Pas de réponse", Référence="12"), "unknown_reference"),
        (said("Pas de réponse", Référence="00000000-0000-0000-0000-000000000000"), "unknown_reference"),
    ],
)
def test_a_row_that_is_wrong_is_named_and_others_are_taken_in(house: House, told: dict[str, str], rule: str) -> None:
    book, _ = export(house, RUN, to="paul", at=TEN)
    found = take_in(house, worked(book, anna=told, boris=said("Occupé")), by="paul", at=EVENING)
    assert [(one.row, one.rule) for one in found.problems] == [(2, rule)]
    assert [one.customer_id for one in rows(house, call_attempt)] == ["boris"]
    assert found.errors
    text = found.errors.read_text("utf-8-sig")
    assert rule in text
    assert "Exemple" not in text


def test_a_callback_that_is_not_lawful_is_kept_as_one_without_a_moment(house: House) -> None:
    book, _ = export(house, RUN, to="paul", at=TEN)
    agreed = {"À rappeler le (jour et heure)": "03/10/2026 10:00"}  # a Saturday
    found = take_in(house, worked(book, anna=said("Rendez-vous pris", **agreed)), by="paul", at=EVENING)
    assert [(one.rule, one.row) for one in found.changed] == [("callback_unlawful", 2)]
    [kept] = rows(house, call_attempt)
    assert kept.disposition == "callback_later"


def test_a_list_that_comes_back_after_its_end_still_counts(house: House) -> None:
    book, _ = export(house, RUN, to="paul", at=TEN)
    done = worked(book, anna=said("Passera à la boutique"), boris=said("Pas de réponse"))
    later = datetime(2026, 10, 12, 9, 0, tzinfo=PARIS)
    assert call_lists.expire(house, later)["released"] == 5  # type: ignore[index]
    take_in(house, done, by="paul", at=later + timedelta(hours=1))
    assert {name: line(house, name).status for name in NAMES[:3]} == {
        "anna": "done",
        "boris": "not_reached",
        "clara": "released",
    }
    told = {one.customer_id: one.state for one in rows(house, message)}
    assert (told["anna"], told["boris"], told["clara"]) == ("accepted", "accepted", "cancelled")
    last = max(rows(house, outcome, message_id=id_of(house, "anna")), key=lambda one: one.occurred_at)
    assert last.kind == "reached"


def test_the_workbook_itself_comes_back(house: House) -> None:
    """As a spreadsheet saves it: a real date, and the words of the drop-down list."""
    import xlsxwriter

    book, _ = export(house, RUN, to="paul", at=TEN)
    cells: list[list[Any]] = list(call_imports._xlsx(book))
    heading = [str(cell) for cell in cells[0]]
    again = book.with_name("saved.xlsx")
    with xlsxwriter.Workbook(str(again)) as saved:
        sheet = saved.add_worksheet("Appels")
        moment = saved.add_format({"num_format": "dd/mm/yyyy hh:mm"})
        for number, row in enumerate(cells):
            for place, cell in enumerate(row):
                sheet.write(number, place, str(cell))
        sheet.write(1, heading.index("Résultat"), "Passera à la boutique")
        called = datetime(2026, 10, 1, 11, 5)  # noqa: DTZ001 - a cell knows no time zone
        sheet.write_datetime(1, heading.index("Appelé le (jour et heure)"), called, moment)
    found = take_in(house, again, by="paul", at=EVENING)
    assert (found.read, found.new, found.empty, found.problems) == (5, 1, 4, [])
    [kept] = rows(house, call_attempt)
    assert (kept.customer_id, kept.dialled_at, kept.agent) == ("anna", called.replace(tzinfo=PARIS), "paul")


def test_what_is_no_list_is_refused(house: House, tmp_path: Path) -> None:
    for name, content in (("a.csv", b"x;y\n1;2\n"), ("b.xlsx", b"nothing"), ("c.csv", b"\xff\xfe\x00")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(SourceError, match=name):
            take_in(house, tmp_path / name, by="paul", at=EVENING)
    with pytest.raises(SourceError, match="no such file"):
        take_in(house, tmp_path / "nowhere.csv", by="paul", at=EVENING)


def test_the_fourth_attempt_off_the_desk_is_the_last(house: House) -> None:
    book, _ = export(house, RUN, to="paul", at=TEN)
    friday = datetime(2026, 10, 9, 19, 0, tzinfo=PARIS)
    for day in ("01", "02", "05", "06", "07"):
        told = worked(book, anna=said("Pas de réponse", f"{day}/10/2026 11:00"))
        found = take_in(house, told, by="paul", at=friday)
        assert [one.rule for one in found.unlawful] == (["attempts_used"] if day == "07" else [])
    assert (line(house, "anna").status, line(house, "anna").attempts) == ("not_reached", 5)
