"""Offers: what they say, until when they hold, and what they leave to the shop.

Of a basket b bought with the gross margin g, after a discount d and a gift that costs k, the customer pays b - d and
the shop keeps b - d - b(1 - g) - k. An offer is too dear where the share kept of what is paid is below the floor.
"""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from typing import Self

from pydantic import Field, model_validator

from habitue.limits import Margin
from habitue.settings import Cents, Count, Language, Strict, Words


class Offer(Strict):
    """What a customer is offered. `percent` or `amount` off, or a gift; none of them for a mere kind word."""

    text: dict[Language, Words] = Field(description="the offer as the customer reads it, in every language of the shop")
    valid_days: Count = Field(60, description="so many days after the run is the last day of the offer; default 60")
    percent: float | None = Field(None, strict=True, gt=0, le=100, description="percent off the basket")
    amount: Cents | None = Field(None, gt=0, description="amount off the basket; needs from_basket")
    from_basket: Cents | None = Field(None, gt=0, description="the basket from which the offer holds")
    gift_cost: Cents | None = Field(None, gt=0, description="what a gift costs the shop")

    @model_validator(mode="after")
    def _one_discount(self) -> Self:
        if self.percent is not None and self.amount is not None:
            raise ValueError("percent or amount, not both")
        if self.amount is not None and self.from_basket is None:
            raise ValueError("amount needs from_basket: the basket from which it is taken off")
        if self.amount is not None and self.from_basket is not None and self.amount >= self.from_basket:
            raise ValueError("amount must be below from_basket")
        return self

    def valid_until(self, on: date) -> date:
        return on + timedelta(days=self.valid_days)


def kept_share(offer: Offer, margin: Margin) -> Fraction:
    """The share of what the customer pays that the shop keeps; below 0 where it pays for selling. For `percent` alone
    it is the same for every basket."""
    basket = Fraction(offer.from_basket or margin.basket)
    paid = basket - (offer.amount or 0) - basket * _exact(offer.percent or 0) / 100
    if paid <= 0:
        return Fraction(-1)
    return (paid - basket * (1 - _exact(margin.gross)) - (offer.gift_cost or 0)) / paid


def too_dear(offer: Offer, margin: Margin) -> str | None:
    """Why the offer is too dear, as a sentence; None where it leaves enough."""
    kept, floor = kept_share(offer, margin), _exact(margin.floor)
    if kept >= floor:
        return None
    return (
        f"leaves {_percent(kept)} of what the customer pays, the floor is {_percent(floor)} (shop.yaml: margin.floor); "
        "offer less, or from a larger basket"
    )


def _exact(number: float) -> Fraction:
    """The number that was written, not the binary one beside it."""
    return Fraction(str(number))


def _percent(share: Fraction) -> str:
    hundredths = share * 10_000 // 1  # down, so that what is below the floor never looks like it
    return f"{float(Fraction(hundredths, 100)):g} %"
