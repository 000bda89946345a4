"""Desk work off the desk: a list goes out as a workbook, is worked, and its outcomes come back.

What is uploaded lies in a folder of its own only while it is read: the ledger keeps the outcomes, the page what was
wrong.
"""

from __future__ import annotations

import base64
import tempfile
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Form, UploadFile
from fastapi.responses import FileResponse, Response

from habitue import call_imports
from habitue.errors import LedgerError, SourceError
from habitue.kinds import Audited
from habitue.web.ops.desk_board import WRITES, agents, show_list
from habitue.web.ops.shell import Here, Role, Visit, allowed, page
from habitue.web.pages import Page

routes = APIRouter(route_class=Page)
KINDS = (".xlsx", ".csv")
MANY = 200
"""Problems that the page itself shows; the file has them all."""

Name = Annotated[str, Form(min_length=1, max_length=80)]


@routes.get("/desk/import", dependencies=[allowed(Role.OPS)])
def form(here: Here) -> Response:
    return _page(here)


@routes.post("/desk/lists/{run_id}/export", dependencies=WRITES)
def export(here: Here, run_id: str, to: Name, most: Annotated[int, Form(ge=1, le=100_000)] = 20) -> Response:
    """Open lines as a workbook for one person, who alone gets them from now on."""
    try:
        book, lines = call_imports.export(here.house, run_id, to=to.strip(), at=here.at, most=most)
    except LedgerError:
        return show_list(here, run_id, {}, status=409, nothing=True)
    here.note(Audited.EXPORTED, subject=run_id, rows=lines)
    return FileResponse(book, filename=book.name)


@routes.post("/desk/import", dependencies=WRITES)
def take_in(here: Here, file: UploadFile, by: Name) -> Response:
    """Takes a worked list in, row by row; twice the same counts once. `by`: who called, where a row does not say."""
    kind = Path(file.filename or "").suffix.lower()
    if kind not in KINDS:
        return _page(here, 422, wrong=here.say("Choose the worked list: an .xlsx or a .csv file."))
    if (file.size or 0) > call_imports.LARGEST:
        return _page(here, 422, wrong=here.say("The file is too large to be a worked list."))
    with tempfile.TemporaryDirectory(prefix="habitue-") as folder:
        path = Path(folder) / f"list{kind}"
        path.write_bytes(file.file.read(call_imports.LARGEST + 1))
        try:
            found = call_imports.take_in(here.house, path, by=by.strip(), at=here.at)
        except SourceError:
            return _page(here, 422, wrong=here.say("This is not a call list of ours: its columns are others."))
        errors = found.errors.read_bytes() if found.errors else b""
    return _page(here, found=found, errors=base64.b64encode(errors).decode())


def _page(here: Visit, status: int = 200, **known: object) -> Response:
    told = {"found": None, "wrong": None, "errors": "", "many": MANY, "agents": agents(here), **known}
    return page(here, "desk_import.html.j2", area="desk", status=status, name=f"errors-{here.at:%Y-%m-%d}.csv", **told)
