"""What the print shop gets: read back from the folder, the manifest against the pages."""

from __future__ import annotations

import csv
import hashlib
import re
import subprocess
from datetime import date
from pathlib import Path

import pypdfium2
import pytest
from sqlalchemy import insert, text, update

from habitue import runs
from habitue.deliveries import Desk
from habitue.house import House
from habitue.lots import COLUMNS, lot_name, sequence, sheet_code
from habitue.plans import Shard
from habitue.print_room import Letters
from habitue.settings import INCLUDE, SettingError
from habitue.shop import load_shop
from habitue.tables import consent, customer
from letter_town import (
    IN_ORDER,
    LOT_1,
    LOT_2,
    MEI,
    customers_by_letter,
    house,
    lots_of,
    manifest,
    move_in,
    planned,
    sent,
    with_inserts,
    with_letters,
)
from people import AT, KEY, ON, event, person

__all__ = ["house"]


def page_text(pdf: Path, page: int) -> str:
    return str(pypdfium2.PdfDocument(pdf)[page - 1].get_textpage().get_text_bounded())


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_texts_on_a_sheet_are_those_that_were_agreed() -> None:
    assert sequence(7, 123) == "L07-000123"
    assert sequence(107, 1) == "L107-000001"
    assert sheet_code(date(2026, 10, 1), sequence(7, 123), 2) == "20261001-L07-000123-02"
    assert lot_name("spring:2026-10-01", 7) == "LOT-spring-2026-10-01-007"


def test_a_lot_holds_what_the_print_shop_needs_and_its_sums_are_right(house: House) -> None:
    sent(house, planned(house))
    first, second = lots_of(house)
    assert [first.name, second.name] == [LOT_1, LOT_2]
    for lot in (first, second):
        names = {f"{lot.name}.pdf", "manifest.csv", "manifest-spreadsheet.csv", "README.txt", "SHA256SUMS"}
        assert set(files(lot)) == {*names, f"{lot.name}.done"}
        subprocess.run(["sha256sum", "--quiet", "--check", "SHA256SUMS"], cwd=lot, check=True)
        assert (lot / f"{lot.name}.done").read_text().split()[0] == digest(lot / "SHA256SUMS")
    with (first / "manifest.csv").open("rb") as file:
        raw = file.read()
    assert raw.startswith(b'"seq";"lot";"letter_id"')
    assert raw.count(b"\r\n") == raw.count(b"\n") == len(manifest(first)) + 1
    assert tuple(manifest(first)[0]) == COLUMNS


def test_a_name_in_capitals_is_spoken_in_small_letters_and_addressed_in_capitals(house: House) -> None:
    with house.engine.begin() as connection:
        capitals = {"first_name": "ANNA", "last_name": "DE LA TOUR"}
        connection.execute(update(customer).where(customer.c.customer_id == "anna").values(**capitals))
    sent(house, planned(house))
    (row,) = (
        row for lot in lots_of(house) for row in manifest(lot) if customers_by_letter(house)[row["letter_id"]] == "anna"
    )
    assert row["l1"] == "MADAME ANNA DE LA TOUR"
    (lot,) = (lot for lot in lots_of(house) if lot.name == row["lot"])
    page = page_text(lot / f"{lot.name}.pdf", int(row["first_page"])).replace("\u00a0", " ")
    assert "MADAME ANNA DE LA TOUR" in page
    assert "Chère Madame de la Tour," in page


def test_every_row_of_the_manifest_is_the_letter_on_its_page(house: House) -> None:
    house = with_inserts(house, A12=42.0, B7=2.5)
    sent(house, planned(house, inserts=("A12", "B7")))
    names = customers_by_letter(house)
    seen = []
    for number, lot in enumerate(lots_of(house), start=1):
        rows = manifest(lot)
        pdf = lot / f"{lot.name}.pdf"
        assert [int(row["seq"]) for row in rows] == list(range(1, len(rows) + 1))
        page = 1
        for row in rows:
            assert int(row["first_page"]) == page
            assert int(row["sheets"]) == -(-int(row["pages"]) // 2)
            said = page_text(pdf, page)
            assert row["letter_id"].replace("-", "")[:10].upper() in said
            assert sequence(number, int(row["seq"])) in said
            lines = [row[f"l{place}"] for place in range(1, 8) if row[f"l{place}"]]
            assert all(line in said for line in lines)
            assert row["barcode"] == sheet_code(ON, sequence(number, int(row["seq"])), 1)
            assert (row["lot"], row["envelope"], row["insert_codes"]) == (lot.name, "fr_dl_45", "A12+B7")
            assert float(row["weight_g"]) == 5 * int(row["sheets"]) + 5 + 44.5
            copy = INCLUDE / "templates/letters/quarterly/regular_heavy.fr.j2"
            assert row["template_version"] == f"quarterly/regular_heavy.fr@{digest(copy)[:12]}"
            assert row["pdf_sha256"] == digest(pdf)
            page += int(row["pages"])
            while page <= len(pypdfium2.PdfDocument(pdf)) and not page_text(pdf, page).strip():
                page += 1  # a blank back
            seen.append(names[row["letter_id"]])
        assert len(pypdfium2.PdfDocument(pdf)) == page - 1
    assert len(seen) == len(IN_ORDER)
    with house.engine.connect() as connection:
        kept = connection.execute(
            text(
                "select m.customer_id, l.number, t.seq, t.first_page, t.letter_mark = c.letter_mark "
                "from lot_letter t join lot l using (lot_id) join message m using (message_id) "
                "join customer c using (customer_id) order by l.number, t.seq"
            )
        ).all()
    assert [row[0] for row in kept] == seen
    assert all(row[4] for row in kept)


def test_letters_lie_as_the_post_sorts_them(house: House) -> None:
    sent(house, planned(house))
    names = customers_by_letter(house)
    rows = [row for lot in lots_of(house) for row in manifest(lot)]
    order = [names[row["letter_id"]] for row in rows]
    assert order == sorted(order, key=lambda who: IN_ORDER.index(who))
    assert [(row["country"], row["postcode"]) for row in rows] == sorted(
        (row["country"], row["postcode"]) for row in rows
    )


def test_neighbours_lie_together_however_their_town_is_written(house: House) -> None:
    """One street of Lyon, its number 9 before its 12, then the next, whatever capitals and accents people type."""
    where = {
        "anna": ("LYON", "12 Rue des Lilas"),
        "carla": ("Lyon", "9 rue des lilas"),
        "denis": ("lyon", "2 rue Zola"),
    }
    with house.engine.begin() as connection:
        for who, (city, street) in where.items():
            moved = update(customer).where(customer.c.customer_id == who)
            connection.execute(moved.values(postcode="69003", city=city, street=street))
    planned(house)
    with house.engine.connect() as connection:
        order = connection.scalars(text("select customer_id from message order by position")).all()
    assert [who for who in order if who in where] == ["carla", "anna", "denis"]


def test_no_lot_is_larger_than_the_shop_says_and_they_are_even(house: House) -> None:
    parts = planned(with_letters(house, lot=5))
    with house.engine.connect() as connection:
        sizes = connection.scalars(text("select messages from shard order by shard")).all()
    assert len(parts) == 3
    assert sizes == [4, 4, 4]


def test_whoever_can_t_be_printed_leaves_no_gap(house: House) -> None:
    lille = person(MEI, last_name="王", postcode="59000", city="Lille", street="1 rue Basse")
    with house.engine.begin() as connection:
        connection.execute(text("truncate customer, segment, snapshot"))
    move_in(house.engine, lille)
    sent(house, planned(house))
    names = customers_by_letter(house)
    rows = [row for lot in lots_of(house) for row in manifest(lot)]
    assert MEI not in {names[row["letter_id"]] for row in rows}
    for lot in lots_of(house):
        assert [int(row["seq"]) for row in manifest(lot)] == list(range(1, len(manifest(lot)) + 1))
    with house.engine.connect() as connection:
        states = connection.execute(text("select customer_id, state, reason from message where state <> 'accepted'"))
        assert [tuple(row) for row in states] == [(MEI, "refused", "missing_glyph")]


def test_made_again_every_file_is_the_same(house: House, tmp_path: Path) -> None:
    parts = planned(house)
    for part in parts:
        runs.render(house, part)
    folder = house.out / "runs" / "spring" / ON.isoformat() / "letters"
    once = files(folder)
    for part in parts:
        runs.render(house, part)
    assert files(folder) == once
    assert len([name for name in once if name.endswith(".pdf")]) == 2


def test_a_lot_that_left_is_not_made_again_by_whoever_renders_later(house: House) -> None:
    parts = planned(house)
    sent(house, parts)
    before = files(house.out)
    sent(house, parts)
    assert files(house.out) == before


def test_the_sheet_for_people_is_safe_to_open_and_the_one_for_machines_is_raw(house: House) -> None:
    with house.engine.begin() as connection:
        connection.execute(update(customer).where(customer.c.customer_id == "anna").values(first_name="=1+1"))
    sent(house, planned(house))
    rows = [row for lot in lots_of(house) for row in manifest(lot)]
    assert any("=1+1" in row["l1"] for row in rows)
    for lot in lots_of(house):
        with (lot / "manifest-spreadsheet.csv").open(newline="", encoding="utf-8-sig") as table:
            human = list(csv.DictReader(table, delimiter=";"))
        assert [row["letter_id"] for row in human] == [row["letter_id"] for row in manifest(lot)]
        assert not any(re.match(r"\s*[=+@-]", cell) for row in human for cell in row.values() if cell)


def test_the_readme_counts_what_is_there_and_says_whom_to_ring(house: House) -> None:
    house = with_inserts(with_letters(house, delimiter=","), A12=42.0)
    sent(house, planned(house, inserts=("A12",)))
    lot = lots_of(house)[0]
    said = (lot / "README.txt").read_bytes()
    assert b"\r\n" in said
    assert b"\n" not in said.replace(b"\r\n", b"")
    text_ = said.decode()
    count = len((lot / "manifest.csv").read_text().splitlines()) - 1
    for wanted in (
        f"Lettres     {count}, de L01-000001 à L01-{count:06}",
        f"Letters     {count}, from L01-000001 to L01-{count:06}",
        f"Feuilles    {count}",
        "220 x 110 mm",
        "window 100 x 45 mm, 20 mm from the right edge",
        "folds at 99 and 198 mm",
        f"A12 ({count})",
        'delimiter ","',
        "+33 1 99 00 01 00",
        digest(lot / f"{lot.name}.pdf"),
        f"{lot.name}.done",
    ):
        assert wanted in text_, wanted


def test_who_says_no_between_press_and_print_shop_leaves_no_gap_either(house: House) -> None:
    parts = planned(house)
    for part in parts:
        runs.render(house, part)
    with house.engine.begin() as connection:
        connection.execute(insert(consent), [event("bruno", "letter", "withdrawn", AT)])
    for part in parts:
        runs.deliver(house, part, on=ON, now=lambda: AT)
    names = customers_by_letter(house)
    first = lots_of(house)[0]
    assert "bruno" not in {names[row["letter_id"]] for row in manifest(first)}
    assert [int(row["seq"]) for row in manifest(first)] == list(range(1, len(manifest(first)) + 1))
    assert "PLACE DE L EGLISE" not in (first / "manifest.csv").read_text()


def test_the_mark_in_the_book_is_the_one_that_suppressions_have(house: House) -> None:
    (part, _) = planned(house)
    desk = Desk.of(house, Shard.parse(part))
    assert Letters(desk).bindery.key == KEY


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"hand_over": "ftp://host/x"}, "letters.hand_over"),
        ({"hand_over": "sftp://us:secret@host/x"}, "no password in an address"),
        ({"hand_over": "file:///x", "service": {"base_url": "https://x.example"}}, "hand_over or service"),
        ({"lot": 0}, "letters.lot"),
    ],
)
def test_a_wrong_setting_is_a_sentence(said: dict[str, object], why: str) -> None:
    with pytest.raises(SettingError, match=re.escape(why)) as error:
        load_shop(overrides={"letters": said})
    assert "secret" not in str(error.value)


def test_in_a_demonstration_nothing_leaves_the_folder_of_results(tmp_path: Path) -> None:
    source = tmp_path / "elsewhere.yaml"
    shipped = (INCLUDE / "sources" / "demo_shop.yaml").read_text("utf-8")
    source.write_text(shipped + "\nshop:\n  letters: {hand_over: 'sftp://print.example/in'}\n")
    settings = {"HABITUE_SOURCE": str(source), "HABITUE_DATA": str(tmp_path)}
    assert House.settings(settings).letters.hand_over == "sftp://print.example/in"
    assert House.settings({**settings, "HABITUE_TODAY": "2026-10-01"}).letters.hand_over is None
