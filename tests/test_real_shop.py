"""Golden counts on a real shop's purchases, worked out twice: by the house, and by pandas straight from the files."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import Engine

from habitue import customer_base
from habitue.house import House
from habitue.lake import Snapshot
from habitue.shop import load_shop
from habitue.sources import load_source
from segments_in_pandas import segments_in_pandas

ON = date(2011, 10, 3)
GROUPS = {
    "regular_heavy": 365,
    "regular_light": 585,
    "occasional_heavy": 601,
    "occasional_light": 1377,
    "lapsed": 703,
    "prospect": 45,
}


@pytest.fixture(scope="module")
def published(real_shop: Path, tmp_path_factory: pytest.TempPathFactory, migrated: Engine) -> Snapshot:
    """The night of 3 October 2011."""
    house = House.of(
        {
            "HABITUE_SOURCE": "online_retail",
            "HABITUE_DATA": str(real_shop),
            "HABITUE_OUT": str(tmp_path_factory.mktemp("real")),
            "HABITUE_DATABASE_URL": migrated.url.render_as_string(hide_password=False),
        }
    )
    for step in (customer_base.extract, customer_base.validate, customer_base.segment, customer_base.publish):
        step(house, ON)
    snapshot = house.lake.latest(ON)
    assert snapshot is not None
    return snapshot


def test_the_control_totals_of_the_real_shop(published: Snapshot) -> None:
    control = published.manifest["control"]
    assert control["orders"] == {
        "read": 541_909,
        "kept": 271_830,
        "left_out": {
            "after_date": 167_253,
            "duplicate": 2_900,
            "no_customer": 98_552,
            "no_price": 20,
            "not_a_product": 1_354,
        },
    }
    assert control["customers"] == {"read": 4_384, "kept": 3_676, "left_out": {"after_date": 700, "duplicate": 8}}
    assert control["consents"] == {"read": 6_036, "kept": 4_931, "left_out": {"after_date": 1_105}}


def test_the_five_groups_of_the_real_shop_as_pandas_finds_them(
    published: Snapshot, real_shop: Path, tmp_path: Path
) -> None:
    raw = pd.read_csv(real_shop / "orders.csv.gz", dtype=str, keep_default_na=False)
    raw = raw.drop_duplicates()
    moment = pd.to_datetime(raw["InvoiceDate"])
    price = raw["UnitPrice"].astype(float)
    products = ~raw["StockCode"].str.upper().isin({code.upper() for code in load_source("online_retail").not_products})
    gift = raw["StockCode"].str.lower().str.startswith("gift_")
    kept = (moment.dt.date <= ON) & (raw["CustomerID"] != "") & (price > 0) & products & ~gift
    cents = (raw["Quantity"].astype(float) * price * 100).round().astype("int64")
    orders = pd.DataFrame(
        {
            "customer_id": raw["CustomerID"].str.removesuffix(".0"),
            "order_id": raw["InvoiceNo"],
            "ordered_at": moment,
            "amount_cents": cents,
        }
    )[kept]
    assert len(orders) == 271_830
    orders.to_parquet(tmp_path / "orders.parquet", index=False)
    shop = load_shop(overrides=load_source("online_retail").shop)
    expected = segments_in_pandas(tmp_path / "orders.parquet", on=ON, settings=shop.segments, scoring=shop.scoring)
    found = pd.read_parquet(published.segments)
    assert found["segment"].value_counts().to_dict() == GROUPS == published.manifest["segments"]
    joined = found.merge(expected, on="customer_id", suffixes=("", "_expected"))
    assert len(joined) == len(expected)
    for column in ("segment", "recency_days", "purchase_days", "orders", "amount_cents"):
        ours, theirs = joined[column].astype("string"), joined[f"{column}_expected"].astype("string")
        assert (ours.fillna("") == theirs.fillna("")).all(), column


def test_what_is_spoilt_in_the_real_shops_names_is_found(published: Snapshot) -> None:
    problems = pd.read_parquet(published.problems)
    found = problems.groupby("rule")["customer_id"].nunique().to_dict()
    assert {"bad_postcode", "bad_email", "bad_phone", "placeholder_name", "template_code", "formula", "minor"} <= set(
        found
    )
    for harmful in ("{{", "HYPERLINK", "Bcc:", "\n"):
        people = pd.read_parquet(published.customers)
        for column in ("first_name", "last_name"):
            assert not people[column].fillna("").str.contains(harmful, regex=False).any()
