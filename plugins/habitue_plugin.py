"""Habitué in Airflow's UI: menu entries, the guard, the mounted pages. The one file here: Airflow runs them all."""

from __future__ import annotations

import os
from pathlib import Path

from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
from airflow.api_fastapi.core_api.security import requires_access_view
from airflow.plugins_manager import AirflowPlugin
from fastapi import Depends, FastAPI

from habitue.web.ops import router

# The guard stands on the app, not on each route: a plugin's routes are public otherwise.
app = FastAPI(
    title="Habitué",
    docs_url=None,
    redoc_url=None,
    openapi_url=None,
    dependencies=[Depends(requires_access_view(AccessView.PLUGINS))],
)
app.include_router(router(lambda: Path(os.environ.get("HABITUE_OUT", "var/demo"))))


class HabituePlugin(AirflowPlugin):
    name = "habitue"
    fastapi_apps = [{"app": app, "url_prefix": "/habitue", "name": "Habitué"}]  # noqa: RUF012 - Airflow reads it so
    external_views = [  # noqa: RUF012
        {"name": "Run card", "href": "/habitue/", "url_route": "habitue", "destination": "nav"},
        {"name": "Validation", "href": "/habitue/validation", "url_route": "habitue-validation", "destination": "nav"},
        {"name": "Outbox", "href": "/habitue/emails/index.html", "url_route": "habitue-emails", "destination": "nav"},
    ]
