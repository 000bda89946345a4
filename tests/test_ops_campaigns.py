"""The campaigns' pages: list, calendar, a run with its people, files and samples, and previews of any text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select, text, update

from habitue import dag_runs, run_samples
from habitue.campaigns import find_campaign
from habitue.dag_runs import DagRun
from habitue.funnels import Part
from habitue.holdings import place_of
from habitue.house import House
from habitue.kinds import Audited
from habitue.run_files import files, find
from habitue.tables import audit, customer, exclusion
from habitue.tables import run as runs
from habitue.web.ops.runs import steps
from lived_in import lived, town
from ops_site import Site
from people import AT, CLARA, ON, move_in
from test_plans import SHOP, planned

__all__ = ["lived", "town"]

RUN = f"quarterly_letter:{ON}"
NAUGHTY = "<script>alert(1)</script>{{ 7*7 }}\u202e'\";--"


class Balanced(HTMLParser):
    """Fails where elements are not closed in order."""

    VOID = frozenset(["meta", "link", "input", "img", "br", "hr", "wbr", "path", "rect", "circle"])

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        """Closed at once."""

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open, tag
            assert self.open.pop() == tag, (tag, self.getpos())


def well_formed(html: str) -> None:
    reader = Balanced()
    reader.feed(html)
    assert reader.open == []
    assert html.count("<h1>") == 1
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids)), ids


@pytest.fixture
def house(base: Engine, tmp_path: Path) -> Iterator[House]:
    """With the quarterly letter planned to the people of `people.py`."""
    move_in(base)
    planned(base, find_campaign("quarterly_letter", SHOP))
    url = base.url.render_as_string(hide_password=False)
    found = House.of({"HABITUE_DATABASE_URL": url, "HABITUE_OUT": str(tmp_path), "HABITUE_TODAY": "2026-10-01"})
    yield found
    found.engine.dispose()


@pytest.fixture
def site(house: House) -> Site:
    return Site(house, AT)


def noted(house: House) -> list[tuple[str, str, str | None, int | None]]:
    with house.engine.connect() as connection:
        rows = connection.execute(
            select(audit.c.said_by, audit.c.what, audit.c.subject, audit.c.people).order_by(audit.c.audit_id)
        )
        return [tuple(row) for row in rows]


PAGES = (
    *("/campaigns/", "/campaigns/calendar", "/campaigns/calendar?span=2026", "/campaigns/calendar?span=2031-Q2"),
    *("/runs/", f"/runs/{RUN}", f"/runs/{RUN}/excluded", f"/runs/{RUN}/samples", f"/runs/{RUN}/confirm/pause"),
    *("/campaigns/preview", "/campaigns/preview?template=calls/winback", "/dags/nobody"),
)


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_whole_in_both_languages(site: Site, path: str, language: str) -> None:
    answer = site.get("olga", path, language=language)
    assert answer.status_code in (200, 404)
    assert f'<html lang="{language}">' in answer.text
    well_formed(answer.text)


def test_a_manager_sees_figures_and_nobody(site: Site) -> None:
    for path in PAGES:
        answer = site.get("marc", path)
        if answer.status_code == 403:
            assert re.search("excluded|samples|confirm", path), path
            continue
        for known in ("anna", "boris", "clara", "@example"):
            if not path.startswith("/campaigns/preview"):  # whose sample persons have names, and do not exist
                assert known not in answer.text.lower(), (path, known)
    page = site.get("marc", f"/runs/{RUN}").text
    assert "/excluded" not in page
    assert "/samples" not in page
    assert "/confirm/" not in page
    assert site.get("marc", f"/runs/{RUN}/files/calls/x.csv").status_code == 403
    assert site.get("marc", "/campaigns/preview?template=calls/winback&customer=anna").status_code == 403
    assert site.get("marc", "/campaigns/preview?template=calls/winback").status_code == 200


def test_agents_come_to_none_of_them(site: Site) -> None:
    assert {site.get("anna", path).status_code for path in PAGES} == {403}


# The list and the calendar ------------------------------------------------------------------------------------------


def test_campaigns_are_told_with_their_next_and_last_run(site: Site) -> None:
    page = site.get("olga", "/campaigns/").text
    assert "The quarterly letter" in page
    assert f'href="/habitue/runs/quarterly_letter%3A{ON}"' in page
    assert 'class="airflow" href="/dags/quarterly_letter"' in page
    assert "when somebody starts it" in page  # the private evening


def test_image_and_product_are_told_apart_by_shape_and_word(site: Site) -> None:
    page = site.get("olga", "/campaigns/").text
    assert 'class="kind image"' in page
    assert re.search(r'class="kind product"><svg[^>]*>\s*<path', page)


def test_the_calendar_goes_from_quarter_to_quarter_and_to_the_year(site: Site) -> None:
    page = site.get("olga", "/campaigns/calendar").text
    for span in ("2026-Q3", "2027-Q1", "2026"):
        assert f'href="?span={span}"' in page
    assert "The quarterly letter" in page
    assert "no letter" in page  # to the occasional, light ones
    assert site.get("olga", "/campaigns/calendar?span=2026-Q9").status_code == 404


def test_the_calendar_is_a_list_too_that_narrows_and_goes_out_as_a_file(site: Site) -> None:
    page = site.get("olga", "/campaigns/calendar?span=2026-Q4&standing=past").text
    assert "1 to 1 of 1" in page
    file = site.get("olga", "/campaigns/calendar", **{"span": "2026-Q4", "standing": "past", "as": "csv"})
    assert "The quarterly letter" in file.text
    assert len(file.text.strip().splitlines()) == 2
    sheet = site.get("olga", "/campaigns/calendar", **{"as": "xlsx"})
    assert sheet.content.startswith(b"PK")


def test_an_empty_shop_is_told_what_to_do(base: Engine, tmp_path: Path) -> None:
    url = base.url.render_as_string(hide_password=False)
    house = House.of({"HABITUE_DATABASE_URL": url, "HABITUE_OUT": str(tmp_path), "HABITUE_TODAY": "2026-10-01"})
    site = Site(house, AT)
    assert "No run is planned yet: run a campaign" in site.get("olga", "/runs/").text
    assert "none yet" in site.get("olga", "/campaigns/").text
    assert "in include/campaigns/" in site.get("olga", "/campaigns/calendar?span=2019-Q1").text
    assert "Start the DAG" in site.get("olga", "/dags/quarterly_letter").text
    assert site.get("olga", f"/runs/{RUN}").status_code == 404
    house.engine.dispose()


def test_runs_sort_and_narrow_by_campaign_kind_and_state(site: Site) -> None:
    assert "1 to 1 of 1" in site.get("olga", "/runs/?campaign=quarterly_letter&kind=image&standing=open").text
    assert "Nothing is found." not in site.get("olga", "/runs/?campaign=nobody").text  # no such choice: all
    none = site.get("olga", "/runs/?kind=product").text
    assert "No run is planned yet" in none


# A run ---------------------------------------------------------------------------------------------------------------


def test_a_funnels_steps_and_what_they_lost_add_up() -> None:
    part = Part(
        *("lapsed", "email", ""),
        held_out=5,
        excluded=15,
        planned=80,
        waiting=1,
        in_hand=2,
        cancelled=3,
        refused=4,
        unknown=5,
        accepted=65,
        no_news=6,
        failed=7,
        arrived=52,
        opened=20,
        clicked=9,
    )
    found = steps(part)
    assert [step.number for step in found] == [100, 80, 70, 52, 9]
    for step, before in zip(found[1:], found, strict=False):
        assert step.number + sum(value for _, _, value in step.off) == before.number == step.before
    assert [step.name for step in steps(Part("", "", "", planned=3, waiting=3))] == [
        "audience",
        "planned",
        "left",
        "arrived",
    ]


def test_a_runs_page_adds_up_by_group_and_channel(site: Site) -> None:
    page = site.get("olga", f"/runs/{RUN}").text
    assert page.count('<tr><th scope="row">Total</th><td class="n">8</td>') == 2
    assert "From audience to outcome" in page
    whole = site.get("olga", f"/runs/{RUN}", **{"as": "csv"}).text.strip().splitlines()
    assert whole[0].lstrip("\ufeff").startswith('"Group"') or whole[0].lstrip("\ufeff").startswith("Group")
    assert len(whole) > 4


def test_a_large_run_is_counted_when_somebody_asks(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("habitue.funnels.LIVE", 3)
    assert "not counted yet" in site.get("marc", f"/runs/{RUN}").text
    assert site.post("marc", f"/runs/{RUN}/count").status_code == 303
    assert re.search(r"Counted 1.October.2026", site.get("marc", f"/runs/{RUN}").text)


def test_a_run_leads_to_its_dag_run_and_back(site: Site, house: House) -> None:
    assert 'class="airflow" href="/dags/quarterly_letter"' in site.get("olga", f"/runs/{RUN}").text
    dag_runs.note(house.engine, DagRun("quarterly_letter", "scheduled__2026-10-01T06:00:00+00:00"), RUN, at=AT)
    there = "/dags/quarterly_letter/runs/scheduled__2026-10-01T06%3A00%3A00%2B00%3A00"
    assert f'class="airflow" href="{there}"' in site.get("olga", f"/runs/{RUN}").text
    back = site.get("olga", there)
    assert (back.status_code, back.headers["location"]) == (303, f"/habitue/runs/quarterly_letter%3A{ON}")


# Whom it left out ---------------------------------------------------------------------------------------------------


def test_a_rule_leads_to_the_people_behind_it_and_that_is_written_down(site: Site, house: House) -> None:
    page = site.get("olga", f"/runs/{RUN}").text
    link = re.search(r'href="/habitue(/runs/[^"]+/excluded\?rule=objected)"', page)
    assert link
    people = site.get("olga", link[1]).text
    assert 'href="/habitue/customers/clara"' in people
    assert "Clara Exemple" in people
    assert "gilles" not in people
    assert noted(house) == [("olga", Audited.VIEWED, f"excluded {RUN}", 1)]


def test_taking_the_excluded_out_is_written_down_as_an_export(site: Site, house: House) -> None:
    file = site.get("olga", f"/runs/{RUN}/excluded", **{"as": "csv"})
    assert "clara" in file.text
    assert noted(house) == [("olga", Audited.EXPORTED, "excluded", 3)]


def test_who_could_not_be_reached_is_found_by_the_rule_of_the_channel(site: Site, house: House) -> None:
    row = {"run_id": RUN, "segment": "lapsed", "rule": "unreachable"}
    with house.engine.begin() as connection:
        connection.execute(insert(exclusion), [{**row, "customer_id": "emma", "value": "letter unreachable no_street"}])
    page = site.get("olga", f"/runs/{RUN}").text.replace("&amp;", "&")
    assert "excluded?rule=unreachable&reason=unreachable%3Ano_street" in page
    people = site.get("olga", f"/runs/{RUN}/excluded?rule=unreachable&reason=unreachable%3Ano_street").text
    assert "customers/emma" in people
    assert "customers/clara" not in people


def test_naughty_names_reasons_and_titles_are_text(site: Site, house: House) -> None:
    with house.engine.begin() as connection:
        connection.execute(update(customer).where(customer.c.customer_id == CLARA).values(first_name=NAUGHTY))
        connection.execute(update(exclusion).values(value=NAUGHTY))
        connection.execute(
            text("update run set settings = jsonb_set(settings, '{title,en}', to_jsonb(cast(:title as text)))"),
            {"title": NAUGHTY},
        )
        connection.execute(update(runs).values(state="paused", state_by=NAUGHTY, state_at=AT, state_reason=NAUGHTY))
    dag_runs.note(house.engine, DagRun("quarterly_letter", NAUGHTY), RUN, at=AT)
    for path in (*PAGES, f"/runs/{RUN}?segment={NAUGHTY}", f"/campaigns/preview?template={NAUGHTY}&sample={NAUGHTY}"):
        page = site.get("olga", path).text
        assert not re.search(r"<script(?! src=)", page), path
        well_formed(page)
    assert "{{ 7*7 }}" in site.get("olga", f"/runs/{RUN}").text


# Files and samples -------------------------------------------------------------------------------------------------


def test_the_files_of_a_run_are_those_it_made_and_no_path_leads_elsewhere(town: House) -> None:
    found = files(town, RUN)
    kinds = {file.kind for file in found}
    assert {"letters", "manifest", "spreadsheet", "readme", "sums"} <= kinds
    assert {file.kind for file in files(town, f"winback_calls:{ON}")} >= {"call_list"}
    assert all(find(town, RUN, file.key) == file for file in found)
    for key in ("../secret.key", "calls/../../secret.key", "/etc/passwd", "", "samples/"):
        assert find(town, RUN, key) is None
    for run_id in ("..:..", "../x:2026-10-01", "*:*", "x", "", "quarterly_letter:../../.."):
        assert files(town, run_id) == []


def test_what_is_taken_out_is_written_down(town: House) -> None:
    site = Site(town, AT)
    page = site.get("olga", f"/runs/{RUN}").text
    links = re.findall(r'href="/habitue(/runs/[^"]+/files/[^"]+)"', page)
    assert len(links) >= 5
    taken = site.get("olga", links[0])
    assert taken.content.startswith(b"%PDF")
    assert "attachment" in taken.headers["content-disposition"]
    assert noted(town)[-1][:2] == ("olga", Audited.EXPORTED)
    for path in ("calls%2F..%2F..", "..%2F..", "x"):
        assert site.get("olga", f"/runs/{RUN}/files/{path}/secret.key").status_code == 404


def test_samples_are_made_while_the_page_says_how_far_it_is(town: House, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(town, AT)
    monkeypatch.setattr(run_samples, "MOST", 1)
    page = site.get("olga", f"/runs/{RUN}/samples").text
    assert "samples are not made yet" in page
    assert run_samples.begin(town, RUN)
    waiting = site.get("olga", f"/runs/{RUN}/samples").text
    assert '<meta http-equiv="refresh" content="2">' in waiting
    assert '<progress id="made" value="0" max="2">' in waiting
    assert not run_samples.begin(town, RUN)  # once is enough
    run_samples.make(town, RUN)
    made = site.get("olga", f"/runs/{RUN}/samples").text
    assert "http-equiv" not in made
    assert noted(town)[-1][:4] == ("olga", Audited.VIEWED, f"samples {RUN}", 2)
    picture = re.search(r'<img src="/habitue([^"]+)"', made)
    mail = re.search(r'<iframe src="/habitue([^"]+)" title="[^"]+" sandbox=""', made)
    assert picture
    assert mail
    assert site.get("olga", picture[1]).content.startswith(b"\x89PNG")
    shown = site.get("olga", mail[1])
    assert "sandbox" in shown.headers["content-security-policy"]
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    calls = f"winback_calls:{ON}"
    assert run_samples.begin(town, calls)
    run_samples.make(town, calls)
    assert "<pre" in site.get("olga", f"/runs/{calls}/samples").text


def test_samples_stand_where_an_erasure_and_retention_look(town: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_samples, "MOST", 1)
    run_samples.make(town, RUN)
    made = run_samples.samples(town, RUN)
    assert all(one.made for one in made)
    assert {place_of(one.file.relative_to(town.out).as_posix()) for one in made} == {"samples"}
    assert {one.file.stat().st_mode & 0o077 for one in made} == {0}


# Previews ----------------------------------------------------------------------------------------------------------


def test_a_letter_a_mail_and_a_script_are_shown_in_each_language(site: Site) -> None:
    letter = site.get("olga", "/campaigns/preview?template=letters/quarterly/lapsed&sample=anna").text
    assert letter.count("/campaigns/preview/letter.png?") == 2
    mail = site.get("olga", "/campaigns/preview?template=emails/quarterly/lapsed&sample=anna&in=fr").text
    assert mail.count("<iframe") == 1
    assert 'sandbox=""' in mail
    assert "<pre" in site.get("olga", "/campaigns/preview?template=calls/winback&sample=anna").text


def test_a_preview_is_a_picture_a_pdf_and_a_mail_that_runs_nothing(site: Site) -> None:
    asked = "template=letters/quarterly/lapsed&sample=anna&in=en"
    assert site.get("olga", f"/campaigns/preview/letter.png?{asked}").content.startswith(b"\x89PNG")
    assert site.get("olga", f"/campaigns/preview/letter.pdf?{asked}").content.startswith(b"%PDF")
    mail = site.get("olga", "/campaigns/preview/mail?template=emails/quarterly/lapsed&in=fr")
    assert "sandbox" in mail.headers["content-security-policy"]
    for wrong in ("letter.png?template=emails/quarterly/lapsed", "mail?template=x", "letter.pdf?template=letters/x"):
        assert site.get("olga", f"/campaigns/preview/{wrong}").status_code == 404


def test_a_preview_for_a_customer_is_written_down(town: House) -> None:
    site = Site(town, AT)
    with town.engine.connect() as connection:
        who = connection.scalar(select(customer.c.customer_id).where(customer.c.last_name.is_not(None)).limit(1))
    page = site.get("olga", f"/campaigns/preview?template=emails/quarterly/lapsed&in=fr&customer={who}")
    assert page.status_code == 200
    assert noted(town)[-1][:3] == ("olga", Audited.VIEWED, "preview")
    assert site.get("olga", "/campaigns/preview?template=emails/quarterly/lapsed&customer=nobody").status_code == 404
