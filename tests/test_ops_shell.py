"""The shell of the pages in Airflow's UI: roles, languages, files, tables that sort, filter, page and go out."""

from __future__ import annotations

import csv as csv_module
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from babel.messages.extract import extract_from_dir
from python_calamine import CalamineWorkbook
from sqlalchemy import Engine, insert, select

from habitue.house import House
from habitue.kinds import Audited
from habitue.shop import load_shop
from habitue.tables import Segment, audit, exclusion
from habitue.web.ops import assets, charts, shell, words
from habitue.web.ops.listing import Column, Filter, Listing
from habitue.web.ops.shell import Role, Visit, Visitor, role_of
from ops_site import Site
from people import AT, move_in

SHOP = load_shop()
LISTED = Listing(
    "exclusions",
    "report/exclusions",
    key="segment",
    title="Customers",
    columns=(
        Column("rule", "Customers", link=lambda here, row: here.url("rules", row["rule"])),
        Column("segment", "Pages", says=lambda here, value: here.words["segments"][value]),
        Column("customers", "Home", "count"),
    ),
    filters=(
        Filter("segment", "Pages", options=lambda here: [(one, here.words["segments"][one]) for one in Segment]),
        Filter("rule", "Customers"),
    ),
    sort="-customers",
    a_page=3,
)
RUN = "autumn:2026-10-01"


@pytest.fixture
def house(base: Engine, tmp_path: Path) -> Iterator[House]:
    move_in(base)
    url = base.url.render_as_string(hide_password=False)
    found = House.of({"HABITUE_DATABASE_URL": url, "HABITUE_OUT": str(tmp_path), "HABITUE_TODAY": "2026-10-01"})
    yield found
    found.engine.dispose()


def test_a_named_user_comes_before_roles_and_ops_before_manager() -> None:
    assert role_of("olga", ["user"], SHOP) is Role.OPS
    assert role_of("anna", ["viewer"], SHOP) is Role.AGENT
    assert role_of("vera", ["viewer"], SHOP) is Role.MANAGER
    assert role_of("vera", ["Viewer", "Op"], SHOP) is Role.OPS
    assert role_of("carl", ["somebody"], SHOP) is None


def test_the_language_is_the_choice_else_the_browsers_else_the_shops(house: House) -> None:
    site = Site(house, AT)
    assert "Rien ici" in site.get("olga", "/card", language="fr-CH, en;q=0.5").text
    assert "Nothing here" in site.get("olga", "/card", language="de, en;q=0.5").text
    assert "Rien ici" in site.get("olga", "/card", language="de").text  # the shop is in Lyon
    chosen = site.client.post(
        "/habitue/language",
        data={"language": "en", "back": "/habitue/runs/?x=1"},
        headers={"x-who": "olga", "sec-fetch-site": "same-origin"},
    )
    assert (chosen.status_code, chosen.headers["location"]) == (303, "/habitue/runs/?x=1")
    assert "Nothing here" in site.get("olga", "/card", language="fr").text


@pytest.mark.parametrize(
    "back", ["https://elsewhere.example/habitue/", "//elsewhere.example", "/habitue/\\x", "/other"]
)
def test_a_choice_of_language_leads_nowhere_else(house: House, back: str) -> None:
    headers = {"x-who": "olga", "sec-fetch-site": "same-origin"}
    answer = Site(house, AT).client.post("/habitue/language", data={"language": "en", "back": back}, headers=headers)
    assert answer.headers["location"] == "/habitue/"


def test_files_are_kept_for_ever_under_a_name_that_says_what_is_in_them(house: House) -> None:
    site = Site(house, AT)
    found = site.get("anna", f"/static/{assets.stamped('ops.css')}")
    assert found.status_code == 200
    assert "immutable" in found.headers["cache-control"]
    for name in ("ops.css", "ops.000000000000.css", "..%2fhome.html.j2", "LICENSES.0.md"):
        assert site.get("anna", f"/static/{name}").status_code == 404, name


def test_agents_come_in_at_their_desk_and_the_others_at_home(house: House) -> None:
    site = Site(house, AT)
    assert site.get("anna", "/").headers["location"] == "/habitue/desk/"
    assert site.get("vera-is-nobody", "/").status_code == 403
    assert site.get("marc", "/").headers["location"] == "/habitue/home/"


# Words ------------------------------------------------------------------------------------------------------------


KEYWORDS = {"say": None, "N_": None, "_": None, "gettext": None, "ngettext": (1, 2)}
NAMES = re.compile(r"\{\w+\}|%\(\w+\)\w")


OPTIONS = {"extensions": "jinja2.ext.i18n", "trimmed": "true", "newstyle_gettext": "true"}
IN_TEMPLATES = (words.LOCALE.parent, [("**.j2", "jinja2")], {"**.j2": OPTIONS})
IN_CODE: Any = (Path(words.__file__).parent, [("**.py", "python")], {})


def said(*where: Any) -> set[str]:
    """Every sentence that templates and code translate."""
    found = {
        message
        for folder, methods, options in where or (IN_TEMPLATES, IN_CODE)
        for _, _, message, _, _ in extract_from_dir(
            str(folder),
            method_map=methods,
            options_map=options,
            keywords=KEYWORDS,
        )
    }
    return {key(one) for one in found}


def key(sentence: str | tuple[str, ...]) -> str:
    return sentence if isinstance(sentence, str) else sentence[0]


def test_every_sentence_of_the_pages_is_there_in_french_and_none_that_nobody_says() -> None:
    known = {key(message.id) for file in words.files("fr") for message in words.read(file, "fr")}
    missing, idle = said() - known, known - said() - {""}
    assert not missing, "\n".join(f"msgid {one!r}" for one in sorted(missing))
    assert not idle, sorted(idle)


def test_translations_fill_in_the_same_names_and_are_said_once() -> None:
    seen: dict[str, str] = {}
    for file in words.files("fr"):
        for message in words.read(file, "fr"):
            ids = message.id if isinstance(message.id, tuple) else (message.id,)
            said_so = message.string if isinstance(message.string, tuple) else (message.string,)
            if not ids[0]:
                continue
            assert all(said_so), (file.name, ids)
            assert not message.fuzzy, (file.name, ids)
            for text in said_so:
                assert set(NAMES.findall(text)) == set(NAMES.findall(ids[-1])), ids
            assert seen.setdefault(ids[0], said_so[0]) == said_so[0], f"{ids[0]!r} is said in two ways"


def test_no_sentence_of_a_template_has_a_percent_sign_that_jinja_would_fill_in() -> None:
    french = {key(message.id): message.string for file in words.files("fr") for message in words.read(file, "fr")}
    for sentence in said(IN_TEMPLATES):
        for text in (sentence, *([french[sentence]] if isinstance(french[sentence], str) else french[sentence])):
            assert "%" not in NAMES.sub("", text).replace("%%", ""), text


# Listings -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def here(house: House) -> Visit:
    rows = [("minor", Segment.LAPSED, 4), ("=1+1", Segment.LAPSED, 3), ("deceased", Segment.PROSPECT, 2)]
    rows += [("deceased", Segment.LAPSED, 1), ("rest' or 1=1 --", Segment.REGULAR_HEAVY, 1)]
    people = [
        {"run_id": RUN, "customer_id": f"{rule}{segment}{n}", "segment": segment, "rule": rule}
        for rule, segment, number in rows
        for n in range(number)
    ]
    with house.engine.begin() as connection:
        connection.execute(insert(exclusion), people)
    return Visit(house, Visitor("olga", Role.OPS), AT, "/habitue", "en", "/habitue/x")


def shown(here: Visit, **asked: str) -> list[tuple[str, int]]:
    found = LISTED.show(here, asked, action="/x", run_id=RUN)
    return [(row["rule"], row["customers"]) for row in found.rows]


def test_a_listing_sorts_and_turns_round_and_pages(here: Visit) -> None:
    assert shown(here) == [("minor", 4), ("=1+1", 3), ("deceased", 2)]
    assert len(shown(here, page="2")) == 2
    assert shown(here, page="99") == shown(here, page="2")
    assert [number for _, number in shown(here, sort="customers")] == [1, 1, 2]
    assert shown(here, by="rule", page="1")[0][0] == "=1+1"
    for odd in ("x", "-", "rule; drop table run", "page"):
        assert shown(here, sort=odd, page=odd) == shown(here)


def test_a_listing_narrows_by_options_and_by_words(here: Visit) -> None:
    assert shown(here, segment="prospect") == [("deceased", 2)]
    assert shown(here, rule="DECE") == [("deceased", 2), ("deceased", 1)]
    assert shown(here, rule="' or 1=1") == [("rest' or 1=1 --", 1)]
    assert shown(here, rule="%") == []
    assert shown(here, segment="nobody") == shown(here)


def test_a_listing_is_one_form_with_its_words_escaped(here: Visit) -> None:
    found = LISTED.show(here, {"rule": "<b>"}, action="/habitue/x", run_id=RUN, kept={"run": "<i>"})
    environment = shell._environment(here.shop, "en")
    page = environment.from_string("{% from 'listing.html.j2' import listing with context %}{{ listing(found) }}")
    html = page.render(found=found)
    assert "<b>" not in html
    assert "Nothing is found." in html
    found = LISTED.show(here, {}, action="/habitue/x", run_id=RUN)
    html = page.render(found=found)
    assert html.count("<tr>") == 4
    assert 'href="/habitue/rules/rest%27%20or%201%3D1%20--"' in page.render(
        found=LISTED.show(here, {"page": "2"}, action="/x", run_id=RUN)
    )
    assert "1 to 3 of 5" in html


def test_all_rows_go_out_as_csv_and_xlsx_without_formulas_and_that_is_kept(here: Visit) -> None:
    def taken(kind: str, **asked: str) -> Path:
        return Path(LISTED.download(here, {"as": kind, **asked}, run_id=RUN).path)  # type: ignore[attr-defined]

    rows = list(csv_module.reader(io.StringIO(taken("csv").read_text("utf-8-sig")), delimiter=";"))
    assert rows[0] == ["Customers", "Pages", "Home"]
    assert len(rows) == 6
    assert rows[2][0] == "'=1+1"
    sheet = CalamineWorkbook.from_path(taken("xlsx", segment="lapsed")).get_sheet_by_index(0).to_python()
    assert [row[0] for row in sheet[1:]] == ["minor", "=1+1", "deceased"]
    assert [row[2] for row in sheet[1:]] == [4, 3, 1]
    with here.house.engine.connect() as connection:
        kept = connection.execute(
            select(audit.c.said_by, audit.c.what, audit.c.people).order_by(audit.c.audit_id)
        ).all()
    assert kept == [("olga", Audited.EXPORTED, 5), ("olga", Audited.EXPORTED, 3)]


def test_a_chart_is_a_picture_with_words_for_who_can_not_see_it() -> None:
    import altair as alt

    chart = alt.Chart(alt.Data(values=[{"a": "x", "b": 1}, {"a": "y", "b": 3}])).mark_bar().encode(x="a:N", y="b:Q")
    drawn = charts.svg(chart, title="Two <bars>", description="x 1, y 3", shop=SHOP)
    assert drawn.startswith("<svg ")
    assert 'role="img"' in drawn
    assert "<title>Two &lt;bars&gt;</title><desc>x 1, y 3</desc>" in drawn
    assert "<script" not in drawn
