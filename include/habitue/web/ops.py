"""What marketing ops open in Airflow: the run card, the validation page and the outbox, as they lie in `out`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse, HTMLResponse, Response

from habitue.web.pages import Page

NOTHING_YET = """<!doctype html><html lang="{language}"><meta charset="utf-8"><title>Habitué</title>
<body style="font:16px/1.5 system-ui;margin:3rem;max-width:40rem">
<h1>Nothing here yet</h1><p>Run the DAG <b>customer_base</b>, then a campaign: its report will stand here.</p>"""


def router(out: Callable[[], Path]) -> APIRouter:
    """Routes over the folder that `out` returns; asked at each request, so that nothing is read when it is mounted."""
    routes = APIRouter(route_class=Page)

    @routes.get("/")
    def run_card() -> Response:
        return page(out() / "report.html")

    @routes.get("/validation")
    def validation() -> Response:
        return page(out() / "validation.html")

    @routes.get("/emails/{path:path}")
    def outbox(path: str) -> Response:
        folder = (out() / "emails").resolve()
        file = (folder / (path or "index.html")).resolve()
        if not file.is_relative_to(folder) or not file.is_file():
            raise HTTPException(404)
        return FileResponse(file)

    return routes


def page(file: Path) -> Response:
    """A page that was made, or what to do so that it is."""
    if not file.is_file():
        return HTMLResponse(NOTHING_YET.format(language="en"), status_code=404)
    return FileResponse(file, media_type="text/html")
