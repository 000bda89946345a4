"""What follows of what came of a message, as rules that can be shown: they stand in the campaigns' files.

then             a campaign's `then`: not reached, or no answer to a letter → the next ways, the first lawful one
until_purchase   a purchase ends the campaign, for what is planned already, too
rest_days, pause_days   nobody is asked twice for the same thing within its pause
reasons          of include/offers_by_reason.yaml: a reason told on the phone → the offer that answers it
(all)            an open complaint stops all selling: plan and claim leave the customer out until it is closed
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from habitue import calls, targeted_offers
from habitue.calendars import campaigns
from habitue.campaigns import NOT_REACHED, THEN, Campaign
from habitue.errors import SettingError
from habitue.report import words
from habitue.settings import Language, shown

Rule = Literal["not_reached", "no_answer", "purchase", "pause", "complaint", "reason"]


@dataclass(frozen=True, slots=True)
class Said:
    """One rule in force: of that campaign, or, without one, of all. `text` is a sentence in the page's language."""

    rule: Rule
    campaign: str | None
    text: str


@dataclass(frozen=True, slots=True)
class InForce:
    """The rules of all campaigns first, then each campaign's, by its name."""

    said: Sequence[Said]
    gaps: Sequence[str]
    """what can't be shown, a sentence each: a file that can't be read, a rule that names a campaign without one"""


def in_force(*, language: Language) -> InForce:
    """The rules of the files as they are now; each file is read once for each time that it was written."""
    say = words(language)["follow_ups"]
    broken: dict[str, str] = {}
    found = list(campaigns(broken))
    known = {one.name for one in found} | broken.keys()
    gaps = [say["broken"].format(campaign=name, why=why) for name, why in broken.items()]
    said = [Said("complaint", None, say["complaint"])]
    try:
        answers = targeted_offers.rules().reasons
    except SettingError as error:
        answers = {}
        gaps.append(say["broken_rules"].format(why=error))
    told = reason_words(language)
    for answered in sorted({answer.campaign for answer in answers.values()}):
        reasons = ", ".join(told[reason] for reason, answer in answers.items() if answer.campaign == answered)
        if answered in known:
            said.append(Said("reason", answered, say["reason"].format(reasons=reasons)))
        else:
            rule = f"{shown(targeted_offers.FILE)} ({reasons})"
            gaps.append(say["missing"].format(rule=rule, campaign=answered))
    for campaign in found:
        if campaign.name.endswith(THEN):
            continue
        said += [Said(rule, campaign.name, text) for rule, text in _of(campaign, say)]
        if follows_nothing(campaign, known):
            rule = f"include/campaigns/{campaign.name}.yaml (audience)"
            gaps.append(say["missing"].format(rule=rule, campaign=campaign.audience.parameters["campaign"]))
    return InForce(said, gaps)


def follows_nothing(campaign: Campaign, known: Collection[str]) -> str | None:
    """Why a campaign that asks whom another did not reach has nobody to ask: there is no such campaign."""
    followed = campaign.audience.parameters.get("campaign") if campaign.audience.sql == NOT_REACHED else None
    if followed is None or followed in known:
        return None
    return f"campaign {followed} is not known; there are {', '.join(sorted(known))}"


@cache
def reason_words(language: Language) -> Mapping[str, str]:
    """What each reason is called, as on the call list."""
    return dict(calls.read_words(calls.FOLDER / f"list.{language}.yaml", language)["reasons"])


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
