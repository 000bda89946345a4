"""What to do next, by rule: include/advice.yaml says what follows from which figures of a quarter, in which words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from pydantic import Field

from habitue import effects, figures_in_words, targeted_offers
from habitue.figures import FIGURES
from habitue.headlines import Card
from habitue.kinds import Reason
from habitue.quarterly import Mailing, Quarterly
from habitue.report import count, percent
from habitue.settings import INCLUDE, Count, Share, Strict, Words, read_yaml, validate
from habitue.shop import Shop
from habitue.texts import money, typography

FILE = INCLUDE / "advice.yaml"

When = Literal[
    "harm", "out_of_the_ordinary", "complaints_worse", "service", "attrition_worse", "gain", "costly", "share_below",
    "share_above", "one_kind", "answered", "too_small", "no_holdout",
]  # fmt: skip


class Rule(Strict):
    when: When
    least: Share = Field(0.0, description="from how much on: a share, or points of 1")
    fr: Words
    en: Words


class Rules(Strict):
    most: Count = Field(6, description="so many at most")
    advice: list[Rule]


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to do, in the shop's language, and the rule that said so."""

    when: When
    text: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What a condition looks at. `reasons`: what each reason is called, `kinds`: what image and product are."""

    found: Quarterly
    shop: Shop
    least: float
    reasons: Mapping[str, str]
    kinds: Mapping[str, str]


@cache
def rules() -> Rules:
    """SettingError where the file says something that is not allowed."""
    return validate(FILE, Rules, read_yaml(FILE))


def advice(found: Quarterly, shop: Shop, *, reasons: Mapping[str, str], kinds: Mapping[str, str]) -> list[Advice]:
    """What follows, in the shop's language, the most important first; of each rule the first case alone."""
    said = []
    for rule in rules().advice:
        known = next(CONDITIONS[rule.when](Asked(found, shop, rule.least, reasons, kinds)), None)
        if known is not None:
            text = getattr(rule, shop.language).format(**known)
            said.append(Advice(rule.when, typography(text, shop.language)))
    return said[: rules().most]


def _judged(asked: Asked, verdict: str) -> Iterator[Mailing]:
    for one in asked.found.mailings:
        if one.results and one.results.whole and one.results.whole.buyers.verdict == verdict:
            yield one


def _harm(asked: Asked) -> Iterator[dict[str, Any]]:
    for one in _judged(asked, "loss"):
        yield {"title": one.title(asked.shop.language)}


def _gain(asked: Asked, *, costly: bool) -> Iterator[dict[str, Any]]:
    """Shown to bring customers; `costly`: whose margin is likely less than the run has cost."""
    language = asked.shop.language
    for one in _judged(asked, "gain"):
        if one.results and one.results.whole:
            of, earned = one.results.whole.buyers, one.results.whole.earned_cents
            if (earned is not None and earned[0] < 0) is not costly:
                continue
            extra, low, high = (
                count(round(number), language) for number in (of.extra, of.extra_interval.low, of.extra_interval.high)
            )
            lost = money(-100 * round(earned[0] / 100), asked.shop.currency, language) if earned else ""
            yield {"title": one.title(language), "extra": extra, "low": low, "high": high, "lost": lost}


def _too_small(asked: Asked) -> Iterator[dict[str, Any]]:
    for one in _judged(asked, "too_small"):
        if one.results and one.results.whole and (needed := one.results.whole.buyers.needed):
            yield {
                "title": one.title(asked.shop.language),
                "needed": count(effects.rounded(needed), asked.shop.language),
            }


def _no_holdout(asked: Asked) -> Iterator[dict[str, Any]]:
    for one in asked.found.mailings:
        if not one.held_out:
            yield {"title": one.title(asked.shop.language)}


def _card(asked: Asked, name: str) -> Card | None:
    return next((card for card in asked.found.headlines.cards if card.name == name and card.now), None)


def _extraordinary(asked: Asked) -> Iterator[dict[str, Any]]:
    language = asked.shop.language
    for card in asked.found.headlines.alerts:
        judgement = card.judgement
        if card.now and judgement and judgement.low is not None and judgement.high is not None:
            yield {
                "figure": getattr(FIGURES[card.name], language).name,
                "now": figures_in_words.written(card.now, asked.shop),
                "low": percent(judgement.low, language),
                "high": percent(judgement.high, language),
            }


def _worse(asked: Asked, name: str) -> Iterator[dict[str, Any]]:
    card = _card(asked, name)
    if card and card.now and card.before and card.news == "bad":
        grown = (card.now.amount or 0) - (card.before.amount or 0)
        if abs(grown) >= asked.least:
            slowing = _card(asked, "slowing")
            yield {
                "now": figures_in_words.written(card.now, asked.shop),
                "then": figures_in_words.written(card.before, asked.shop),
                "slowing": count(slowing.now.value if slowing and slowing.now else 0, asked.shop.language),
            }


def _reasons(asked: Asked, *, answered: bool) -> Iterator[dict[str, Any]]:
    """Of those who told a reason: how many told this one."""
    losses, language = asked.found.losses, asked.shop.language
    known = sum(one.customers for one in losses.reasons if one.reason not in (Reason.NONE, Reason.OTHER))
    for one in losses.reasons:
        has_answer = Reason(one.reason) in targeted_offers.rules().reasons
        if one.reason in (Reason.NONE, Reason.OTHER) or has_answer is not answered:
            continue
        if one.customers / known >= asked.least:
            yield {
                "reason": asked.reasons[one.reason],
                "share": percent(one.customers / known, language),
                "customers": count(one.customers, language),
                "offered": count(one.offered, language),
                "came": count(one.came_back, language),
            }


def _share(asked: Asked, standing: str) -> Iterator[dict[str, Any]]:
    year, language = asked.found.year, asked.shop.language
    if year.standing == standing and year.share is not None:
        least, most = year.budget.aim
        written = {"share": year.share, "least": least, "most": most}
        yield {name: percent(share, language) for name, share in written.items()}


def _one_kind(asked: Asked) -> Iterator[dict[str, Any]]:
    if len(asked.found.kinds) == 1:
        (kind,) = asked.found.kinds
        yield {"kind": asked.kinds.get(kind, kind)}


CONDITIONS: Mapping[When, Callable[[Asked], Iterator[dict[str, Any]]]] = {
    "harm": _harm,
    "out_of_the_ordinary": _extraordinary,
    "complaints_worse": lambda asked: _worse(asked, "complaints"),
    "service": lambda asked: _reasons(asked, answered=False),
    "attrition_worse": lambda asked: _worse(asked, "attrition"),
    "gain": lambda asked: _gain(asked, costly=False),
    "costly": lambda asked: _gain(asked, costly=True),
    "share_below": lambda asked: _share(asked, "below"),
    "share_above": lambda asked: _share(asked, "above"),
    "one_kind": _one_kind,
    "answered": lambda asked: _reasons(asked, answered=True),
    "too_small": _too_small,
    "no_holdout": _no_holdout,
}
"""What each `when` looks at: the words to fill in, a case at a time."""
