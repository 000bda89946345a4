"""A run in figures: what is counted, that it adds up, and the rows behind each figure."""

from __future__ import annotations

import csv
import dataclasses
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, insert, text
from typer.testing import CliRunner

from earlier_runs import earlier_message, earlier_run
from habitue.cli import app
from habitue.effects import Side, effect
from habitue.errors import LedgerError
from habitue.measures import FIGURES, behind, every_row, measures_of, results_of
from habitue.tables import consent, credit, response
from habitue.verdicts import result_words, sentence
from people import ANNA, BORIS, CLARA, DAVID, EMMA, FELIX, ON, event

RUN = f"spring:{ON}"
SENT = datetime(2026, 10, 1, 10, 0, tzinfo=UTC)
KNOWN = datetime(2027, 2, 1, tzinfo=UTC)
SHOP = {"margin": {"gross": 0.5}, "currency": "EUR"}


MANY = """
insert into message (message_id, run_id, customer_id, channel, segment, language, template, shard, position, state)
select gen_random_uuid(), run_id, 'c' || place, channel, segment, language, template, shard, 10 + place, 'planned'
from (select * from message order by message_id limit 1) one, generate_series(1, 1100) as place
"""


def after(seconds: float) -> datetime:
    return SENT + timedelta(seconds=seconds)


@pytest.fixture
def quarter(base: Engine) -> Engine:
    """Anna read and bought; Boris was rung and bought; Clara unsubscribed, and a scanner followed her links; David's
    letter came back; Emma's mail was refused; Felix's letter never left."""
    with base.begin() as connection:
        earlier_run(connection, "spring", ON, shop=SHOP)

        def written(who: str, channel: str, told: list[tuple[str, datetime]], **known: Any) -> UUID:
            found: UUID = earlier_message(connection, "spring", ON, who, channel=channel, outcomes=told, **known)
            return found

        anna = written(
            ANNA,
            "email",
            [("delivered", SENT), ("clicked", after(4)), ("clicked", after(3600)), ("opened", after(3500))],
            segment="regular_heavy",
            cost_micros=1000,
        )
        boris = written(BORIS, "call", [("reached", after(60))], cost_micros=3_300_000)
        written(
            CLARA,
            "email",
            [
                *[("delivered", SENT), ("clicked", after(20)), ("clicked", after(21)), ("clicked", after(5))],
                *[("unsubscribed", after(900)), ("opened", after(1)), ("complaint", after(950))],
            ],
            cost_micros=1000,
        )
        written(DAVID, "letter", [("mailed", SENT), ("returned", after(9e5))], cost_micros=1_730_000, arm="warm")
        written(EMMA, "email", [], state="refused", cost_micros=1000)
        written(FELIX, "letter", [], state="cancelled", cost_micros=1_730_000, arm="plain")
        connection.execute(
            insert(consent), [event(ANNA, "email", "granted", SENT - timedelta(days=90), purpose="open_tracking")]
        )
        for message_id, who, order, orders, sold, back, days in [
            (anna, ANNA, "T1", 1, 5000, 0, 20),
            (anna, ANNA, "T2", 1, 3000, 0, 30),
            (boris, BORIS, "T3", 1, 9000, 0, 40),
            (anna, ANNA, "T1", 0, 0, 1500, 100),  # brought back late
        ]:
            credited = {"message_id": message_id, "run_id": RUN, "customer_id": who, "order_id": order}
            money = {"orders": orders, "sold_cents": sold, "returned_cents": back}
            told = {"rule": "last_message", "rules_version": "1", "ordered_on": ON + timedelta(days=9)}
            when = {"snapshot_id": str(ON + timedelta(days=days)), "known_at": SENT + timedelta(days=days)}
            connection.execute(insert(credit).values(**credited, **money, **told, **when))
    return base


def test_a_run_is_counted_by_what_came_of_each_message(quarter: Engine) -> None:
    found = measures_of(quarter, RUN, known=KNOWN)
    all_ = found.all
    assert all_.planned == all_.sent + all_.refused + all_.cancelled + all_.waiting == 6
    assert (all_.sent, all_.refused, all_.cancelled) == (4, 1, 1)
    assert (all_.delivered, all_.returned) == (3, 1)
    assert (all_.human_clicks, all_.machine_clicks) == (1, 1)  # Anna's second; Clara's three
    assert all_.opens == 1  # Clara never agreed to be watched
    assert (all_.unsubscribes, all_.complaints, all_.reached) == (1, 1, 1)
    assert (all_.responses, all_.orders, all_.revenue_cents) == (2, 3, 15_500)
    assert all_.margin_cents(found.gross) == 7750
    assert all_.cost_micros == 1000 + 3_300_000 + 1000 + 1_730_000  # what was not sent costs nothing
    for name in ("segment", "channel", "template", "arm"):
        assert sum(counts.planned for counts in found.by(name).values()) == 6
    assert found.by("channel")["call"].orders == 1
    assert found.rows()[-1]["margin_cents"] == 7750


def test_a_click_counts_as_a_persons_where_nobody_told_of_the_delivery(base: Engine) -> None:
    with base.begin() as connection:
        earlier_run(connection, "spring", ON, shop=SHOP)
        earlier_message(connection, "spring", ON, ANNA, channel="email", outcomes=[("clicked", after(3600))])
    assert measures_of(base, RUN, known=KNOWN).all.human_clicks == 1


def test_figures_are_the_same_as_plain_sql_over_the_ledger(quarter: Engine) -> None:
    with quarter.connect() as connection:
        sent, cost = connection.execute(
            text(
                "select count(*), sum(cost_micros) from message where run_id = :r and state in ('accepted','unknown')"
            ),
            {"r": RUN},
        ).one()
        orders, net = connection.execute(
            text("select sum(orders), sum(sold_cents) - sum(returned_cents) from credit where run_id = :r"), {"r": RUN}
        ).one()
    found = measures_of(quarter, RUN, known=KNOWN).all
    assert (found.sent, found.cost_micros, found.orders, found.revenue_cents) == (sent, cost, orders, net)


def test_a_late_return_changes_no_figure_of_the_past(quarter: Engine) -> None:
    then = measures_of(quarter, RUN, known=SENT + timedelta(days=60))
    assert then.all.revenue_cents == 17_000
    assert measures_of(quarter, RUN, known=KNOWN).all.revenue_cents == 15_500
    assert then.all.responses == 2


@pytest.mark.parametrize("figure", FIGURES)
def test_behind_every_figure_stand_the_rows_that_make_it(quarter: Engine, figure: str) -> None:
    for part in measures_of(quarter, RUN, known=KNOWN).parts:
        key = {name: getattr(part, name) for name in ("segment", "channel", "template", "arm")}
        rows = behind(quarter, RUN, figure, known=KNOWN, **key)
        summed = {
            "orders": sum(row["orders"] for row in rows),
            "revenue_cents": sum(row["sold_cents"] - row["returned_cents"] for row in rows),
            "cost_micros": sum(row["cost_micros"] for row in rows),
        }
        assert summed.get(figure, len(rows)) == getattr(part.counts, figure)


def test_rows_behind_a_figure_come_a_page_at_a_time(quarter: Engine) -> None:
    seen, last = [], UUID(int=0)
    while page := behind(quarter, RUN, "planned", known=KNOWN, after=last, most=4):
        last = page[-1]["message_id"]
        seen += [row["customer_id"] for row in page]
    assert sorted(seen) == sorted([ANNA, BORIS, CLARA, DAVID, EMMA, FELIX])
    every = [row["customer_id"] for row in every_row(quarter, RUN, "planned", known=KNOWN)]
    assert every == seen
    before_last = behind(quarter, RUN, "planned", known=KNOWN, before=last, most=2)
    assert [row["customer_id"] for row in before_last] == seen[-3:-1]
    with pytest.raises(LedgerError, match="luck is no figure of a run"):
        behind(quarter, RUN, "luck", known=KNOWN)
    with pytest.raises(LedgerError, match=r"run winter:2026-01-01 is not known"):
        measures_of(quarter, "winter:2026-01-01", known=KNOWN)


def told(base: Engine, day: int, rows: list[tuple[Any, ...]], *, closed: bool = True, share: float = 0.5) -> None:
    """What a customer base said: (treated, scope, segment, channel, arm, customers, buyers, net cents)."""
    with base.begin() as connection:
        earlier_run(connection, "spring", ON, shop=SHOP)
        on = ON + timedelta(days=day)
        for treated, scope, segment, channel, arm, customers, buyers, net in rows:
            each = net // buyers if buyers else 0
            connection.execute(
                insert(response).values(
                    run_id=RUN,
                    snapshot_id=on.isoformat(),
                    known_at=SENT + timedelta(days=day),
                    until=min(on, date(2026, 12, 30)),
                    closed=closed,
                    treated=treated,
                    scope=scope,
                    segment=segment,
                    channel=channel,
                    arm=arm,
                    customers=customers,
                    buyers=buyers,
                    orders=buyers,
                    sold_cents=net,
                    returned_cents=0,
                    squares=buyers * each**2,
                    margin_cents=round(net * share),
                )
            )


def test_the_effect_is_that_on_everyone_as_the_draw_had_them(base: Engine) -> None:
    told(
        base,
        100,
        [
            (True, None, "lapsed", "email", None, 2500, 150, 600_000),
            (True, None, "regular_light", "email", None, 2000, 150, 700_000),
            (False, "campaign", "lapsed", "email", None, 300, 10, 40_000),
            (False, "campaign", "regular_light", "email", None, 200, 10, 45_000),
        ],
    )
    found = results_of(base, RUN, known=KNOWN)
    assert found is not None
    assert found.whole is not None
    assert (found.whole.buyers.treated, found.whole.buyers.control) == (Side(4500, 300), Side(500, 20))
    assert found.whole.buyers.verdict == "gain"
    assert found.whole.buyers.extra == pytest.approx(120)
    assert found.whole.revenue is not None
    assert found.whole.margin is not None
    assert found.whole.revenue.difference == pytest.approx(1_300_000 / 4500 - 85_000 / 500)
    assert found.whole.margin.difference == pytest.approx(found.whole.revenue.difference / 2)
    assert [one.name for one in found.segments] == ["lapsed", "regular_light"]
    assert sum(one.buyers.treated.size for one in found.segments) == 4500
    assert found.trial is None
    assert found.shop is None
    assert found.first is None


def test_before_the_window_has_closed_nothing_is_said_to_be_shown(base: Engine) -> None:
    rows = [
        (True, None, "lapsed", "email", "warm", 2000, 400, 1_600_000),
        (True, None, "lapsed", "email", "plain", 2000, 200, 800_000),
        (False, "campaign", "lapsed", "email", None, 400, 20, 80_000),
    ]
    told(base, 20, rows, closed=False)
    early = results_of(base, RUN, known=SENT + timedelta(days=30))
    assert early is not None
    assert early.whole is not None
    assert early.trial is not None
    assert (early.whole.buyers.verdict, early.trial.winner) == ("too_early", None)
    told(base, 100, rows)
    late = results_of(base, RUN, known=KNOWN)
    assert late is not None
    assert late.whole is not None
    assert late.trial is not None
    assert (late.whole.buyers.verdict, late.trial.winner) == ("gain", "warm")
    assert [one.name for one in late.arms] == ["plain", "warm"]
    inside, outside = late.whole.buyers.interval, early.whole.buyers.interval
    assert outside.low < inside.low < inside.high < outside.high


def test_a_figure_restated_by_late_returns_shows_both(base: Engine) -> None:
    rows = [
        (True, None, "lapsed", "email", None, 2000, 200, 800_000),
        (False, "campaign", "lapsed", "email", None, 200, 10, 40_000),
    ]
    told(base, 95, rows)
    told(base, 115, [(*rows[0][:-1], 700_000), rows[1]])
    found = results_of(base, RUN, known=KNOWN)
    assert found is not None
    assert found.first is not None
    assert found.whole is not None
    assert found.first.whole is not None
    assert found.whole.revenue is not None
    assert found.first.whole.revenue is not None
    assert found.whole.revenue.treated.total == 700_000
    assert found.first.whole.revenue.treated.total == 800_000
    assert found.whole.buyers == found.first.whole.buyers
    then = results_of(base, RUN, known=SENT + timedelta(days=100))
    assert then is not None
    assert dataclasses.replace(then, first=None) == found.first


def test_a_run_without_a_holdout_measures_nothing_and_says_so(base: Engine) -> None:
    told(base, 100, [(True, None, "lapsed", "email", None, 2000, 200, 800_000)])
    found = results_of(base, RUN, known=KNOWN)
    assert found is not None
    assert found.whole is None
    assert found.segments == ()


def test_before_any_purchases_are_gathered_there_are_no_results(quarter: Engine) -> None:
    assert results_of(quarter, RUN, known=KNOWN) is None


def test_the_shops_own_holdout_is_another_question(base: Engine) -> None:
    told(
        base,
        100,
        [
            (True, None, "lapsed", "email", None, 2000, 200, 800_000),
            (False, "shop", "lapsed", "email", None, 100, 4, 16_000),
        ],
    )
    found = results_of(base, RUN, known=KNOWN)
    assert found is not None
    assert found.whole is None
    assert found.shop is not None
    assert found.shop.buyers.control == Side(100, 4)


# What it says in words


def test_the_words_of_results_are_the_same_in_every_language() -> None:
    french, english = result_words("fr"), result_words("en")
    for part in ("verdicts", "trial", "columns", "definitions"):
        assert french[part].keys() == english[part].keys()
    assert french.keys() == english.keys()
    assert {*FIGURES, "margin_cents"} <= french["definitions"].keys()
    assert {*FIGURES, "margin_cents"} <= french["columns"].keys()


@pytest.mark.parametrize(
    ("treated", "control", "said"),
    [
        (Side(400, 12), Side(400, 8), "Too small to tell: the difference of +1.0 points"),
        (Side(400, 12), Side(400, 8), "Would need 3,800 customers an arm"),
        (Side(4500, 300), Side(500, 20), "Shown: 120 customers bought who would not have (36 to 204)"),
        (Side(4500, 180), Side(500, 40), "Shown to do harm"),
        (Side(400, 8), Side(400, 8), "No difference to be seen"),
        (Side(10, 10), Side(10, 10), "can show no difference at all"),
    ],
)
def test_it_is_said_in_plain_words_whether_anything_was_shown(treated: Side, control: Side, said: str) -> None:
    assert said in sentence(effect(treated, control), "en")
    assert "{" not in sentence(effect(treated, control), "fr")


def test_without_a_holdout_it_is_said_that_nobody_knows() -> None:
    assert sentence(None, "en") == "Nobody was held out: what would have come by itself is not known."
    assert "Trop tôt" in sentence(effect(Side(900, 90), Side(100, 2), early=True), "fr")


def test_the_terminal_and_the_csv_say_the_same(
    quarter: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(
        quarter,
        90,
        [
            (True, None, "lapsed", "email", "warm", 2250, 150, 600_000),
            (True, None, "lapsed", "email", "plain", 2250, 150, 700_000),
            (False, "campaign", "lapsed", "email", None, 500, 20, 85_000),
        ],
    )
    monkeypatch.setenv("HABITUE_DATABASE_URL", quarter.url.render_as_string(hide_password=False))
    monkeypatch.setenv("HABITUE_OUT", str(tmp_path))
    monkeypatch.setenv("HABITUE_TODAY", "2027-02-01")
    monkeypatch.setattr("habitue.cli_results.console._width", 260)
    out = tmp_path / "results.csv"
    done = CliRunner().invoke(app, ["results", RUN, "--by", "channel", "--csv", str(out)])
    assert done.exit_code == 0, done.output
    assert "120 clients ont acheté qui ne l’auraient pas fait (36 à 204)" in done.output.replace("\xa0", " ")
    assert "Aucune version" in done.output
    with out.open(newline="", encoding="utf-8-sig") as table:
        rows = list(csv.DictReader(table, delimiter=";"))
    of_all = [row for row in rows if row["segment"] == row["channel"] == "all" and not row["arm"]]
    whole = {row["figure"]: row for row in of_all if not row["restated"]}
    first = {row["figure"]: row["value"] for row in of_all if row["restated"]}
    assert first == {"responses": "2", "orders": "3", "revenue_cents": "17000"}  # before something was brought back
    assert "on connaissait 2 réponses, 3 commandes et 170 €" in re.sub(r"\s", " ", done.output)
    assert (whole["sent"]["value"], whole["revenue_cents"]["value"]) == ("4", "15500")
    assert float(whole["effect"]["value"].replace(",", ".")) == pytest.approx(0.0266667, abs=1e-6)
    assert whole["effect"]["verdict"] == "gain"
    assert all(row["rules"] and row["definition"] for row in rows)
    with quarter.begin() as connection:
        connection.execute(text(MANY))
    many = CliRunner().invoke(app, ["results", RUN, "--behind", "planned"])
    assert many.output.count("\n") == 6 + 1100
    listed = CliRunner().invoke(app, ["results", RUN, "--behind", "reached"])
    assert listed.output.count("\n") == 1
    assert "customer_id=boris" in listed.output
