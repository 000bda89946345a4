"""Runs in Airflow's UI: how they stand, and pause, resume, cancel, settle, stop and go, each after a page that asks.

Plain HTML forms, no script: the frame in which Airflow shows the page allows no dialogues. Nothing personal is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment

from habitue import allowances, controls, doubts, overview
from habitue.allowances import Used
from habitue.errors import LedgerError
from habitue.house import House
from habitue.overview import RunLine, RunView
from habitue.report import rule_words, web_environment
from habitue.shop import Shop
from habitue.tables import Channel, RunState, Segment, State
from habitue.texts import long_date, money
from habitue.web.pages import Page, root, same_origin

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'self'"
)

Act = Literal["pause", "resume", "cancel", "settle"]
AllAct = Literal["stop", "go"]
Why = Annotated[str, Form(max_length=200)]
Saying = Annotated[Literal["accepted", "refused", "planned"] | None, Form()]
Seen = Annotated[int, Form(ge=0)]


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who looks at a page, and whether they may change its run (a page of no run: all of them)."""

    name: str
    may_act: bool


@dataclass(frozen=True, slots=True)
class Visit:
    """One request: the house, who is there, the moment, and where the pages are mounted."""

    house: House
    visitor: Visitor
    at: datetime
    root: str


def router(house: Callable[[], House], now: Callable[[House], datetime], visitor: Callable[..., Visitor]) -> APIRouter:
    """The routes. `house` is opened at each request and closed after it; `visitor` is a dependency of FastAPI that says
    who asks: the guard before these routes has let them in."""

    def visit(request: Request, who: Visitor = Depends(visitor)) -> Iterator[None]:  # noqa: B008 - FastAPI's way
        found = house()
        request.state.visit = Visit(found, who, now(found), root(request))
        try:
            yield
        finally:
            found.engine.dispose()

    routes = APIRouter(route_class=Page, dependencies=[Depends(visit)])
    routes.include_router(looking)
    routes.include_router(acting)
    return routes


def _visit(request: Request) -> Visit:
    found: Visit = request.state.visit
    return found


Here = Annotated[Visit, Depends(_visit)]


def may_act(here: Here) -> None:
    """403 for who may only look."""
    if not here.visitor.may_act:
        raise HTTPException(403, "you may look at runs, not change them")


looking = APIRouter(route_class=Page)
acting = APIRouter(route_class=Page, dependencies=[Depends(same_origin), Depends(may_act)])


@looking.get("/runs/")
def runs(here: Here) -> Response:
    return _page(here, "runs.html.j2", runs=overview.runs(here.house.engine, at=here.at))


@looking.get("/runs/{run_id}")
def run(run_id: str, here: Here) -> Response:
    found = overview.view(here.house.engine, run_id, shop=here.house.shop, at=here.at)
    used = allowances.used(here.house.engine, here.house.shop, at=here.at)
    return _page(here, "run.html.j2", **_shown(found, here.house.shop, used))


@looking.get("/runs/confirm/{act}", dependencies=[Depends(may_act)])
def confirm_for_all(act: AllAct, here: Here) -> Response:
    return _page(here, "confirm.html.j2", act=act, line=None, found=[], waiting=0, once=frozenset())


@looking.get("/runs/{run_id}/confirm/{act}", dependencies=[Depends(may_act)])
def confirm(run_id: str, act: Act, here: Here) -> Response:
    line = overview.one_run(here.house.engine, run_id, at=here.at)
    with here.house.engine.connect() as connection:
        found = doubts.doubts(connection, run_id, at=here.at)
    waiting = sum(one.unknown for one in found) if act == "settle" else line.waiting
    once = _made_again(line, here.house.shop)
    return _page(here, "confirm.html.j2", act=act, line=line, found=found, waiting=waiting, once=once)


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


def _page(here: Visit, template: str, **known: Any) -> Response:
    pages = _environment(here.house.shop)
    html = pages.get_template(template).render(
        root=here.root, may_act=here.visitor.may_act, stopped=overview.stopped(here.house.engine), **known
    )
    return HTMLResponse(html, headers={"Content-Security-Policy": POLICY})


def _environment(shop: Shop) -> Environment:
    """`micros | price`, `moment | moment` in the shop's time zone, besides the filters of all pages."""
    pages = web_environment(shop)
    pages.filters.update(
        price=lambda micros: money(round(micros / 10_000), shop.currency, shop.language),
        moment=lambda at: _moment(at.astimezone(shop.tz), shop.language),
    )
    return pages


def _moment(at: datetime, language: str) -> str:
    return f"{long_date(at.date(), language)}, {at:%H:%M}"


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
