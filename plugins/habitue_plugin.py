"""Habitué in Airflow's UI: menu entries, the guard, the mounted pages. The one file here: Airflow runs them all."""

from __future__ import annotations

import os
from functools import lru_cache

from airflow.api_fastapi.auth.managers.models.resource_details import AccessView, DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag, requires_access_view
from airflow.plugins_manager import AirflowPlugin
from fastapi import Depends, FastAPI, HTTPException, Request

from habitue import clock
from habitue.house import House
from habitue.web import ops
from habitue.web.ops.shell import Visitor, role_of


@lru_cache(maxsize=1)
def opened(written: float) -> House:
    """The house, with one pool of connections, until its settings are written anew."""
    return House.of(os.environ)


def house() -> House:
    return opened(House.written(os.environ))


def visitor(request: Request, user: GetUserDep) -> Visitor:
    """Who is logged in, and as what. Who may start runs of a campaign's DAG may also change them; who may of any DAG,
    stop all."""
    name = user.get_name()
    # The simple auth manager gives one role, FAB a list of them.
    roles = [
        str(getattr(one, "name", one)) for one in [getattr(user, "role", None), *getattr(user, "roles", [])] if one
    ]
    role = role_of(name, roles, house().shop)
    campaign = request.path_params.get("run_id", "").partition(":")[0]
    try:
        # Never None, for which Airflow would take a DAG that the asker names in the query.
        requires_access_dag("POST", DagAccessEntity.RUN, campaign)(request, user)
    except HTTPException:
        return Visitor(name, role, may_act=False)
    return Visitor(name, role, may_act=True)


# The guard stands on the app, not on each route: a plugin's routes are public otherwise.
app = FastAPI(
    title="Habitué",
    docs_url=None,
    redoc_url=None,
    openapi_url=None,
    dependencies=[Depends(requires_access_view(AccessView.PLUGINS))],
)
app.include_router(ops.router(house, lambda house: clock.now(os.environ, house.shop.tz), visitor))


class HabituePlugin(AirflowPlugin):
    name = "habitue"
    fastapi_apps = [{"app": app, "url_prefix": "/habitue", "name": "Habitué"}]  # noqa: RUF012 - Airflow reads it so
    external_views = [  # noqa: RUF012
        {"name": "Habitué", "href": "/habitue/", "url_route": "habitue", "destination": "nav", "nav_top_level": True},
    ]
