"""Habitué in Airflow's UI: menu entries, the guard, the mounted pages. The one file here: Airflow runs them all."""

from __future__ import annotations

import os
from pathlib import Path

from airflow.api_fastapi.auth.managers.models.resource_details import AccessView, DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag, requires_access_view
from airflow.plugins_manager import AirflowPlugin
from fastapi import Depends, FastAPI, HTTPException, Request

from habitue import clock
from habitue.house import House
from habitue.web import ops, runs
from habitue.web.runs import Visitor


def visitor(request: Request, user: GetUserDep) -> Visitor:
    """Who is logged in. Who may start runs of a campaign's DAG may also change them; who may of any DAG, stop all."""
    campaign = request.path_params.get("run_id", "").partition(":")[0]
    try:
        # Never None, for which Airflow would take a DAG that the asker names in the query.
        requires_access_dag("POST", DagAccessEntity.RUN, campaign)(request, user)
    except HTTPException:
        return Visitor(user.get_name(), may_act=False)
    return Visitor(user.get_name(), may_act=True)


# The guard stands on the app, not on each route: a plugin's routes are public otherwise.
app = FastAPI(
    title="Habitué",
    docs_url=None,
    redoc_url=None,
    openapi_url=None,
    dependencies=[Depends(requires_access_view(AccessView.PLUGINS))],
)
app.include_router(ops.router(lambda: Path(os.environ.get("HABITUE_OUT", "var/demo"))))
app.include_router(
    runs.router(lambda: House.of(os.environ), lambda house: clock.now(os.environ, house.shop.tz), visitor)
)


class HabituePlugin(AirflowPlugin):
    name = "habitue"
    fastapi_apps = [{"app": app, "url_prefix": "/habitue", "name": "Habitué"}]  # noqa: RUF012 - Airflow reads it so
    external_views = [  # noqa: RUF012
        {"name": "Run card", "href": "/habitue/", "url_route": "habitue", "destination": "nav"},
        {"name": "Runs", "href": "/habitue/runs/", "url_route": "habitue-runs", "destination": "nav"},
        {"name": "Validation", "href": "/habitue/validation", "url_route": "habitue-validation", "destination": "nav"},
        {"name": "Outbox", "href": "/habitue/emails/index.html", "url_route": "habitue-emails", "destination": "nav"},
    ]
