"""The figures of the customer base, written independently and well in pandas 3: what the SQL is held against, cell by
cell, and what the benchmark compares it with. Identifiers become numbers at once, all else is vectorised."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from math import ceil
from pathlib import Path

import numpy as np
import pandas as pd

from habitue.periods import Period
from habitue.shop import SegmentSettings

FIVE = ["regular_heavy", "regular_light", "occasional_heavy", "occasional_light", "lapsed"]
Row = tuple[str, str, date, str, str, int, int]
"""name, span, ends, part, other, value, of"""


def days_in_pandas(orders: Sequence[Path], customers: Path) -> pd.DataFrame:
    """A row a customer (by number) and day: cents, and whether something was bought."""
    wanted = ["customer_id", "ordered_at", "amount_cents"]
    lines = pd.concat([pd.read_parquet(path, columns=wanted) for path in orders], ignore_index=True)
    known = pd.Index(pd.read_parquet(customers, columns=["customer_id"])["customer_id"])
    code = known.get_indexer(lines.pop("customer_id"))
    day = (lines.pop("ordered_at").dt.normalize() - pd.Timestamp(0)).dt.days.astype("int32")
    lines = lines.assign(code=code.astype("int32"), day=day, bought=lines["amount_cents"] > 0)
    by_day = lines[lines["code"] >= 0].groupby(["code", "day"], sort=False, as_index=False)
    return by_day.agg(cents=("amount_cents", "sum"), bought=("bought", "max"))


def figures_in_pandas(
    days: pd.DataFrame, wanted: Sequence[Period], settings: SegmentSettings, *, slowing: tuple[float, int]
) -> Iterator[Row]:
    """Every cell but the complaints'; movement without the cells that nobody is in."""
    stands = {}
    for day in sorted({one.ends for one in wanted} | {one.starts for one in wanted if one.known}):
        stands[day] = _standing(days, _number(day), settings, slowing)
    for one in wanted:
        now = stands[one.ends]
        if one.span == "day":
            yield from _of_day(one, now)
            continue
        inside = days[(days["day"] > _number(one.starts)) & (days["day"] <= _number(one.ends))]
        visits, buyers = int(inside["bought"].sum()), inside.loc[inside["bought"], "code"].nunique()
        yield ("basket", one.span, one.ends, "", "", int(inside["cents"].sum()), visits)
        yield ("frequency", one.span, one.ends, "", "", visits, buyers)
        if one.known:
            yield from _moved(one, stands[one.starts], now)
        if one.span == "quarter" and one.ours:
            yield from _cohorts(one, days, inside)


def _number(day: date) -> int:
    return (day - date(1970, 1, 1)).days


def _standing(days: pd.DataFrame, on: int, settings: SegmentSettings, slowing: tuple[float, int]) -> pd.DataFrame:
    past = days[days["day"] <= on]
    ever = past[past["bought"]].groupby("code")["day"].agg(["min", "max", "count"])
    window = past[past["day"] > on - settings.window_days]
    ever["spent"] = window.groupby("code")["cents"].sum().reindex(ever.index, fill_value=0)
    ever["visits"] = window[window["bought"]].groupby("code")["day"].count().reindex(ever.index, fill_value=0)
    active = on - ever["max"] < settings.lapsed_after_days
    basket = ever["spent"] / ever["visits"].where(ever["visits"] > 0)
    heavy = basket >= basket[active].quantile(settings.heavy_percentile)
    regular = ever["visits"] >= settings.regular_purchase_days
    ever["group"] = np.select([~active, regular & heavy, regular, heavy], ["lapsed", *FIVE[:3]], "occasional_light")
    ever["active"] = active
    factor, least = slowing
    silent = on - ever["max"]
    ever["slow"] = (
        active
        & (ever["count"] >= 4)
        & (silent >= least)
        & (silent * (ever["count"] - 1) > factor * (ever["max"] - ever["min"]))
    )
    return ever


def _of_day(one: Period, now: pd.DataFrame) -> Iterator[Row]:
    for name in FIVE:
        inside = now[now["group"] == name]
        yield ("size", "day", one.ends, name, "", len(inside), len(now))
        yield ("spend", "day", one.ends, name, "", int(inside["spent"].sum()), int(now["spent"].sum()))
    spent = now.loc[now["active"], "spent"].sort_values(ascending=False).to_numpy()
    if not len(spent):
        return
    yield ("slowing", "day", one.ends, "", "", int(now["slow"].sum()), len(spent))
    whole = int(spent.sum())
    for step in range(5, 101, 5):
        taken = int(spent[: ceil(len(spent) * step / 100)].sum())
        yield ("curve", "day", one.ends, f"{step:03}", "", taken, whole)
    top, following = (spent[ceil(len(spent) * part / 10) - 1] for part in (2, 6))
    parts = {"top_20": spent >= top, "next_40": (spent < top) & (spent >= following), "other": spent < following}
    for name, inside in parts.items():
        yield ("tier_size", "day", one.ends, name, "", int(inside.sum()), len(spent))
        yield ("tier_spend", "day", one.ends, name, "", int(spent[inside].sum()), whole)


def _moved(one: Period, before: pd.DataFrame, now: pd.DataFrame) -> Iterator[Row]:
    was = before["group"].reindex(now.index).fillna("new")
    counts = pd.crosstab(was, now["group"])
    for part, row in counts.iterrows():
        for other, number in row.items():
            if number:
                yield ("movement", one.span, one.ends, str(part), str(other), int(number), int(row.sum()))
    at_start = int(before["active"].sum())
    if at_start:
        lost = int((now.loc[before.index[before["active"]], "group"] == "lapsed").sum())
        yield ("attrition", one.span, one.ends, "", "", lost, at_start)
        yield ("retention", one.span, one.ends, "", "", at_start - lost, at_start)


def _cohorts(one: Period, days: pd.DataFrame, inside: pd.DataFrame) -> Iterator[Row]:
    first = pd.to_datetime(days[days["bought"]].groupby("code")["day"].min(), unit="D").dt.to_period("Q")
    here = pd.Period(one.ends, freq="Q")
    bought = set(inside.loc[inside["bought"], "code"])
    for cohort, people in first.groupby(first):
        if cohort <= here:
            age = (here - cohort).n
            there = sum(who in bought for who in people.index)
            yield ("cohorts", "quarter", one.ends, f"{cohort.year}-Q{cohort.quarter}", f"{age:03}", there, len(people))
