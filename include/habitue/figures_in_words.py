"""Figures as people read them: one way to write each, on the pages, in the report and on the command line."""

from __future__ import annotations

from babel.numbers import format_decimal

from habitue.figures import FIGURES, Told
from habitue.report import count, percent
from habitue.shop import Shop
from habitue.texts import LOCALES, money

NOTHING = "–"


def written(one: Told, shop: Shop, *, first: bool = False) -> str:
    """The value in the shop's language; `first`: as it was told at first. A dash where nothing is to divide by."""
    return amount(one.name, one.first_amount if first else one.amount, shop)


def amount(name: str, number: float | None, shop: Shop) -> str:
    if number is None:
        return NOTHING
    match FIGURES[name].unit:
        case "customers":
            return count(round(number), shop.language)
        case "money":
            return money(100 * round(number / 100), shop.currency, shop.language)
        case "average_money":
            return money(round(number), shop.currency, shop.language)
        case "share":
            return percent(number, shop.language)
    return str(format_decimal(number, format="#,##0.00", locale=LOCALES[shop.language]))
