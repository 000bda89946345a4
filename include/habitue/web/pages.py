"""How pages are answered: never kept by a cache, never framed elsewhere; our errors as sentences; no forged writes."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import urlsplit

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from markupsafe import escape
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException as Refusal

from habitue.errors import HabitueError, SettingError

SAFE = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
}

SORRY = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Habitué</title>
<body style="font:16px/1.5 system-ui;margin:3rem 1.25rem;max-width:40rem">
<main><h1>This can't be done</h1><p>{sentence}</p><p><a href="{root}/runs/">Runs</a></p></main>"""


class Page(APIRoute):
    """A route whose every answer, a refusal too, carries the headers of SAFE."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                response = await handle(request)
            except HabitueError as error:
                response = _sorry(request, error)
            except (RequestValidationError, DataError):  # the base can't hold it: a NUL, a number too large
                raise HTTPException(
                    422, "a field of the form is missing, too long or unreadable", headers=SAFE
                ) from None
            except Refusal as error:
                error.headers = {**SAFE, **(error.headers or {})}
                raise
            for name, value in SAFE.items():
                response.headers.setdefault(name, value)
            return response

        return answer


def _sorry(request: Request, error: HabitueError) -> Response:
    """404 where it was only looked for, 409 where the ledger says no, 503 where the house is not set up."""
    status = 503 if isinstance(error, SettingError) else 404 if request.method == "GET" else 409
    return HTMLResponse(SORRY.format(sentence=escape(str(error)), root=root(request)), status)


def root(request: Request) -> str:
    """Where the router is mounted."""
    return str(escape(request.scope.get("root_path", "")))


def same_origin(request: Request) -> None:
    """403 for a write that another site's page had the browser send (the cookie alone would let it in).

    Browsers say so in Sec-Fetch-Site; one that does not must at least name us in Origin.
    """
    site = request.headers.get("sec-fetch-site")
    if site is None:
        origin = request.headers.get("origin", "")
        ours = bool(origin) and urlsplit(origin).netloc == request.headers.get("host")
    else:
        ours = site in ("same-origin", "none")
    if not ours:
        raise HTTPException(403, "this must be done from the page itself")
