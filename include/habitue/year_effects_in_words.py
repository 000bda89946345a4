"""What a year's campaigns changed together, as people read it: the same on the page, in the report, in the terminal and
in the CSV."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from babel.numbers import format_decimal

from habitue import effects, verdicts
from habitue.effects import MeanEffect
from habitue.figures_in_words import NOTHING
from habitue.report import cost, count, percent
from habitue.shop import Shop
from habitue.texts import LOCALES, long_date, money
from habitue.verdicts import result_words
from habitue.year_effects import RULES_VERSION, YearEffect


@dataclass(frozen=True, slots=True)
class Row:
    """A figure of both sides. Before the year is over an amount has no interval and no p: they would be of one look."""

    name: str
    others: str
    held: str
    difference: str = ""
    interval: str = ""
    p: str = ""
    smallest: str = ""


def title(found: YearEffect, shop: Shop) -> str:
    return str(_say(shop)["title"]).format(year=found.year)


def days(found: YearEffect, shop: Shop) -> str:
    return str(_say(shop)["days" if found.closed else "so_far"]).format(
        starts=long_date(found.starts, shop.language),
        until=long_date(found.until, shop.language),
        ends=long_date(found.ends, shop.language),
        snapshot=found.snapshot_id,
    )


def headings(shop: Shop) -> list[str]:
    """Of a row."""
    say = _say(shop)
    return [*(str(say[name]) for name in ("figure", "others", "held", "difference", "interval")), "p", say["smallest"]]


def verdict(found: YearEffect, shop: Shop) -> str:
    ends = long_date(found.ends, shop.language)
    return verdicts.sentence(found.whole.buyers, shop.language, of="year_verdicts", ends=ends)


def rows(found: YearEffect, shop: Shop) -> list[Row]:
    """Customers, buyers, and what each customer brought, those who bought nothing included."""
    say, buyers, language = _say(shop), found.whole.buyers, shop.language
    points, between = verdicts.points, buyers.interval
    told = [
        Row(say["customers"], count(buyers.treated.size, language), count(buyers.control.size, language)),
        Row(
            say["bought"],
            percent(buyers.treated.share, language),
            percent(buyers.control.share, language),
            str(say["points"]).format(n=points(buyers.difference, language)),
            f"{points(between.low, language)} … {points(between.high, language)}",
            NOTHING if buyers.early else verdicts.chance(buyers.p, language),
            NOTHING if buyers.detectable is None else str(say["points"]).format(n=points(buyers.detectable, language)),
        ),
    ]

    def amount(value: float) -> str:
        return money(round(value), shop.currency, language)

    def number(value: float) -> str:
        return str(format_decimal(round(value, 3), format="#,##0.000", locale=LOCALES[language]))

    means = (("orders", found.orders, number), ("revenue", found.whole.revenue, amount))
    for name, mean, written in (*means, ("margin", found.whole.margin, amount)):
        if mean is not None:
            told.append(_mean(say[name], mean, written, language, early=buyers.early))
    return told


def _mean(name: str, mean: MeanEffect, written: Callable[[float], str], language: str, *, early: bool) -> Row:
    def signed(value: float) -> str:
        return f"{'+' if value > 0 else ''}{written(value)}"

    return Row(
        name,
        written(mean.treated.mean),
        written(mean.control.mean),
        signed(mean.difference),
        NOTHING if early else f"{signed(mean.interval.low)} … {signed(mean.interval.high)}",
        NOTHING if early else verdicts.chance(mean.p, language),
        written(mean.detectable),
    )


def sentences(found: YearEffect, shop: Shop) -> list[str]:
    """The verdict, what was earned or spent, and what was told at first where it was restated."""
    say, whole = _say(shop), found.whole
    spent = cost(whole.cost_micros, shop.currency, shop.language)
    said = [verdict(found, shop)]
    if whole.earned_cents is not None:
        earned, low, high = (
            money(100 * round(cents / 100), shop.currency, shop.language) for cents in whole.earned_cents
        )
        said.append(str(say["earned"]).format(earned=earned, low=low, high=high, cost=spent))
    else:
        said.append(str(say["spent"]).format(cost=spent))
    if found.first is not None:
        before = verdict(found.first, shop)
        said.append(str(say["restated"]).format(snapshot=found.first.snapshot_id, said=before))
    return said


def who(found: YearEffect, shop: Shop) -> str:
    """Who counts, and who does not."""
    return str(_say(shop)["who"]).format(starts=long_date(found.starts, shop.language))


def csv_rows(found: YearEffect, shop: Shop) -> Iterator[dict[str, Any]]:
    """As `verdicts.rows` has those of a run. Before the year is over an amount stands alone, as in `rows`."""
    for state, one in (("", found), ("first", found.first)):
        if one is None:
            continue
        known = {"restated": state, "rules": f"{RULES_VERSION} {effects.VERSION}", "arm": "shop"}
        told = [row | known for row in verdicts.contrast_rows(one.whole, one.snapshot_id)]
        told[0]["definition"] = _say(shop)["definition"]
        if one.orders is not None:
            mean = {"value": one.orders.extra, **asdict(one.orders.extra_interval), "p": one.orders.p, "verdict": None}
            told.append({**told[0], "figure": "orders_more", "definition": _say(shop)["orders_more"], **mean})
        looked = {"low": None, "high": None, "p": None}
        for row in told:
            yield row if one.closed or row["figure"] in ("effect", "extra_orders") else row | looked


def _say(shop: Shop) -> dict[str, Any]:
    return dict(result_words(shop.language)["year"])
