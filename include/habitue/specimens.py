"""Specimens: a message of each kind for a customer who does not exist, with the longest plausible words.

They show, before anyone is written to, that a text can be set at all and how many pages it takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from habitue.campaigns import Campaign, Offer, Way
from habitue.errors import TemplateError
from habitue.letters import Letter, Press, compose
from habitue.lots import SAMPLE
from habitue.settings import Language
from habitue.shop import Shop
from habitue.tables import Channel
from habitue.texts import load_text, long_date

LONGEST_DAY = date(2000, 9, 30)
"""No date is longer to write, in French or in English."""

ADDRESS = (
    "MADAME MARIE-ANTOINETTE DE LA ROCHEFORT",
    "APPARTEMENT 1204 ESCALIER C",
    "RESIDENCE LES JARDINS DU LUXEMBOURG",
    "128 BOULEVARD DU MARECHAL DE LATTRE",
    "69002 LYON",
)
CUSTOMER = {"civility": "MME", "first_name": "Marie-Antoinette", "last_name": "de La Rochefort"}
FACTS = {"favourite": "Confiture extra d'abricots bergeron de la Drôme, 350 g", "purchases": 188, "this_year": 88}
NO_FACTS = {"last_purchase": None, "favourite": None, "purchases": 0, "this_year": 0}


@dataclass(frozen=True, slots=True)
class Use:
    """A text that a campaign uses, and the offers that it may have to say."""

    way: Way
    offers: tuple[Offer, ...]


def uses(campaign: Campaign) -> list[Use]:
    """Every text of the campaign, its follow-up's not included."""
    found: dict[tuple[Channel, str], tuple[Way, list[Offer]]] = {}
    for segment in campaign.groups:
        for arm in campaign.arms or (None,):
            for way in campaign.treatment(segment).ways:
                taken = campaign.way(segment, arm, way.channel)
                _, offers = found.setdefault((taken.channel, taken.template), (taken, []))
                offers.append(campaign.offer(segment, arm))
    return [Use(way, tuple(offers)) for _, (way, offers) in sorted(found.items(), key=lambda item: item[0])]


def specimen_letters(use: Use, language: Language, shop: Shop, on: date) -> list[Letter]:
    """The text as a letter, with everything that may be known of a customer and with nothing of it; TemplateError
    names what the copy lacks."""
    text = load_text(use.way.file(language))
    offer = max(use.offers, key=lambda offer: len(offer.text[language]))
    facts: list[dict[str, Any]] = [{**FACTS, "last_purchase": long_date(LONGEST_DAY, language)}, NO_FACTS]
    return [
        compose(
            text,
            message_id=f"{use.way.template}.{language}",
            reference="A1B2C3D4E5",
            sequence=SAMPLE,
            address=ADDRESS,
            customer={**CUSTOMER, "name": f"{CUSTOMER['first_name']} {CUSTOMER['last_name']}", "language": language},
            facts=known,
            offer={
                "code": "ACDEF-GHJKM",
                "text": offer.text[language],
                "valid_until": long_date(LONGEST_DAY, language),
            },
            offer_url=f"{shop.website}/o/ACDEFGHJKM",
            shop=shop,
            on=on,
        )
        for known in facts
    ]


def specimen_pages(press: Press, letters: Sequence[Letter]) -> int:
    """The most pages that one of the letters takes; TemplateError where one can't be printed."""
    printed = press.print(letters)
    if printed.refused:
        name, reason = printed.refused[0]
        raise TemplateError(f"letters/{name}.j2: can't be printed ({reason}): change what the text or the offer says")
    return max(printed.page_counts)
