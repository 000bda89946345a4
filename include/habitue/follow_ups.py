"""What follows of what came of a message, as rules that can be shown: they stand in the campaigns' files.

then             a campaign's `then`: not reached, or no answer to a letter → the next ways, the first lawful one
until_purchase   a purchase ends the campaign, for what is planned already, too
rest_days, pause_days   nobody is asked twice for the same thing within its pause
reasons          of include/offers_by_reason.yaml: a reason told on the phone → the offer that answers it
(all)            an open complaint stops all selling: plan and claim leave the customer out until it is closed
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from habitue import calls, targeted_offers
from habitue.campaigns import Campaign, campaign_files, load_campaign
from habitue.report import words
from habitue.settings import Language
from habitue.shop import Shop

Rule = Literal["not_reached", "no_answer", "purchase", "pause", "complaint", "reason"]


@dataclass(frozen=True, slots=True)
class Said:
    """One rule in force: of that campaign, or, without one, of all. `text` is a sentence in the page's language."""

    rule: Rule
    campaign: str | None
    text: str


def described(shop: Shop, *, language: Language, campaigns: Sequence[Campaign] | None = None) -> list[Said]:
    """The rules that are in force, for the page: those of all campaigns first, then each campaign's, by its name.
    `campaigns` are those of include/campaigns unless others are given."""
    say = words(language)["follow_ups"]
    known = [load_campaign(path, shop) for path in campaign_files()] if campaigns is None else campaigns
    found = [Said("complaint", None, say["complaint"])]
    told = calls.read_words(calls.FOLDER / f"list.{language}.yaml", language)["reasons"]
    for answered in sorted({answer.campaign for answer in targeted_offers.rules().reasons.values()}):
        reasons = [told[reason] for reason, one in targeted_offers.rules().reasons.items() if one.campaign == answered]
        found.append(Said("reason", answered, say["reason"].format(reasons=", ".join(reasons))))
    for campaign in known:
        found += [Said(rule, campaign.name, text) for rule, text in _of(campaign, say)]
    return found


def _of(campaign: Campaign, say: dict[str, Any]) -> Iterator[tuple[Rule, str]]:
    if campaign.then is not None:
        ways = say["else"].join(say["a"][way.channel] for way in campaign.then.each_way)
        yield campaign.then.when, say[campaign.then.when].format(days=campaign.then.after_days, ways=ways)
    if campaign.until_purchase:
        yield "purchase", say["purchase"]
    pauses = ", ".join(
        say["pause_of"].format(channel=say["one"][channel], days=days) for channel, days in campaign.pause_days.items()
    )
    if campaign.rest_days and pauses:
        yield "pause", say["rest_and_pause"].format(rest=campaign.rest_days, pauses=pauses)
    elif campaign.rest_days:
        yield "pause", say["rest"].format(rest=campaign.rest_days)
    elif pauses:
        yield "pause", say["pause"].format(pauses=pauses)
