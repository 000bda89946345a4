"""The quarterly report: it says what the pages and the files say, in two languages, and goes to those named, once."""

from __future__ import annotations

import csv
import email
import email.policy
import io
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pypdfium2
import pytest
from typer.testing import CliRunner

from habitue import advice, figures_in_words, quarterly, quarterly_files, quarterly_mail, quarterly_words, runs, trends
from habitue.cli import app
from habitue.effects import Side, Sums, effect, mean_effect
from habitue.errors import LedgerError, SettingError
from habitue.figures import FIGURES
from habitue.holdings import place_of
from habitue.house import House
from habitue.measures import Contrast, Results
from habitue.quarterly_files import Made
from habitue.quarters import Quarter
from habitue.sendgrid_api import payload
from habitue.shop import ReportSettings
from test_ops_home import cell
from test_runs import ON, house, night, now  # noqa: F401 - fixtures

THIRD = Quarter(2026, 3)
SEPTEMBER = date(2026, 9, 30)
KINDS = {"image": "image", "product": "product"}


@pytest.fixture
def told(house: House) -> House:  # noqa: F811
    """A shop after its first night, with its figures, and a letter of the new quarter."""
    trends.refresh(house, at=now())
    return house


def named(house: House, *to: str) -> House:  # noqa: F811
    return replace(house, shop=house.shop.model_copy(update={"report": ReportSettings(to=list(to))}))


def read(made: Made, name: str) -> str:
    return next(file for file in made.files if file.name == name).read_text("utf-8-sig")


def words_of(path: Any) -> str:
    with pypdfium2.PdfDocument(path) as document:
        found = " ".join(page.get_textpage().get_text_range() for page in document)
    return re.sub(r"\s+", " ", found)


def test_a_quarter_is_read_as_people_write_it_and_knows_its_days() -> None:
    assert {Quarter.read(name) for name in ("2026Q3", "2026-Q3", "2026-t3", " 2026q3")} == {THIRD}
    assert (THIRD.first, THIRD.last) == (date(2026, 7, 1), SEPTEMBER)
    assert (Quarter(2026, 1).before, Quarter(2026, 4).after) == (Quarter(2025, 4), Quarter(2027, 1))
    assert (str(THIRD), THIRD.said("fr")) == ("2026-Q3", "2026-T3")
    with pytest.raises(SettingError, match="write it as 2026Q3"):
        Quarter.read("2026Q5")


@pytest.mark.parametrize(
    ("quarter", "day"),
    [(Quarter(2026, 3), date(2026, 10, 1)), (Quarter(2026, 4), date(2027, 1, 4)), (Quarter(2027, 4), date(2028, 1, 3))],
)
def test_the_first_working_day_is_no_weekend_and_no_holiday(quarter: Quarter, day: date) -> None:
    assert quarterly_mail.first_working_day(quarter, "FR") == day


def test_report_pdf_and_file_say_the_same(told: House) -> None:
    made = quarterly_files.make(told, THIRD, at=now())
    assert {file.suffix for file in made.files} == {".html", ".pdf", ".csv"}
    rows = list(csv.DictReader(io.StringIO(read(made, "figures-2026-Q3.csv")), delimiter=";"))
    for language in ("fr", "en"):
        shop = told.shop.model_copy(update={"language": language})
        page = re.sub(r"\s+", " ", read(made, f"quarterly-2026-Q3.{language}.html"))
        pdf = words_of(made.folder / f"quarterly-2026-Q3.{language}.pdf")
        for name, span in (("attrition", "year"), ("basket", "year"), ("frequency", "year"), ("slowing", "day")):
            one = cell(told, name, span, SEPTEMBER)
            written = re.sub(r"\s+", " ", figures_in_words.written(one, shop))
            assert written in page, name
            assert written in pdf, name
            [row] = [row for row in rows if (row["figure"], row["span"], row["part"]) == (name, span, "")]
            assert (row["value"], row["of"]) == (str(one.value), str(one.of))
        rule, _ = trends.rule_of(told.shop.segments)
        assert rule in page
        assert rule in pdf


def test_it_needs_nothing_from_anywhere_and_names_nobody(told: House) -> None:
    made = quarterly_files.make(told, THIRD, at=now())
    page = read(made, "quarterly-2026-Q3.en.html")
    assert not re.search(r"<script|https?://|src=|@import", page)
    with told.engine.connect() as connection:
        names = connection.exec_driver_sql("select last_name from customer where length(last_name) > 5").scalars().all()
    text = (
        page
        + words_of(made.folder / "quarterly-2026-Q3.en.pdf")
        + "".join(file.read_text("utf-8-sig") for file in made.csvs)
    )
    assert names
    said = text.replace("Fisher", "")  # whose test it is
    assert not [name for name in names if re.search(rf"\b{re.escape(name)}\b", said)]
    for file in made.files:
        assert place_of(str(file.relative_to(told.out)))


def test_the_same_quarter_gives_the_same_bytes(told: House) -> None:
    first = {file.name: file.read_bytes() for file in quarterly_files.make(told, THIRD, at=now()).files}
    assert {file.name: file.read_bytes() for file in quarterly_files.make(told, THIRD, at=now()).files} == first


def test_a_quarter_that_is_not_over_says_so_and_one_to_come_is_refused(told: House) -> None:
    found = quarterly.quarterly(told, Quarter(2026, 4), at=now())
    assert found.under_way
    assert "1\u00a0October 2026" in quarterly_words.told(found, told.shop, "en")["under_way"]
    with pytest.raises(LedgerError, match="no figures are told of 2027-Q1 yet"):
        quarterly.quarterly(told, Quarter(2027, 1), at=now())


def test_those_who_were_lost_are_the_movement_into_lapsed(told: House) -> None:
    found = quarterly.quarterly(told, THIRD, at=now())
    attrition = cell(told, "attrition", "quarter", SEPTEMBER)
    assert sum(found.lost.values()) == attrition.value
    assert found.new == sum(cell(told, "movement", "quarter", SEPTEMBER, "new", name).value for name in trends.FIVE)


def test_a_run_of_the_quarter_stands_in_report_and_file(told: House) -> None:
    runs.plan(told, "quarterly_letter", on=ON, at=now())
    made = quarterly_files.make(told, Quarter(2026, 4), at=now() + timedelta(hours=1))
    assert "The quarterly letter" in read(made, "quarterly-2026-Q4.en.html")
    assert "no purchases gathered yet" in read(made, "quarterly-2026-Q4.en.html")
    rows = list(csv.DictReader(io.StringIO(read(made, "results-2026-Q4.csv")), delimiter=";"))
    assert {row["run"] for row in rows} == {f"quarterly_letter:{ON}"}


# By e-mail ----------------------------------------------------------------------------------------------------------


def test_it_is_sent_to_those_named_with_its_files_and_only_once(told: House) -> None:
    shop = named(told, "direction@maison.example", "marketing@maison.example")
    made = quarterly_files.make(shop, THIRD, at=now())
    assert quarterly_mail.send(shop, made, at=now()) == quarterly_mail.Sent(2, 0, [])
    assert quarterly_mail.send(shop, made, at=now() + timedelta(hours=1)) == quarterly_mail.Sent(0, 2, [])
    found = sorted((told.out / "emails").glob("report-2026-Q3-*.eml"))
    assert len(found) == 2
    mail = email.message_from_bytes(found[0].read_bytes(), policy=email.policy.default)
    assert not mail.defects
    attached = {part.get_filename(): part.get_content() for part in mail.iter_attachments()}
    assert set(attached) == {file.name for file in made.files}
    assert attached["quarterly-2026-Q3.fr.pdf"] == (made.folder / "quarterly-2026-Q3.fr.pdf").read_bytes()
    losses = attached["losses-2026-Q3.csv"].removeprefix("\ufeff")
    assert losses.splitlines() == read(made, "losses-2026-Q3.csv").splitlines()
    assert "List-Unsubscribe" not in mail
    assert "2026-T3" in mail["Subject"]
    body = mail.get_body(("plain",))
    assert body is not None
    assert "quarterly-2026-Q3.fr.pdf" in body.get_content()


def test_sendgrid_gets_the_files_too(told: House) -> None:
    shop = named(told, "direction@maison.example")
    made = quarterly_files.make(shop, THIRD, at=now())
    asked = payload(quarterly_mail.mails(shop, made, at=now()), sandbox=True)
    assert [one["filename"] for one in asked["attachments"]] == [file.name for file in made.files]
    assert "headers" not in asked["personalizations"][0]


def test_nobody_named_is_said(told: House) -> None:
    with pytest.raises(SettingError, match=r"report\.to names nobody"):
        quarterly_mail.send(told, quarterly_files.make(told, THIRD, at=now()), at=now())


def test_the_command_makes_the_last_whole_quarter(told: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "HABITUE_SOURCE": "demo_shop",
        "HABITUE_DATA": str(told.source.data),
        "HABITUE_OUT": str(told.out),
        "HABITUE_DATABASE_URL": told.engine.url.render_as_string(hide_password=False),
        "HABITUE_TODAY": "2026-10-02",
    }.items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(app, ["quarterly"])
    assert done.exit_code == 0, done.output
    assert (told.out / "reports" / "2026-Q3" / "quarterly-2026-Q3.fr.pdf").exists()
    assert CliRunner().invoke(app, ["quarterly", "2026Q9"]).exit_code != 0


# What it advises ----------------------------------------------------------------------------------------------------


def result(treated: tuple[int, int], control: tuple[int, int], cents: int | None = None) -> Results:
    """`cents`: the margin of each who bought."""
    of = effect(Side(*treated), Side(*control))
    assert of is not None
    margin = cents and mean_effect(*(Sums(n, buyers * cents, buyers * cents**2) for n, buyers in (treated, control)))
    contrast = Contrast("all", of, None, margin or None, 100_000_000)
    whole = (f"spring:{ON}", "2026-10-01", datetime(2026, 10, 1, tzinfo=UTC), ON, True, contrast)
    return Results(*whole, (), (), (), None, None, None)


def advised(found: quarterly.Quarterly, house: House, results: Results | None, held_out: int = 100) -> list[str]:  # noqa: F811
    mailing = replace(found.mailings[0], results=results, held_out=held_out)
    told = advice.advice(
        replace(found, mailings=[mailing]),
        house.shop.model_copy(update={"language": "en"}),
        reasons={},
        kinds=KINDS,
    )
    return [one.when for one in told]


def test_what_is_shown_is_to_be_done_again_and_what_harms_is_to_be_stopped(told: House) -> None:
    runs.plan(told, "quarterly_letter", on=ON, at=now())
    found = quarterly.quarterly(told, Quarter(2026, 4), at=now() + timedelta(hours=1))
    assert "gain" in advised(found, told, result((1000, 300), (1000, 200)))
    assert "gain" in advised(found, told, result((1000, 300), (1000, 200), cents=2000))
    poor = advised(found, told, result((1000, 300), (1000, 200), cents=20))  # who came left twenty cents each
    assert "costly" in poor
    assert "gain" not in poor
    assert advised(found, told, result((1000, 200), (1000, 300)))[0] == "harm"
    assert "too_small" in advised(found, told, result((100, 21), (100, 20)))
    assert "no_holdout" in advised(found, told, None, held_out=0)


def test_every_rule_has_its_condition_and_fills_in_the_same_in_both_languages() -> None:
    names = re.compile(r"\{(\w+)\}")
    rules = advice.rules().advice
    assert {rule.when for rule in rules} == set(advice.CONDITIONS)
    for rule in rules:
        assert set(names.findall(rule.fr)) == set(names.findall(rule.en)), rule.when


def test_both_languages_have_the_same_words() -> None:
    def keys(content: Any, above: str = "") -> set[str]:
        if not isinstance(content, dict):
            return {above}
        return {key for name, value in content.items() for key in keys(value, f"{above}.{name}")}

    assert keys(quarterly_words.report_words("fr")) == keys(quarterly_words.report_words("en"))
    assert all(name in FIGURES for name in quarterly_words.MEANT)
