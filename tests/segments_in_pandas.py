"""The same segments, written independently and well in pandas 3: what the SQL is held against, row by row, and what
the benchmark compares it with. Columns are read once, identifiers become numbers at once, all else is vectorised."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from habitue.shop import Scoring, SegmentSettings

SHARES = [0.2, 0.4, 0.6, 0.8]


def segments_in_pandas(orders: Path, *, on: date, settings: SegmentSettings, scoring: Scoring) -> pd.DataFrame:
    """A row a customer of the orders (Parquet of the lake), sorted by customer_id, columns as in segments.parquet."""
    lines = pd.read_parquet(orders, columns=["customer_id", "order_id", "ordered_at", "amount_cents"])
    ago = (pd.Timestamp(on) - lines.pop("ordered_at").dt.normalize()).dt.days.astype("int32")
    code, names = pd.factorize(lines.pop("customer_id"))
    lines = lines.assign(code=code.astype("int32"), ago=ago)
    lines = lines[lines["ago"] >= 0]
    recent = lines["ago"] < settings.window_days
    everyone = pd.RangeIndex(len(names))

    def counted(rows: pd.DataFrame) -> pd.Series:
        return rows["code"].value_counts(sort=False).reindex(everyone, fill_value=0)

    def summed(rows: pd.DataFrame) -> pd.Series:
        return rows.groupby("code", sort=False)["amount_cents"].sum().reindex(everyone, fill_value=0)

    bought = lines[lines["amount_cents"] > 0]
    days = bought[["code", "ago"]].drop_duplicates()
    span = days.groupby("code", sort=False)["ago"].agg(["min", "max"]).reindex(everyone)
    people = pd.DataFrame(
        {
            "customer_id": names,
            "recency_days": span["min"],
            "purchase_days": counted(days[days["ago"] < settings.window_days]),
            "orders": counted(bought.loc[recent.loc[bought.index], ["code", "order_id"]].drop_duplicates()),
            "amount_cents": summed(lines[recent]),
            "first_day": pd.Timestamp(on) - pd.to_timedelta(span["max"], unit="D"),
            "last_day": pd.Timestamp(on) - pd.to_timedelta(span["min"], unit="D"),
            "lifetime_cents": summed(lines),
            "lifetime_days": counted(days),
        }
    )
    del lines, bought, days
    seen = np.isin(np.arange(len(names)), code[ago.to_numpy() >= 0])
    return _classified(people[seen].copy(), on, settings, scoring)


def _classified(people: pd.DataFrame, on: date, settings: SegmentSettings, scoring: Scoring) -> pd.DataFrame:
    buyer = people["recency_days"].notna()
    active = people["recency_days"] < settings.lapsed_after_days
    basket = (people["amount_cents"] / people["purchase_days"]).where(people["purchase_days"] > 0)
    heavy = basket >= basket[active].quantile(settings.heavy_percentile)
    regular = people["purchase_days"] >= settings.regular_purchase_days
    people["segment"] = np.select(
        [~buyer, ~active, regular & heavy, regular, heavy],
        ["prospect", "lapsed", "regular_heavy", "regular_light", "occasional_heavy"],
        "occasional_light",
    )
    people["average_basket_cents"] = (np.sign(basket) * np.floor(basket.abs() + 0.5)).astype("Int64")
    for letter, column in (("r", "recency_days"), ("f", "purchase_days"), ("m", "amount_cents")):
        steps = people.loc[buyer, column].quantile(SHARES, interpolation="inverted_cdf")
        reached = sum((people[column] > step).astype(int) for step in steps)
        people[letter] = (5 - reached if letter == "r" else 1 + reached).where(buyer).astype("Int64")
    ranked = people.loc[active, "amount_cents"].sort_values(ascending=False, ignore_index=True)
    top, following = (ranked.iloc[-(-len(ranked) * part // 10) - 1] if len(ranked) else 0 for part in (2, 6))
    people["tier"] = np.select(
        [~active, people["amount_cents"] >= top, people["amount_cents"] >= following],
        [None, "top_20", "next_40"],
        "other",
    )
    people["score"] = _score(people, on, scoring).where(buyer).astype("Int64")
    return people.sort_values("customer_id", ignore_index=True)


def _score(people: pd.DataFrame, on: date, scoring: Scoring) -> pd.Series:
    average = (people["amount_cents"] / people["orders"]).where(
        people["orders"] > 0, people["lifetime_cents"] / people["lifetime_days"]
    )
    score = (scoring.frequency.points * people["orders"]).clip(upper=scoring.frequency.most)
    points = pd.Series(0, index=people.index)
    for bound, worth in scoring.amount:
        points = points.where(average < 100 * bound, worth)
    score += points.where(average.notna(), 0)
    points = pd.Series(0, index=people.index)
    for months, worth in reversed(scoring.recency_months):
        points = points.where(~(people["last_day"] + pd.DateOffset(months=months) >= pd.Timestamp(on)), worth)
    return score + points
