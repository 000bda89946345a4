"""All that faces the internet: unsubscribing by the link in a mail (RFC 8058), preferences, what providers tell us.

A link alone must do: no login, no cookie, no redirect. GET changes nothing, for scanners follow links; POST may come
twice. A token that is not ours is answered like one that is, and does nothing. `app` is made from the environment when
it is first asked for (`uvicorn habitue.web.public:app`); `habitue public` serves it with all its limits.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from threading import Event, Thread
from typing import Any, cast
from urllib.parse import parse_qs
from uuid import UUID

from sqlalchemy import text
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from habitue import clock, events, preferences, tokens
from habitue.house import House
from habitue.preferences import Choices, Said, Standing
from habitue.settings import Language
from habitue.tables import Channel
from habitue.tokens import Scope
from habitue.web import webhooks
from habitue.web.door import UNREACHABLE, Allowance, Door, Shares
from habitue.web.public_pages import NOBODY, Pages, wording_version

Now = Callable[[], datetime]

ALLOWANCES = {
    "": Allowance(),
    # Providers post from few addresses, in batches of up to 768 KB.
    "/webhooks/": Allowance(a_second=1_000, at_once=5_000, body=2 * 1024 * 1024),
}
MOST_FIELDS = 20
ONE_CLICK = "RFC 8058"
"""The wording of a one-click unsubscription: that of the mail program's own button."""


def create(house: House, now: Now, *, allowances: Mapping[str, Allowance] = ALLOWANCES) -> Starlette:
    """The app over this house's base; `now` is asked at each request."""
    desk = Desk(house, now)
    routes: list[BaseRoute] = [
        Route("/u/{token}", desk.ask, methods=["GET"]),
        Route("/u/{token}", desk.unsubscribe, methods=["POST"]),
        Route("/p/{token}", desk.show, methods=["GET"]),
        Route("/p/{token}", desk.choose, methods=["POST"]),
        Route("/public.css", desk.style, methods=["GET"]),
        Route("/robots.txt", robots, methods=["GET"]),
        Route("/healthz", desk.health, methods=["GET"]),
        *webhooks.routes(house, now),
    ]
    made = Starlette(
        routes=routes,
        middleware=[
            Middleware(ProxyHeadersMiddleware, trusted_hosts=list(house.proxies)),
            Middleware(Door, allowances=dict(allowances), refusal=desk.refusal, shares=Shares()),
        ],
        exception_handlers={HTTPException: desk.refused},
        lifespan=_applying(house, now) if house.webhook_keys else None,
    )
    made.router.redirect_slashes = False
    return made


def _applying(house: House, now: Now) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    """While the app is up a thread applies what providers post."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        stop = Event()
        thread = Thread(target=events.applier, args=(house, now, stop), name="events", daemon=True)
        thread.start()
        yield
        stop.set()
        await run_in_threadpool(thread.join, 20)

    return lifespan


def __getattr__(name: str) -> Any:
    """`app`, for servers that look for it here."""
    if name != "app":
        raise AttributeError(name)
    house = House.of(os.environ)
    return create(house, lambda: clock.now(os.environ, house.shop.tz))


class Desk:
    """Answers, with the shop's pages."""

    def __init__(self, house: House, now: Now) -> None:
        self.house, self.now = house, now
        self.pages = Pages(house.shop)

    def ask(self, request: Request) -> Response:
        """One button, and nothing changes."""
        message_id = self._message(request, Scope.UNSUBSCRIBE)
        known = self._known_language(message_id)
        rather, root = self._rather(request, message_id), _root(request)
        return HTMLResponse(self.pages.unsubscribe(self._language(request, known), root=root, rather=rather))

    async def unsubscribe(self, request: Request) -> Response:
        """By the mail program's button (`List-Unsubscribe=One-Click`) or by the page's own."""
        form = await _form(request)
        if (one_click := form.get("List-Unsubscribe") == "One-Click") or "unsubscribe" in form:
            return await run_in_threadpool(self._unsubscribe, request, one_click=one_click)
        raise HTTPException(400)

    def _unsubscribe(self, request: Request, *, one_click: bool) -> Response:
        message_id = self._message(request, Scope.UNSUBSCRIBE)
        language = self._language(request, self._known_language(message_id))
        if message_id is not None:
            source, wording = ("one_click", ONE_CLICK) if one_click else ("unsubscribe", wording_version(language))
            said = Said(self.now(), source, wording)
            preferences.unsubscribe(self.house.engine, message_id, said, shop=self.house.shop, key=self.house.mark_key)
        rather, root = self._rather(request, message_id), _root(request)
        return HTMLResponse(self.pages.unsubscribed(language, root=root, rather=rather))

    def show(self, request: Request) -> Response:
        """How somebody stands; nothing changes."""
        message_id, standing = self._message(request, Scope.PREFERENCES), NOBODY
        if message_id is not None:
            with self.house.engine.connect() as connection:
                standing = preferences.standing(connection, message_id, self.house.shop, at=self.now()) or NOBODY
        return self._preferences(request, standing, saved=False)

    async def choose(self, request: Request) -> Response:
        """Keeps what was ticked, or that nothing shall be."""
        form = await _form(request)
        if not {"save", "none"} & form.keys():
            raise HTTPException(400)
        return await run_in_threadpool(self._choose, request, form)

    def _choose(self, request: Request, form: Mapping[str, str]) -> Response:
        ticked = frozenset(way for way in Channel if form.get(way) == "on" and "none" not in form)
        spoken = self.house.shop.languages
        wished = next((one for one in spoken if one == form.get("language")), None)
        wanted = Choices(ticked, wished, form.get("fewer") == "on")
        message_id, standing = self._message(request, Scope.PREFERENCES), None
        if message_id is not None:
            before = self._language(request, self._known_language(message_id))
            standing = preferences.choose(
                self.house.engine,
                message_id,
                wanted,
                Said(self.now(), "preferences", wording_version(before)),
                shop=self.house.shop,
                key=self.house.mark_key,
            )
        return self._preferences(request, standing or Standing(wanted, wished), saved=True)

    def _preferences(self, request: Request, standing: Standing, *, saved: bool) -> Response:
        language = self._language(request, standing.language)
        return HTMLResponse(self.pages.preferences(language, standing, root=_root(request), saved=saved))

    def style(self, request: Request) -> Response:
        return Response(self.pages.css, media_type="text/css")

    def health(self, request: Request) -> Response:
        """200 where the base answers too, else 503."""
        try:
            with self.house.engine.connect() as connection:
                connection.execute(text("select 1"))
        except UNREACHABLE:
            return PlainTextResponse("no database\n", 503)
        return PlainTextResponse("ok\n")

    # Refusals

    def refused(self, request: Request, error: Exception) -> Response:
        status = cast("HTTPException", error).status_code
        return self.refusal(request.scope, status)

    def refusal(self, scope: Any, status: int) -> Response:
        """A page like the others that says nothing of the inside."""
        language = self.pages.language(None, Headers(scope=scope).get("accept-language", ""))
        page = self.pages.error(language, status, root=str(scope.get("root_path", "")))
        return HTMLResponse(page, status, {"Retry-After": "30"} if status in (429, 503) else None)

    # Who it is

    def _message(self, request: Request, scope: Scope) -> UUID | None:
        return tokens.read(request.path_params["token"], *self.house.token_keys, scope=scope)

    def _known_language(self, message_id: UUID | None) -> str | None:
        if message_id is None:
            return None
        with self.house.engine.connect() as connection:
            return preferences.language_of(connection, message_id, self.house.shop)

    def _language(self, request: Request, known: str | None) -> Language:
        return self.pages.language(known, request.headers.get("accept-language", ""))

    def _rather(self, request: Request, message_id: UUID | None) -> str:
        """The token of the preferences, or what looks like one."""
        key = self.house.token_keys[0]
        if message_id is None:
            return tokens.decoy(request.path_params["token"], key)
        return tokens.sign(message_id, key, Scope.PREFERENCES)


def robots(request: Request) -> Response:
    return PlainTextResponse("User-agent: *\nDisallow: /\n")


def _root(request: Request) -> str:
    return str(request.scope.get("root_path", ""))


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form in either encoding, the first of each name. HTTPException 415 for anything else, 400 where
    it can't be read."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "application/x-www-form-urlencoded":
            read = parse_qs((await request.body()).decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS)
            return {name: values[0] for name, values in read.items()}
        if kind == "multipart/form-data":
            parser = MultiPartParser(request.headers, request.stream(), max_files=0, max_fields=MOST_FIELDS)
            fields = (await parser.parse()).multi_items()
            return {name: value for name, value in reversed(fields) if isinstance(value, str)}
    except (MultiPartException, ValueError, LookupError):
        raise HTTPException(400) from None
    raise HTTPException(415)
