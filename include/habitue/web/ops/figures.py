"""Figures with what they mean: each one's history, what was told at first where it was restated, the same period of
earlier years, its file, and, for marketing ops, the rows behind it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import islice
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import FileResponse, Response
from markupsafe import Markup
from starlette.background import BackgroundTask

from habitue import figures, trends
from habitue.calls import write_table
from habitue.figures import FIGURES, Definition, Told
from habitue.figures_in_words import written
from habitue.headlines import judged
from habitue.kinds import Audited, Span
from habitue.ordinary import Judgement
from habitue.periods import YEARS, quarter_before, quarter_end, quarter_name, years_before
from habitue.report import count
from habitue.texts import long_date, money
from habitue.trends import FIVE, TIERS
from habitue.web.ops import figure_charts
from habitue.web.ops.home import SPANS, group_name, picture, said_of_figures
from habitue.web.ops.listing import N_
from habitue.web.ops.shell import Here, Role, Visit, allowed, as_read_in, page
from habitue.web.pages import Page

SHOWN_ROWS = 200
"""Rows behind a figure that the page shows; the file has all."""

TIER_NAMES = {"top_20": N_("Best 20%"), "next_40": N_("Next 40%"), "other": N_("The others")}
PARTS = {"size": FIVE, "spend": FIVE, "tier_size": TIERS, "tier_spend": TIERS}
COLUMNS = {
    "customer_id": N_("Customer"), "segment": N_("Group"), "before": N_("Before"), "after": N_("After"),
    "purchase_days": N_("Visits in the window"), "amount_cents": N_("Spend in the window"),
    "last_day": N_("Last purchase"), "first_day": N_("First purchase"), "tier": N_("Tier"), "place": N_("Place"),
    "lifetime_days": N_("Visits ever"), "lost": N_("Lost"), "visits": N_("Visits"), "cents": N_("Spend"),
    "bought": N_("Bought"), "opened": N_("Recorded on"), "closed": N_("Settled on"),
}  # fmt: skip
"""What the columns of the rows are called."""

routes = APIRouter(route_class=Page, dependencies=[allowed(Role.OPS, Role.MANAGER)])

Day = Annotated[date | None, Query()]
Name = Annotated[str, Query(max_length=40)]


@dataclass(frozen=True, slots=True)
class Line:
    """A period of a figure: its cells in the order of its parts, the same period a year before, the judgement."""

    ends: date
    label: str
    cells: Sequence[Told]
    before: Told | None
    judgement: Judgement | None


@routes.get("/figures/")
def overview(here: Here) -> Response:
    rule, _ = trends.rule_of(here.shop.segments)
    shop = as_read_in(here.shop, here.language)
    with here.house.engine.connect() as connection:
        last = figures.last_day(connection, rule)
        found = figures.told(connection, rule, ends=[last]) if last else []
    now: dict[str, str] = {}
    for one in found:
        if not one.part and (one.span != Span.QUARTER or one.name not in now):
            now[one.name] = written(one, shop)
    best = next((one for one in found if (one.name, one.part) == ("curve", "020")), None)
    if best:
        now["curve"] = here.say("best 20%: {share}", share=written(best, shop))
    return page(here, "figures.html.j2", area="figures", last=last, now=now, rule=rule, known=_said(here))


def _said(here: Visit) -> dict[str, Any]:
    _, means = trends.rule_of(here.shop.segments)
    return {name: known.said(here.language, means) for name, known in FIGURES.items()}


@routes.get("/figures/{name}")
def one_figure(name: str, here: Here, span: Span | None = None, ends: Day = None) -> Response:
    known = _definition(name)
    rule, means = trends.rule_of(here.shop.segments)
    with here.house.engine.connect() as connection:
        last = figures.last_day(connection, rule)
        found = figures.told(connection, rule, [name], ends=_shown_days(last)) if last else []
        rules = figures.rules(connection)
    spans = [one for one in Span if any(cell.span == one for cell in found)]
    chosen = span if span in spans else (Span.QUARTER if Span.QUARTER in spans else spans[0] if spans else None)
    ours = [one for one in found if one.span == chosen and _ours(one.ends, last)]
    said = known.said(here.language, means)
    return page(
        here,
        "figure.html.j2",
        area="figures",
        name=name,
        known=known,
        said=said,
        rule=rule,
        rules=rules,
        means=means,
        last=last,
        found_spans=[(one, here.say(SPANS[one])) for one in spans],
        span=chosen,
        drawn=_drawn(here, name, found if name == "curve" else ours, said.name),
        label=lambda part: part_name(here, name, part),
        told_on=lambda cell: date.fromisoformat(cell.first_snapshot_id),
        **{**said_of_figures(here), "rows": lambda cell: _rows_of(here, cell)},
        **_shown(here, name, found, ours, ends),
    )


def _rows_of(here: Visit, cell: Told) -> str:
    asked = {"span": cell.span, "ends": cell.ends.isoformat(), "part": cell.part, "to": cell.other}
    return (
        f"{here.url('figures', cell.name, 'rows')}?{urlencode({key: value for key, value in asked.items() if value})}"
    )


def _shown_days(last: date) -> list[date]:
    """The quarters' ends, and the last day with the same one of earlier years: every night tells more than these."""
    quarters = [quarter_before(last)]
    while len(quarters) < QUARTERS:
        quarters.append(quarter_before(quarters[-1]))
    return [*quarters, *(years_before(last, years) for years in range(YEARS + 1))]


def _ours(ends: date, last: date | None) -> bool:
    """Not the nights in between, nor the days that are only there to be compared with."""
    return ends in (quarter_end(ends), last)


QUARTERS = 80
"""That a figure's history goes back at most."""

_NOTHING: dict[str, Any] = {"lines": [], "parts": [], "matrix": None, "labels": {}, "day": None, "flow": None}


def _shown(here: Visit, name: str, found: Sequence[Told], ours: Sequence[Told], ends: date | None) -> dict[str, Any]:
    """What the tables of the page are made of: `lines` by period, or for what has two sides a `matrix`."""
    days = sorted({one.ends for one in ours}, reverse=True)
    labels = {day: period_name(here, day, ours[0].span) for day in days} if ours else {}
    if name == "movement":
        day = ends if ends in days else next(iter(days), None)
        cells = {(one.part, one.other): one for one in ours if one.ends == day}
        flow = picture(here, list(cells.values())) if any(one.value for one in cells.values()) else None
        matrix = (["new", *FIVE], FIVE, cells)
        return {**_NOTHING, "matrix": matrix, "labels": labels, "day": day, "flow": flow, "crossed": cells}
    if name == "cohorts":
        cells = {(one.part, one.other): one for one in ours if one.ends == quarter_end(one.ends)}
        rows, columns = sorted({part for part, _ in cells}, reverse=True), sorted({other for _, other in cells})
        return {**_NOTHING, "matrix": (rows, columns, cells)}
    parts = PARTS.get(name) or sorted({one.part for one in ours})
    by_cell = {(one.ends, one.part): one for one in found if ours and one.span == ours[0].span}
    whole = [one for one in by_cell.values() if not one.part]
    lines = [
        Line(
            day,
            labels[day],
            [by_cell[day, part] for part in parts if (day, part) in by_cell],
            by_cell.get((years_before(day, 1), "")),
            judged(by_cell[day, ""], whole) if (day, "") in by_cell else None,
        )
        for day in days
    ]
    return {**_NOTHING, "lines": lines, "parts": parts}


def period_name(here: Visit, ends: date, span: str) -> str:
    """2026-Q3; a quarter that is under way also says up to when, a year and a day say the day."""
    if span == Span.QUARTER:
        name = quarter_name(ends).replace("Q", "T") if here.language == "fr" else quarter_name(ends)
        whole = ends == quarter_end(ends)
        return name if whole else here.say("{quarter}, up to {day}", quarter=name, day=long_date(ends, here.language))
    return long_date(ends, here.language)


def part_name(here: Visit, name: str, part: str) -> str:
    if name in ("tier_size", "tier_spend"):
        return here.say(TIER_NAMES[part])
    if name == "curve":
        return here.say("best {n}%", n=int(part))
    if name == "cohorts":
        if part.isdigit():
            return f"+{int(part)}"
        return part.replace("Q", "T") if here.language == "fr" else part
    return group_name(here, part) if part else ""


def _definition(name: str) -> Definition:
    if name not in FIGURES:
        raise HTTPException(404, f"there is no figure {name[:40]}")
    return FIGURES[name]


def _drawn(here: Visit, name: str, ours: Sequence[Told], title: str) -> Markup | None:
    """The history as a chart; None where a table says it better, or of fewer than two points."""
    if ours and ours[0].span == Span.QUARTER:  # one that is under way would look like a fall
        ours = [one for one in ours if one.ends == quarter_end(one.ends)]
    if name in ("movement", "cohorts") or len({one.ends for one in ours}) < 2:
        return None
    shop = as_read_in(here.shop, here.language)
    last = max(one.ends for one in ours)
    if name == "curve":
        shares = tuple(
            (int(one.part), one.share or 0.0, long_date(one.ends, here.language))
            for one in ours
            if one.ends in (last, years_before(last, 1))
        )
        says = here.say("The share of spend that the best customers bring, now and a year before.")
        return figure_charts.curve(shares, title, says, here.say("best customers, in %"), shop.model_dump_json())
    unit = FIGURES[name].unit
    scale = figure_charts.SCALES.get(unit, 1)
    told = _in_order(name, ours)
    points = tuple((one.ends, (one.amount or 0) / scale, part_name(here, name, one.part)) for one in told)
    says = here.say(
        "From {first} to {last}; the table below has every value.",
        first=long_date(min(one.ends for one in ours), here.language),
        last=long_date(last, here.language),
    )
    across = shop.currency if "money" in unit else "%" if unit == "share" else ""
    return figure_charts.history(points, title, says, across, shop.model_dump_json())


def _in_order(name: str, ours: Sequence[Told]) -> list[Told]:
    """Parts in the order in which groups and tiers are always named."""
    parts = PARTS.get(name, [""])
    return sorted(ours, key=lambda one: (one.ends, parts.index(one.part) if one.part in parts else 0))


# Files and rows


@routes.get("/figures/{name}/csv")
def file(name: str, here: Here) -> Response:
    """All that was told of the figure; `all` for every one. Nothing personal is in it."""
    names = list(FIGURES) if name == "all" else [name] if _definition(name) else []
    rule, _ = trends.rule_of(here.shop.segments)
    out = io.StringIO()
    with here.house.engine.connect() as connection:
        figures.write_csv(figures.told(connection, rule, names), rule, out, language=here.language)
    headers = {"Content-Disposition": f'attachment; filename="figures-{name}-{here.at:%Y-%m-%d}.csv"'}
    return Response("\ufeff" + out.getvalue(), media_type="text/csv", headers=headers)


@routes.get("/figures/{name}/rows", dependencies=[allowed(Role.OPS)])
def rows(
    name: str,
    here: Here,
    span: Span,
    ends: date,
    part: Name = "",
    to: Name = "",
    first: bool = False,
    download: bool = False,
) -> Response:
    """The customers behind one cell, by their number. It reads the orders: some seconds where there are millions."""
    known = _definition(name)
    rule, means = trends.rule_of(here.shop.segments)
    with here.house.engine.connect() as connection:
        found = figures.told(connection, rule, [name], spans=[span], ends=[ends])
    cell = next((one for one in found if (one.part, one.other) == (part, to)), None)
    if cell is None:
        raise HTTPException(404, "this figure was not told")
    subject = f"figure {name}"
    with trends.rows_behind(here.house, cell, first=first) as (columns, behind):
        if download:
            with NamedTemporaryFile(prefix="habitue-", suffix=".csv", delete=False) as made:
                path = Path(made.name)
            shop = as_read_in(here.shop, here.language)
            titles = [here.say(COLUMNS[column]) for column in columns]
            cells = ([_cell(*pair) for pair in zip(columns, row, strict=True)] for row in behind)
            number = write_table(path, titles, cells, shop=shop)
            here.note(Audited.EXPORTED, subject=subject, rows=number)
            return FileResponse(
                path, filename=f"{name}-{ends}.csv", media_type="text/csv", background=BackgroundTask(path.unlink)
            )
        some = [dict(zip(columns, row, strict=True)) for row in islice(behind, SHOWN_ROWS + 1)]
    here.note(Audited.VIEWED, subject=subject)
    about = (period_name(here, ends, span), part_name(here, name, part), to and part_name(here, name, to))
    return page(
        here,
        "figure_rows.html.j2",
        area="figures",
        name=name,
        said=known.said(here.language, means),
        cell=cell,
        first=first,
        result=written(cell, as_read_in(here.shop, here.language), first=first),
        about=" · ".join(filter(None, about)),
        columns=[(column, here.say(COLUMNS[column])) for column in columns],
        rows=some[:SHOWN_ROWS],
        more=len(some) > SHOWN_ROWS,
        shown=lambda column, value: _value(here, column, value),
        download=f"{_rows_of(here, cell)}{'&first=true' if first else ''}&download=true",
    )


def _cell(column: str, value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    return Decimal(value) / 100 if value is not None and column.endswith("cents") else value


def _value(here: Visit, column: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return here.say("yes") if value else here.say("no")
    if isinstance(value, date):
        return long_date(value, here.language)
    if column.endswith("cents"):
        return money(value, here.shop.currency, here.language)
    if column in ("segment", "before", "after"):
        return group_name(here, value)
    if column == "tier":
        return here.say(TIER_NAMES[value])
    return count(value, here.language) if isinstance(value, int) else str(value)
