"""The customer base over time: histories whose figures are known, held against pandas and raw SQL, told once, restated
beside what was told, and with the rows behind them."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from pyarrow import parquet
from sqlalchemy import insert, select

from conftest import ROOT
from figures_in_pandas import days_in_pandas, figures_in_pandas
from habitue import complaints, customer_base, figures, trends
from habitue.errors import LedgerError
from habitue.figures import FIGURES, Cell, Told
from habitue.figures_in_words import written
from habitue.holdings import FREE_TABLES
from habitue.house import House
from habitue.lake import Lake, Snapshot
from habitue.ordinary import judge
from habitue.periods import periods, quarter_before, quarter_end, quarter_name
from habitue.segments import segment
from habitue.shop import Scoring, SegmentSettings
from habitue.statements import source
from habitue.tables import figure, hold
from people import ANNA, BORIS, CLARA
from test_runs import ON, STEPS, house, house_at, night, now  # noqa: F401 - fixtures

RULES = SegmentSettings()
Line = tuple[str, date, int]
"""who, when, cents"""


def snapshot_of(folder: Path, lines: Sequence[Line], *, on: date, customers: Sequence[str] = ()) -> Snapshot:
    """A snapshot with these order lines; customers are those who have some, and `customers`."""
    folder.mkdir(parents=True, exist_ok=True)
    ids = sorted({who for who, _, _ in lines} | set(customers))
    parquet.write_table(pa.table({"customer_id": pa.array(ids, pa.string())}), folder / "customers.parquet")
    moments = [datetime(day.year, day.month, day.day, 10) for _, day, _ in lines]  # noqa: DTZ001 - shop time
    table = {
        "customer_id": pa.array([who for who, _, _ in lines], pa.string()),
        "order_id": pa.array([f"{who} {day}" for who, day, _ in lines], pa.string()),
        "ordered_at": pa.array(moments, pa.timestamp("us")),
        "amount_cents": pa.array([cents for _, _, cents in lines], pa.int64()),
    }
    parquet.write_table(pa.table(table), folder / "orders.parquet")
    return Snapshot(
        folder, folder, {"id": on.isoformat(), "on": on.isoformat(), "orders": {"parts": [{"file": "orders.parquet"}]}}
    )


def worked_out(folder: Path, lines: Sequence[Line], *, on: date, rules: SegmentSettings = RULES) -> list[Cell]:
    return trends.work_out(snapshot_of(folder, lines, on=on), rules)


def one(cells: Sequence[Cell], name: str, span: str, ends: date, part: str = "", other: str = "") -> tuple[int, int]:
    """value, of"""
    [found] = [
        (cell.value, cell.of)
        for cell in cells
        if (cell.name, cell.span, cell.ends, cell.part, cell.other) == (name, span, ends, part, other)
    ]
    return found


# A history by hand

BEGINS, JUNE, SEPTEMBER, DECEMBER = date(2024, 1, 1), date(2026, 6, 30), date(2026, 9, 30), date(2026, 12, 31)
HISTORY: list[Line] = [
    ("first", BEGINS, 1000),  # the lake reaches back far enough
    *[(ANNA, day, 9000) for day in (date(2025, 9, 1), date(2025, 12, 1), date(2026, 3, 1), date(2026, 7, 1))],
    (ANNA, date(2026, 7, 1), -2000),  # brought something back the same day
    (ANNA, date(2026, 10, 5), 5000),
    (BORIS, date(2025, 9, 10), 3000),  # active in June, lost by 10 September
    *[(CLARA, date(2026, month, 2), 1500) for month in (1, 2, 3, 8)],
    ("david", date(2026, 8, 20), 4000),  # new in summer
]


def test_five_per_cent_attrition_is_five_per_cent_of_the_starting_base_lost(tmp_path: Path) -> None:
    """Twenty customers were active, one is lost; ten new ones don't count."""
    start, lost = date(2026, 6, 1), date(2025, 8, 1)
    base = [(f"old {n}", start, 1000) for n in range(19)] + [("gone", lost, 1000)]
    new = [(f"new {n}", date(2026, 8, 1), 1000) for n in range(10)]
    cells = worked_out(tmp_path, [("first", BEGINS, 1), *base, *new], on=SEPTEMBER)
    assert one(cells, "attrition", "quarter", SEPTEMBER) == (1, 20)
    assert 1 / 20 == 0.05
    assert one(cells, "retention", "quarter", SEPTEMBER) == (19, 20)


def test_a_summer_of_four_customers(tmp_path: Path) -> None:
    cells = worked_out(tmp_path, HISTORY, on=SEPTEMBER)
    sizes = {part: one(cells, "size", "day", SEPTEMBER, part)[0] for part in trends.FIVE}
    # baskets: anna 25000/3 (from 1 October 2025 on), clara 6000/4, david 4000/1: the 67th percentile lies above david
    assert sizes == {
        "regular_heavy": 0,
        "regular_light": 1,
        "occasional_heavy": 1,
        "occasional_light": 1,
        "lapsed": 2,
    }
    assert one(cells, "attrition", "quarter", SEPTEMBER) == (1, 3)
    assert one(cells, "movement", "quarter", SEPTEMBER, "new", "occasional_light") == (1, 1)
    assert one(cells, "movement", "quarter", SEPTEMBER, "occasional_light", "regular_light") == (1, 2)
    assert one(cells, "basket", "quarter", SEPTEMBER) == (9000 - 2000 + 1500 + 4000, 3)
    assert one(cells, "frequency", "quarter", SEPTEMBER) == (3, 3)
    assert one(cells, "frequency", "year", SEPTEMBER) == (3 + 4 + 1, 3)
    assert one(cells, "cohorts", "quarter", SEPTEMBER, "2025-Q3", "004") == (1, 2)
    assert one(cells, "curve", "day", SEPTEMBER, "005") == (25000, 35000)
    assert one(cells, "tier_spend", "day", SEPTEMBER, "next_40") == (6000, 35000)


def test_a_quarter_under_way_is_held_against_the_same_days(tmp_path: Path) -> None:
    on = date(2026, 10, 20)
    cells = worked_out(tmp_path, HISTORY, on=on)
    assert one(cells, "basket", "quarter", on) == (5000, 1)
    assert one(cells, "basket", "quarter", date(2025, 10, 20)) == (0, 0)
    assert {cell.ends for cell in cells if cell.name == "attrition" and cell.span == "year"} >= {on, SEPTEMBER}


def test_slowing_down_comes_before_lapsing(tmp_path: Path) -> None:
    """Every thirty days, then silent for ninety: three times as long as usual."""
    monthly = [("emma", date(2026, 1, 2) + timedelta(days=30 * n), 1000) for n in range(6)]
    on = monthly[-1][1] + timedelta(days=90)
    cells = worked_out(tmp_path, [("first", BEGINS, 1), *monthly, ("felix", on, 1000)], on=on)
    assert one(cells, "slowing", "day", on) == (1, 2)


def test_nothing_is_said_of_days_before_which_the_lake_knows_too_little(tmp_path: Path) -> None:
    lines = [("anna", date(2026, 1, 5) + timedelta(days=n), 1000) for n in range(0, 260, 20)]
    cells = worked_out(tmp_path, lines, on=SEPTEMBER)
    assert {cell.ends for cell in cells if cell.name == "size"} == {SEPTEMBER}
    assert not [cell for cell in cells if cell.name in ("movement", "attrition")]
    assert {cell.ends for cell in cells if cell.name == "basket"} == {JUNE, SEPTEMBER}
    assert worked_out(tmp_path / "none", [], on=SEPTEMBER) == []


def test_the_quarters_of_the_calendar() -> None:
    assert quarter_end(date(2026, 11, 3)) == DECEMBER
    assert quarter_before(date(2026, 9, 30)) == JUNE
    assert quarter_before(date(2026, 1, 1)) == date(2025, 12, 31)
    assert quarter_name(SEPTEMBER) == "2026-Q3"
    leap = periods(date(2028, 2, 29), date(2020, 1, 1), 365)
    assert [one for one in leap if one.span == "year"][-1].starts == date(2027, 2, 28)
    assert all(one.starts < one.ends or one.span == "day" for one in leap)
    assert len({(one.span, one.ends) for one in leap}) == len(leap)


# Properties

people = some.lists(
    some.tuples(
        some.sampled_from("abcdefgh"),
        some.integers(0, 1000).map(lambda n: date(2024, 1, 1) + timedelta(days=n)),
        some.integers(-3000, 9000),
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=6)
@given(lines=people, lapsed=some.sampled_from([180, 365]))
def test_movement_adds_up_to_the_sizes_at_both_ends(
    tmp_path_factory: pytest.TempPathFactory, lines: list[Line], lapsed: int
) -> None:
    rules = SegmentSettings(lapsed_after_days=lapsed)
    cells = worked_out(tmp_path_factory.mktemp("base"), lines, on=SEPTEMBER, rules=rules)
    moved = [cell for cell in cells if cell.name == "movement"]
    sizes = {(cell.ends, cell.part): cell.value for cell in cells if cell.name == "size"}
    for span, starts, ends in {(cell.span, cell.starts, cell.ends) for cell in moved}:
        of_period = [cell for cell in moved if (cell.span, cell.ends) == (span, ends)]
        for group in trends.FIVE:
            arrived = sum(cell.value for cell in of_period if cell.other == group)
            left = sum(cell.value for cell in of_period if cell.part == group)
            assert arrived == sizes.get((ends, group), arrived)
            assert left == sizes.get((starts, group), left)
            assert {cell.of for cell in of_period if cell.part == group} == {left}
        lost = sum(cell.value for cell in of_period if cell.other == "lapsed" and cell.part not in ("lapsed", "new"))
        [attrition] = [c for c in cells if c.name == "attrition" and (c.span, c.ends) == (span, ends)] or [None]
        assert lost == (attrition.value if attrition else 0)


# What was told stands as long as nothing that it was made of has changed

TUESDAY, WEDNESDAY = date(2026, 9, 15), date(2026, 9, 16)
PEOPLE = [f"p{n}" for n in range(6)]
VISITS: list[Line] = [
    (who, BEGINS + timedelta(days=n), 1000 + 100 * n % 700)
    for place, who in enumerate(PEOPLE)
    for n in range(place, 985, 17 + 23 * place)
]
EVE = ("eve", date(2024, 5, 3), 4000)
"""She has bought, but is no customer of the base: the shop has forgotten her, or knows her by another number."""
COMPLAINT = (date(2026, 2, 1), 2)


def lake_of(root: Path, lines: Sequence[Line], customers: Sequence[str], *, on: date) -> Snapshot:
    """A snapshot as the lake keeps it: a file a month, named by what is in it."""
    parts = []
    for month in sorted({f"{day:%Y-%m}" for _, day, _ in lines}):
        some = [line for line in lines if f"{line[1]:%Y-%m}" == month]
        name = f"{month}-{hashlib.sha256(repr(some).encode()).hexdigest()[:12]}"
        snapshot_of(root / name, some, on=on)
        parts.append({"month": month, "file": f"{name}/orders.parquet"})
    path = root / on.isoformat()
    snapshot_of(path, [], on=on, customers=customers)
    return Snapshot(root, path, {"id": on.isoformat(), "on": on.isoformat(), "orders": {"parts": parts}})


@pytest.fixture(scope="module")
def tuesday(tmp_path_factory: pytest.TempPathFactory) -> tuple[Snapshot, list[Cell]]:
    found = lake_of(tmp_path_factory.mktemp("nights"), [*VISITS, EVE], PEOPLE, on=TUESDAY)
    return found, trends.work_out(found, RULES, [COMPLAINT])


@pytest.mark.parametrize(
    ("line", "customers", "complaint", "all_anew"),
    [
        ((PEOPLE[0], WEDNESDAY, 900), PEOPLE, None, False),
        ((PEOPLE[1], date(2026, 3, 20), -2500), PEOPLE, None, False),  # a late return of an earlier quarter
        (("zoe", WEDNESDAY, 900), [*PEOPLE, "zoe"], None, False),
        ((PEOPLE[0], WEDNESDAY, 900), PEOPLE, (date(2025, 11, 3), 1), False),  # the first one, known late
        ((PEOPLE[0], WEDNESDAY, 900), [*PEOPLE, "eve"], None, True),
        ((PEOPLE[0], WEDNESDAY, 900), PEOPLE[1:], None, True),
    ],
    ids=["a purchase", "a late return", "a new customer", "a late complaint", "eve is found", "somebody is gone"],
)
def test_a_night_works_out_what_may_have_changed(
    tuesday: tuple[Snapshot, list[Cell]],
    line: Line,
    customers: list[str],
    complaint: tuple[date, int] | None,
    all_anew: bool,
) -> None:
    """With what was told the night before it is the same as working everything out again."""
    before, told = tuesday
    complained = [COMPLAINT, complaint] if complaint else [COMPLAINT]
    wednesday = lake_of(before.root, [*VISITS, EVE, line], customers, on=WEDNESDAY)
    kept = {(cell.span, cell.ends): cell.value for cell in told if cell.name == "complaints"}
    some = trends.work_out(wednesday, RULES, complained, trends.Before(before, kept))
    whole = trends.work_out(wednesday, RULES, complained)
    anew = {(cell.name, cell.span, cell.ends) for cell in some}
    stand = [cell for cell in told if (cell.name, cell.span, cell.ends) not in anew]
    wanted = {(cell.name, cell.span, cell.ends) for cell in whole}
    assert {*some, *(cell for cell in stand if (cell.name, cell.span, cell.ends) in wanted)} == {*whole}
    assert (len(some) == len(whole)) == all_anew


# The demonstration shop: against pandas, raw SQL, and the segments themselves


@pytest.fixture(scope="module")
def lake(night: Path) -> Snapshot:  # noqa: F811
    found = Lake(night / "lake").latest()
    assert found is not None
    return found


@pytest.fixture(scope="module")
def demo(lake: Snapshot) -> list[Cell]:
    return trends.work_out(lake, RULES)


def test_every_cell_is_what_pandas_says(lake: Snapshot, demo: list[Cell]) -> None:
    days = days_in_pandas(lake.orders, lake.customers)
    first = date(1970, 1, 1) + timedelta(days=int(days["day"].min()))
    slowing = (trends.SLOWING["factor"], trends.SLOWING["least_days"])
    wanted = periods(lake.on, first, RULES.window_days)
    theirs = {row[:5]: row[5:] for row in figures_in_pandas(days, wanted, RULES, slowing=slowing)}
    ours = {
        (cell.name, cell.span, cell.ends, cell.part, cell.other): (cell.value, cell.of)
        for cell in demo
        if cell.name != "movement" or cell.value
    }
    assert {name for name, *_ in ours} == {*FIGURES} - {"complaints"}
    assert ours == theirs


def test_sales_and_visits_are_those_of_plain_sql(lake: Snapshot, demo: list[Cell]) -> None:
    orders = [str(path) for path in lake.orders]
    question = """
        SELECT sum(amount_cents), count(DISTINCT (customer_id, ordered_at::DATE)) FILTER (amount_cents > 0)
        FROM read_parquet(?) WHERE customer_id IN (SELECT customer_id FROM read_parquet(?))
            AND ordered_at::DATE > ? AND ordered_at::DATE <= ?
    """
    for cell in [cell for cell in demo if cell.name == "basket"]:
        asked = duckdb.execute(question, [orders, str(lake.customers), cell.starts, cell.ends]).fetchall()[0]
        assert (cell.value, cell.of) == (asked[0] or 0, asked[1]), cell


def test_the_groups_of_every_day_are_the_segments_own(lake: Snapshot, demo: list[Cell], tmp_path: Path) -> None:
    for day in sorted({cell.ends for cell in demo if cell.name == "size"})[::3]:
        out = tmp_path / "segments.parquet"
        result = segment(lake.orders, out, on=day, settings=RULES, scoring=Scoring(), customers=lake.customers)
        for group in trends.FIVE:
            assert one(demo, "size", "day", day, group)[0] == result.counts[group]
            assert one(demo, "spend", "day", day, group)[0] == result.amounts[group]
        if result.attrition and (year := [c for c in demo if c.name == "attrition" and c.span == "year"]):
            told = {cell.ends: (cell.value, cell.of) for cell in year}
            if day in told:
                assert told[day] == (result.attrition["lost"], result.attrition["at_start"])
        tiers = dict(duckdb.execute(f"SELECT tier, count(*) FROM '{out}' GROUP BY 1").fetchall())  # noqa: S608
        assert {t: one(demo, "tier_size", "day", day, t)[0] for t in trends.TIERS} == {
            tier: tiers.get(tier, 0) for tier in trends.TIERS
        }


# Told, restated, shown


def told(house: House, *names: str) -> list[Told]:  # noqa: F811
    rule, _ = trends.rule_of(house.shop.segments)
    with house.engine.connect() as connection:
        return figures.told(connection, rule, names or FIGURES)


def test_told_twice_is_told_once(house: House) -> None:  # noqa: F811
    first = trends.refresh(house, at=now())
    assert first.told == first.figures > 500
    with house.engine.connect() as connection:
        rows = connection.execute(select(figure).order_by(figure.c.figure_id)).all()
    again = trends.refresh(house, at=now() + timedelta(hours=1))
    assert (again.figures, again.told) == (first.figures, 0)
    with house.engine.connect() as connection:
        assert connection.execute(select(figure).order_by(figure.c.figure_id)).all() == rows
    assert not any(one.restated for one in told(house))


def test_a_figure_that_late_returns_restate_shows_both(house: House) -> None:  # noqa: F811
    """The next night's orders bring a return of September: what was told of September stays beside the new figure."""
    trends.refresh(house, at=now())
    before = {(one.name, one.span, one.ends, one.part, one.other): one for one in told(house)}
    later = ON + timedelta(days=1)
    monday = next_night(house, later, ("late", SEPTEMBER, -100_00))
    done = trends.refresh(house, at=now() + timedelta(days=1), snapshot=monday)
    basket = {(one.span, one.ends): one for one in told(house, "basket")}["quarter", SEPTEMBER]
    assert basket.restated
    first = before["basket", "quarter", SEPTEMBER, "", ""]
    assert (basket.first_value, basket.first_of) == (first.value, first.of)
    assert (basket.value, basket.of) == (first.value - 100_00, first.of)
    assert (basket.first_snapshot_id, basket.snapshot_id) == (ON.isoformat(), later.isoformat())
    assert 0 < done.told < done.figures
    unmoved = {(one.span, one.ends): one for one in told(house, "basket")}["quarter", JUNE]
    assert not unmoved.restated
    assert unmoved.snapshot_id == ON.isoformat()
    with pytest.raises(LedgerError, match="later snapshot"):
        trends.refresh(house, at=now(), snapshot=house.lake.snapshot(ON.isoformat()))
    assert customer_base.figures(house, ON, at=now()) == {"already": True}
    sheet = io.StringIO()
    figures.write_csv(told(house, "basket"), done.rule, sheet, language="en")
    [row] = [
        row
        for row in csv.DictReader(io.StringIO(sheet.getvalue()))
        if (row["span"], row["until"]) == ("quarter", SEPTEMBER.isoformat())
    ]
    assert (row["restated"], row["value"], row["first_value"]) == ("yes", str(basket.value), str(first.value))


def next_night(house: House, on: date, *lines: Line) -> Snapshot:  # noqa: F811
    """The snapshot of the next day: the last one's, with more lines in the last month of theirs."""
    last = house.lake.snapshot(ON.isoformat())
    [who] = duckdb.execute(
        "SELECT min(customer_id) FROM read_parquet(?) WHERE amount_cents > 0", [str(last.orders[-1])]
    ).fetchall()[0]
    with duckdb.connect() as con:
        con.read_parquet([str(path) for path in last.orders], union_by_name=True).create_view("orders")
        for name, day, cents in lines:
            added = house.lake.root / "orders" / f"{name}.parquet"
            con.execute(
                f"COPY (SELECT * REPLACE ('late' AS order_id, {cents}::BIGINT AS amount_cents, "  # noqa: S608
                f"TIMESTAMP '{day} 10:00' AS ordered_at) FROM orders WHERE customer_id = '{who}' LIMIT 1) "
                f"TO '{added}' (FORMAT parquet)"
            )
    part = {"month": f"{lines[0][1]:%Y-%m}", "file": f"orders/{lines[0][0]}.parquet"}
    manifest = {
        **last.manifest,
        "id": on.isoformat(),
        "on": on.isoformat(),
        "orders": {"parts": [*last.manifest["orders"]["parts"], part]},
    }
    return Snapshot(last.root, last.path, manifest)


def test_other_thresholds_are_another_rule_and_no_restatement(house: House) -> None:  # noqa: F811
    trends.refresh(house, at=now())
    shop = house.shop.model_copy(update={"segments": SegmentSettings(lapsed_after_days=180)})
    other = replace(house, shop=shop)
    done = trends.refresh(other, at=now())
    assert done.told == done.figures
    assert not any(one.restated for one in [*told(house), *told(other)])
    with house.engine.connect() as connection:
        kept = dict(figures.rules(connection))
    assert kept[done.rule]["segments"]["lapsed_after_days"] == 180
    assert len(kept) == 2


def test_complaints_are_told_from_the_first_one_on(house: House) -> None:  # noqa: F811
    who = [f"C{n}" for n in range(3)]
    moments = [datetime(2026, 8, day, 22, 30, tzinfo=UTC) for day in (3, 4, 31)]  # half past midnight in Paris
    with house.engine.begin() as connection:
        connection.execute(
            insert(hold),
            [
                {"customer_id": one, "reason": "complaint", "opened_at": at, "opened_by": "olga"}
                for one, at in zip(who, moments, strict=True)
            ],
        )
    trends.refresh(house, at=now())
    found = {(one.span, one.ends): one for one in told(house, "complaints")}
    visits = {(one.span, one.ends): one for one in told(house, "frequency")}
    assert {span for span, _ in found} == {"quarter"}
    assert found["quarter", SEPTEMBER].value == 3
    assert found["quarter", SEPTEMBER].of == visits["quarter", SEPTEMBER].of
    assert ("quarter", JUNE) not in found
    with trends.rows_behind(house, found["quarter", SEPTEMBER]) as (columns, rows):
        assert [row[0] for row in rows] == who
        assert columns[0] == "customer_id"


def test_a_complaint_and_the_hold_that_it_opens_count_once(house: House) -> None:  # noqa: F811
    """Two complaints of C0 under one hold are two; one that was held by hand and then written down is one."""
    first, second = (datetime(2026, 8, day, 9, tzinfo=UTC) for day in (3, 4))
    told_by = {"owner": "manager", "by": "olga"}
    with house.engine.begin() as connection:
        complaints.raise_complaint(connection, "C0", "x", at=first, **told_by)
        complaints.raise_complaint(connection, "C0", "y", at=second, **told_by)
        by_hand = {"customer_id": "C1", "reason": "complaint", "opened_at": first, "opened_by": "olga"}
        connection.execute(insert(hold).values(by_hand))
        complaints.raise_complaint(connection, "C1", "z", at=second, **told_by)
    trends.refresh(house, at=now())
    (cell,) = [one for one in told(house, "complaints") if one.ends == SEPTEMBER]
    assert cell.value == 3
    with trends.rows_behind(house, cell) as (_, rows):
        assert sorted(row[0] for row in rows) == ["C0", "C0", "C1"]


def test_each_figure_is_its_rows(house: House) -> None:  # noqa: F811
    """Of each figure the cells of one period: as many rows, or as much money, as it says."""
    trends.refresh(house, at=now())
    chosen: dict[tuple[str, str], Told] = {}
    for cell in told(house):
        if cell.ends == SEPTEMBER and cell.value:
            chosen[cell.name, cell.span] = cell
    assert {name for name, _ in chosen} == {*FIGURES} - {"complaints"}
    for cell in chosen.values():
        with trends.rows_behind(house, cell) as (columns, found):
            rows = [dict(zip(columns, row, strict=True)) for row in found]
        assert len({row["customer_id"] for row in rows}) == len(rows)
        counted = {
            "attrition": lambda rows: sum(row["lost"] for row in rows),
            "retention": lambda rows: sum(not row["lost"] for row in rows),
            "spend": lambda rows: sum(row["amount_cents"] for row in rows),
            "tier_spend": lambda rows: sum(row["amount_cents"] for row in rows),
            "curve": lambda rows: sum(row["amount_cents"] for row in rows),
            "basket": lambda rows: sum(row["cents"] for row in rows),
            "frequency": lambda rows: sum(row["visits"] for row in rows),
            "cohorts": lambda rows: sum(row["bought"] for row in rows),
        }
        assert counted.get(cell.name, len)(rows) == cell.value, cell.name
        if cell.name in ("attrition", "retention", "cohorts"):
            assert len(rows) == cell.of
        if cell.name == "basket":
            assert sum(row["visits"] for row in rows) == cell.of


def test_the_night_tells_its_figures(house: House) -> None:  # noqa: F811
    told_then = customer_base.figures(house, ON, at=now())
    assert told_then["told"] > 0
    with pytest.raises(LedgerError, match="clear the task"):
        customer_base.figures(house, ON + timedelta(days=1), at=now())


# What is out of the ordinary


@pytest.mark.parametrize(
    ("now", "earlier", "verdict"),
    [
        ((50, 1000), [(50, 1000), (52, 1000), (48, 1000)], "ordinary"),
        ((100, 1000), [(50, 1000), (52, 1000), (48, 1000)], "high"),
        ((10, 1000), [(50, 1000), (52, 1000), (48, 1000)], "low"),
        ((100, 1000), [(20, 1000), (120, 1000), (50, 1000)], "ordinary"),  # years differ as much among themselves
        ((100, 1000), [(50, 1000)], "too_few_years"),
        ((100, 1000), [(50, 1000), (0, 0)], "too_few_years"),
        ((0, 0), [(50, 1000), (52, 1000)], "too_few_years"),
        ((3, 40), [(2, 40), (1, 40)], "too_few_customers"),
    ],
)
def test_out_of_the_ordinary(now: tuple[int, int], earlier: list[tuple[int, int]], verdict: str) -> None:
    assert judge(now, earlier).verdict == verdict


def test_the_limits_of_the_ordinary_worked_by_hand() -> None:
    """p = 100/2000; the two years agree, so the factor is 1; sd = √(0.05 × 0.95 × (1/1000 + 1/2000)) = 0.0084410."""
    found = judge((50, 1000), [(50, 1000), (50, 1000)])
    assert found.expected == 0.05
    assert (found.low, found.high) == (pytest.approx(0.024677, abs=1e-6), pytest.approx(0.075323, abs=1e-6))


def test_chance_alone_raises_few_alerts() -> None:
    """Years that only differ by chance: an alert in far less than one of fifty."""
    import random

    dice = random.Random(7)
    alerts = 0
    for _ in range(400):
        years = [(sum(dice.random() < 0.06 for _ in range(400)), 400) for _ in range(5)]
        alerts += judge(years[0], years[1:]).alert
    assert alerts <= 8


# Definitions


def test_every_figure_says_what_it_means_and_where_its_rows_are() -> None:
    _, means = trends.rule_of(RULES)
    assert set(FIGURES) == set(trends.QUESTIONS)
    for name, known in FIGURES.items():
        assert source(known.rows).startswith("-- "), name
        for language in ("fr", "en"):
            said = known.said(language, means)
            assert said.name
            assert said.means
            assert said.formula
            assert "{" not in said.means + said.formula
    assert "365" in FIGURES["attrition"].said("en", means).formula


def test_the_rule_changes_with_what_is_asked_and_not_with_what_is_remarked(monkeypatch: pytest.MonkeyPatch) -> None:
    rule, _ = trends.rule_of(RULES)
    assert trends.rule_of(RULES.model_copy(update={"window_days": 366}))[0] != rule
    monkeypatch.setattr(trends, "sql_text", lambda name: "-- another remark\n" + source(name))
    assert trends.rule_of(RULES)[0] == rule
    monkeypatch.setattr(trends, "sql_text", lambda name: source(name).replace("bought", "bought_something"))
    assert trends.rule_of(RULES)[0] != rule


def test_figures_are_written_one_way(house: House) -> None:  # noqa: F811
    trends.refresh(house, at=now())
    shop = house.shop.model_copy(update={"language": "en"})
    shown = {(one.name, one.span, one.ends): written(one, shop) for one in told(house, "attrition", "basket")}
    assert shown["attrition", "year", ON].endswith("%")
    assert shown["basket", "year", ON].startswith("€")


def test_the_tables_hold_nothing_of_anybody() -> None:
    assert "figure" in FREE_TABLES
    assert ROOT.is_dir()
