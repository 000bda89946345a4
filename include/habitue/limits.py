"""What holds a campaign back: caps, approval, the margin, costs, the breaker. The shop sets them (`shop.yaml`), and a
campaign may set caps, approval and costs otherwise, key by key."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from habitue.settings import Cents, Count, Micros, Share, Strict, Whole, Words, merge


class Overridable(Strict):
    """Settings of the shop that a campaign may give otherwise. Written down is only what was said, so that the rest of
    a campaign's goes on following the shop's."""

    @model_serializer(mode="wrap")
    def _what_was_said(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in dump(self).items() if name in self.model_fields_set}

    def over(self, shop: Self) -> Self:
        """These laid over the shop's, key by key."""
        return type(shop).model_validate(merge(shop.model_dump(), self.model_dump()))


class Cap(Strict):
    most: Count = Field(description="so many messages at most, the one to be sent included")
    days: Count = Field(description="within so many days")


class Caps(Overridable):
    """How many messages a customer may get, whatever the campaign."""

    letter: Cap = Field(Cap(most=2, days=30), description="letters")
    email: Cap = Field(Cap(most=4, days=30), description="e-mails")
    call: Cap = Field(Cap(most=1, days=30), description="calls")
    any: Cap = Field(Cap(most=5, days=30), description="messages over all channels")


class ShopCaps(Caps):
    """The shop's caps, and what it promises to those who ask for fewer messages: no campaign sets that otherwise."""

    fewer: Cap = Field(
        Cap(most=1, days=90), description="messages over all channels to whoever has asked for fewer of them"
    )


class GlobalHoldout(Strict):
    """Customers whom nobody writes to for a calendar year, so that all campaigns together can be measured."""

    share: Share = Field(0.0, description="the share of customers, from 0 to below 1")
    seed: str = Field("1", description="another seed draws other customers")


class LifetimeSettings(Strict):
    """What a customer is worth over all the years that he stays (`worths.lasting_value`)."""

    discount: float = Field(
        0.10, strict=True, ge=0, le=1, description="by what share money of next year counts for less than today's"
    )


class Budget(Strict):
    """A calendar year's money."""

    year: Cents | None = Field(
        None, description="most that all campaigns may cost in a calendar year: then none leaves"
    )
    promotion: Cents | None = Field(
        None, gt=0, description="all that the shop spends on promotion in a year, new customers' included"
    )
    aim: tuple[Share, Share] = Field(
        (0.15, 0.20), description="the share of `promotion` to be spent on existing customers, [from, to]"
    )

    @field_validator("aim")
    @classmethod
    def _from_to(cls, aim: tuple[float, float]) -> tuple[float, float]:
        if aim[0] > aim[1]:
            raise ValueError("[from, to]: the first not above the second")
        return aim


class Margin(Strict):
    """What an offer must leave to the shop."""

    gross: float = Field(0.55, strict=True, gt=0, le=1, description="the gross margin, as a share of the price")
    floor: float = Field(
        0.30, strict=True, ge=0, lt=1, description="an offer must leave this share of what the customer pays"
    )
    basket: Cents = Field(4000, gt=0, description="the usual basket, for gifts that need no basket of a certain worth")


class LetterCosts(Overridable):
    """What a letter costs: piece + sheets x sheet + postage by weight."""

    piece: Micros = Field(280_000, description="envelope, folding, insertion")
    sheet: Micros = Field(60_000, description="one sheet printed on both sides, paper included")
    sheet_grams: float = Field(5.0, strict=True, gt=0, description="weight of a sheet; A4 of 80 g/m2 weighs 5 g")
    envelope_grams: float = Field(5.0, strict=True, ge=0, description="weight of the envelope")
    postage: list[tuple[Count, Micros]] = Field(
        [(20, 1_390_000), (100, 2_780_000), (250, 4_450_000)],
        min_length=1,
        description="[up to and including so many grams, price], lightest first",
    )

    @field_validator("postage")
    @classmethod
    def _heavier_and_heavier(cls, postage: list[tuple[int, int]]) -> list[tuple[int, int]]:
        grams = [step for step, _ in postage]
        if grams != sorted(set(grams)):
            raise ValueError("the weights must ascend")
        return postage


class Insert(Strict):
    """A thing that is laid into the envelope beside the letter."""

    grams: float = Field(strict=True, gt=0, description="what it weighs")
    cost: Micros = Field(0, description="what one costs, put in")


class CallCosts(Overridable):
    """What a call costs: minutes x minute."""

    minutes: float = Field(
        6.0, strict=True, ge=0, description="minutes that a call takes, notes and vain tries included"
    )
    minute: Micros = Field(550_000, description="what a minute of an agent costs")


class Costs(Overridable):
    """What a message costs, in the shop's currency."""

    letter: LetterCosts = Field(LetterCosts(), description="a letter")
    email: Micros = Field(1_000, description="an e-mail")
    call: CallCosts = Field(CallCosts(), description="a call")


class Approval(Overridable):
    """When a person must say yes before anything leaves."""

    recipients: Whole = Field(5_000, description="more recipients than this need one person's approval")
    cost: Cents = Field(600_000, description="a run that costs more than this needs one person's approval")
    second_recipients: Whole = Field(50_000, description="more recipients than this need two persons' approval")
    second_cost: Cents = Field(6_000_000, description="a run that costs more than this needs two persons' approval")
    assignees: list[Words] = Field(
        [], description="who may approve (Airflow user ids); empty: whoever may edit the run"
    )
    second_assignees: list[Words] = Field([], description="who may give the second approval; empty: anyone else")
    timeout_hours: Count = Field(48, description="without an answer after so many hours the run is cancelled")

    @model_validator(mode="after")
    def _two_are_two(self) -> Self:
        if self.assignees and self.second_assignees and len({*self.assignees, *self.second_assignees}) == 1:
            raise ValueError("the second approval must be another person's: name one more assignee")
        return self


class ProofYears(Strict):
    letter: Count = Field(3, description="the proof of what was said of letters")
    email: Count = Field(3, description="the proof of what was said of e-mails")
    call: Count = Field(3, description="the proof of what was said of calls (R. 223-1 C. conso)")


class Retention(Strict):
    """How long things are kept. The years count from the person's own last act: that a mail was opened is none."""

    prospect_years: Count = Field(3, description="who never bought (CNIL, référentiel gestion commerciale)")
    customer_years: Count = Field(3, description="who bought, after the last act (the same)")
    proof_years: ProofYears = Field(ProofYears(), description="after their erasure too, from the day it was recorded")
    raw_events_days: Count = Field(30, description="what providers posted, once applied; SendGrid repeats for a day")
    samples_days: Count = Field(30, description="pages and mails that show samples, and what was told to persons")
    lots_days: Count = Field(365, description="the files of lots of letters, once handed over")
    leftovers_days: Count = Field(30, description="what nights and workers that came to nothing left behind")


Levels = tuple[float, float]


class Breaker(Strict):
    """When sending stops by itself: shares of what was delivered, [warn at, stop at]."""

    after: Whole = Field(500, description="no judgement before so many messages")
    hard_bounces: Levels = Field((0.02, 0.05), description="addresses that do not exist")
    complaints: Levels = Field((0.001, 0.003), description="recipients who reported spam")
    refused_after: Whole = Field(50, description="no judgement on refusals before so many answers")
    refused: float = Field(0.1, strict=True, gt=0, le=1, description="share of answers that are refusals, to stop at")

    @field_validator("hard_bounces", "complaints")
    @classmethod
    def _warn_then_stop(cls, levels: Levels) -> Levels:
        warn, stop = levels
        if not 0 < warn <= stop <= 1:
            raise ValueError("[warn at, stop at], shares above 0, the first not above the second")
        return levels
