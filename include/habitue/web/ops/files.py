"""What the DAGs leave in the folder of results: the run card, the validation page and the outbox, as they lie there."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse, Response

from habitue.kinds import Audited
from habitue.web.ops.shell import Here, Role, Visit, allowed, page
from habitue.web.pages import Page

routes = APIRouter(route_class=Page, dependencies=[allowed(Role.OPS)])


@routes.get("/card")
def card(here: Here) -> Response:
    return _made(here, "report.html")


@routes.get("/validation")
def validation(here: Here) -> Response:
    return _made(here, "validation.html")


@routes.get("/emails/{path:path}")
def outbox(path: str, here: Here) -> Response:
    if "\0" in path:
        raise HTTPException(404)
    folder = (here.house.out / "emails").resolve()
    file = (folder / (path or "index.html")).resolve()
    if not file.is_relative_to(folder) or not file.is_file():
        raise HTTPException(404)
    here.note(Audited.VIEWED, subject="outbox")
    return FileResponse(file)


def _made(here: Visit, name: str) -> Response:
    """A page that was made, or what to do so that it is."""
    file: Path = here.house.out / name
    if not file.is_file():
        return page(here, "nothing_yet.html.j2", area="home", status=404)
    here.note(Audited.VIEWED, subject=name)
    return FileResponse(file, media_type="text/html")
