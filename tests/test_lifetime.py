"""BG/NBD and Gamma-Gamma: the published numbers, and what becomes of a lake's customers."""

from __future__ import annotations

import csv
import io
import math
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from conftest import SHARED
from habitue.effects import Side
from habitue.errors import SettingError
from habitue.figures import Told
from habitue.lifetime import Buying, Fit, Spending, add_values, fit_buying, fit_spending
from habitue.limits import LifetimeSettings, Margin
from habitue.shop import Shop, load_shop
from habitue.worths import Worth, best, lasting, lasting_value, write_csv

PUBLISHED = Buying(0.243, 4.414, 0.793, 2.426)
"""Fader, Hardie, Lee 2005, table 2: CDNOW, 2357 customers, 39 weeks."""


def of(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)


@pytest.mark.parametrize(("weeks", "purchases"), [(1, 0.053267891), (39, 1.1967232), (52, 1.4460506), (78, 1.8605191)])
def test_a_new_customer_comes_again_as_published(weeks: float, purchases: float) -> None:
    assert PUBLISHED.expected_of_new(weeks) == pytest.approx(purchases, abs=1e-7)


@pytest.mark.parametrize(
    ("weeks", "purchases"),
    [(0.1429, 0.0078), (1, 0.0532), (3, 0.1506), (31.8571, 1.0405), (32, 1.0437), (78, 1.8576)],
)
def test_hardies_sheet_says_the_same(weeks: float, purchases: float) -> None:
    refit = Buying(0.24259, 4.41353, 0.79289, 2.42575)
    assert refit.expected_of_new(weeks) == pytest.approx(purchases, abs=4e-4)


def test_the_chance_of_so_many_purchases_is_as_published() -> None:
    assert PUBLISHED.chance_of(0, 39) == pytest.approx(0.573786352, abs=1e-9)
    assert PUBLISHED.chance_of(10, 2) == pytest.approx(1.07869e-07, rel=1e-5)
    assert sum(PUBLISHED.chance_of(number, 39) for number in range(400)) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("repeats", "last", "known", "expected", "alive"),
    [
        (2, 30.43, 38.86, 1.2260282, 0.72657857),
        (1, 1.71, 38.86, 0.20318699, 0.21210099),
        (0, 0, 38.86, 0.19509805, 1),
        (7, 29.43, 38.86, 3.3370533, 0.64175635),
        (26, 30.86, 31.00, 20.749726, 0.96891565),
    ],
)
def test_a_known_customer_is_judged_as_published(
    repeats: float, last: float, known: float, expected: float, alive: float
) -> None:
    history = of(repeats), of(last), of(known)
    assert PUBLISHED.expected(39, *history)[0] == pytest.approx(expected, abs=1e-6)
    assert PUBLISHED.alive(*history)[0] == pytest.approx(alive, abs=1e-8)


def test_the_likelihood_of_a_history_is_as_computed_to_forty_digits() -> None:
    found = PUBLISHED.log_likelihood(of(2, 0), of(30.43, 0), of(38.86, 38.86))
    assert found == pytest.approx([-9.458606307, -0.5547132764], abs=1e-8)


def test_what_a_purchase_brings_is_as_in_hardies_note() -> None:
    spending = Spending(6.25, 3.74, 15.44)
    assert spending.mean == pytest.approx(35.219, abs=1e-3)
    assert spending.expected(of(2, 1), of(22.35, 11.77)) == pytest.approx([24.66, 18.92], abs=5e-3)


def test_a_customer_of_a_thousand_purchases_overflows_nothing() -> None:
    with np.errstate(all="raise", under="ignore"):
        found = PUBLISHED.expected(52, of(1000, 1000), of(150, 10), of(156, 156))
        likelihood = PUBLISHED.log_likelihood(of(1000), of(10), of(156))
    assert np.isfinite(found).all()
    assert found[1] == pytest.approx(0, abs=1e-9)
    assert np.isfinite(likelihood).all()


def test_the_published_estimates_are_found_on_the_published_customers() -> None:
    file = SHARED / "cdnow" / "cdnow_customers_summary_with_transactions.csv"
    if not file.is_file():
        pytest.skip(f"CDNOW's customers are not here ({file.name}): their licence is unclear, they are not bundled")
    with file.open(newline="") as table:
        rows = list(csv.DictReader(table))
    repeats, last, known, average = (of(*(float(row[name]) for row in rows)) for name in ("x", "t_x", "T", "zbar"))
    found = fit_buying(repeats, last, known, np.ones(len(rows)))
    assert found is not None
    buying, likelihood = found
    assert (buying.r, buying.alpha) == (pytest.approx(0.243, abs=1e-3), pytest.approx(4.414, abs=2e-3))
    assert (buying.a, buying.b) == (pytest.approx(0.793, abs=1e-3), pytest.approx(2.426, abs=2e-3))
    assert likelihood == pytest.approx(-9582.4, abs=0.1)
    spending = fit_spending(repeats[average > 0], average[average > 0])
    assert spending is not None
    assert (spending.p, spending.q, spending.v) == (
        pytest.approx(6.25, abs=0.01), pytest.approx(3.74, abs=0.01), pytest.approx(15.44, abs=0.05),
    )  # fmt: skip


def lives(rng: np.random.Generator, many: int, truth: Buying) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Histories of customers as the model has them, in weeks."""
    rate, leaves = rng.gamma(truth.r, 1 / truth.alpha, many), rng.beta(truth.a, truth.b, many)
    known = rng.integers(60, 1096, many) / 7
    repeats, last, now, there = np.zeros(many), np.zeros(many), np.zeros(many), np.ones(many, bool)
    while there.any():
        now[there] += rng.exponential(1 / np.maximum(rate[there], 1e-9))
        there &= now < known
        repeats[there] += 1
        last[there] = now[there]
        there &= rng.random(many) >= leaves
    return repeats, last, known


def test_the_truth_is_found_again_in_simulated_customers() -> None:
    truth = Buying(0.9, 10.0, 0.7, 3.0)
    rng = np.random.default_rng(8)
    repeats, last, known = lives(rng, 20_000, truth)
    found = fit_buying(repeats, last, known, np.ones(len(repeats)))
    assert found is not None
    buying, _ = found
    for name, true in (("r", 0.9), ("alpha", 10.0)):
        assert getattr(buying, name) == pytest.approx(true, rel=0.1)
    assert buying.a / (buying.a + buying.b) == pytest.approx(0.7 / 3.7, rel=0.1)
    paid = Spending(5.0, 4.0, 2000.0)
    each = rng.gamma(paid.q, 1 / paid.v, 20_000)
    again = repeats > 0
    average = rng.gamma(paid.p * np.maximum(repeats, 1), 1 / (each * np.maximum(repeats, 1)))
    spending = fit_spending(repeats[again], average[again])
    assert spending is not None
    assert spending.mean == pytest.approx(paid.mean, rel=0.05)


ON = date(2026, 9, 30)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A lake of 3000 customers: its orders, and their segments."""
    folder = tmp_path_factory.mktemp("lake")
    rng = np.random.default_rng(3)
    repeats, last, known = lives(rng, 3000, Buying(0.9, 10.0, 0.7, 3.0))
    lines, groups = [], []
    for number, (times, until, weeks) in enumerate(zip(repeats, last, known, strict=True)):
        first = ON - timedelta(days=round(weeks * 7))
        days = {first, *(first + timedelta(days=round(until * 7 * step / times)) for step in range(1, int(times) + 1))}
        who = f"C{number:05d}"
        for place, day in enumerate(sorted(days)):
            lines.append((who, f"{who}-{place}", datetime.combine(day, time(11)), rng.integers(500, 9000)))
        since = (ON - max(days)).days
        groups.append((who, "lapsed" if since >= 365 else "regular_light" if times > 5 else "occasional_light"))
    with duckdb.connect() as con:
        table = pa.table(
            {
                "customer_id": [row[0] for row in lines],
                "order_id": [row[1] for row in lines],
                "ordered_at": pa.array([row[2] for row in lines], pa.timestamp("us")),
                "amount_cents": pa.array([int(row[3]) for row in lines], pa.int64()),
            }
        )
        con.register("lines_made", table)
        con.sql("SELECT * FROM lines_made").write_parquet(str(folder / "orders.parquet"))
        con.register(
            "groups_made", pa.table({"customer_id": [g[0] for g in groups], "segment": [g[1] for g in groups]})
        )
        con.sql("SELECT * FROM groups_made").write_parquet(str(folder / "segments.parquet"))
    return folder / "orders.parquet", folder / "segments.parquet"


def valued(lake: tuple[Path, Path], tmp_path: Path) -> tuple[Path, Fit]:
    segments = tmp_path / "segments.parquet"
    segments.write_bytes(lake[1].read_bytes())
    return segments, add_values([lake[0]], segments, on=ON)


def test_values_stand_beside_the_groups_and_are_the_same_each_time(lake: tuple[Path, Path], tmp_path: Path) -> None:
    segments, found = valued(lake, tmp_path)
    once = segments.read_bytes()
    assert valued(lake, tmp_path)[0].read_bytes() == once
    assert found.customers == 3000
    assert found.buying is not None
    assert found.spending is not None
    with duckdb.connect() as con:
        con.read_parquet(str(segments)).create_view("s")
        rows, alive_ok, unlapsed, negative = con.sql(
            "SELECT count(*), bool_and(alive BETWEEN 0 AND 1), count(won_back_cents) FILTER (segment <> 'lapsed'), "
            "count(*) FILTER (worth_cents < 0 OR won_back_cents < 0) FROM s"
        ).fetchall()[0]
    assert (rows, alive_ok, unlapsed, negative) == (3000, True, 0, 0)


def test_whoever_bought_once_is_never_called_alive(lake: tuple[Path, Path], tmp_path: Path) -> None:
    segments, _ = valued(lake, tmp_path)
    with duckdb.connect() as con:
        con.read_parquet(str(segments)).create_view("s")
        con.read_parquet(str(lake[0])).create_view("o")
        once, called = con.sql(
            "SELECT count(*), count(alive) FROM s SEMI JOIN "
            "(SELECT customer_id FROM o GROUP BY customer_id HAVING count(DISTINCT ordered_at) = 1) USING (customer_id)"
        ).fetchall()[0]
        groups = con.sql("SELECT segment, count(*) FROM s GROUP BY 1 ORDER BY 1").fetchall()
        before = con.read_parquet(str(lake[1])).aggregate("segment, count(*)").order("segment").fetchall()
    assert once > 100
    assert called == 0
    assert groups == before  # no probability moves anybody from group to group


def test_a_small_shop_has_no_values_rather_than_wrong_ones(lake: tuple[Path, Path], tmp_path: Path) -> None:
    orders, segments = tmp_path / "few.parquet", tmp_path / "segments.parquet"
    segments.write_bytes(lake[1].read_bytes())
    with duckdb.connect() as con:
        con.read_parquet(str(lake[0])).filter("customer_id < 'C00100'").write_parquet(str(orders))
    found = add_values([orders], segments, on=ON)
    assert found.buying is None
    with duckdb.connect() as con:
        known = con.read_parquet(str(segments)).aggregate("count(alive), count(worth_cents), count(*)").fetchall()[0]
    assert known == (0, 0, 3000)


def test_figures_for_the_manifest_are_plain(lake: tuple[Path, Path], tmp_path: Path) -> None:
    _, found = valued(lake, tmp_path)
    figures = found.figures()
    assert figures["version"] == "lifetime-1"
    assert math.isfinite(figures["log_likelihood"])
    assert figures["buying"].keys() == {"r", "alpha", "a", "b"}


# Over a lifetime ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first_now", "worth"), [(False, 266.67), (True, 366.67)])
def test_a_hundred_a_year_of_whom_four_in_five_stay_is_worth_as_the_formula_says(first_now: bool, worth: float) -> None:
    assert lasting_value(100, 0.8, 0.1, first_now=first_now) == pytest.approx(worth, abs=0.005)


def test_a_lifetime_is_the_sum_of_its_years() -> None:
    years = [100 * 0.8**year / 1.1**year for year in range(400)]
    assert lasting_value(100, 0.8, 0.1, first_now=True) == pytest.approx(sum(years))
    assert lasting_value(100, 0.8, 0.1) == pytest.approx(sum(years[1:]))
    assert (lasting_value(100, 0, 0.1), lasting_value(100, 0, 0.1, first_now=True)) == (0, 100)


@pytest.mark.parametrize(
    ("retention", "discount", "says"),
    [(-0.1, 0.1, "from 0 to 1"), (1.01, 0.1, "from 0 to 1"), (math.nan, 0.1, "from 0 to 1"),
     (0.8, -0.1, "0 or more"), (0.8, math.nan, "0 or more"), (1, 0, "set lifetime.discount above 0")],
)  # fmt: skip
def test_shares_that_are_none_are_refused(retention: float, discount: float, says: str) -> None:
    with pytest.raises(SettingError, match=says):
        lasting_value(100, retention, discount)


DAY = date(2026, 9, 30)


def told(name: str, span: str, part: str, value: int, other: str = "", of: int = 0) -> Told:
    when = datetime(2026, 10, 1, tzinfo=UTC)
    return Told(name, span, DAY, DAY, part, other, value, of, 1, "2026-09-30", when, value, of, "2026-09-30")


def group(name: str, customers: int, spend: int, *, stay: int, leave: int) -> list[Told]:
    return [
        told("size", "day", name, customers),
        told("spend", "day", name, spend),
        told("movement", "year", name, stay, other=name),
        told("movement", "year", name, leave, other="lapsed"),
        told("movement", "quarter", name, 1, other="lapsed"),  # another period
    ]


HEAVY = group("regular_heavy", 100, 100 * 200_00, stay=80, leave=20)
LIGHT = group("occasional_light", 300, 300 * 20_00, stay=100, leave=100)
SHOP = load_shop()


def with_margin(gross: float | None) -> Shop:
    return SHOP.model_copy(update={"margin": gross and Margin(gross=gross)})


def test_a_group_is_worth_its_margin_over_the_years_that_it_stays() -> None:
    everyone, heavy, light = lasting([*HEAVY, *LIGHT, told("size", "day", "lapsed", 900)], with_margin(0.5))
    assert (heavy.segment, heavy.customers, heavy.year_cents, heavy.stayed) == (
        "regular_heavy",
        100,
        100_00,
        Side(100, 80),
    )
    assert heavy.cents == pytest.approx(266_67, abs=0.5)
    assert heavy.between is not None
    assert heavy.cents in heavy.between
    assert light.cents == pytest.approx(10_00 * 0.5 / 0.6)
    assert (everyone.segment, everyone.customers, everyone.stayed) == ("", 400, Side(300, 180))
    assert everyone.year_cents == pytest.approx((100 * 100_00 + 300 * 10_00) / 400)
    assert best([everyone, heavy, light]) == heavy


def test_without_a_margin_it_is_what_they_spend_and_a_window_is_taken_to_a_year() -> None:
    two_years = SHOP.segments.model_copy(update={"window_days": 730})
    _, heavy = lasting(HEAVY, with_margin(None))
    _, halved = lasting(HEAVY, with_margin(None).model_copy(update={"segments": two_years}))
    assert (heavy.year_cents, halved.year_cents) == (200_00, 100_00)


def test_few_customers_a_young_lake_and_customers_for_ever_have_no_lifetime() -> None:
    few = group("regular_heavy", 29, 29 * 200_00, stay=25, leave=4)
    young = [one for one in HEAVY if one.name != "movement"]
    stay = group("regular_heavy", 100, 100 * 200_00, stay=100, leave=0)
    free = SHOP.model_copy(update={"lifetime": LifetimeSettings(discount=0.0)})
    for cells, shop in ((few, SHOP), (young, SHOP), (stay, free)):
        assert [one.cents for one in lasting(cells, shop)] == [None, None]
    assert lasting([], SHOP) == []
    assert lasting(stay, with_margin(0.5))[1].cents == pytest.approx(100_00 / 0.1)  # all stay: the margin for ever


def test_its_file_says_what_each_group_is_worth(tmp_path: Path) -> None:
    groups = [Worth("regular_heavy", 100, 90, 90, 0.9, 90 * 180_00, 0, 3)]
    out = tmp_path / "worth.csv"
    shop = with_margin(0.5).model_copy(update={"language": "en"})
    assert write_csv(out, lasting(HEAVY, shop), groups, shop=shop) == 2
    rows = list(csv.DictReader(io.StringIO(out.read_text("utf-8-sig")), delimiter=";"))
    assert (rows[1]["group"], rows[1]["lifetime"], rows[1]["next_year"]) == ("regular_heavy", "266.67", "90.00")
    assert (rows[1]["of"], rows[1]["stayed"], rows[1]["started"]) == ("margin", "80", "100")
