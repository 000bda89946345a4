"""Charts of figures' history. Each is drawn once for the same values: that takes longer than all else on a page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import Any

from markupsafe import Markup

from habitue.shop import Shop
from habitue.web.ops import charts

SCALES = {"money": 100, "average_money": 100, "share": 0.01}
"""What values are divided by, so that an axis shows units of currency and per cent."""

MOST_LINES = 2
"""More parts than these are shown stacked, one on the other: groups make a whole."""

NUMBERS = {
    "en": "format(datum.value, ',.4~f')",
    "fr": "replace(replace(format(datum.value, ',.4~f'), /,/g, '\u202f'), '.', ',')",
}
"""How an axis writes numbers, by language."""

Points = Sequence[tuple[date, float, str]]
"""(day, value, part)"""


@lru_cache(maxsize=128)
def history(points: Points, title: str, says: str, unit: str, shop: str) -> Markup:
    """A line over time, or bars of several parts. `shop`: its settings, as JSON."""
    known = Shop.model_validate_json(shop)
    shades = charts.shades(known)
    parts = list(dict.fromkeys(part for _, _, part in points))
    values = [
        {"day": day.isoformat(), "value": value, "part": part, "place": parts.index(part)}
        for day, value, part in points
    ]
    mark, encoding = _line(shades[0]) if len(parts) <= MOST_LINES else _bars(parts, shades)
    encoding["y"] = {
        "field": "value",
        "type": "quantitative",
        "title": unit or None,
        "axis": {"tickCount": 5, "labelExpr": NUMBERS[known.language]},
        "scale": {"zero": True},
    }
    return _svg(values, mark, encoding, 240, title, says, known)


def _line(shade: str) -> tuple[dict[str, Any], dict[str, Any]]:
    axis = {"format": "%m/%Y", "grid": False, "tickCount": 8}
    x = {"field": "day", "type": "temporal", "title": None, "axis": axis}
    mark = {"type": "line", "point": {"size": 45, "color": shade}, "strokeWidth": 2.5}
    return mark, {"x": x, "color": {"value": shade}}


def _bars(parts: Sequence[str], shades: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    label = "slice(datum.value, 5, 7) + '/' + slice(datum.value, 0, 4)"
    axis = {"labelExpr": label, "labelAngle": -35}
    colour = {
        "field": "part",
        "type": "nominal",
        "title": None,
        "scale": {"domain": list(parts), "range": list(shades[: len(parts)])},
        "legend": {"orient": "bottom", "columns": 2, "columnPadding": 60},
    }
    encoding = {
        "x": {"field": "day", "type": "ordinal", "title": None, "axis": axis},
        "color": colour,
        "order": {"field": "place", "type": "quantitative"},
    }
    return {"type": "bar", "width": {"band": 0.72}}, encoding


@lru_cache(maxsize=32)
def curve(points: Sequence[tuple[int, float, str]], title: str, says: str, across: str, shop: str) -> Markup:
    """What share of all the best so many per cent bring, a line a day. `points`: (per cent, share, day)."""
    known = Shop.model_validate_json(shop)
    days = list(dict.fromkeys(day for _, _, day in points))[::-1]
    values = [{"best": best, "share": 100 * share, "day": day} for best, share, day in points]
    values += [{"best": 0, "share": 0.0, "day": day} for day in days]
    axis = {"values": [0, 20, 40, 60, 80, 100], "grid": True}
    encoding: dict[str, Any] = {
        "x": {"field": "best", "type": "quantitative", "title": across, "axis": axis},
        "y": {"field": "share", "type": "quantitative", "title": "%", "scale": {"domain": [0, 100]}},
        "color": {
            "field": "day",
            "type": "nominal",
            "title": None,
            "scale": {"domain": days, "range": [charts.shades(known)[0], "#8b8680"][: len(days)]},
            "legend": {"orient": "bottom"},
        },
    }
    return _svg(values, {"type": "line", "strokeWidth": 2.5}, encoding, 260, title, says, known)


def _svg(
    values: list[dict[str, Any]], mark: Any, encoding: Any, height: int, title: str, says: str, shop: Shop
) -> Markup:
    import altair as alt

    spec = {"data": {"values": values}, "mark": mark, "encoding": encoding, "width": 640, "height": height}
    return charts.svg(alt.Chart.from_dict(spec), title=title, description=says, shop=shop)
