"""Lines read = lines kept + lines left out, by reason: on the real exports, counted a second way by pandas."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from habitue.demo_shop import write_shop
from habitue.errors import SettingError, SourceError
from habitue.extract import Control, extract
from habitue.sources import STAGED, Dataset, FileSource, load_source, open_source

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
LAST_DAY = date(2011, 12, 9)

needs_shop = pytest.mark.skipif(
    not (SHARED / "shop").is_dir(), reason="the real exports are not at ../shared/data/shop"
)
needs_adventureworks = pytest.mark.skipif(
    not (SHARED / "adventureworks").is_dir(), reason="the samples are not at ../shared/data/adventureworks"
)


def staged_orders(staged: Path) -> duckdb.DuckDBPyRelation:
    return duckdb.read_parquet(str(staged / "orders.parquet"))


def adds_up(control: Control) -> bool:
    return all(found["read"] == found["kept"] + sum(found["left_out"].values()) for found in control.values())


@pytest.fixture(scope="module")
def online_retail(tmp_path_factory: pytest.TempPathFactory) -> tuple[Control, Path]:
    staged = tmp_path_factory.mktemp("real") / "staged"
    source = open_source(load_source("online_retail", data=SHARED / "shop"))
    return extract(source, staged, on=LAST_DAY, since=None), staged


@needs_shop
def test_the_real_shop_s_lines_add_up(online_retail: tuple[Control, Path]) -> None:
    control, _ = online_retail
    assert control == {
        "customers": {"read": 4384, "kept": 4372, "left_out": {"duplicate": 12}},
        "orders": {
            "read": 541909,
            "kept": 399656,
            "left_out": {"duplicate": 5268, "no_customer": 135037, "no_price": 33, "not_a_product": 1915},
        },
        "consents": {"read": 6036, "kept": 5919, "left_out": {"after_date": 117}},
    }
    assert adds_up(control)


@needs_shop
def test_pandas_counts_the_real_shop_s_lines_alike(online_retail: tuple[Control, Path]) -> None:
    control, staged = online_retail
    lines = pd.read_csv(SHARED / "shop" / "orders.csv.gz", dtype=str, keep_default_na=False)
    no_products = set(load_source("online_retail").not_products)
    once = lines.drop_duplicates()
    known = once[once.CustomerID != ""]
    products = known[~known.StockCode.str.upper().isin(no_products)]
    priced = products[products.UnitPrice.astype(float) > 0]
    assert control["orders"]["left_out"] == {
        "duplicate": len(lines) - len(once),
        "no_customer": len(once) - len(known),
        "not_a_product": len(known) - len(products),
        "no_price": len(products) - len(priced),
    }
    cents = [
        int((Decimal(quantity) * Decimal(price) * 100).to_integral_value(ROUND_HALF_UP))
        for quantity, price in zip(priced.Quantity, priced.UnitPrice, strict=True)
    ]
    found = staged_orders(staged).aggregate(
        "count(*), sum(amount_cents), sum(quantity), "
        "count(DISTINCT customer_id), count(DISTINCT CAST(ordered_at AS DATE))"
    )
    assert found.fetchall()[0] == (
        *(len(priced), sum(cents), priced.Quantity.astype(int).sum()),
        *(priced.CustomerID.nunique(), priced.InvoiceDate.str[:10].nunique()),
    )


@needs_shop
def test_a_cancellation_is_negative_and_nothing_else_is(online_retail: tuple[Control, Path]) -> None:
    _, staged = online_retail
    signs = (
        staged_orders(staged)
        .aggregate(
            "starts_with(order_id, 'C') AS cancelled, min(sign(amount_cents)), max(sign(amount_cents)), "
            "min(sign(quantity)), max(sign(quantity))"
        )
        .order("cancelled")
        .fetchall()
    )
    assert signs == [(False, 1, 1, 1.0, 1.0), (True, -1, -1, -1.0, -1.0)]


@needs_shop
def test_a_run_for_a_past_date_knows_nothing_of_later_days(tmp_path: Path) -> None:
    on = date(2011, 10, 3)
    control = extract(
        open_source(load_source("online_retail", data=SHARED / "shop")), tmp_path / "s", on=on, since=None
    )
    assert adds_up(control)
    read = {name: found["read"] for name, found in control.items()}
    assert read == {"customers": 4384, "orders": 541909, "consents": 6036}
    for dataset, day in (("orders", "ordered_at"), ("customers", "created_on"), ("consents", "recorded_at")):
        last = duckdb.read_parquet(f"{tmp_path}/s/{dataset}.parquet").aggregate(f"max(CAST({day} AS VARCHAR)[:10])")
        assert last.fetchall()[0][0] <= on.isoformat()
    raw = pd.read_csv(SHARED / "shop" / "orders.csv.gz", dtype=str, usecols=["InvoiceDate"])
    assert control["orders"]["left_out"]["after_date"] == (raw.InvoiceDate.str[:10] > on.isoformat()).sum()


@needs_adventureworks
def test_adventureworks_adds_up(tmp_path: Path) -> None:
    source = open_source(load_source("adventureworks", data=SHARED / "adventureworks"))
    control = extract(source, tmp_path / "s", on=date(2017, 6, 30), since=None)
    assert control == {
        "customers": {"read": 18148, "kept": 18148, "left_out": {}},
        # 1,809 returns that nobody can be credited with stand in the totals beside the 56,046 lines sold.
        "orders": {"read": 57855, "kept": 56046, "left_out": {"no_customer": 1809}},
        "consents": {"read": 0, "kept": 0, "left_out": {}},
    }
    folder = SHARED / "adventureworks"
    sales, products = (pd.read_parquet(folder / f"{name}.parquet") for name in ("sales", "products"))
    prices = {key: Decimal(price) for key, price in zip(products.ProductKey, products.ProductPrice, strict=True)}
    cents = sum(
        int((int(quantity) * prices[key] * 100).to_integral_value(ROUND_HALF_UP))
        for key, quantity in zip(sales.ProductKey, sales.OrderQuantity, strict=True)
    )
    assert staged_orders(tmp_path / "s").aggregate("sum(amount_cents)").fetchall() == [(cents,)]
    customers = duckdb.read_parquet(f"{tmp_path}/s/customers.parquet")
    people = (
        customers.filter("birth_date SIMILAR TO '\\d{4}-\\d\\d-\\d\\d'")
        .aggregate(
            "count(DISTINCT customer_id), count(birth_date), count(postcode), count(phone), count(DISTINCT country)"
        )
        .fetchall()
    )
    assert people == [(18148, 18148, 0, 18148, 6)]


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    folder = tmp_path_factory.mktemp("demonstration")
    return folder, write_shop(folder, customers=600, seed=7, until=date(2026, 9, 30))


def test_the_demonstration_shop_s_planted_lines_are_found(
    demonstration: tuple[Path, dict[str, int]], tmp_path: Path
) -> None:
    folder, planted = demonstration
    source = open_source(load_source("demo_shop", data=folder))
    control = extract(source, tmp_path / "s", on=date(2026, 9, 30), since=None)
    assert adds_up(control)
    assert control["customers"]["read"] == planted["clients"]
    assert control["customers"]["left_out"] == {"duplicate": planted["duplicate_customer"]}
    assert control["orders"]["read"] == planted["commandes"]
    assert control["orders"]["left_out"] == {
        "duplicate": planted["duplicate_line"],
        "no_customer": planted["line_without_customer"],
    }
    unread = staged_orders(tmp_path / "s").aggregate(
        "count(*) FILTER (ordered_at IS NULL), count(*) FILTER (amount_cents IS NULL)"
    )
    assert unread.fetchall() == [(planted["unparseable_date"], planted["empty_amount"])]
    consents = duckdb.read_parquet(f"{tmp_path}/s/consents.parquet")
    words = (
        consents.filter("channel NOT IN ('SMS', 'fax', 'minitel')")
        .aggregate("list_sort(list(DISTINCT channel)), list_sort(list(DISTINCT status))")
        .fetchall()
    )
    assert words == [(["call", "email", "letter"], ["granted", "refused", "withdrawn"])]


class Till:
    """A source that hands over what it is given: three datasets of rows, in batches of two."""

    def __init__(self, spec_of: FileSource, lines: list[dict[str, object]], batch: int = 2) -> None:
        self.spec = spec_of.spec
        self.timezone = "Europe/Paris"
        self.lines = lines
        self.batch = batch

    def fetch(self, dataset: Dataset, since: date | None, until: date) -> Iterator[pa.RecordBatch]:
        lines = self.lines if dataset == "orders" else []
        fields = [(name, pa.timestamp("us") if name == "ordered_at" else pa.string()) for name in STAGED[dataset]]
        if dataset == "orders":
            fields.append(("line_number", pa.string()))
        for start in range(0, max(len(lines), 1), self.batch):
            yield pa.RecordBatch.from_pylist(lines[start : start + self.batch], schema=pa.schema(fields))


def till(lines: list[dict[str, object]], batch: int = 2) -> Till:
    return Till(FileSource(load_source("demo_shop"), "Europe/Paris", Path()), lines, batch)


def line(order: int, day: date, cents: int, number: int = 1) -> dict[str, object]:
    about = {"order_id": f"T{order}", "line_number": str(number), "customer_id": "anna", "product_code": "TEA"}
    return {**about, "ordered_at": pd.Timestamp(day), "quantity": "1", "amount_cents": str(cents)}


ON = date(2026, 10, 1)


def test_the_line_read_last_counts(tmp_path: Path) -> None:
    corrected = [line(1, ON, 500), line(2, ON, 700), line(1, ON, 450)]
    control = extract(till(corrected), tmp_path / "s", on=ON, since=None)
    assert control["orders"] == {"read": 3, "kept": 2, "left_out": {"duplicate": 1}}
    kept = staged_orders(tmp_path / "s").project("order_id, amount_cents").order("order_id").fetchall()
    assert kept == [("T1", 450), ("T2", 700)]


def test_a_correction_dated_after_the_run_takes_nothing_away(tmp_path: Path) -> None:
    control = extract(till([line(1, ON, 500), line(1, ON + timedelta(days=1), 450)]), tmp_path / "s", on=ON, since=None)
    assert control["orders"] == {"read": 2, "kept": 1, "left_out": {"after_date": 1}}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    days=st.lists(st.tuples(st.integers(-12, 3), st.integers(1, 4)), max_size=12),
    back=st.one_of(st.none(), st.integers(0, 9)),
    batch=st.integers(1, 5),
)
def test_whatever_comes_the_lines_add_up(
    tmp_path: Path, days: list[tuple[int, int]], back: int | None, batch: int
) -> None:
    since = None if back is None else ON - timedelta(days=back)
    lines = [line(order, ON + timedelta(days=day), 100) for day, order in days]
    found = extract(till(lines, batch), tmp_path / "s", on=ON, since=since)["orders"]
    inside = {order for day, order in days if day <= 0 and (back is None or day >= -back)}
    assert found["read"] == len(days) == found["kept"] + sum(found["left_out"].values())
    assert found["kept"] == len(inside)
    assert found["left_out"].get("after_date", 0) == sum(day > 0 for day, _ in days)


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[Dataset, int]] = []
    extract(
        till([line(order, ON, 100) for order in range(5)]),
        tmp_path / "s",
        on=ON,
        since=None,
        on_progress=lambda dataset, count: told.append((dataset, count)),
    )
    assert told == [("orders", 2), ("orders", 4), ("orders", 5)]


def test_what_was_staged_before_is_replaced_at_once_or_not_at_all(tmp_path: Path) -> None:
    staged = tmp_path / "s"
    extract(till([line(1, ON, 100)]), staged, on=ON, since=None)
    before = (staged / "control.json").read_text()

    class Breaking(Till):
        def fetch(self, dataset: Dataset, since: date | None, until: date) -> Iterator[pa.RecordBatch]:
            yield from super().fetch(dataset, since, until)
            if dataset == "orders":
                raise SourceError("orders.csv: truncated")

    broken = Breaking(FileSource(load_source("demo_shop"), "Europe/Paris", Path()), [line(2, ON, 100)] * 3)
    with pytest.raises(SourceError, match=r"^orders\.csv: truncated$"):
        extract(broken, staged, on=ON, since=None)
    assert (staged / "control.json").read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == ["s"]
    extract(till([]), staged, on=ON, since=None)
    assert json.loads((staged / "control.json").read_text())["orders"]["read"] == 0


def test_an_interval_that_ends_before_it_begins_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="the interval ends before it begins"):
        extract(till([]), tmp_path / "s", on=ON, since=ON + timedelta(days=1))
