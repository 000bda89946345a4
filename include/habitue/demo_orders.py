"""How the customers of the demonstration shop come, buy, bring back and stay away: numpy only, a block at a time.

The model is the usual one of a shop without contracts (Schmittlein, Morrison, Colombo 1987, "Pareto/NBD"): each
customer buys as a Poisson process at his own rate (gamma among customers) for a lifetime of his own (exponential,
its rate gamma among customers). Here the Poisson process runs on the shop's calendar instead of the clock: no
purchases on closed days, few in August, many before Christmas.

Days are indices from the calendar's start; times are minutes from its midnight; money is integer cents.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from habitue.demo_catalogue import PRODUCTS, SEASONS

Array = NDArray[Any]
Lines = dict[str, Array]
"""Order lines, a row each: order (key), customer (place in the block, -1: nobody), minute, product, quantity, unit."""

HISTORY_DAYS = 3 * 365 + 1
MONTHS = (0.8, 0.9, 0.95, 1.0, 1.05, 1.0, 0.8, 0.6, 1.0, 1.05, 1.35, 2.3)
WEEKDAYS = (0.7, 0.8, 1.0, 0.9, 1.25, 1.9, 0.0)  # Monday first; closed on Sundays
CLOSED = {(1, 1), (5, 1), (7, 14), (12, 25)}

PROSPECTS = 0.035
LONG_KNOWN = 0.53  # share of customers who were there before the three years
RATE_SHAPE, RATE_YEARLY = 1.4, 3.36  # purchases a year
CHURN_SHAPE, CHURN_YEARLY = 1.5, 0.12  # ends of a relationship a year
DECEASED = 0.003
RETURNED = 0.043  # of the lines; a few come back too late to be seen
MOST_LINES = 8
FAVOURITES = {"THE": 0.3, "INF": 0.12, "CAF": 0.12, "SUC": 0.14, "CHO": 0.1, "SAL": 0.1, "MAI": 0.07, "BOU": 0.05}


@dataclass(frozen=True)
class Calendar:
    """The shop's three years up to and including `until`."""

    start: np.datetime64
    until: np.datetime64
    month: Array  # of each day, 0 to 11
    year: Array  # of each day, 0 for the first
    cumulative: Array  # expected trade before each day, in years: len days + 1
    next_open: Array  # the day itself, or the next on which the shop is open; beyond the last day where there is none

    @property
    def days(self) -> int:
        return len(self.month)

    def days_at(self, trade: Array) -> Array:
        """The day on which the cumulative trade reaches each value; never a closed one."""
        return np.clip(np.searchsorted(self.cumulative, trade, side="right") - 1, 0, self.days - 1)


def calendar(until: date) -> Calendar:
    last = np.datetime64(until, "D")
    days = np.arange(last - (HISTORY_DAYS - 1), last + 1)
    month = days.astype("datetime64[M]").astype(np.int64) % 12
    year = days.astype("datetime64[Y]").astype(np.int64)
    weekday = (days.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
    of_month = (days - days.astype("datetime64[M]")).astype(np.int64) + 1
    trade = np.array(MONTHS)[month] * np.array(WEEKDAYS)[weekday]
    trade[(month == 11) & (of_month > 25)] *= 0.35
    for closed_month, closed_day in sorted(CLOSED):
        trade[(month == closed_month - 1) & (of_month == closed_day)] = 0
    places = np.where(trade > 0, np.arange(len(days)), len(days))
    return Calendar(
        start=days[0],
        until=last,
        month=month,
        year=year - year[0],
        cumulative=np.concatenate([[0.0], np.cumsum(trade)]) / trade.sum() * (len(days) / 365.25),
        next_open=np.minimum.accumulate(places[::-1])[::-1],
    )


@dataclass(frozen=True)
class Lives:
    """The relationships of a block's customers with the shop, in the order in which they began."""

    created: Array  # datetime64[D]
    deceased: Array  # datetime64[D], NaT for the living
    buyer: Array  # False: a prospect
    newcomer: Array  # True: the first purchase is the day of `created`
    begin: Array  # first day of the purchases that follow
    end: Array  # the day on which they stop; calendar.days for those who are still there

    def __len__(self) -> int:
        return len(self.created)


def lives(rng: np.random.Generator, count: int, shop: Calendar) -> Lives:
    buyer = rng.random(count) >= PROSPECTS
    long_known = rng.random(count) < LONG_KNOWN
    joined = shop.days_at(rng.random(count) * shop.cumulative[-1])
    known_for = 1 + (rng.random(count) ** 1.4 * 8 * 365).astype(np.int64)
    joined = np.where(long_known, -known_for, joined)
    churn = np.maximum(rng.gamma(CHURN_SHAPE, CHURN_YEARLY / CHURN_SHAPE, count), 1e-3)
    lifetime = (rng.exponential(1 / churn) * 365.25).astype(np.int64)

    first_to_last = np.argsort(joined, kind="stable")
    buyer, joined, lifetime = buyer[first_to_last], joined[first_to_last], lifetime[first_to_last]
    begin = np.where(joined < 0, 0, joined + 1)
    end = np.minimum(shop.days, begin + np.maximum(14, lifetime))

    created = shop.start + joined
    deceased = np.full(count, np.datetime64("NaT", "D"))
    candidates = np.flatnonzero(buyer & (end + 45 < shop.days))
    gone = rng.permutation(candidates)[: round(DECEASED * count)]
    days_after = 31 + (rng.random(len(gone)) * (shop.days - 31 - end[gone])).astype(np.int64)
    deceased[gone] = shop.start + end[gone] + days_after
    return Lives(created, deceased, buyer, buyer & (joined >= 0), begin, end)


def purchases(rng: np.random.Generator, who: Lives, shop: Calendar) -> Lines:
    """All sales and returns of a block, in no particular order."""
    customer, day = _visits(rng, who, shop)
    sales = _baskets(rng, len(who), customer, day, shop)
    returns = _returns(rng, sales, len(customer), shop)
    return {name: np.concatenate([sales[name], returns[name]]) for name in sales}


def number(lines: Lines) -> Lines:
    """The lines by time, then order, then product, with the order's rank (0 the first) and the line's number in it."""
    keys = len(PRODUCTS) + 1
    orders = int(lines["order"].max(initial=0)) + 1
    place = np.argsort((lines["minute"] * orders + lines["order"]) * keys + lines["product"])
    lines = {name: column[place] for name, column in lines.items()}
    begins = np.flatnonzero(np.diff(lines["order"], prepend=-1))
    sizes = np.diff(begins, append=len(place))
    lines["rank"] = np.repeat(np.arange(len(begins)), sizes)
    lines["line"] = np.arange(len(place)) - np.repeat(begins, sizes) + 1
    return lines


def _visits(rng: np.random.Generator, who: Lives, shop: Calendar) -> tuple[Array, Array]:
    count = len(who)
    rate = rng.gamma(RATE_SHAPE, RATE_YEARLY / RATE_SHAPE, count)
    trade_from, trade_to = shop.cumulative[who.begin], shop.cumulative[who.end]
    visits = rng.poisson(rate * (trade_to - trade_from))
    # A customer who was there before the three years and is kept in the file bought at least once in them.
    visits = np.where(who.newcomer, visits, np.maximum(visits, 1)) * who.buyer
    customer = np.repeat(np.arange(count), visits)
    trade = trade_from[customer] + rng.random(len(customer)) * (trade_to - trade_from)[customer]
    first = np.flatnonzero(who.newcomer)
    first_day = (who.created[first] - shop.start).astype(np.int64)
    return np.concatenate([first, customer]), np.concatenate([first_day, shop.days_at(trade)])


def _minutes(rng: np.random.Generator, day: Array) -> Array:
    """Four in five at the till (10:00 to 18:59), the others from the website in the evening."""
    at_till = 600 + (rng.triangular(0, 330, 540, len(day))).astype(np.int64)
    evening = 1140 + (rng.random(len(day)) * 240).astype(np.int64)
    return day * 1440 + np.where(rng.random(len(day)) < 0.8, at_till, evening)


def _baskets(rng: np.random.Generator, count: int, customer: Array, day: Array, shop: Calendar) -> Lines:
    extra_lines = rng.lognormal(np.log(1.55), 0.6, count)
    extra_pieces = rng.gamma(0.8, 0.3, count)
    names = sorted(FAVOURITES)
    shares = np.cumsum([FAVOURITES[name] for name in names])
    favourite = np.searchsorted(shares, rng.random(count) * shares[-1], side="right")

    generous = np.where(shop.month[day] == 11, 1.35, 1.0)
    sizes = np.minimum(1 + rng.poisson(extra_lines[customer] * generous), MOST_LINES)
    order = np.repeat(np.arange(len(customer)), sizes)
    by_taste = rng.random(len(order)) < 0.5
    shelf = np.where(by_taste, 1 + favourite[customer[order]], 0) * 12 + shop.month[day[order]]
    product = _pick(shelf, rng.random(len(order)), _shelves(names))

    # The same product twice in a basket is one line: a till counts pieces.
    bought = np.sort(order * len(PRODUCTS) + product)
    order, product = np.divmod(bought[np.diff(bought, prepend=-1) > 0], len(PRODUCTS))
    pieces = np.minimum(1 + rng.poisson(extra_pieces[customer[order]]), 6)
    pieces = np.where(_prices(0)[product] >= 3500, 1, pieces)
    prices = np.stack([_prices(years) for years in range(int(shop.year[-1]) + 1)])
    return {
        "order": order,
        "customer": customer[order],
        "minute": _minutes(rng, day)[order],
        "product": product,
        "quantity": pieces,
        "unit": prices[shop.year[day[order]], product],
    }


def _shelves(favourites: list[str]) -> Array:
    """Cumulative appeal of each product by shelf × month: the whole shop first, then each favourite category."""
    appeal = np.array([product.appeal for product in PRODUCTS])
    season = np.array([SEASONS[product.category] for product in PRODUCTS]).T
    category = np.array([product.category for product in PRODUCTS])
    rows = [appeal * season, *(appeal * season * (category == name) for name in favourites)]
    shelves = np.cumsum(np.concatenate(rows), axis=1)
    return np.asarray(shelves / shelves[:, -1:])


def _pick(shelf: Array, chance: Array, shelves: Array) -> Array:
    steps = (shelves + np.arange(len(shelves))[:, None]).ravel()
    found = np.searchsorted(steps, shelf + chance, side="right") - shelf * shelves.shape[1]
    product: Array = np.minimum(found, shelves.shape[1] - 1)
    return product


def _prices(years: int) -> Array:
    """Cents after so many New Years: 3 % more at each, to the ten cents."""
    cents = np.array([product.cents for product in PRODUCTS])
    return cents if years == 0 else np.rint(cents * 1.03**years / 10).astype(np.int64) * 10


def _returns(rng: np.random.Generator, sales: Lines, orders: int, shop: Calendar) -> Lines:
    """Lines brought back within about four weeks, each on an order of its own, at the price that was paid."""
    back = np.flatnonzero(rng.random(len(sales["order"])) < RETURNED)
    day = sales["minute"][back] // 1440 + rng.integers(3, 26, len(back))
    day = shop.next_open[np.minimum(day, shop.days - 1)] + np.where(day >= shop.days, shop.days, 0)
    seen = day < shop.days
    back, day = back[seen], day[seen]
    return {
        "order": orders + np.arange(len(back)),
        "customer": sales["customer"][back],
        "minute": day * 1440 + 600 + rng.integers(0, 540, len(back)),
        "product": sales["product"][back],
        "quantity": -sales["quantity"][back],
        "unit": sales["unit"][back],
    }
