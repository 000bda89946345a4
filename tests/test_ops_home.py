"""Home and the pages of figures: what a manager reads, what only marketing ops see, and that all say the same."""

from __future__ import annotations

import csv
import io
import re
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, select, update

from habitue import agenda, controls, figures, runs, trends
from habitue.figures import FIGURES, Told
from habitue.figures_in_words import written
from habitue.headlines import headlines
from habitue.house import House
from habitue.kinds import Audited
from habitue.tables import audit, figure, run
from habitue.web.ops.flow import flow, spark
from ops_site import Site
from test_figures import next_night
from test_runs import ON, house, night, now  # noqa: F401 - fixtures

SEPTEMBER = date(2026, 9, 30)


@pytest.fixture
def told(house: House) -> House:  # noqa: F811
    """A shop after its first night, with its figures."""
    trends.refresh(house, at=now())
    return house


@pytest.fixture
def site(told: House) -> Site:
    return Site(told, now())


def words(html: str) -> str:
    """What is read: no tags, no style."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", re.sub(r"<(style|script).*?</\1>", "", html, flags=re.S)))


def cell(house: House, name: str, span: str, ends: date, part: str = "", other: str = "") -> Told:  # noqa: F811
    rule, _ = trends.rule_of(house.shop.segments)
    with house.engine.connect() as connection:
        found = figures.told(connection, rule, [name], spans=[span], ends=[ends])
    return next(one for one in found if (one.part, one.other) == (part, other))


@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_new_installation_says_what_to_do(base: Engine, tmp_path: Path, language: str) -> None:
    url = base.url.render_as_string(hide_password=False)
    empty = House.of({"HABITUE_DATABASE_URL": url, "HABITUE_OUT": str(tmp_path)})
    site = Site(empty, now())
    for path in ("/home/", "/figures/", *(f"/figures/{name}" for name in FIGURES)):
        answer = site.get("marc", path, language=language)
        assert answer.status_code == 200, path
    assert "customer_base" in words(site.get("marc", "/home/", language=language).text)
    empty.engine.dispose()


def test_home_shows_the_groups_the_cards_and_who_moved(site: Site, told: House) -> None:
    page = site.get("marc", "/home/").text
    shop = told.shop.model_copy(update={"language": "en"})
    read = words(page)
    for name, span in (("attrition", "year"), ("basket", "year"), ("frequency", "year"), ("slowing", "day")):
        assert written(cell(told, name, span, ON), shop) in read, name
    for group in trends.FIVE:
        assert written(cell(told, "size", "day", ON, group), shop) in read
    # On the first day of a quarter there is no movement yet: the last whole quarter is shown.
    assert "Who moved between 30 June 2026 and 30 September 2026" in read
    moved = cell(told, "movement", "quarter", SEPTEMBER, "new", "occasional_light")
    assert f"New customers → Occasional, light: {moved.value}" in page
    assert 'role="img"' in page
    assert "No complaint is recorded yet" in read


def test_home_in_french_and_for_those_who_may_not_see_it(site: Site) -> None:
    assert "Les cinq groupes" in site.get("olga", "/home/", language="fr").text
    for path in ("/home/", "/figures/", "/figures/attrition", "/figures/attrition/csv"):
        assert site.get("anna", path).status_code == 403, path
        assert site.get("carl", path).status_code == 403, path


def test_what_waits_and_what_is_paused_stand_at_home_with_why(site: Site, told: House) -> None:
    runs.plan(told, "quarterly_letter", on=ON, at=now())
    runs.plan(told, "birthday", on=ON, at=now())
    with told.engine.begin() as connection:
        connection.execute(update(run).where(run.c.campaign == "quarterly_letter").values(approvals_needed=2))
    controls.pause(told.engine, f"birthday:{ON}", by="olga", reason="wrong offer", at=now())
    page = site.get("olga", "/home/").text
    read = words(page)
    assert "0 of 2 approvals" in read
    assert 'class="airflow act first" href="/required_actions"' in page
    assert "wrong offer" in read
    assert [line.run_id for line in agenda.agenda(told, at=now()).waiting] == [f"quarterly_letter:{ON}"]


def test_what_runs_next_is_in_order_of_time_and_manual_ones_come_last(told: House) -> None:
    due = agenda.upcoming(told, at=now())
    moments = [one.at for one in due if one.at]
    assert moments == sorted(moments)
    assert all(moment > now() for moment in moments)
    assert [one.at is None for one in due] == sorted(one.at is None for one in due)


def test_old_data_and_the_rows_set_apart_are_said(told: House) -> None:
    healthy = agenda.health(told, at=now())
    assert healthy is not None
    assert (healthy.on, healthy.days_old, healthy.stale) == (ON, 0, False)
    assert sum(healthy.quarantined.values()) > 0
    later = now() + timedelta(days=8)
    assert "8 days old" in words(Site(told, later).get("marc", "/home/").text)


def test_something_out_of_the_ordinary_is_said_first(site: Site, told: House) -> None:
    """Two earlier years lost one in ten, this one nearly a fourth."""
    rule, _ = trends.rule_of(told.shop.segments)
    earlier = [
        {
            "name": "attrition", "span": "year", "starts": date(year - 1, 10, 1), "ends": date(year, 10, 1), "part": "",
            "other": "", "value": 100, "of": 1000, "rule": rule, "snapshot_id": ON.isoformat(), "told_at": now(),
        }
        for year in (2024, 2023)
    ]  # fmt: skip
    with told.engine.begin() as connection:
        last = figures.told(connection, rule, ["attrition"], spans=["year"], ends=[date(2025, 10, 1)])
        connection.execute(insert(figure), earlier)
        if last:  # the year before was an ordinary one
            connection.execute(insert(figure).values({**earlier[0], "starts": last[0].starts, "ends": last[0].ends}))
        found = headlines(connection, told.shop)
    assert found is not None
    assert [card.name for card in found.alerts] == ["attrition"]
    assert "Attrition is out of the ordinary" in words(site.get("marc", "/home/").text)
    assert "higher than ordinary" in words(site.get("marc", "/figures/attrition?span=year").text)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_figure_has_its_page_with_meaning_rule_and_file(site: Site, told: House, language: str) -> None:
    rule, means = trends.rule_of(told.shop.segments)
    for name, known in FIGURES.items():
        answer = site.get("marc", f"/figures/{name}", language=language)
        assert answer.status_code == 200
        said = known.said(language, means)
        assert rule in answer.text
        assert said.formula[:20].replace("'", "&#39;") in answer.text.replace("’", "&#39;")
        assert "/rows?" not in answer.text  # a manager sees the figures alone
    assert site.get("marc", "/figures/nothing").status_code == 404


def test_the_page_the_file_and_the_rows_say_the_same(site: Site, told: House) -> None:
    attrition = cell(told, "attrition", "quarter", SEPTEMBER)
    shop = told.shop.model_copy(update={"language": "en"})
    page = site.get("olga", "/figures/attrition").text
    assert written(attrition, shop) in words(page)
    sheet = list(csv.DictReader(io.StringIO(site.get("marc", "/figures/attrition/csv").text.removeprefix("\ufeff"))))
    [row] = [row for row in sheet if (row["span"], row["until"]) == ("quarter", SEPTEMBER.isoformat())]
    assert (row["value"], row["of"]) == (str(attrition.value), str(attrition.of))
    assert row["result"] == f"{attrition.value / attrition.of:.6f}"
    asked = f"/figures/attrition/rows?span=quarter&ends={SEPTEMBER}"
    assert asked.replace("&", "&amp;") in page
    behind = site.get("olga", asked)
    assert behind.status_code == 200
    assert behind.text.count("<tr>") == min(200, attrition.of) + 1
    file = site.get("olga", f"{asked}&download=true").text.removeprefix("\ufeff")
    rows = list(csv.DictReader(io.StringIO(file), delimiter=";"))
    assert len(rows) == attrition.of
    assert sum(int(row["Lost"]) for row in rows) == attrition.value


def test_rows_are_for_ops_and_who_took_them_is_kept(site: Site, told: House) -> None:
    asked = f"/figures/size/rows?span=day&ends={SEPTEMBER}&part=regular_heavy"
    for who in ("marc", "anna", "carl"):
        assert site.get(who, asked).status_code == 403
    assert site.get("olga", asked).status_code == 200
    assert site.get("olga", f"{asked}&download=true").status_code == 200
    with told.engine.connect() as connection:
        kept = connection.execute(
            select(audit.c.said_by, audit.c.what, audit.c.people).order_by(audit.c.audit_id)
        ).all()
    size = cell(told, "size", "day", SEPTEMBER, "regular_heavy")
    assert kept == [("olga", Audited.VIEWED, None), ("olga", Audited.EXPORTED, size.value)]
    assert site.get("olga", "/figures/size/rows?span=day&ends=1999-01-01").status_code == 404
    assert site.get("olga", "/figures/size/rows?span=week&ends=1999-01-01").status_code == 422


def test_a_restated_figure_shows_both_on_its_page_and_at_home(told: House) -> None:
    later = ON + timedelta(days=1)
    trends.refresh(told, at=now(), snapshot=next_night(told, later, ("late", SEPTEMBER, -100_00)))
    basket = cell(told, "basket", "quarter", SEPTEMBER)
    assert basket.restated
    shop = told.shop.model_copy(update={"language": "en"})
    read = words(Site(told, now()).get("marc", "/figures/basket").text)
    assert f"first told: {written(basket, shop, first=True)} ( by the base of 1 October 2026 )" in read.replace(
        "(by", "( by"
    ).replace("2026)", "2026 )")
    assert written(basket, shop) in read


def test_pages_come_from_what_was_told(told: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """No order is read for them, so they are as fast for a million customers."""

    def never(*_: object, **__: object) -> None:
        raise AssertionError("orders were read")

    monkeypatch.setattr(trends, "_opened", never)
    site = Site(told, now())
    for path in ("/home/", "/figures/", "/figures/size", "/figures/cohorts", "/figures/movement"):
        assert site.get("marc", path).status_code == 200


def test_a_flow_is_as_wide_as_its_customers() -> None:
    drawn = flow(
        {("a", "a"): 90, ("a", "b"): 10, ("b", "b"): 100},
        before=["a", "b"],
        after=["a", "b"],
        say=str.upper,
        count=str,
        shades={"a": "#111111", "b": "#222222"},
        title="<Movement>",
        description="10 of 200 moved",
    )
    assert "<title>&lt;Movement&gt;</title><desc>10 of 200 moved</desc>" in drawn
    assert "<title>A → B: 10</title>" in drawn
    heights = [float(found) for found in re.findall(r'<rect [^>]*height="([\d.]+)"', drawn)]
    assert heights[0] == pytest.approx(heights[1], abs=0.2)
    assert heights[3] / heights[2] == pytest.approx(110 / 90, rel=0.01)
    assert drawn.count('opacity=".16"') == 2
    nobody = {"say": str, "count": str, "shades": {}, "title": "", "description": ""}
    assert "<path" not in flow({}, before=["a"], after=["a"], **{**nobody, "shades": {"a": "#111111"}})  # type: ignore[arg-type]


def test_a_spark_of_one_value_or_none_is_drawn_too() -> None:
    assert "circle" in spark([5], says="5")
    assert "<svg" in spark([0, 0], says="0, 0")
