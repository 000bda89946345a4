"""Campaigns as files: `include/campaigns/*.yaml`, read strictly. Adding a file adds a campaign, and its DAG.

`Campaign` is the file as a model; `load_campaign` checks besides what only the shop can tell: its languages, its
margin, the templates and the audience's question. `include/campaigns/campaign.schema.json` says the same to editors.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from habitue.audiences import NO_PROSPECTS, Audience, question_findings
from habitue.errors import SettingError
from habitue.limits import Approval, Cap, Caps, Costs, ShopCaps
from habitue.offers import Offer as Offer
from habitue.offers import too_dear
from habitue.schedules import Schedule as Schedule
from habitue.schedules import Window as Window
from habitue.settings import (
    INCLUDE,
    Cents,
    Count,
    Finding,
    Findings,
    Language,
    Loc,
    Share,
    Strict,
    Whole,
    Words,
    complaint,
    read_yaml,
    shown,
    validate,
)
from habitue.shop import Shop
from habitue.tables import Channel, Segment

FOLDERS = {Channel.LETTER: "letters", Channel.EMAIL: "emails", Channel.CALL: "calls"}

THEN = "_then"
"""What the name of a follow-up ends in."""

NOT_REACHED = "not_reached"
"""The question of a follow-up's audience: whom of its campaign's runs did nobody reach, or who gave no answer?"""

TemplateName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$")]
ArmName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Way(Strict):
    """One channel with its text: `template` is a path below the channel's folder in include/templates, without
    language and ending (`quarterly/lapsed` → letters/quarterly/lapsed.fr.j2)."""

    channel: Channel = Field(description="letter, email or call")
    template: TemplateName = Field(description="path below the channel's folder, without language and ending")

    def file(self, language: str) -> Path:
        return INCLUDE / "templates" / FOLDERS[self.channel] / f"{self.template}.{language}.j2"


class Arm(Strict):
    """How an arm of a test differs from the treatment it stands in."""

    templates: dict[Channel, TemplateName] = Field(
        default_factory=dict, description="another template for these channels"
    )
    offer: Offer | None = Field(None, description="another offer, whole")


class Treatment(Strict):
    """What one group gets: the ways in order of preference, the first that is lawful and possible is taken."""

    ways: list[Way] = Field(min_length=1, description="channels in order of preference, each at most once")
    offer: Offer = Field(description="what the group is offered")
    arms: dict[ArmName, Arm] = Field(default_factory=dict, description="how the campaign's arms differ here")
    inserts: list[Words] = Field(
        default_factory=list, description="what is laid beside the group's letter, from shop.yaml `inserts`"
    )

    @field_validator("ways")
    @classmethod
    def _each_channel_once(cls, ways: list[Way]) -> list[Way]:
        channels = [way.channel for way in ways]
        if len(channels) != len(set(channels)):
            raise ValueError("each channel at most once")
        return ways

    @model_validator(mode="after")
    def _arms_change_ways_that_are_there(self) -> Self:
        channels = {way.channel for way in self.ways}
        found = [
            Finding(("arms", name, "templates", channel), f"the group has no way by {channel}")
            for name, arm in self.arms.items()
            for channel in arm.templates
            if channel not in channels
        ]
        if found:
            raise Findings(found)
        return self

    def every_way(self) -> Iterator[Way]:
        """The ways, and those of the arms."""
        yield from self.ways
        for arm in self.arms.values():
            for channel, template in arm.templates.items():
                yield Way(channel=channel, template=template)


class Then(Strict):
    """What follows for those whom the campaign did not reach, or who gave no answer: one channel with its template, or
    several ways of which the first that is lawful and possible is taken. Who has bought since is left out."""

    when: Literal["not_reached", "no_answer"] = Field(
        "not_reached",
        description="not_reached (the default): for those whom nobody reached; no_answer: also for those who got a "
        "letter and have bought nothing since",
    )
    channel: Channel | None = Field(None, description="letter, email or call; or say `ways`")
    template: TemplateName | None = Field(
        None, description="path below the channel's folder, without language and ending"
    )
    ways: list[Way] = Field(default_factory=list, description="channels in order of preference, each at most once")
    after_days: Count = Field(description="so many days after the run")

    @model_validator(mode="after")
    def _says_one(self) -> Self:
        if (self.channel is None) != (self.template is None) or (self.channel is None) != bool(self.ways):
            raise ValueError("say channel and template, or ways")
        if len({way.channel for way in self.ways}) != len(self.ways):
            raise ValueError("ways: each channel at most once")
        return self

    @property
    def each_way(self) -> list[Way]:
        """The ways in order of preference."""
        if self.channel is None or self.template is None:
            return self.ways
        return [Way(channel=self.channel, template=self.template)]


class Campaign(Strict):
    """A campaign: when, to whom, by which channel, with which template, offer, holdout and caps."""

    name: str
    title: dict[Language, Words] = Field(description="what people read in lists, in every language of the shop")
    owner: Words = Field(description="who answers for it: the owner of its DAG")
    kind: Literal["image", "product"] = Field(
        description="image: the shop and its people; product: something to buy. Never both in one message"
    )
    schedule: Schedule = Field(description="when it runs")
    audience: Audience = Field(Audience(), description="to whom it speaks; default: the groups with a treatment")
    treatments: dict[Segment, Treatment] = Field(default_factory=dict, description="what each group gets")
    otherwise: Treatment | None = Field(
        None, description="what the audience's groups without a treatment get; needs audience.segments or audience.sql"
    )
    arms: dict[ArmName, Share] = Field(
        default_factory=dict, description="A/B arms and their shares, above 0, together 1"
    )
    holdout: Share = Field(
        0.0, description="the share kept out at random, to measure the effect; from 0, the default, to below 1"
    )
    seed: str = Field("1", description='another one draws other customers for holdout and arms; default "1"')
    caps: Caps | None = Field(
        None, description="at most so many messages within so many days; default, key by key: shop.yaml `caps`"
    )
    pause_days: dict[Channel, Whole] = Field(
        default_factory=dict, description="no second message by that channel within so many days, whatever the campaign"
    )
    rest_days: Whole = Field(
        0, description="nobody gets this campaign again within so many days, by whatever channel; default 0"
    )
    capacity: dict[Channel, Whole] = Field(
        default_factory=dict, description="most messages by that channel in one run; default for calls: the desk's"
    )
    budget: Cents | None = Field(None, description="most that a run may cost, in the shop's currency")
    costs: Costs | None = Field(None, description="what a message costs; default, key by key: shop.yaml `costs`")
    window: Window = Field(Window(), description="when messages may leave; default: within 7 days")
    approval: Approval | None = Field(
        None, description="when a person must say yes; default, key by key: shop.yaml `approval`"
    )
    response_days: Annotated[int, Field(strict=True, ge=1, le=366)] | None = Field(
        None,
        description="what customers buy on the run's day and so many days after it is its response; default: as long "
        "as its offers hold, the longest of them",
    )
    until_purchase: bool = Field(
        False, description="who buys after the plan is not written to or called any more; a follow-up always ends so"
    )
    then: Then | None = Field(None, description="what follows for those who were not reached, or gave no answer")
    delivery: Literal["at_most_once", "at_least_once"] = Field(
        "at_most_once",
        description="a mail of which nobody knows whether it left is not sent again (the default), or is",
    )

    @field_validator("treatments")
    @classmethod
    def _prospects_are_outside(cls, treatments: dict[Segment, Treatment]) -> dict[Segment, Treatment]:
        if Segment.PROSPECT in treatments:
            raise Findings([Finding((Segment.PROSPECT,), NO_PROSPECTS)])
        return treatments

    @field_validator("arms")
    @classmethod
    def _arms_are_whole(cls, arms: dict[str, float]) -> dict[str, float]:
        if arms and (min(arms.values()) <= 0 or not math.isclose(sum(arms.values()), 1, abs_tol=1e-9)):
            raise ValueError(f"shares above 0 that sum to 1; these sum to {sum(arms.values()):g}")
        return arms

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if found := [*self._groups_found(), *self._arms_found()]:
            raise Findings(found)
        return self

    def _groups_found(self) -> Iterator[Finding]:
        if not self.treatments and self.otherwise is None:
            yield Finding(("treatments",), "no group has a treatment; say what at least one gets")
        if self.otherwise is None:
            for place, segment in enumerate(self.audience.segments or []):
                if segment not in self.treatments:
                    message = f"{segment} has no treatment; write one, or `otherwise` for all that have none"
                    yield Finding(("audience", "segments", place), message)
        elif not self.audience.segments and not self.audience.sql:
            yield Finding(("otherwise",), "say for whom: audience.segments or audience.sql")

    def _arms_found(self) -> Iterator[Finding]:
        known = f"the arms are {', '.join(self.arms)}" if self.arms else "the campaign has no arms; say them under arms"
        for loc, treatment in self._places():
            for name in treatment.arms.keys() - self.arms.keys():
                yield Finding((*loc, "arms", name), f"unknown arm; {known}")

    def _places(self) -> Iterator[tuple[Loc, Treatment]]:
        """Every treatment and where it stands in the file."""
        for segment, treatment in self.treatments.items():
            yield ("treatments", segment), treatment
        if self.otherwise is not None:
            yield ("otherwise",), self.otherwise

    def offers(self) -> Iterator[tuple[Loc, Offer]]:
        """Every offer and where it stands in the file."""
        for loc, treatment in self._places():
            yield (*loc, "offer"), treatment.offer
            for name, arm in treatment.arms.items():
                if arm.offer is not None:
                    yield (*loc, "arms", name, "offer"), arm.offer

    @property
    def sha256(self) -> str:
        return hashlib.sha256(json.dumps(self.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()

    @property
    def groups(self) -> list[Segment]:
        """The groups of the audience."""
        if self.audience.segments:
            return list(self.audience.segments)
        if self.otherwise is not None:
            return [segment for segment in Segment if segment is not Segment.PROSPECT]
        return list(self.treatments)

    def treatment(self, segment: Segment) -> Treatment:
        """What a group of the audience gets: its own treatment, or `otherwise`."""
        found = self.treatments.get(segment, self.otherwise)
        if found is None:
            raise SettingError(f"campaign {self.name}: treatments: {segment} has none and there is no `otherwise`")
        return found

    def way(self, segment: Segment, arm: str | None, channel: Channel) -> Way:
        """How a group is written to by a channel, in an arm of the test."""
        treatment = self.treatment(segment)
        found = next((way for way in treatment.ways if way.channel == channel), None)
        if found is None:
            raise SettingError(f"campaign {self.name}: treatments: {segment} has no way by {channel}")
        changed = treatment.arms[arm].templates.get(channel) if arm in treatment.arms else None
        return Way(channel=found.channel, template=changed) if changed else found

    def offer(self, segment: Segment, arm: str | None = None) -> Offer:
        treatment = self.treatment(segment)
        changed = treatment.arms[arm].offer if arm in treatment.arms else None
        return changed or treatment.offer

    def effective_caps(self, shop: Shop) -> dict[str, Cap]:
        """By channel, `any` for all together, and `fewer` for whoever has asked for that."""
        caps = self.caps.over(shop.caps) if self.caps else shop.caps
        return {name: getattr(caps, name) for name in ShopCaps.model_fields}

    def effective_capacity(self, shop: Shop) -> dict[Channel, int]:
        """The channels that have one."""
        return {Channel.CALL: shop.calls.capacity, **self.capacity}

    def effective_approval(self, shop: Shop) -> Approval:
        return self.approval.over(shop.approval) if self.approval else shop.approval

    def effective_costs(self, shop: Shop) -> Costs:
        return self.costs.over(shop.costs) if self.costs else shop.costs

    def follow_up(self) -> Campaign | None:
        """The campaign of `then`, every day: whom a run did not reach, or who gave no answer and has bought nothing
        since, gets the first of its ways that is lawful and possible, with the same offer."""
        if self.then is None:
            return None
        ways = [way.model_dump() for way in self.then.each_way]
        given = self.model_dump() | {
            "name": f"{self.name}{THEN}",
            "schedule": self.schedule.daily().model_dump(),
            "audience": {
                "segments": self.groups,
                "sql": NOT_REACHED,
                "parameters": {
                    "campaign": self.name,
                    "after_days": self.then.after_days,
                    "unanswered": self.then.when == "no_answer",
                },
            },
            "treatments": {
                segment: {"ways": ways, "offer": self.offer(segment).model_dump()} for segment in self.groups
            },
            "rest_days": max(365, self.rest_days),
            "until_purchase": True,
        }
        for name in ("otherwise", "arms", "holdout", "then"):
            del given[name]
        return Campaign.model_validate(given)

    def ways(self) -> Iterator[Way]:
        """Every channel and template that the campaign may use, its follow-up included, once each."""
        found = {(way.channel, way.template): way for _, treatment in self._places() for way in treatment.every_way()}
        for way in self.then.each_way if self.then else []:
            found[way.channel, way.template] = way
        for key in sorted(found):
            yield found[key]

    def templates(self, languages: Iterable[Language]) -> Iterator[Path]:
        """Every copy file that this campaign may render."""
        spoken = list(languages)
        for way in self.ways():
            for language in spoken:
                yield way.file(language)

    def template_files(self, languages: Iterable[Language]) -> dict[str, str]:
        """What the campaign's messages are made from: each copy file and each layout of its channels (path below
        include/) with its SHA-256, a partial of its own beside the copy included. The letterhead's pictures are the
        shop's settings and not among them."""
        ways, spoken = list(self.ways()), list(languages)
        folders = [INCLUDE / "templates" / FOLDERS[channel] for channel in sorted({way.channel for way in ways})]
        layouts = [
            file for folder in folders for file in sorted(folder.glob("*")) if file.is_file() and file.suffix != ".svg"
        ]
        for folder in sorted({way.file(language).parent for way in ways for language in spoken} - set(folders)):
            layouts += sorted([*folder.glob("*.mjml"), *folder.glob("*.txt.j2")])
        return {
            path.relative_to(INCLUDE).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in [*self.templates(spoken), *layouts]
        }

    def template_sha256(self, languages: Iterable[Language]) -> str:
        """A hash over `template_files`."""
        return hashlib.sha256(json.dumps(self.template_files(languages), sort_keys=True).encode()).hexdigest()


def read_campaign(path: Path) -> Campaign:
    """The campaign of a file, checked by itself; SettingError says which file, line and key, and what is allowed."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", path.stem):
        raise SettingError(f"{shown(path)}: a campaign's file name is its name: lower case letters, digits and _ only")
    return validate(path, Campaign, read_yaml(path), ours={"name": path.stem})


def load_campaign(path: Path, shop: Shop) -> Campaign:
    """A campaign that the shop can run; SettingError says which file, line and key, and what is allowed."""
    campaign = read_campaign(path)
    found = [*_unsaid(campaign, shop), *_missing(campaign, shop), *_against_the_shop(campaign, shop)]
    found += [Finding(("audience", *one.loc), one.message, one.place) for one in question_findings(campaign.audience)]
    if campaign.then and (rival := path.with_stem(f"{path.stem}{THEN}")).exists():
        found.append(Finding(("then",), f"its follow-up is called {rival.stem}; rename the campaign {rival.name}"))
    if found:
        raise complaint(path, found)
    return campaign


def _unsaid(campaign: Campaign, shop: Shop) -> Iterator[Finding]:
    texts: list[tuple[Loc, Mapping[Language, str]]] = [(("title",), campaign.title)]
    texts += [((*loc, "text"), offer.text) for loc, offer in campaign.offers()]
    for loc, said in texts:
        for language in shop.languages:
            if language not in said:
                message = f"is missing; the shop writes in {' and '.join(shop.languages)}"
                yield Finding((*loc, language), message)


def _missing(campaign: Campaign, shop: Shop) -> Iterator[Finding]:
    for loc, way in _ways_and_places(campaign):
        missing = [shown(way.file(language)) for language in shop.languages if not way.file(language).is_file()]
        if missing:
            yield Finding(loc, f"no such template: {', '.join(missing)}")


def _ways_and_places(campaign: Campaign) -> Iterator[tuple[Loc, Way]]:
    for loc, treatment in campaign._places():
        for place, way in enumerate(treatment.ways):
            yield (*loc, "ways", place, "template"), way
        for name, arm in treatment.arms.items():
            for channel, template in arm.templates.items():
                yield (*loc, "arms", name, "templates", channel), Way(channel=channel, template=template)
    if campaign.then is not None and campaign.then.template is not None:
        yield ("then", "template"), campaign.then.each_way[0]
    elif campaign.then is not None:
        yield from ((("then", "ways", place, "template"), way) for place, way in enumerate(campaign.then.ways))


def _against_the_shop(campaign: Campaign, shop: Shop) -> Iterator[Finding]:
    for loc, offer in campaign.offers():
        if shop.margin and (why := too_dear(offer, shop.margin)):
            yield Finding(loc, why)
    for loc, treatment in campaign._places():
        for place, name in enumerate(treatment.inserts):
            if name not in shop.inserts:
                known = ", ".join(shop.inserts) or "none"
                yield Finding((*loc, "inserts", place), f"no such insert; shop.yaml `inserts` has {known}")
    try:
        campaign.effective_approval(shop)
    except ValidationError as error:
        yield from (Finding(("approval",), found["msg"].removeprefix("Value error, ")) for found in error.errors())


def find_campaign(name: str, shop: Shop) -> Campaign:
    """A campaign of include/campaigns by its name, or the follow-up of one."""
    path = INCLUDE / "campaigns" / f"{name}.yaml"
    if not path.exists() and name.endswith(THEN):
        before = INCLUDE / "campaigns" / f"{name.removesuffix(THEN)}.yaml"
        if before.exists() and (campaign := load_campaign(before, shop).follow_up()):
            return campaign
    if not path.exists():
        known = ", ".join(file.stem for file in campaign_files())
        raise SettingError(f"campaign {name} is not known; there are {known}")
    return load_campaign(path, shop)


def campaign_files() -> list[Path]:
    return sorted((INCLUDE / "campaigns").glob("*.yaml"))


class _Schema(GenerateJsonSchema):
    """Without what says nothing to who writes the file: titles made of names, defaults as they are kept inside, and the
    `null` of a key that is better left out."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


def campaign_schema() -> dict[str, Any]:
    """The JSON Schema of a campaign file, for editors."""
    schema = Campaign.model_json_schema(schema_generator=_Schema)
    del schema["properties"]["name"]  # the file's own
    schema["required"].remove("name")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
