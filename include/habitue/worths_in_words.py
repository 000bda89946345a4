"""What a customer is worth, as people read it: the same on the page, in the report and in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from habitue import worths
from habitue.figures_in_words import NOTHING
from habitue.report import count, percent, words
from habitue.shop import Shop
from habitue.texts import money
from habitue.verdicts import result_words
from habitue.worths import Lasting, Worth


@dataclass(frozen=True, slots=True)
class Row:
    """A group; a dash where something is not known. Money is of one customer, to the unit, as an estimate deserves."""

    name: str
    customers: str
    year: str
    next_year: str
    stayed: str
    lasting: str
    between: str


def headings(shop: Shop) -> list[str]:
    """Of `year`, `next_year`, `stayed` and `lasting`."""
    say = result_words(shop.language)["worth"]
    return [say["year"]["margin" if shop.margin else "sales"], say["next_year"], say["stayed"], say["lasting"]]


def rows(found: Sequence[Lasting], groups: Sequence[Worth], shop: Shop) -> list[Row]:
    """In the shop's language."""
    names, ahead = words(shop.language)["segments"], worths.next_year(groups, shop)
    everyone = result_words(shop.language)["worth"]["everyone"]
    return [
        Row(
            str(names[one.segment]) if one.segment else str(everyone),
            count(one.customers, shop.language),
            _units(one.year_cents, shop),
            _units(ahead.get(one.segment), shop),
            percent(one.stayed.share, shop.language) if one.stayed else NOTHING,
            _units(one.cents, shop),
            f"{_units(one.between.low, shop)} … {_units(one.between.high, shop)}" if one.between else "",
        )
        for one in found
    ]


def sentences(found: Sequence[Lasting], shop: Shop) -> list[str]:
    """What a customer of the best group is worth, and what that supposes; or why it isn't known."""
    say, known = result_words(shop.language)["worth"], worths.best(found)
    if known is None or known.between is None or known.stayed is None:
        return [str(say["unknown"]).format(least=worths.LEAST_STARTED)]
    return [
        str(say["says"]["margin" if shop.margin else "sales"]).format(
            group=words(shop.language)["segments"][known.segment],
            value=_units(known.cents, shop),
            low=_units(known.between.low, shop),
            high=_units(known.between.high, shop),
            left=percent(1 - known.stayed.share, shop.language),
        ),
        str(say["assumes"]).format(discount=percent(shop.lifetime.discount, shop.language)),
    ]


def _units(cents: float | None, shop: Shop) -> str:
    return NOTHING if cents is None else money(100 * round(cents / 100), shop.currency, shop.language)
