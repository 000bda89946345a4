"""Rows lose what names a person, and nothing else moves: workbooks that an agent has saved, tables, letters' lots."""

from __future__ import annotations

import csv
import re
import zipfile
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from habitue.binding import BindingError, blanked, extracted
from habitue.blanks import Sought, blank_csv, blank_rows, blank_table, empty_csv_rows, empty_workbook_rows
from habitue.calls import write_call_list
from habitue.persons import _cells
from test_calls import BORIS, ON, SHOP

ANNA, CLARA = uuid4(), uuid4()


def call_list(folder: Path) -> tuple[Path, Path]:
    rows = [
        replace(BORIS, message_id=str(ANNA), rank=1, name="Anna Perle"),
        replace(BORIS, message_id=str(CLARA), rank=2, name="Clara Onyx", script="Bonjour Clara Onyx"),
    ]
    book, table = folder / "calls.xlsx", folder / "calls.csv"
    write_call_list(rows, book, table, shop=SHOP, on=ON)
    return book, table


def as_excel_saves_it(book: Path) -> None:
    """Texts in one place of their own, and an agent's note beside each row."""
    with zipfile.ZipFile(book) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    strings: list[bytes] = []

    def shared(cell: re.Match[bytes]) -> bytes:
        if cell[2] not in strings:
            strings.append(cell[2])
        return b'<c%b t="s"><v>%d</v></c>' % (cell[1], strings.index(cell[2]))

    inline = re.compile(rb'<c([^>]*?) t="inlineStr"><is>(.*?)</is></c>', re.DOTALL)
    sheet = "xl/worksheets/sheet1.xml"
    parts[sheet] = inline.sub(shared, parts[sheet])
    assert len(strings) > 20
    parts["xl/sharedStrings.xml"] = b"<sst>" + b"".join(b"<si>%b</si>" % one for one in strings) + b"</sst>"
    with zipfile.ZipFile(book, "w") as new:
        for name, content in parts.items():
            new.writestr(name, content)


@pytest.mark.parametrize("saved", [False, True])
def test_annas_row_is_emptied_in_a_workbook_whoever_saved_it_last(tmp_path: Path, saved: bool) -> None:
    book, table = call_list(tmp_path)
    if saved:
        as_excel_saves_it(book)
    before = _cells(book, str(CLARA))
    assert "Clara Onyx" in before
    assert "Anna Perle" in _cells(book, str(ANNA))
    assert empty_workbook_rows(book, [str(ANNA)]) == 1
    with zipfile.ZipFile(book) as found:
        assert found.testzip() is None
        assert b"Perle" not in b"".join(found.read(name) for name in found.namelist())
    assert _cells(book, str(CLARA)) == before
    assert empty_workbook_rows(book, [str(ANNA)]) == 0
    assert empty_csv_rows(table, [str(ANNA)]) == 1
    with table.open(encoding="utf-8-sig", newline="") as file:
        assert [row[1] for row in csv.reader(file, delimiter=";")][1:] == ["Clara Onyx"]
    assert empty_csv_rows(table, [str(ANNA)]) == 0


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c", "\n", None]), st.sampled_from(["X@e.fr", "y@e.fr", None]))))
def test_only_rows_of_those_sought_change_and_no_row_moves(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str | None, str | None]]
) -> None:
    path = tmp_path_factory.mktemp("rows") / "customers.parquet"
    made = [{"customer_id": one, "email": email, "reason": "r", "last_name": "N"} for one, email in rows]
    names = ["customer_id", "email", "reason", "last_name"]
    pq.write_table(pa.Table.from_pylist(made, schema=pa.schema([(name, pa.string()) for name in names])), path)
    sought = Sought(["a"], ["x@e.fr"])

    def theirs(row: dict[str, str | None]) -> bool:  # who has no good id is known by the address
        return row["customer_id"] == "a" or (row["customer_id"] in ("\n", None) and row["email"] == "X@e.fr")

    changed = blank_table(path, sought)
    assert changed == sum(map(theirs, made))
    assert pq.read_table(path).to_pylist() == [
        {**row, "email": None, "last_name": None} if theirs(row) else row for row in made
    ]
    assert blank_table(path, sought) == 0
    assert not blank_rows(path, path.with_name("other"), sought)
    assert [one.name for one in path.parent.iterdir()] == ["customers.parquet"]


def test_the_shops_table_of_quarantined_rows_keeps_the_row_and_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "customers.csv"
    path.write_text(
        '\ufeff"customer_id";"email";"reason"\r\n"a";"x@e.fr";"id_conflict"\r\n"b";"x@e.fr";"r"\r\n', "utf-8"
    )
    path.chmod(0o600)
    assert blank_csv(path, Sought(["a"], ["x@e.fr"])) == 1
    with path.open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file, delimiter=";"))[1:] == [["a", "", "id_conflict"], ["b", "x@e.fr", "r"]]
    assert path.stat().st_mode & 0o777 == 0o600
    assert blank_csv(path, Sought(["a"], ["x@e.fr"])) == 0


def test_what_is_no_lot_of_ours_is_refused() -> None:
    for taken_apart in (blanked, extracted):
        with pytest.raises(BindingError):
            taken_apart(b"%PDF-1.7 of another program", [1])
