"""The holdout's page, which explains itself: why some customers get nothing, what that showed, what more would show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from habitue import effects, holdouts, overview, verdicts, year_effects_in_words
from habitue.holdouts import HeldOut
from habitue.kinds import Audited, Channel, Segment
from habitue.shop import Shop
from habitue.verdicts import result_words
from habitue.web.ops.listing import N_, Column, Filter, Listing
from habitue.web.ops.results import sent, temporary
from habitue.web.ops.shell import Here, Role, allowed, as_read_in, page
from habitue.web.pages import Page
from habitue.year_effects import YearEffect

looking = APIRouter(route_class=Page, dependencies=[allowed(Role.OPS, Role.MANAGER)])
digging = APIRouter(route_class=Page, dependencies=[allowed(Role.OPS)])

CROWD = 100
"""Little people in the picture."""

SCOPES = {"campaign": N_("by the campaign"), "shop": N_("by the shop, for the year")}

PEOPLE = Listing(
    "held_out",
    "holdout/people",
    key="customer_id",
    title=N_("Who was held out"),
    columns=(
        Column("customer_id", N_("Number"), link=lambda here, row: here.url("customers", row["customer_id"])),
        Column("segment", N_("Group"), says=lambda here, value: here.words["segments"][value]),
        Column("channel", N_("Channel they would have had"), says=lambda here, value: here.words["channels"][value]),
        Column("scope", N_("Held out"), says=lambda here, value: here.say(SCOPES[value])),
    ),
    filters=(
        Filter("segment", N_("Group"), options=lambda here: [(one, here.words["segments"][one]) for one in Segment]),
        Filter("channel", N_("Channel"), options=lambda here: [(one, here.words["channels"][one]) for one in Channel]),
    ),
    sort="customer_id",
)


@looking.get("/holdout/")
def holdout(here: Here) -> Response:
    shop = as_read_in(here.shop, here.language)
    found = holdouts.holdouts(here.house.engine, shop, at=here.at, language=here.language)
    example = found.example
    return page(
        here,
        "holdout.html.j2",
        area="campaigns",
        wide=True,
        found=found,
        example=example,
        crowd=_crowd(example) if example else None,
        reaches=holdouts.reaches(example) if example else [],
        together=_together(here.at.astimezone(shop.tz).year, found.years, shop),
        shop_reaches=[] if found.shop_share else holdouts.shop_reaches(here.house.engine, shop),
        say=result_words(here.language),
        sentence=lambda of: verdicts.sentence(of, here.language),
        points=lambda share: verdicts.points(share, here.language),
        version=effects.VERSION,
    )


@looking.get("/holdout/csv")
def file(here: Here) -> Response:
    shop = as_read_in(here.shop, here.language)
    path = temporary()
    found = holdouts.holdouts(here.house.engine, shop, at=here.at, language=here.language, most=10_000)
    holdouts.write_csv(path, found, shop=shop)
    return sent(path, f"holdout-{here.at:%Y-%m-%d}.csv")


@digging.get("/holdout/{run_id}")
def people(run_id: str, here: Here, request: Request) -> Response:
    asked = request.query_params
    line = overview.heading(here.house.engine, run_id)
    if "as" in asked:
        return PEOPLE.download(here, asked, run_id=run_id)
    shown = PEOPLE.show(here, asked, action=here.url("holdout", run_id), run_id=run_id)
    here.note(Audited.VIEWED, subject=f"held out {run_id}", rows=len(shown.rows))
    return page(here, "holdout_people.html.j2", area="campaigns", wide=True, line=line, shown=shown)


def _together(year: int, found: Sequence[YearEffect], shop: Shop) -> list[dict[str, Any]]:
    """This year's whole table, and the last one's; of those before, what was shown."""
    return [
        {
            "title": year_effects_in_words.title(one, shop),
            "days": year_effects_in_words.days(one, shop),
            "said": year_effects_in_words.sentences(one, shop),
            "verdict": one.whole.buyers.verdict,
            "headings": year_effects_in_words.headings(shop),
            "rows": [astuple(row) for row in year_effects_in_words.rows(one, shop)] if one.year >= year - 1 else [],
            "who": year_effects_in_words.who(one, shop),
        }
        for one in found
    ]


def _crowd(one: HeldOut) -> list[str]:
    """Of a hundred who were written to: who would have come anyway, who came because of it, who did not come."""
    if one.effect is None:
        return []
    anyway = round(CROWD * min(one.effect.control.share, one.effect.treated.share))
    because = max(0, round(CROWD * one.effect.treated.share) - anyway) if one.effect.verdict == "gain" else 0
    came = round(CROWD * one.effect.treated.share) if one.effect.verdict != "gain" else anyway
    return ["anyway"] * came + ["because"] * because + ["person"] * (CROWD - came - because)


routes = APIRouter(route_class=Page)
routes.include_router(looking)
routes.include_router(digging)
