"""Runs in Airflow's UI: how they stand, and pause, resume, cancel, settle, stop and go, each after a page that asks.

Plain HTML forms, no script: the frame in which Airflow shows the page allows no dialogues. Nothing personal is shown.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form
from fastapi.responses import RedirectResponse, Response

from habitue import allowances, controls, doubts, overview
from habitue.allowances import Used
from habitue.errors import LedgerError
from habitue.overview import RunLine, RunView
from habitue.report import rule_words
from habitue.shop import Shop
from habitue.tables import Channel, RunState, Segment, State
from habitue.web.ops.shell import Here, Role, Visit, allowed, as_read_in, may_act, page
from habitue.web.pages import Page, same_origin

Act = Literal["pause", "resume", "cancel", "settle"]
AllAct = Literal["stop", "go"]
Why = Annotated[str, Form(max_length=200)]
Saying = Annotated[Literal["accepted", "refused", "planned"] | None, Form()]
Seen = Annotated[int, Form(ge=0)]


looking = APIRouter(route_class=Page, dependencies=[allowed(Role.OPS, Role.MANAGER)])
acting = APIRouter(route_class=Page, dependencies=[Depends(same_origin), allowed(Role.OPS), Depends(may_act)])


@looking.get("/runs/")
def runs(here: Here) -> Response:
    return page(here, "runs.html.j2", area="campaigns", runs=overview.runs(here.house.engine, at=here.at))


@looking.get("/runs/{run_id}")
def run(run_id: str, here: Here) -> Response:
    found = overview.view(here.house.engine, run_id, shop=here.house.shop, at=here.at)
    used = allowances.used(here.house.engine, here.house.shop, at=here.at)
    return page(here, "run.html.j2", area="campaigns", **_shown(found, as_read_in(here.shop, here.language), used))


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
    order = {name: place for place, name in enumerate([*Segment, *Channel])}
    parts = sorted(view.parts, key=lambda part: (order[part.segment], order[part.channel], part.arm))
    seen = [state for state in State if any(state in part.states for part in parts)]
    return {
        "view": view,
        "line": view.line,
        "acts": _acts(view),
        "goes_on": used.goes_on(shop) if used and view.line.mails_waiting and view.line.shut is None else None,
        "used": used,
        "parts": parts,
        "states": seen,
        "arms": any(part.arm for part in parts),
        "exclusions": [
            (*rule_words(rule, shop.language), number)
            for rule, number in sorted(view.exclusions.items(), key=lambda one: (-one[1], one[0]))
        ],
        "again": [one.channel for one in view.doubts if one.silent and one.channel in _made_again(view.line, shop)],
    }


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
routes.include_router(acting)
