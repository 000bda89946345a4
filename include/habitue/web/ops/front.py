"""What every page needs and belongs to none: the way in, style, script, and the choice of the language."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Form, HTTPException
from fastapi.responses import FileResponse, RedirectResponse, Response

from habitue.web.ops import assets, words
from habitue.web.ops.shell import COOKIE, EVERYBODY, Here, Role, allowed
from habitue.web.pages import Page, same_origin

FOR_EVER = "public, max-age=31536000, immutable"
YEAR = 31_536_000

routes = APIRouter(route_class=Page, dependencies=[allowed(*EVERYBODY)])


@routes.get("/")
def way_in(here: Here) -> Response:
    """Each to where they work."""
    return RedirectResponse(here.url("desk" if here.visitor.role is Role.AGENT else "home", ""), 303)


@routes.get("/static/{name}")
def static(name: str) -> Response:
    file = assets.file_of(name)
    if file is None:
        raise HTTPException(404)
    return FileResponse(file, media_type=assets.KINDS[file.suffix], headers={"Cache-Control": FOR_EVER})


@routes.post("/language", dependencies=[Depends(same_origin)])
def language(here: Here, language: Annotated[str, Form()], back: Annotated[str, Form(max_length=500)] = "") -> Response:
    """Keeps the choice in a cookie and goes back to the page that it was made on."""
    parts = urlsplit(back)
    ours = not parts.scheme and not parts.netloc and parts.path.startswith(f"{here.root}/") and "\\" not in back
    answer = RedirectResponse(back if ours else f"{here.root}/", 303)
    if language in words.LANGUAGES:
        answer.set_cookie(COOKIE, language, max_age=YEAR, path=here.root or "/", httponly=True, samesite="lax")
    return answer
