"""Home: how the customer base stands, who moved, what is due, and whether the data can be trusted. From what was told
and from small tables alone: no order is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response
from markupsafe import Markup

from habitue.agenda import agenda
from habitue.figures import FIGURES, Told
from habitue.figures_in_words import written
from habitue.headlines import headlines
from habitue.report import count
from habitue.trends import FIVE
from habitue.web.ops import charts
from habitue.web.ops.flow import flow, spark
from habitue.web.ops.listing import N_
from habitue.web.ops.shell import Here, Role, Visit, allowed, as_read_in, page
from habitue.web.pages import Page

SPANS = {
    "day": N_("on the day"),
    "quarter": N_("by quarter"),
    "year": N_("over twelve months"),
}
VERDICTS = {
    "ordinary": N_("ordinary"),
    "high": N_("higher than ordinary"),
    "low": N_("lower than ordinary"),
    "too_few_years": N_("too few years to say whether it is ordinary"),
    "too_few_customers": N_("too few customers to say whether it is ordinary"),
}

routes = APIRouter(route_class=Page, dependencies=[allowed(Role.OPS, Role.MANAGER)])


@routes.get("/home/")
def home(here: Here) -> Response:
    with here.house.engine.connect() as connection:
        found = headlines(connection, here.shop)
    known: dict[str, Any] = {
        "found": found,
        "agenda": agenda(here.house, at=here.at),
        "figures": FIGURES,
        "airflow": here.root.removesuffix("/habitue"),
        "shades": dict(zip(FIVE, charts.shades(here.shop), strict=False)),
        **said_of_figures(here),
    }
    if found:
        sizes = {group.name: [one.value for one in group.history] for group in found.groups}
        known["picture"] = picture(here, found.movement) if any(one.value for one in found.movement) else None
        known["sparks"] = {
            name: spark(values, says=", ".join(count(value, here.language) for value in values))
            for name, values in sizes.items()
        }
        known["crossed"] = {(one.part, one.other): one for one in found.movement}
    return page(here, "home.html.j2", area="home", **known)


def picture(here: Visit, movement: Sequence[Told]) -> Markup:
    """Who moved where in a period."""
    flows = {(one.part, one.other): one.value for one in movement}
    before = {name: sum(number for (part, _), number in flows.items() if part == name) for name in [*FIVE, "new"]}
    moved = sum(number for (part, other), number in flows.items() if part not in (other, "new"))
    shades = dict(zip([*FIVE, "new"], charts.shades(here.shop), strict=True))
    return flow(
        flows,
        before=["new", *FIVE],
        after=FIVE,
        say=lambda name: group_name(here, name),
        count=lambda number: count(number, here.language),
        shades=shades,
        title=here.say("Movement between the five groups"),
        description=here.say(
            "Of {all} customers, {moved} changed group and {new} made their first purchase.",
            all=count(sum(before.values()), here.language),
            moved=count(moved, here.language),
            new=count(before["new"], here.language),
        ),
    )


def said_of_figures(here: Visit) -> dict[str, Any]:
    """What the templates of figures share: how a cell is written, what spans, groups and judgements are called."""
    shop = as_read_in(here.shop, here.language)
    return {
        "told": lambda cell, first=False: written(cell, shop, first=first),
        "five": FIVE,
        "group": lambda name: group_name(here, name),
        "spans": {span: here.say(says) for span, says in SPANS.items()},
        "verdicts": {verdict: here.say(says) for verdict, says in VERDICTS.items()},
        "rows": None,
    }


def group_name(here: Visit, name: str) -> str:
    return here.say("New customers") if name == "new" else str(here.words["segments"].get(name, name))
