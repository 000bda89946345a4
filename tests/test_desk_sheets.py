"""A list is worked off the desk: it goes out, comes back, and what is wrong with it is said row by row."""

from __future__ import annotations

import base64
import csv
import io
import re
from datetime import timedelta

from httpx import Response
from python_calamine import CalamineWorkbook
from sqlalchemy import select

from call_town import NAMES, RUN, TEN, house
from habitue.calls import FOLDER, read_words
from habitue.house import House
from habitue.tables import audit, call_attempt, call_line
from ops_site import FROM_THE_PAGE, WHO, Site

EVENING = TEN + timedelta(hours=8)
WORDS = read_words(FOLDER / "list.fr.yaml", "fr")


def taken_out(site: Site, house: House) -> list[dict[str, str]]:
    """The workbook goes to Gil; its rows, as they stand in the CSV beside it."""
    answer = site.post("olga", f"/desk/lists/{RUN}/export", to="gil", most=10)
    assert answer.status_code == 200, answer.text
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(answer.content)).get_sheet_by_index(0).to_python()
    assert len(sheet) == len(NAMES) + 1
    (file,) = (house.out / "calls").glob("*.csv")
    with file.open(encoding="utf-8-sig", newline="") as opened:
        return list(csv.DictReader(opened, delimiter=";"))


def worked(rows: list[dict[str, str]], *results: str | None, at: str = "01/10/2026 11:30") -> bytes:
    """The rows with these results written in, by Gil."""
    columns = WORDS["columns"]
    for row, result in zip(rows, results, strict=False):
        row[columns["disposition"]] = WORDS["dispositions"].get(result, [result or ""])[0]
        row[columns["called_at"]] = at if result else ""
    written = io.StringIO()
    table = csv.DictWriter(written, list(rows[0]), delimiter=";")
    table.writeheader()
    table.writerows(rows)
    return written.getvalue().encode("utf-8-sig")


def brought_back(site: Site, content: bytes, name: str = "list.csv") -> Response:
    headers = {WHO: "olga", "accept-language": "en", **FROM_THE_PAGE}
    files = {"file": (name, content)}
    found: Response = site.client.post("/habitue/desk/import", headers=headers, data={"by": "gil"}, files=files)
    return found


def test_a_list_goes_out_as_a_workbook_for_one_person_and_that_is_kept(house: House) -> None:
    site = Site(house, TEN)
    taken_out(site, house)
    with house.engine.connect() as connection:
        assert set(connection.scalars(select(call_line.c.assigned_to))) == {"gil"}
        (out,) = connection.execute(select(audit).where(audit.c.what == "exported")).all()
    assert (out.said_by, out.subject, out.people) == ("olga", RUN, len(NAMES))
    again = site.post("olga", f"/desk/lists/{RUN}/export", to="ben", most=10)
    assert again.status_code == 409
    assert "Nothing was left to give away" in again.text


def test_outcomes_come_back_once_and_errors_in_a_file_of_their_own(house: House) -> None:
    rows = taken_out(Site(house, TEN), house)
    content = worked(rows, "will_visit", "no_answer", None, "charmed", "do_not_call")
    site = Site(house, EVENING)
    page = brought_back(site, content).text
    assert "3 outcomes taken in" in page
    assert "the result is none of the list" in page
    link = re.search(r'download="errors-2026-10-01.csv" href="data:text/csv;base64,([^"]+)"', page)
    assert link
    errors = base64.b64decode(link[1]).decode("utf-8-sig")
    assert errors.count("unknown_result") == 1
    for name in NAMES:
        assert name not in errors.lower()
    with house.engine.connect() as connection:
        kept = connection.execute(select(call_attempt.c.disposition, call_attempt.c.agent)).all()
    assert sorted(row.disposition for row in kept) == ["do_not_call", "no_answer", "will_visit"]
    assert {row.agent for row in kept} == {"gil"}
    page = brought_back(site, content).text
    assert "0 outcomes taken in" in page
    assert re.search(r"<b>3</b><span>known before", page)
    with house.engine.connect() as connection:
        assert len(connection.execute(select(call_attempt)).all()) == 3


def test_what_is_no_list_of_ours_is_said_and_changes_nothing(house: House) -> None:
    site = Site(house, EVENING)
    for name, content in (
        ("list.pdf", b"%PDF"),
        ("list", b""),
        ("list.csv", b"a;b\r\n1;2\r\n"),
        ("list.csv", b""),
        ("list.csv", b"\xff\xfe\x00"),
        ("list.xlsx", b"PK\x03\x04 not a workbook"),
    ):
        answer = brought_back(site, content, name)
        assert answer.status_code == 422, name
        assert 'role="alert"' in answer.text
    with house.engine.connect() as connection:
        assert connection.execute(select(call_attempt)).all() == []


def test_only_supervisors_take_lists_out_and_bring_them_back(house: House) -> None:
    site = Site(house, TEN)
    for who in ("anna", "marc"):
        assert site.post(who, f"/desk/lists/{RUN}/export", to="x").status_code == 403
        assert site.get(who, "/desk/import").status_code == 403
        assert site.post(who, "/desk/import", by="x").status_code == 403
    assert "The worked list" in site.get("olga", "/desk/import").text


__all__ = ["house"]
