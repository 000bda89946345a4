"""Zoé's letter: she comes often and buys well, and lives at the back of the court."""

from __future__ import annotations

from datetime import date
from typing import Any

from habitue.addresses import address_lines
from habitue.letters import INCLUDE, Letter, compose
from habitue.shop import Shop
from habitue.texts import load_text

ON = date(2026, 10, 1)
TEXTS = INCLUDE / "templates" / "letters"
COPY = sorted(path.relative_to(TEXTS).as_posix() for path in TEXTS.rglob("*.j2"))


def facts(**given: Any) -> dict[str, Any]:
    return {"last_purchase": "12 juin 2026", "favourite": "Thé noir de Ceylan", "purchases": 7, "this_year": 5} | given


def letter(
    shop: Shop,
    number: int = 1,
    *,
    copy: str = "quarterly/regular_heavy.fr.j2",
    first: str = "Zoé",
    last: str = "Lelièvre-d’Arçon",
    known: dict[str, Any] | None = None,
) -> Letter:
    text = load_text(TEXTS / copy)
    street = "12, rue de l'Église, escalier B"
    place = (street, "42000", "Saint-Étienne", "FR")
    return compose(
        text,
        message_id=f"m{number}",
        reference=f"MT-{number:06}",
        sequence=f"L01-{number:06}",
        address=address_lines("MME", "Zoé", "Lelièvre", "Bâtiment C", *place, language=text.language),
        customer={
            "civility": "MME",
            "first_name": first,
            "last_name": last,
            "name": f"{first} {last}",
            "language": text.language,
        },
        facts=known or facts(),
        offer={"code": f"TILLEUL-{number:04}", "text": "15 %", "valid_until": "15 novembre 2026"},
        offer_url=f"https://www.maison-tilleul.example/o/TILLEUL-{number:04}",
        shop=shop,
        on=ON,
    )
