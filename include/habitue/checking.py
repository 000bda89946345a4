"""`habitue check`: whatever can be found wrong before a run, in all files at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from habitue import follow_ups, targeted_offers
from habitue.audiences import question_findings
from habitue.calendars import campaigns
from habitue.calls import CallScript
from habitue.campaigns import Campaign, campaign_files, load_campaign, read_campaign
from habitue.errors import HabitueError, SettingError
from habitue.house import House
from habitue.letters import Press
from habitue.linting import Complaint, every_text, lint_these, named
from habitue.settings import INCLUDE, Language, shown
from habitue.shop import Shop, load_shop
from habitue.sources import load_source
from habitue.specimens import LONGEST_DAY, Use, specimen_letters, specimen_pages, uses
from habitue.tables import Channel

SHOP = INCLUDE / "shop.yaml"
TEMPLATES = frozenset({".j2", ".mjml"})

Checked = Iterator[tuple[str, list[str]]]


def findings(files: Sequence[Path] | None, settings: Mapping[str, str], *, database: bool) -> Checked:
    """(file, what is wrong with it) of these files, else of shop.yaml, all sources, all campaigns and the offers by
    reason.

    `settings` are those of `House.of`. With `database` the audiences' questions are explained by the base, which must
    have its tables.
    """
    sources = sorted((INCLUDE / "sources").glob("*.yaml"))
    wanted = [path.resolve() for path in files] if files else [SHOP, *sources, *campaign_files(), targeted_offers.FILE]
    wanted = [path for path in wanted if path.suffix not in TEMPLATES]
    complaints, elsewhere = _said(load_shop), _said(House.settings, settings)
    shop = _shop(settings)
    if elsewhere and not complaints:
        yield "HABITUE_SOURCE", elsewhere
    engine = House.of(settings).engine if database and shop and not elsewhere else None
    try:
        for path in wanted:
            if path.name == "shop.yaml":
                found = complaints if path == SHOP else _said(load_shop, path)
            elif path.parent.name == "sources":
                found = _said(_source, path)
            elif path == targeted_offers.FILE:
                found = _said(targeted_offers.rules) if shop is None else _said(targeted_offers.check, shop)
            elif shop is None:
                found = _said(read_campaign, path)
            else:
                found = list(_campaign(path, shop, engine))
            yield shown(path), found
    finally:
        if engine is not None:
            engine.dispose()


def text_findings(files: Sequence[Path] | None, settings: Mapping[str, str]) -> Iterator[tuple[str, list[Complaint]]]:
    """(file, what is wrong with it) for each template in which something is wrong, of those that these files use or
    are, else of all; none where the shop's settings can't be read, which `findings` tells."""
    shop = _shop(settings)
    if shop is None:
        return
    texts = set(every_text()) if not files else {text for path in files for text in _texts_of(path.resolve())}
    for name, found in groupby(lint_these(sorted(texts), shop), key=lambda complaint: complaint.file):
        yield name, list(found)


def _texts_of(path: Path) -> Iterator[tuple[Channel, str]]:
    if path.suffix in TEMPLATES:
        text = named(path)
        if text is None:  # a layout or a partial: whatever is put in it shows what is wrong with it
            yield from (one for one in every_text() if one[0] is Channel.EMAIL)
        else:
            yield text
    elif path.name != SHOP.name and path.parent.name != "sources":
        with suppress(SettingError):
            yield from {(way.channel, way.template) for way in read_campaign(path).ways()}


def _shop(settings: Mapping[str, str]) -> Shop | None:
    if _said(load_shop):
        return None
    return load_shop() if _said(House.settings, settings) else House.settings(settings)


def _said(attempt: Callable[..., Any], *given: Any) -> list[str]:
    """What an attempt complains of: a sentence a line."""
    try:
        attempt(*given)
    except HabitueError as error:
        return str(error).splitlines()
    return []


def _source(path: Path) -> None:
    load_source(str(path)).settings()


def _campaign(path: Path, shop: Shop, engine: Engine | None) -> Iterator[str]:
    yield from _said(load_campaign, path, shop)
    try:
        campaign = read_campaign(path)
    except SettingError:
        return
    if why := follow_ups.follows_nothing(campaign, {one.name for one in campaigns()}):
        yield f"{shown(path)}: audience.parameters.campaign: {why}"
    press = Press(shop, on=LONGEST_DAY)
    for one in filter(None, (campaign, campaign.follow_up())):
        question = question_findings(one.audience)
        if one is not campaign:
            yield from (f"{found.place or shown(path)}: then: {found.message}" for found in question)
        for use in uses(one):
            for language in shop.languages:
                if use.way.file(language).is_file() and all(language in offer.text for offer in use.offers):
                    yield from _said(_text, use, language, shop, press)
        if engine is not None and not question:
            yield from _said(explain_question, one, engine)


def _text(use: Use, language: Language, shop: Shop, press: Press) -> None:
    match use.way.channel:
        case Channel.LETTER:
            specimen_pages(press, specimen_letters(use, language, shop, LONGEST_DAY))
        case Channel.CALL:
            CallScript.load(use.way.template, language, shop)
        case Channel.EMAIL:
            pass  # `text_findings` makes it for every sample


def explain_question(campaign: Campaign, engine: Engine) -> None:
    """SettingError where the base can't answer the audience's question; nothing is read or changed."""
    file = campaign.audience.file
    if file is None:
        return
    question = text(f"explain {file.read_text('utf-8')}")
    try:
        with engine.connect() as connection:  # rolled back at its end
            connection.execute(text("create temp view standing as select * from segment"))
            connection.execute(question, {"on": LONGEST_DAY, **campaign.audience.parameters})
    except DBAPIError as error:
        said = str(error.orig).splitlines()[0]
        raise SettingError(f"{shown(file)}: PostgreSQL says: {said}") from None
