"""One figure is one number: on home, on its page, in the run card, in the quarter's report and in every file."""

from __future__ import annotations

import csv
import html
import io
import re
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from habitue import quarterly_files, runs, trends
from habitue.cli import app
from habitue.figures import FIGURES, Cell, Told, told, write
from habitue.figures_in_words import written
from habitue.house import House
from habitue.kinds import Segment, Span
from habitue.measures import measures_of
from habitue.quarters import Quarter
from habitue.report import count
from habitue.verdicts import COLUMNS
from ops_site import Site
from test_ops_results import house as results_house
from test_results_reconcile import KNOWN, RUN, shop
from test_runs import ON, house, night, now

__all__ = ["house", "night", "results_house", "shop"]

AUTUMN, WINTER = Quarter(2026, 3), Quarter(2026, 4)
HEADLINES = (
    *(("attrition", Span.YEAR), ("basket", Span.YEAR), ("frequency", Span.YEAR)),
    *(("complaints", Span.QUARTER), ("slowing", Span.DAY)),
)


def plain(page: str) -> str:
    """What a reader sees of a page."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


def sheet(content: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.removeprefix("\ufeff")), delimiter=";"))


def stored(house: House) -> dict[tuple[str, str, str], Told]:
    """Of the day of the customer base: by figure, span and part."""
    rule, _ = trends.rule_of(house.shop.segments)
    with house.engine.connect() as connection:
        return {(one.name, one.span, one.part): one for one in told(connection, rule, ends=[ON])}


def test_home_page_run_card_report_and_files_have_the_figure_that_was_told(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    with house.engine.begin() as connection:
        connection.exec_driver_sql(
            "insert into complaint (customer_id, about, owner, opened_by, opened_at, due_at) "
            "select customer_id, 'x', 'o', 'o', '2026-07-09', '2026-07-10' from customer limit 7"
        )
    trends.refresh(house, at=now())
    rule, means = trends.rule_of(house.shop.segments)
    runs.report(house, on=ON)
    made = quarterly_files.make(house, WINTER, at=now())
    site = Site(house, now())
    home = plain(site.get("marc", "/home/", language="fr").text)
    card = plain((house.out / "report.html").read_text("utf-8"))
    report = plain((made.folder / f"quarterly-{WINTER}.fr.html").read_text("utf-8"))
    found = stored(house)
    for name, span in HEADLINES:
        one = cell_of_last_quarter(house, name) if span is Span.QUARTER else found[name, span, ""]
        shown = plain(written(one, house.shop))
        said = FIGURES[name].said("fr", means)
        figure_page = plain(site.get("marc", f"/figures/{name}?span={span}", language="fr").text)
        for where, page in (("home", home), ("card", card), ("report", report), ("page", figure_page)):
            assert shown in page, (name, where)
            assert rule in page, (name, where)
        assert plain(said.formula) in figure_page.replace("\u2019", "'")
        assert plain(said.formula) in card.replace("\u2019", "'")
    # The groups, and what home has no room for.
    retention, attrition = found["retention", Span.YEAR, ""], found["attrition", Span.YEAR, ""]
    assert (retention.value + attrition.value, retention.of) == (attrition.of, attrition.of)
    assert plain(written(retention, house.shop)) in plain(
        site.get("marc", "/figures/retention?span=year", language="fr").text
    )
    for group in Segment:
        if group is not Segment.PROSPECT:
            size = plain(count(found["size", Span.DAY, group].value, "fr"))
            for where, page in (("home", home), ("card", card), ("report", report)):
                assert size in page, (group, where)
    # And every cell of every file.
    monkeypatch.setenv("HABITUE_OUT", str(house.out))
    monkeypatch.setenv("HABITUE_DATABASE_URL", house.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("HABITUE_TODAY", ON.isoformat())
    out = house.out / "figures.csv"
    assert CliRunner().invoke(app, ["figures", "export", "--out", str(out)]).exit_code == 0
    files = {
        "terminal": sheet(out.read_text("utf-8")),
        "page": sheet(site.get("marc", "/figures/all/csv", language="fr").text),
        "report": sheet((made.folder / f"figures-{WINTER}.csv").read_text("utf-8")),
    }
    for where, rows in files.items():
        of_the_day = [row for row in rows if row["until"] == ON.isoformat() and row["figure"] != "cohorts"]
        read = {(row["figure"], row["span"], row["part"], row["to"]): row for row in of_the_day}
        assert len(read) == len([one for one in of_day(house) if one.name != "cohorts"]), where
        for one in of_day(house):
            if one.name != "cohorts":
                row = read[one.name, one.span, one.part, one.other]
                assert (row["value"], row["of"], row["rule"]) == (str(one.value), str(one.of), rule), (where, row)


def of_day(house: House) -> list[Told]:
    rule, _ = trends.rule_of(house.shop.segments)
    with house.engine.connect() as connection:
        return told(connection, rule, ends=[ON])


def cell_of_last_quarter(house: House, name: str) -> Told:
    """Of a quarter just begun there is nothing to say yet: the last whole one is shown."""
    rule, _ = trends.rule_of(house.shop.segments)
    with house.engine.connect() as connection:
        [found] = told(connection, rule, [name], spans=[Span.QUARTER], ends=[AUTUMN.last])
    return found


def test_a_runs_results_are_the_same_on_its_page_in_the_terminal_and_in_the_quarters_file(
    results_house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = results_house
    rule, _ = trends.rule_of(house.shop.segments)
    any_figure = Cell("attrition", Span.YEAR, date(2025, 9, 30), AUTUMN.last, "", "", 1, 20)
    with house.engine.begin() as connection:
        write(connection, [any_figure], rule=rule, snapshot_id=str(AUTUMN.last), at=KNOWN)
    monkeypatch.setenv("HABITUE_OUT", str(house.out))
    monkeypatch.setenv("HABITUE_DATABASE_URL", house.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("HABITUE_TODAY", KNOWN.date().isoformat())
    out = tmp_path / "results.csv"
    done = CliRunner().invoke(app, ["results", RUN, "--csv", str(out)])
    assert done.exit_code == 0, done.output
    site = Site(house, KNOWN)
    made = quarterly_files.make(house, AUTUMN, at=KNOWN)
    terminal = sheet(out.read_text("utf-8"))
    page = sheet(site.get("marc", f"/runs/{RUN}/results/csv", language="fr").text)
    report = sheet((made.folder / f"results-{AUTUMN}.csv").read_text("utf-8"))
    assert {row.pop("run") for row in report} == {RUN}
    assert len(terminal) > 50
    assert terminal == page == report
    assert all(row["definition"] and row["rules"] for row in terminal)
    assert set(terminal[0]) == set(COLUMNS)
    shown = plain(site.get("marc", f"/runs/{RUN}/results", language="fr").text)
    counted = measures_of(house.engine, RUN, known=KNOWN).all
    of_all = [row for row in terminal if row["segment"] == row["channel"] == "all"]
    whole = {row["figure"]: row["value"] for row in of_all if not (row["arm"] or row["restated"])}
    for figure in ("sent", "responses", "orders"):
        assert whole[figure] == str(getattr(counted, figure))
        assert plain(count(getattr(counted, figure), "fr")) in shown, figure
