"""The validation page: what was checked, what held, what was kept out and who can be reached, in the shop's language.

One HTML file that needs nothing else: no script, no style sheet and no picture from anywhere. Figures only, no person.
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

from babel.dates import format_date
from babel.numbers import format_decimal, format_percent
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from habitue.expectations import DATASETS, contact_rules
from habitue.shop import INCLUDE, Shop

LOCALES = {"fr": "fr_FR", "en": "en_GB"}

WORDS = {
    "fr": {
        "title": "Contrôle du fichier clients",
        "passed": "Le fichier clients peut être publié.",
        "failed": "Le fichier clients n’est pas publié. Le dernier instantané valable reste en vigueur.",
        "customers": "Clients",
        "orders": "Ventes",
        "consents": "Consentements",
        "staged": "lignes reçues",
        "published": "publiées",
        "copies": "doublons",
        "quarantine": "en quarantaine",
        "reachability": "Qui peut être joint",
        "letter": "Lettre",
        "email": "E-mail",
        "call": "Appel",
        "reachable": "joignables",
        "of": "sur",
        "rules": "Ce qui a été vérifié",
        "rule": "Règle",
        "kind": "Portée",
        "row": "ligne",
        "batch": "fichier",
        "result": "Résultat",
        "held": "tenue",
        "broken": "non tenue",
        "not_asked": "rien à comparer",
        "set_aside": "mises en quarantaine",
        "limit": "limite",
        "problems": "Ce qui est à corriger",
        "problem": "Problème",
        "field": "Champ",
        "effect": "Effet",
        "count": "Nombre",
        "none": "Rien à signaler.",
        "no_letter": "pas de lettre",
        "no_email": "pas d’e-mail",
        "no_call": "pas d’appel",
        "neutral_salutation": "formule neutre",
        "noted": "noté",
        "control": "Totaux de contrôle de l’extraction",
        "read": "lues",
        "kept": "gardées",
        "left_out": "laissées de côté",
        "duplicate": "livrées plusieurs fois",
        "after_date": "après le jour du traitement",
        "before_interval": "avant la période demandée",
        "no_customer": "sans client",
        "not_a_product": "pas un produit",
        "never_paid": "jamais payées",
        "no_price": "sans prix",
        "privacy": "Cette page ne contient aucune donnée personnelle. À corriger : voir quarantine/*.csv.",
    },
    "en": {
        "title": "Check of the customer base",
        "passed": "The customer base is fit to be published.",
        "failed": "The customer base is not published. The last good snapshot stays in force.",
        "customers": "Customers",
        "orders": "Orders",
        "consents": "Consents",
        "staged": "rows received",
        "published": "published",
        "copies": "duplicates",
        "quarantine": "in quarantine",
        "reachability": "Who can be reached",
        "letter": "Letter",
        "email": "E-mail",
        "call": "Call",
        "reachable": "reachable",
        "of": "of",
        "rules": "What was checked",
        "rule": "Rule",
        "kind": "About",
        "row": "a row",
        "batch": "the file",
        "result": "Result",
        "held": "held",
        "broken": "broken",
        "not_asked": "nothing to compare",
        "set_aside": "set aside",
        "limit": "limit",
        "problems": "What wants mending",
        "problem": "Problem",
        "field": "Field",
        "effect": "Effect",
        "count": "Count",
        "none": "Nothing to report.",
        "no_letter": "no letter",
        "no_email": "no e-mail",
        "no_call": "no call",
        "neutral_salutation": "neutral opening",
        "noted": "noted",
        "control": "Control totals of the extract",
        "read": "read",
        "kept": "kept",
        "left_out": "left out",
        "duplicate": "delivered more than once",
        "after_date": "after the day of the run",
        "before_interval": "before the days asked for",
        "no_customer": "without a customer",
        "not_a_product": "not a product",
        "never_paid": "never paid",
        "no_price": "without a price",
        "privacy": "This page holds no personal data. The rows to be mended are in quarantine/*.csv.",
    },
}


def figure(value: Any, unit: str, language: str) -> str:
    """A number as the reader's country writes it: `4 372`, `5,2 %`, `× 100`; a dash for none."""
    if value is None:
        return "–"
    locale = LOCALES[language]
    if unit == "share":
        return str(format_percent(value, format="#,##0.0 %" if language == "fr" else "#,##0.0%", locale=locale))
    if unit == "factor":
        return f"× {format_decimal(round(value, 1), locale=locale)}"
    return str(format_decimal(value, locale=locale))


def render_page(validation_json: Path, out: Path, *, shop: Shop) -> None:
    """Writes the page of a `validation.json` to `out`, in place of an earlier one, at once."""
    found = json.loads(validation_json.read_text("utf-8"))
    language = shop.language
    environment = Environment(
        loader=FileSystemLoader(INCLUDE / "templates" / "web"), autoescape=True, undefined=StrictUndefined
    )
    environment.filters["number"] = lambda value: figure(value, "number", language)
    environment.filters["figure"] = lambda value, unit: figure(value, unit, language)
    words = WORDS[language]
    page = environment.get_template("validation.html.j2").render(
        shop=shop,
        language=language,
        words=words,
        result=found,
        datasets=DATASETS,
        day=format_date(date.fromisoformat(found["on"]), "long", locale=LOCALES[language]),
        said=lambda rule: contact_rules().get(rule, {}).get(language, rule),
        word=lambda key: words.get(key, key),
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.part")
    part.write_text(page, "utf-8")
    part.replace(out)
