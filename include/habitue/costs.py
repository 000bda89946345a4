"""What a message costs: a letter by its sheets and its weight, an e-mail, a call. In millionths of the currency's unit,
as an e-mail costs a fraction of a cent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from habitue.campaigns import Campaign
from habitue.errors import SettingError
from habitue.letters import Press, sheets_of
from habitue.limits import Insert, LetterCosts
from habitue.settings import Language
from habitue.shop import Shop
from habitue.specimens import specimen_letters, specimen_pages, uses
from habitue.tables import Channel


@dataclass(frozen=True, slots=True)
class LetterPrice:
    """What a letter costs and why: a piece, its sheets at `sheet` each, its inserts, and the postage for its weight."""

    sheets: int
    grams: float
    piece: int
    sheet: int
    postage: int
    inserts: int = 0

    @property
    def total(self) -> int:
        return self.piece + self.sheets * self.sheet + self.inserts + self.postage


@dataclass(frozen=True, slots=True)
class Prices:
    """A campaign's prices, in micros."""

    email: int
    call: int
    minutes: float
    """of a call"""
    _letter: LetterCosts
    _inserts: Mapping[str, tuple[Insert, ...]]
    """by group"""

    @classmethod
    def of(cls, campaign: Campaign, shop: Shop) -> Prices:
        costs = campaign.effective_costs(shop)
        call = Decimal(str(costs.call.minutes)) * costs.call.minute
        inserts: dict[str, tuple[Insert, ...]] = {
            segment: tuple(shop.inserts[name] for name in campaign.treatment(segment).inserts)
            for segment in campaign.groups
        }
        return cls(
            email=costs.email, call=round(call), minutes=costs.call.minutes, _letter=costs.letter, _inserts=inserts
        )

    def letter(self, sheets: int, segment: str = "") -> LetterPrice:
        """A letter of so many sheets with what its group gets beside it, with envelope and postage; SettingError where
        the post has no price for it."""
        prices, inserts = self._letter, self._inserts.get(segment, ())
        weight = sheets * Decimal(str(prices.sheet_grams)) + Decimal(str(prices.envelope_grams))
        weight += sum((Decimal(str(insert.grams)) for insert in inserts), Decimal(0))
        postage = next((price for grams, price in prices.postage if weight <= grams), None)
        if postage is None:
            raise SettingError(
                f"costs.letter.postage: a letter of {sheets} sheets weighs {weight:f} g and the table ends at "
                f"{prices.postage[-1][0]} g: add a step, or shorten the letter"
            )
        beside = sum(insert.cost for insert in inserts)
        return LetterPrice(sheets, float(weight), prices.piece, prices.sheet, postage, beside)


def specimen_sheets(campaign: Campaign, shop: Shop, on: date) -> dict[tuple[str, Language], int]:
    """How many sheets each of the campaign's letter texts takes, by template and language: with the longest plausible
    words, in pages as they are printed. TemplateError where one can't be."""
    press = Press(shop, on=on)
    return {
        (use.way.template, language): sheets_of(specimen_pages(press, specimen_letters(use, language, shop, on)))
        for use in uses(campaign)
        if use.way.channel is Channel.LETTER
        for language in shop.languages
    }


@dataclass(frozen=True, slots=True)
class PriceList:
    """What each message of a campaign costs, letters by the sheets that their text takes; itself a `PriceOf`."""

    prices: Prices
    sheets: Mapping[tuple[str, Language], int]

    def __call__(self, channel: Channel, template: str, language: str, segment: str) -> int:
        if channel is Channel.LETTER:
            return self.letter(template, language, segment).total
        return self.prices.email if channel is Channel.EMAIL else self.prices.call

    def letter(self, template: str, language: str, segment: str) -> LetterPrice:
        return self.prices.letter(self.sheets[template, language], segment)  # type: ignore[index]


def price_list(campaign: Campaign, shop: Shop, on: date) -> PriceList:
    return PriceList(Prices.of(campaign, shop), specimen_sheets(campaign, shop, on))


@dataclass(frozen=True, slots=True)
class CostLine:
    """A part of what a channel costs: so many, at so much each."""

    part: str
    """piece, sheet, insert, postage (of letters of `grams`), email, call (of `minutes`)"""
    number: int
    each_micros: int
    cost_micros: int
    grams: float | None = None
    minutes: float | None = None


def cost_lines(
    messages: Iterable[tuple[Channel, str, str, str, int]], prices: PriceList
) -> dict[Channel, tuple[CostLine, ...]]:
    """What each channel's cost is made of, from (channel, template, language, segment, how many)."""
    found: dict[Channel, Counter[CostLine]] = {}
    for channel, template, language, segment, messages_of_it in messages:
        numbers = found.setdefault(channel, Counter())
        for part, number in _parts(channel, template, language, segment, prices):
            numbers[part] += messages_of_it * number
    return {
        channel: tuple(
            replace(part, number=number, cost_micros=number * part.each_micros) for part, number in numbers.items()
        )
        for channel, numbers in found.items()
    }


def _parts(
    channel: Channel, template: str, language: str, segment: str, prices: PriceList
) -> list[tuple[CostLine, int]]:
    """What one message is made of: each part, and how many of it."""
    match channel:
        case Channel.LETTER:
            one = prices.letter(template, language, segment)
            postage = CostLine("postage", 0, one.postage, 0, grams=one.grams)
            return [
                (CostLine("piece", 0, one.piece, 0), 1),
                (CostLine("sheet", 0, one.sheet, 0), one.sheets),
                *([(CostLine("insert", 0, one.inserts, 0), 1)] if one.inserts else []),
                (postage, 1),
            ]
        case Channel.EMAIL:
            return [(CostLine("email", 0, prices.prices.email, 0), 1)]
        case Channel.CALL:
            return [(CostLine("call", 0, prices.prices.call, 0, minutes=prices.prices.minutes), 1)]
