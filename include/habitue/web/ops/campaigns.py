"""Campaigns: which there are, the calendar of their runs, past and to come, and the way from Airflow to a run's
page."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import select

from habitue import calendars, dag_runs
from habitue.calendars import Calendar, Day, Span
from habitue.campaigns import Campaign
from habitue.dag_runs import DagRun
from habitue.errors import SettingError
from habitue.kinds import Channel, RunState
from habitue.report import count
from habitue.statements import statement
from habitue.tables import run as runs
from habitue.texts import long_date
from habitue.web.ops.listing import N_, Column, Filter, Listing
from habitue.web.ops.shell import Here, Role, Visit, allowed, page
from habitue.web.pages import Page

MANY = 20
"""Days of a campaign from which on they are shown as a band of ticks, not each as a link."""

routes = APIRouter(route_class=Page, dependencies=[allowed(Role.OPS, Role.MANAGER)])


def kinds(here: Visit) -> list[tuple[str, str]]:
    return [("image", here.say("image")), ("product", here.say("product"))]


def said_kind(here: Visit, kind: str) -> str:
    return dict(kinds(here)).get(kind, kind)


def standings(here: Visit) -> dict[str, str]:
    """How a day of the calendar stands, in a word."""
    return {
        "past": here.say("has run"),
        "cancelled": here.say("cancelled"),
        "coming": here.say("to come"),
        "missed": here.say("did not run"),
    }


AGENDA = Listing(
    "agenda",
    "runs/agenda",
    key="place",
    title=N_("All runs of the calendar"),
    columns=(
        Column("on_date", N_("Day"), "day"),
        Column(
            "title",
            N_("Campaign"),
            link=lambda here, row: here.url("runs", row["run_id"]) if row["run_id"] else None,
        ),
        Column("kind", N_("Kind"), says=said_kind),
        Column("channels", N_("Channels")),
        Column("standing", N_("State"), says=lambda here, value: standings(here)[value]),
        Column("planned", N_("Messages"), "count"),
    ),
    filters=(
        Filter("kind", N_("Kind"), options=kinds),
        Filter("standing", N_("State"), options=lambda here: standings(here).items()),
    ),
    sort="on_date",
    a_page=25,
    personal=False,
)


@routes.get("/campaigns/")
def campaigns(here: Here) -> Response:
    broken: dict[str, str] = {}
    known = list(calendars.campaigns(broken))
    with here.house.engine.connect() as connection:
        ran = {row.campaign: row for row in connection.execute(statement("runs/campaigns"))}
    lines = [
        {
            "campaign": one,
            "title": titled(one, here),
            "channels": channels_of(one),
            "next": one.schedule.next_after(here.at, here.shop.tz),
            "ran": ran.get(one.name),
        }
        for one in known
    ]
    lines.sort(key=lambda line: (line["next"] is None, line["next"] or here.at, line["title"]))
    return page(here, "campaigns.html.j2", area="campaigns", lines=lines, broken=broken)


@routes.get("/campaigns/calendar")
def calendar(here: Here, request: Request, span: str = "") -> Response:
    asked = _span(here, span)
    found = calendars.calendar(here.house.engine, here.shop, asked, at=here.at)
    days = {"days": json.dumps([_agenda(here, place, day) for place, day in enumerate(found.days)])}
    if "as" in request.query_params:
        return AGENDA.download(here, request.query_params, **days)
    return page(
        here,
        "calendar.html.j2",
        area="campaigns",
        wide=True,
        found=found,
        lanes=[_lane(here, found, name, days) for name, days in found.lanes().items()],
        months=_months(here, asked),
        today=_place(found.today, asked) if found.today in asked else None,
        collisions=sorted(found.collisions, key=lambda one: (one.partly, one.first.on)),
        titled=lambda campaign: titled(campaign, here),
        standings=standings(here),
        quarter=Span.around(max(asked.first, min(found.today, asked.last))).name,
        agenda=AGENDA.show(
            here, request.query_params, action=here.url("campaigns", "calendar"), kept={"span": asked.name}, **days
        ),
    )


def _span(here: Visit, name: str) -> Span:
    """The quarter or year of that name; without one, the quarter that it is."""
    if not name:
        return Span.around(here.at.astimezone(here.shop.tz).date())
    try:
        return Span.named(name)
    except SettingError as error:
        raise HTTPException(404, str(error)) from None


@routes.get("/dags/{dag_id}")
def of_dag(dag_id: str, here: Here) -> Response:
    """From a DAG's page in Airflow to its campaign: the last run, or what to do so that there is one."""
    wanted = select(runs.c.run_id).where(runs.c.campaign == dag_id).order_by(runs.c.number.desc()).limit(1)
    with here.house.engine.connect() as connection:
        last = connection.scalar(wanted)
    return _to_run(here, last, dag_id)


@routes.get("/dags/{dag_id}/runs/{dag_run_id}")
def of_dag_run(dag_id: str, dag_run_id: str, here: Here) -> Response:
    """From a DAG run's page in Airflow to the run that it worked on."""
    return _to_run(here, dag_runs.run_of(here.house.engine, DagRun(dag_id, dag_run_id)), dag_id)


def _to_run(here: Visit, run_id: str | None, dag_id: str) -> Response:
    if run_id is not None:
        return RedirectResponse(here.url("runs", run_id), 303)
    known = any(one.name == dag_id for one in calendars.campaigns())
    return page(here, "no_run.html.j2", area="campaigns", status=404, campaign=known)


def titled(campaign: Campaign, here: Visit) -> str:
    """The campaign's title in the visitor's language; a follow-up's says so."""
    title = campaign.title.get(here.language) or next(iter(campaign.title.values()), campaign.name)
    return f"{title} → {here.words['channels'][channels_of(campaign)[0]]}" if campaign.name.endswith("_then") else title


def channels_of(campaign: Campaign) -> list[Channel]:
    found = {way.channel for group in campaign.groups for way in campaign.treatment(group).ways}
    return [channel for channel in Channel if channel in found]


@dataclass(frozen=True)
class Mark:
    """A day of a campaign in the picture: `left` in percent of its width."""

    left: float
    shape: str
    """past, cancelled, coming or missed"""
    collides: bool
    says: str
    href: str | None


@dataclass(frozen=True)
class Lane:
    title: str
    kind: str
    channels: list[Channel]
    narrow: bool
    marks: list[Mark]
    pauses: list[tuple[float, float]]
    """from, and how long, in percent"""
    many: bool
    summary: str


def _lane(here: Visit, found: Calendar, name: str, days: list[Day]) -> Lane:
    campaign = days[-1].campaign
    hit = {(day.campaign.name, day.on) for one in found.collisions if not one.partly for day in one.second}
    many = len(days) > MANY
    pause = max(campaign.pause_days.values(), default=0)
    return Lane(
        title=titled(campaign, here),
        kind=campaign.kind,
        channels=channels_of(campaign),
        narrow=days[-1].narrow,
        marks=[_mark(here, found.span, day, (name, day.on) in hit) for day in days],
        pauses=[] if many else [_bar(day.on, pause, found.span) for day in days if _writes(day)],
        many=many,
        summary=here.say(
            "{past} have run, {coming} to come",
            past=count(sum(day.standing == "past" for day in days), here.language),
            coming=count(sum(day.standing == "coming" for day in days), here.language),
        ),
    )


def _writes(day: Day) -> bool:
    return day.standing != "missed" and day.state is not RunState.CANCELLED


def _mark(here: Visit, span: Span, day: Day, collides: bool) -> Mark:
    shape = _standing(day)
    said = [long_date(day.on, here.language), titled(day.campaign, here), standings(here)[shape]]
    if day.run_id:
        said.append(here.say("messages: {n}", n=count(day.planned, here.language)))
    if collides:
        said.append(here.say("collides"))
    return Mark(
        _place(day.on, span), shape, collides, ", ".join(said), here.url("runs", day.run_id) if day.run_id else None
    )


def _standing(day: Day) -> str:
    return "cancelled" if day.state is RunState.CANCELLED else day.standing


def _place(day: date, span: Span) -> float:
    return round(100 * ((day - span.first).days + 0.5) / span.days, 2)


def _bar(day: date, days: int, span: Span) -> tuple[float, float]:
    left = _place(day, span)
    return left, round(min(100 * days / span.days, 100 - left), 2)


def _months(here: Visit, span: Span) -> list[tuple[str, float]]:
    """Each month's name, and how wide it is in percent."""
    from babel.dates import format_date

    bounds = [*span.months, span.after.first]
    style = "LLL" if span.whole_year else "LLLL"
    return [
        (format_date(first, style, locale=here.language), round(100 * (after - first).days / span.days, 3))
        for first, after in pairwise(bounds)
    ]


def _agenda(here: Visit, place: int, day: Day) -> dict[str, Any]:
    return {
        "place": place,
        "on_date": day.on.isoformat(),
        "title": titled(day.campaign, here),
        "kind": day.campaign.kind,
        "channels": ", ".join(here.words["channels"][channel] for channel in day.channels),
        "standing": _standing(day),
        "planned": day.planned if day.run_id else None,
        "run_id": day.run_id,
    }
