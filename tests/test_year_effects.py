"""All campaigns of a year together, against the shop's own holdout: a history whose answer is known, told night by
night; what is told to a shop that holds nobody out; and how often chance alone would be called an effect."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import date, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine, insert, select, text
from typer.testing import CliRunner

from earlier_runs import earlier_message, earlier_run
from habitue import year_effects, year_effects_in_words
from habitue.cli import app
from habitue.house import House
from habitue.lake import Draft, Snapshot
from habitue.outcome_tables import year_period, year_response, year_side
from habitue.statements import statement
from habitue.tables import consent, hold, shop_holdout, suppression
from habitue.year_effects import YearEffect
from ops_site import Site
from people import AT, KEY
from purchase_histories import Line, house_on, moment
from staged_base import SCHEMAS

YEAR, BEGINS, ENDS = 2026, date(2026, 2, 10), date(2026, 12, 31)
BASE = BEGINS - timedelta(days=1)
CLOSED = date(2027, 1, 1)
HALF = {"holdout": {"share": 0.5, "seed": "1"}, "margin": {"gross": 0.5}}


def draw(who: str, seed: str = "1") -> float:
    """As the base draws."""
    return int(hashlib.md5(f"{seed}/shop/{YEAR}/{who}".encode()).hexdigest()[:8], 16) / 2**32  # noqa: S324 - a draw


NAMES = [f"c{number:03}" for number in range(60)]
HELD = [who for who in NAMES if draw(who) < 0.5]
OTHERS = [who for who in NAMES if draw(who) >= 0.5]


def customer(who: str, **known: Any) -> dict[str, Any]:
    nothing = dict.fromkeys(("birth_date", "deceased_on", "letter_barrier", "email_barrier", "call_barrier"))
    where = {"first_name": who, "last_name": "Exemple", "street": f"{who} rue", "postcode": "69002"}
    return {"customer_id": who, **where, "email": f"{who}@example.fr", "phone": None, **nothing, **known}


def night(house: House, on: date, lines: Iterable[Line], people: Sequence[dict[str, Any]], **groups: str) -> Snapshot:
    """A customer base of these people in the lake; occasional and light where nothing else is said."""
    checked = house.out / "checked"
    checked.mkdir(parents=True, exist_ok=True)
    rows = [line.row() for line in lines if line.day <= on]
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMAS["orders"]), checked / "orders.parquet")
    text_of = [(name, pa.date32() if name in ("birth_date", "deceased_on") else pa.string()) for name in customer("x")]
    pq.write_table(pa.Table.from_pylist(list(people), schema=pa.schema(text_of)), checked / "customers.parquet")
    for name in ("consents", "problems"):
        pq.write_table(pa.table({"customer_id": pa.array([], pa.string())}), checked / f"{name}.parquet")

    def grouped(draft: Draft) -> None:
        ids = [one["customer_id"] for one in people]
        known = [groups.get(who, "occasional_light") for who in ids]
        pq.write_table(pa.table({"customer_id": ids, "segment": known}), draft.segments)

    return house.lake.publish(checked, on=on, control={}, since=None, settings={}, segments=grouped)


@pytest.fixture
def house(base: Engine, tmp_path: Path) -> House:
    """A shop that holds half of its customers out since its campaign of 10 February."""
    found = house_on(base, tmp_path)
    with base.begin() as connection:
        earlier_run(connection, "winter", date(2026, 1, 5), shop={"holdout": {"share": 0.0, "seed": "1"}})
        earlier_run(connection, "spring", BEGINS, shop=HALF, snapshot_id=BASE.isoformat())
    return found


EVERYONE = [customer(who) for who in NAMES]


def told(house: House, on: date, lines: Iterable[Line] = (), people: Sequence[dict[str, Any]] = EVERYONE) -> YearEffect:
    year_effects.refresh(house, night(house, on, lines, people), at=moment(on))
    found = year_effects.of_year(house.engine, YEAR, known=moment(on))
    assert found is not None
    return found


def sides(house: House) -> dict[str, bool]:
    with house.engine.connect() as connection:
        rows = connection.execute(select(year_side.c.customer_id, year_side.c.held)).all()
    return {row.customer_id: row.held for row in rows}


# Who counts


def test_everyone_stands_where_the_planner_draws_them(house: House) -> None:
    night(house, BASE, [], EVERYONE)
    told(house, BEGINS)
    with house.engine.begin() as connection:
        connection.execute(text("create temp table considered on commit drop as select customer_id from year_side"))
        drawn = {"year": YEAR, "seed": "1", "share": 0.5, "at": AT}
        connection.execute(statement("plan/shop_holdout"), drawn)
        kept = set(connection.scalars(select(shop_holdout.c.customer_id)))
    assert kept == set(HELD)
    assert sides(house) == {who: who in kept for who in NAMES}


def test_who_could_not_be_written_to_before_the_year_began_is_on_neither_side(house: House) -> None:
    before, after = moment(BASE), moment(BEGINS + timedelta(days=1))
    nowhere = {"letter_barrier": "no_address", "email_barrier": "no_email", "call_barrier": "no_phone"}
    people = [
        customer("minor", birth_date=date(2010, 1, 1)),
        customer("dead", deceased_on=date(2025, 1, 1)),
        customer("nowhere", **nowhere),
        customer("no letter", letter_barrier="no_address"),  # and has not asked for mails
        *(
            customer(who)
            for who in ("prospect", "objected", "objects", "asks", "moved", "moves", "held", "free", "new")
        ),
        customer("mails", letter_barrier="no_address"),
    ]
    with house.engine.begin() as connection:
        said = {"purpose": "marketing", "status": "withdrawn", "known_at": before}
        words = [("objected", "letter", "withdrawn", before), ("objects", "letter", "withdrawn", after)]
        words += [("mails", "email", "granted", before), ("no letter", "email", "granted", after)]
        for who, channel, status, at in words:
            row = {**said, "customer_id": who, "channel": channel, "status": status, "recorded_at": at}
            connection.execute(insert(consent).values(row))
        for who, at in (("moved", before), ("moves", after)):
            marked = "select mark(box_value(:who, 'Exemple', :who || ' rue', '69002'), :inner_pad, :outer_pad)"
            mark = connection.scalar(text(marked), {"who": who, **house.mark_key.pads})
            known = {"channel": "letter", "mark": mark, "mark_key": KEY.id, "source": "printer"}
            connection.execute(insert(suppression).values(**known, reason="returned_letter", recorded_at=at))
        for who, opened, closed in (("held", before, None), ("free", before - timedelta(days=9), before)):
            known = {"customer_id": who, "reason": "complaint", "opened_by": "olga", "opened_at": opened}
            connection.execute(insert(hold).values(**known, closed_at=closed, closed_by=closed and "olga"))
    night(house, BASE, [], [one for one in people if one["customer_id"] != "new"], prospect="prospect")
    year_effects.refresh(house, night(house, BEGINS, [], people), at=moment(BEGINS))
    assert set(sides(house)) == {"objects", "asks", "moves", "free", "mails"}


def test_another_share_begins_another_period_and_leaves_out_whom_the_first_held_out(house: House) -> None:
    night(house, BASE, [], EVERYONE)
    told(house, date(2026, 3, 1))
    june = date(2026, 6, 1)
    less = {"holdout": {"share": 0.2, "seed": "1"}}
    with house.engine.begin() as connection:
        earlier_run(connection, "summer", june, shop=less, snapshot_id=june.isoformat())
        earlier_run(connection, "later", date(2026, 6, 9), shop=less)
    night(house, june, [], EVERYONE)
    found = told(house, date(2026, 6, 10))
    assert (found.starts, found.share) == (june, 0.2)
    assert found.whole.buyers.control.size == sum(draw(who) < 0.2 for who in NAMES)
    assert found.whole.buyers.treated.size == len(OTHERS)


# What both sides bought

LINES = [
    Line("1", OTHERS[0], BEGINS - timedelta(days=1), 9900),  # before
    Line("2", OTHERS[0], BEGINS, 1000, hour=8),
    Line("3", OTHERS[0], ENDS, 3000, "CUP"),
    Line("4", OTHERS[1], date(2026, 5, 5), 2000),
    Line("5", OTHERS[1], ENDS + timedelta(days=1), 9900),  # after
    Line("6", HELD[0], date(2026, 6, 6), 500),
    Line("7", "a newcomer", date(2026, 6, 6), 9900),
]


def test_both_sides_are_counted_from_the_first_day_to_the_last_whoever_was_written_to(house: House) -> None:
    night(house, BASE, [], EVERYONE)
    with house.engine.begin() as connection:
        earlier_message(connection, "spring", BEGINS, OTHERS[5], cost_micros=700_000)
        earlier_message(connection, "spring", BEGINS, OTHERS[6], cost_micros=900_000, state="cancelled")
        earlier_message(connection, "spring", BEGINS, "a newcomer", cost_micros=900_000)
    found = told(house, CLOSED, LINES)
    buyers = found.whole.buyers
    assert (buyers.treated.size, buyers.treated.responded) == (len(OTHERS), 2)
    assert (buyers.control.size, buyers.control.responded) == (len(HELD), 1)
    assert found.orders is not None
    assert (found.orders.treated.total, found.orders.treated.squares, found.orders.control.total) == (3, 5, 1)
    assert found.whole.revenue is not None
    assert (found.whole.revenue.treated.total, found.whole.revenue.treated.squares) == (6000, 4000**2 + 2000**2)
    assert found.whole.margin is not None
    assert found.whole.margin.control.total == pytest.approx(500 * house.shop.margin.gross)  # type: ignore[union-attr]
    assert found.whole.cost_micros == 700_000
    assert (found.starts, found.until, found.closed, found.ends) == (BEGINS, ENDS, True, ENDS)


def test_nothing_is_decided_before_the_year_is_over(house: House) -> None:
    night(house, BASE, [], EVERYONE)
    lines = [Line(who, who, date(2026, 3, 3), 1000) for who in OTHERS]
    so_far = told(house, ENDS, lines)  # its last day may still bring orders
    assert so_far.whole.buyers.p < 1e-6
    assert (so_far.whole.buyers.verdict, so_far.closed, so_far.until) == ("too_early", False, ENDS)
    assert so_far.whole.earned_cents is None
    over = told(house, CLOSED, lines)
    assert over.whole.buyers.verdict == "gain"
    wider, narrower = so_far.whole.buyers.interval, over.whole.buyers.interval
    assert wider.high - wider.low > narrower.high - narrower.low


def test_what_was_told_is_kept_and_a_late_return_restates_it(house: House) -> None:
    night(house, BASE, [], EVERYONE)
    first = told(house, CLOSED, LINES)
    quiet = night(house, CLOSED + timedelta(days=1), LINES, EVERYONE)
    assert year_effects.refresh(house, quiet, at=AT) == []  # no news: nothing is written
    back = [*LINES, Line("8", OTHERS[0], date(2027, 2, 1), -3000, "CUP")]
    later = told(house, date(2027, 2, 2), back)
    assert later.whole.revenue is not None
    assert later.whole.revenue.treated.total == 3000
    assert later.first == first
    assert year_effects.of_year(house.engine, YEAR, known=moment(CLOSED)) == first
    too_late = date(2027, 5, 1)
    assert year_effects.refresh(house, night(house, too_late, LINES, EVERYONE), at=moment(too_late)) == []
    with house.engine.connect() as connection:
        assert len(connection.execute(select(year_response)).all()) == 4


def test_a_shop_without_a_holdout_is_told_nothing(base: Engine, tmp_path: Path) -> None:
    shop = house_on(base, tmp_path)
    with base.begin() as connection:
        earlier_run(connection, "winter", BEGINS, shop={"holdout": {"share": 0.0, "seed": "1"}})
        earlier_run(connection, "older", BEGINS, shop={})
    assert year_effects.refresh(shop, night(shop, CLOSED, LINES, EVERYONE), at=AT) == []
    assert year_effects.years(base, known=datetime.max.replace(tzinfo=AT.tzinfo)) == []
    with base.connect() as connection:
        assert connection.execute(select(year_period)).all() == []


# Where it is shown


def shown(house: House, out: Path, at: datetime, monkeypatch: pytest.MonkeyPatch, *asked: str) -> str:
    """What the terminal says of it, in English."""
    english = replace(house, shop=house.shop.model_copy(update={"language": "en"}))
    monkeypatch.setattr("habitue.doors.opened", lambda _: nullcontext((english, at)))
    said = CliRunner().invoke(app, ["results", "--shop", "--csv", str(out), *asked])
    assert said.exit_code == 0, said.output
    return re.sub(r"\s+", " ", said.output)


def test_page_terminal_and_file_say_the_same(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    night(house, BASE, [], EVERYONE)
    told(house, date(2026, 7, 1), LINES)
    page = Site(house, moment(date(2026, 7, 1))).get("marc", "/holdout/").text
    for says in ("All campaigns of 2026 together", "too early to say", "Sales of a customer", "on neither side"):
        assert says in page
    found = told(house, CLOSED, LINES)
    verdict = year_effects_in_words.verdict(found, house.shop.model_copy(update={"language": "en"}))
    assert verdict in unescape(Site(house, moment(CLOSED)).get("marc", "/holdout/").text)
    output = shown(house, tmp_path / "year.csv", moment(CLOSED), monkeypatch, "--year", "2026")
    assert verdict in output
    rows = list(csv.DictReader(io.StringIO((tmp_path / "year.csv").read_text("utf-8-sig")), delimiter=";"))
    effect = next(row for row in rows if row["figure"] == "effect")
    assert (effect["run"], effect["arm"], effect["verdict"]) == ("shop:2026", "shop", found.whole.buyers.verdict)
    assert float(effect["value"].lstrip("'")) == found.whole.buyers.difference
    listed = Site(house, moment(CLOSED)).get("marc", "/holdout/csv").text
    assert "shop:2026" in listed


def test_before_the_year_is_over_the_file_gives_no_amount_an_interval(house: House) -> None:
    night(house, BASE, [], EVERYONE)
    found = told(house, ENDS, LINES)
    rows = {row["figure"]: row for row in year_effects_in_words.csv_rows(found, house.shop)}
    assert rows["effect"]["low"] < rows["effect"]["high"]
    assert [rows[name]["low"] for name in ("extra_revenue_cents", "extra_margin_cents", "orders_more")] == [None] * 3


def test_a_shop_without_a_holdout_is_told_how_to_have_one_and_what_it_costs(
    base: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = house_on(base, tmp_path)
    page = unescape(Site(shop, AT).get("marc", "/holdout/").text)
    output = shown(shop, tmp_path / "none.csv", AT, monkeypatch)
    for says in ("holdout: {share: 0.1}", "with one in ten held out, a tenth of it"):
        assert says in page
        assert says in output
    asked = CliRunner().invoke(app, ["results"])
    assert asked.exit_code == 2
    assert "--shop" in asked.output


# By chance


CROWD = [f"c{number:05}" for number in range(1500)]


def simulated(seed: int, chances: np.ndarray, gain: float) -> YearEffect:
    """A year of a shop that holds a fifth of them out, where each comes by chance; campaigns bring `gain` more."""
    luck = np.random.default_rng(seed)
    held = np.array([draw(who, str(seed)) for who in CROWD]) < 0.2
    orders = np.where(luck.random(len(CROWD)) < chances + gain * ~held, luck.geometric(0.5, len(CROWD)), 0)
    cents = np.round(orders * luck.lognormal(8, 1, len(CROWD)))
    when = {"year": YEAR, "share": 0.2, "starts": BEGINS, "until": ENDS, "closed": True}
    rows = [
        {
            **when,
            "snapshot_id": "",
            "known_at": AT,
            "gross": 0.5,
            "spent_micros": 0,
            "held": side,
            "customers": int(mine.sum()),
            "buyers": int((orders[mine] > 0).sum()),
            "orders": int(orders[mine].sum()),
            "orders_squares": int((orders[mine] ** 2).sum()),
            "sold_cents": int(cents[mine].sum()),
            "returned_cents": 0,
            "squares": int((cents[mine] ** 2).sum()),
        }
        for side in (False, True)
        for mine in (held == side,)
    ]
    found = year_effects.effect_of(rows)
    assert found is not None
    return found


def test_chance_alone_is_called_an_effect_one_year_in_twenty() -> None:
    chances = np.random.default_rng(7).beta(1, 3, len(CROWD))  # some come often, many hardly ever
    found = [simulated(seed, chances, 0.0) for seed in range(240)]
    called = [one.whole.buyers.verdict in ("gain", "loss") for one in found]
    orders = [one.orders is not None and one.orders.p < 0.05 for one in found]
    money = [one.whole.revenue is not None and one.whole.revenue.p < 0.05 for one in found]
    for alarms in (called, orders, money):
        assert 0.02 <= np.mean(alarms) <= 0.09  # 5 %, and what 240 years may miss of it


def test_a_planted_effect_is_found_and_as_large_as_it_is() -> None:
    chances = np.random.default_rng(7).beta(1, 3, len(CROWD))
    found = [simulated(seed, chances * 0.9, 0.10) for seed in range(60)]
    assert np.mean([one.whole.buyers.difference for one in found]) == pytest.approx(0.10, abs=0.012)
    assert np.mean([0.10 in one.whole.buyers.interval for one in found]) >= 0.88
    assert np.mean([one.whole.buyers.verdict == "gain" for one in found]) > 0.8
