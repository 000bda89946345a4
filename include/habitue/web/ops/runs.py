"""Runs in Airflow's UI: how they stand, and pause, resume, cancel, settle, stop and go, each after a page that asks.

Plain HTML forms, no script: the frame in which Airflow shows the page allows no dialogues. Nothing personal is shown:
people, files and samples have pages of their own (`run_contents`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import select

from habitue import allowances, calendars, controls, dag_runs, doubts, funnels, measures, overview, run_files
from habitue.allowances import Used
from habitue.campaigns import THEN
from habitue.errors import LedgerError
from habitue.funnels import Part
from habitue.overview import RunLine, RunView
from habitue.report import rule_words
from habitue.shop import Shop
from habitue.statements import statement
from habitue.tables import Channel, RunState, Segment, State
from habitue.tables import run as planned
from habitue.web.ops import results
from habitue.web.ops.campaigns import kinds, said_kind, titled
from habitue.web.ops.listing import N_, Column, Filter, Listing
from habitue.web.ops.shell import Here, Role, Visit, allowed, as_read_in, may_act, page
from habitue.web.pages import Page, same_origin

Act = Literal["pause", "resume", "cancel", "settle"]
AllAct = Literal["stop", "go"]
Why = Annotated[str, Form(max_length=200)]
Saying = Annotated[Literal["accepted", "refused", "planned"] | None, Form()]
Seen = Annotated[int, Form(ge=0)]


looking = APIRouter(route_class=Page, dependencies=[allowed(Role.OPS, Role.MANAGER)])
counting = APIRouter(route_class=Page, dependencies=[Depends(same_origin), allowed(Role.OPS, Role.MANAGER)])
acting = APIRouter(route_class=Page, dependencies=[Depends(same_origin), allowed(Role.OPS), Depends(may_act)])


RUNS = Listing(
    "runs",
    "runs/listed",
    key="run_id",
    title=N_("Runs"),
    columns=(
        Column("title", N_("Campaign"), link=lambda here, row: here.url("runs", row["run_id"])),
        Column("on_date", N_("Day"), "day"),
        Column("kind", N_("Kind"), says=said_kind),
        Column("standing", N_("State"), says=lambda here, value: here.words["runs"]["standing"][value][0]),
        Column("audience", N_("Audience"), "count"),
        Column("planned", N_("Planned"), "count"),
        Column("left_us", N_("Left"), "count"),
        Column("cost_micros", N_("Cost"), "price"),
    ),
    filters=(
        Filter("campaign", N_("Campaign"), options=lambda here: _campaigns(here)),
        Filter("kind", N_("Kind"), options=kinds),
        Filter("standing", N_("State"), options=lambda here: _standings(here)),
    ),
    sort="-on_date",
    a_page=25,
    personal=False,
)

PARTS = Listing(
    "parts",
    "runs/funnel_kept",
    key="part",
    title=N_("By group, channel and arm"),
    columns=(
        Column("segment", N_("Group"), says=lambda here, value: here.words["segments"][value]),
        Column("channel", N_("Channel"), says=lambda here, value: here.words["channels"].get(value, "")),
        Column("arm", N_("Arm")),
        Column("audience", N_("Audience"), "count"),
        Column("excluded", N_("Left out"), "count"),
        Column("held_out", N_("Held out"), "count"),
        Column("planned", N_("Planned"), "count"),
        Column("stopped", N_("Refused or cancelled"), "count"),
        Column("left_us", N_("Left"), "count"),
        Column("failed", N_("Came to nothing"), "count"),
        Column("arrived", N_("Arrived"), "count"),
        Column("clicked", N_("Clicked"), "count"),
        Column("objected", N_("Objected"), "count"),
        Column("spent_micros", N_("Spent"), "price"),
    ),
    filters=(
        Filter("segment", N_("Group"), options=lambda here: [(one, here.words["segments"][one]) for one in Segment]),
        Filter("channel", N_("Channel"), options=lambda here: [(one, here.words["channels"][one]) for one in Channel]),
    ),
    sort="segment",
    a_page=20,
    personal=False,
)


@looking.get("/runs/")
def runs(here: Here, request: Request) -> Response:
    asked = request.query_params
    if "as" in asked:
        return RUNS.download(here, asked, language=here.language)
    shown = RUNS.show(here, asked, action=here.url("runs", ""), language=here.language)
    return page(here, "runs.html.j2", area="campaigns", wide=True, runs=shown)


@looking.get("/runs/{run_id}")
def run(run_id: str, here: Here, request: Request) -> Response:
    engine, asked = here.house.engine, request.query_params
    found = overview.view(engine, run_id, shop=here.house.shop, at=here.at)
    counted = funnels.funnel(engine, run_id, at=here.at)
    if "as" in asked:
        return PARTS.download(here, asked, run_id=run_id)
    used = allowances.used(engine, here.house.shop, at=here.at)
    return page(
        here,
        "run.html.j2",
        area="campaigns",
        **_shown(found, as_read_in(here.shop, here.language), used),
        counted=counted,
        steps=steps(counted.whole) if counted else [],
        cuts=[one for one in ("segment", "channel", "arm") if one != "arm" or (counted and len(counted.by("arm")) > 1)],
        table=PARTS.show(here, asked, action=here.url("runs", run_id), run_id=run_id),
        dag_runs=dag_runs.of_run(engine, run_id),
        follow_up=_follow_up(here, run_id),
        files=run_files.files(here.house, run_id) if here.visitor.role is Role.OPS else [],
        **(results.known_of(here, run_id) if found.line.planned <= funnels.LIVE else {"said": None}),
    )


@looking.get("/runs/confirm/{act}", dependencies=[allowed(Role.OPS), Depends(may_act)])
def confirm_for_all(act: AllAct, here: Here) -> Response:
    return page(here, "confirm.html.j2", area="campaigns", act=act, line=None, found=[], waiting=0, once=frozenset())


@looking.get("/runs/{run_id}/confirm/{act}", dependencies=[allowed(Role.OPS), Depends(may_act)])
def confirm(run_id: str, act: Act, here: Here) -> Response:
    line = overview.one_run(here.house.engine, run_id, at=here.at)
    with here.house.engine.connect() as connection:
        found = doubts.doubts(connection, run_id, at=here.at)
    waiting = sum(one.unknown for one in found) if act == "settle" else line.waiting
    once = _made_again(line, here.house.shop)
    return page(here, "confirm.html.j2", area="campaigns", act=act, line=line, found=found, waiting=waiting, once=once)


@counting.post("/runs/{run_id}/count")
def count_anew(run_id: str, here: Here) -> Response:
    """Of a large run, which is otherwise counted by its report and every hour."""
    overview.heading(here.house.engine, run_id)
    funnels.keep(here.house.engine, run_id, at=here.at)
    measures.keep(here.house.engine, run_id, at=here.at)
    return _back(here, run_id)


@acting.post("/runs/{run_id}/pause")
def pause(run_id: str, here: Here, why: Why = "") -> Response:
    controls.pause(here.house.engine, run_id, by=here.visitor.name, reason=_said(why), at=here.at)
    return _back(here, run_id)


@acting.post("/runs/{run_id}/resume")
def resume(run_id: str, here: Here) -> Response:
    controls.resume(here.house.engine, run_id, by=here.visitor.name, at=here.at)
    return _back(here, run_id)


@acting.post("/runs/{run_id}/cancel")
def cancel(run_id: str, here: Here, why: Why = "") -> Response:
    controls.cancel(here.house.engine, run_id, by=here.visitor.name, reason=_said(why), at=here.at)
    return _back(here, run_id)


@acting.post("/runs/{run_id}/settle")
def settle(run_id: str, here: Here, saying: Saying = None, seen: Seen = 0) -> Response:
    """Without a saying: counts what silent workers held as in doubt, and asks."""
    engine = here.house.engine
    if saying is None:
        doubts.expire(engine, run_id, once=doubts.made_once(here.house.shop), at=here.at)
        return _back(here, run_id, "/confirm/settle")
    doubts.settle(engine, run_id, State(saying), seen=seen, by=here.visitor.name, at=here.at)
    return _back(here, run_id)


@acting.post("/stop")
def stop(here: Here, why: Why = "") -> Response:
    controls.stop_all(here.house.engine, by=here.visitor.name, reason=_said(why), at=here.at)
    return _back(here)


@acting.post("/go")
def go(here: Here) -> Response:
    controls.go(here.house.engine, by=here.visitor.name, at=here.at)
    return _back(here)


def _said(why: str) -> str:
    if not why.strip():
        raise LedgerError("say why: go back and write a reason, for those who ask later")
    return why.strip()


def _back(here: Visit, run_id: str = "", after: str = "") -> Response:
    return RedirectResponse(f"{here.root}/runs/{quote(run_id, safe='')}{after}", 303)


def _shown(view: RunView, shop: Shop, used: Used | None) -> dict[str, Any]:
    """What the page of one run shows, in order."""
    return {
        "view": view,
        "line": view.line,
        "acts": _acts(view),
        "goes_on": used.goes_on(shop) if used and view.line.mails_waiting and view.line.shut is None else None,
        "used": used,
        "exclusions": [
            (rule, *rule_words(rule, shop.language), number)
            for rule, number in sorted(view.exclusions.items(), key=lambda one: (-one[1], one[0]))
        ],
        "again": [one.channel for one in view.doubts if one.silent and one.channel in _made_again(view.line, shop)],
    }


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a funnel: of the audience's `whole`, so many went on; who did not, as (shade, word, number)."""

    name: str
    number: int
    whole: int
    before: int
    off: tuple[tuple[str, str, int], ...]


def steps(of: Part) -> list[Step]:
    """From the audience to what came of it; each step and what it lost add up to the step before."""
    left = of.accepted + of.unknown
    known = [
        Step("audience", of.audience, of.audience, of.audience, ()),
        Step(
            "planned",
            of.planned,
            of.audience,
            of.audience,
            (("off", "excluded", of.excluded), ("wait", "held_out", of.held_out)),
        ),
        Step(
            "left",
            left,
            of.audience,
            of.planned,
            (
                ("wait", "waiting", of.waiting + of.in_hand),
                ("off", "cancelled", of.cancelled),
                ("ill", "refused", of.refused),
            ),
        ),
        Step(
            "arrived",
            of.arrived,
            of.audience,
            left,
            (("ill", "failed", of.failed), ("wait", "no_news", of.no_news), ("off", "unknown", of.unknown)),
        ),
    ]
    if of.opened or of.clicked:
        known.append(
            Step("clicked", of.clicked, of.audience, of.arrived, (("wait", "not_clicked", of.arrived - of.clicked),))
        )
    return known


def _campaigns(here: Visit) -> list[tuple[str, str]]:
    """Those that have run, by title."""
    titles = {one.name: titled(one, here) for one in calendars.campaigns()}
    with here.house.engine.connect() as connection:
        ran = [row.campaign for row in connection.execute(statement("runs/campaigns"))]
    return sorted(((name, titles.get(name, name)) for name in ran), key=lambda one: one[1])


def _standings(here: Visit) -> list[tuple[str, str]]:
    said = here.words["runs"]["standing"]
    return [(name, said[name][0]) for name in ("open", "done", "paused", "cancelled")]


def _follow_up(here: Visit, run_id: str) -> str | None:
    """The last run of the campaign's follow-up, if there is one."""
    name = f"{run_id.partition(':')[0]}{THEN}"
    wanted = select(planned.c.run_id).where(planned.c.campaign == name).order_by(planned.c.number.desc()).limit(1)
    with here.house.engine.connect() as connection:
        return connection.scalar(wanted)


def _made_again(line: RunLine, shop: Shop) -> frozenset[Channel]:
    """The channels whose silent claims the next delivery takes up; of a cancelled run there is none."""
    return frozenset() if line.state is RunState.CANCELLED else doubts.made_once(shop)


def _acts(view: RunView) -> list[str]:
    """What can be done to the run as it stands."""
    line = view.line
    acts = []
    if line.state is RunState.PAUSED or line.shut == "late":
        acts.append("resume")
    if line.state is RunState.OPEN and line.standing != "done":
        acts.append("pause")
    if any(one.unknown or one.silent for one in view.doubts):
        acts.append("settle")
    if line.state is not RunState.CANCELLED and line.waiting:
        acts.append("cancel")
    return acts


routes = APIRouter(route_class=Page)
routes.include_router(looking)
routes.include_router(counting)
routes.include_router(acting)
