"""What a message costs: a letter by its sheets and its weight, an e-mail, a call. In millionths of the currency's unit,
as an e-mail costs a fraction of a cent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from habitue.campaigns import Campaign
from habitue.decisions import PriceOf
from habitue.errors import SettingError
from habitue.letters import Press
from habitue.limits import LetterCosts
from habitue.settings import Language
from habitue.shop import Shop
from habitue.specimens import specimen_letters, specimen_pages, uses
from habitue.tables import Channel


@dataclass(frozen=True, slots=True)
class Prices:
    """A campaign's prices, in micros."""

    email: int
    call: int
    _letter: LetterCosts

    @classmethod
    def of(cls, campaign: Campaign, shop: Shop) -> Prices:
        costs = campaign.effective_costs(shop)
        call = Decimal(str(costs.call.minutes)) * costs.call.minute
        return cls(email=costs.email, call=round(call), _letter=costs.letter)

    def letter(self, sheets: int) -> int:
        """A letter of so many sheets, with envelope and postage; SettingError where the post has no price for it."""
        prices = self._letter
        weight = sheets * Decimal(str(prices.sheet_grams)) + Decimal(str(prices.envelope_grams))
        postage = next((price for grams, price in prices.postage if weight <= grams), None)
        if postage is None:
            raise SettingError(
                f"costs.letter.postage: a letter of {sheets} sheets weighs {weight:f} g and the table ends at "
                f"{prices.postage[-1][0]} g: add a step, or shorten the letter"
            )
        return prices.piece + sheets * prices.sheet + postage


def sheets_of(pages: int) -> int:
    """Letters are printed on both sides."""
    return -(-pages // 2)


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


def price_list(campaign: Campaign, shop: Shop, on: date) -> PriceOf:
    """What each message of the campaign costs, letters by the sheets that their text takes."""
    prices, sheets = Prices.of(campaign, shop), specimen_sheets(campaign, shop, on)

    def price(channel: Channel, template: str, language: str) -> int:
        if channel is Channel.LETTER:
            return prices.letter(sheets[template, language])  # type: ignore[index]
        return prices.email if channel is Channel.EMAIL else prices.call

    return price
