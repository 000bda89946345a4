"""Charts as SVG, drawn by altair and vl-convert on the server: nothing is drawn in the browser.

    charts.svg(alt.Chart(data).mark_line().encode(…), title=here.say("Customers"), description="…", shop=here.shop)

A chart never stands alone: its figures stand as text or as a table beside it.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from habitue.colours import mix, palettes
from habitue.shop import Shop

if TYPE_CHECKING:
    import altair

FONT = "system-ui, -apple-system, Segoe UI, Roboto, Noto Sans, sans-serif"


def shades(shop: Shop) -> list[str]:
    """Six colours of the shop's accent, the strongest first: for the five groups and prospects."""
    accent = palettes(shop.letterhead.accent, shop.letterhead.ink)["colour"]["accent_ink"]
    return [
        accent,
        mix(accent, "#ffffff", 0.68),
        mix(accent, "#8a7f70", 0.4),
        mix(accent, "#d8cfc2", 0.35),
        "#8b8680",
        "#c9c4bd",
    ]


def svg(chart: altair.TopLevelMixin, *, title: str, description: str, shop: Shop) -> Markup:
    """The chart as an `<svg>` element with its title and description for those who can't see it."""
    ink = palettes(shop.letterhead.accent, shop.letterhead.ink)["colour"]
    spec: dict[str, Any] = chart.to_dict()
    spec["config"] = {**spec.get("config", {}), **_look(shop, ink["ink"], ink["faint"])}
    spec["background"] = "transparent"
    drawn = _draw(_frozen(spec))
    names = f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"
    opening = re.sub(r"<svg ", f'<svg role="img" aria-label="{escape(title)}" ', drawn, count=1)
    return Markup(re.sub(r"(<svg [^>]*>)", lambda found: found.group(1) + names, opening, count=1))  # noqa: S704 - drawn by us


def _look(shop: Shop, ink: str, faint: str) -> dict[str, Any]:
    words = {"labelFont": FONT, "titleFont": FONT, "labelColor": ink, "titleColor": faint, "labelFontSize": 12}
    return {
        "font": FONT,
        "view": {"stroke": None},
        "axis": {
            **words,
            "domainColor": faint,
            "tickColor": faint,
            "gridColor": "#e7e2db",
            "titleFontWeight": "normal",
        },
        "legend": {**words, "symbolType": "square"},
        "header": words,
        "range": {"category": shades(shop)},
    }


def _frozen(spec: dict[str, Any]) -> str:
    import json

    return json.dumps(spec, sort_keys=True, default=str)


@cache
def _drawer() -> Any:
    import vl_convert

    return vl_convert


def _draw(spec: str) -> str:
    return str(_drawer().vegalite_to_svg(spec))
