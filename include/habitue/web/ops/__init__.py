"""The pages inside Airflow's UI: one shell, one module a part. It imports no Airflow: the plugin says who is there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from fastapi import APIRouter

from habitue.house import House
from habitue.web.ops import (
    after,
    budget,
    campaigns,
    customer_acts,
    customers,
    desk,
    desk_board,
    desk_sheets,
    figures,
    files,
    front,
    holdout,
    home,
    previews,
    problems,
    results,
    run_contents,
    runs,
    trail,
    worth,
)
from habitue.web.ops.shell import Visitor, arriving
from habitue.web.pages import Page

PARTS = (
    *(front, home, worth, figures, campaigns, previews, runs, results, run_contents, holdout, after, budget),
    *(customers, customer_acts, problems, trail, desk, desk_board, desk_sheets, files),
)


def router(house: Callable[[], House], now: Callable[[House], datetime], visitor: Callable[..., Visitor]) -> APIRouter:
    """All routes. `house` and `now` are asked at each request; `visitor` is a dependency of FastAPI that says who asks:
    the guard before these routes has let them in."""
    routes = APIRouter(route_class=Page, dependencies=[arriving(house, now, visitor)])
    for part in PARTS:
        routes.include_router(part.routes)
    return routes
