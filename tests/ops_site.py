"""The pages in Airflow's UI without Airflow, for tests of what they show: who asks is said in a header.

What Airflow lets in, and as whom, is asked of the real one: see test_plugin.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from fastapi import FastAPI, Request
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from habitue.house import House
from habitue.web import ops
from habitue.web.ops.shell import Role, Visitor
from public_site import served

WHO = "x-who"
NAMES = {"olga": Role.OPS, "marc": Role.MANAGER, "anna": Role.AGENT, "ben": Role.AGENT, "carl": None}
"""Who comes to the pages in tests: ops, the manager, two call agents, and somebody without a role."""
FROM_THE_PAGE = {"sec-fetch-site": "same-origin"}


At = datetime | Callable[[], datetime]
"""The moment of every request, or what says it."""


@dataclass(frozen=True)
class Shown:
    house: House
    at: At
    otherwise: str
    """who asks where no header says so (a browser)"""

    def now(self) -> datetime:
        return self.at() if callable(self.at) else self.at


SHOWN: ContextVar[Shown] = ContextVar("shown")


@cache
def pages() -> FastAPI:
    """The pages below /habitue, of the house that is shown: made once, as that takes as long as a test."""

    def visitor(request: Request) -> Visitor:
        name = request.headers.get(WHO, SHOWN.get().otherwise).partition("#")[0]
        role = NAMES.get(name, Role.AGENT if name.startswith("agent") else None)
        return Visitor(name, role, may_act=role is Role.OPS)

    ours, whole = FastAPI(docs_url=None, redoc_url=None, openapi_url=None), FastAPI()
    ours.include_router(ops.router(lambda: SHOWN.get().house, lambda _: SHOWN.get().now(), visitor))
    whole.mount("/habitue", ours)
    return whole


def app(house: House, at: At, *, otherwise: str = "") -> ASGIApp:
    """The pages of this house."""

    async def shown(scope: Scope, receive: Receive, send: Send) -> None:
        SHOWN.set(Shown(house, at, otherwise))
        await pages()(scope, receive, send)

    return shown


class Site:
    """`site.get("olga", "/runs/")`, `site.post("olga", "/runs/x/pause", why="…")`: from the page itself, in English."""

    def __init__(self, house: House, at: At) -> None:
        self.client = TestClient(app(house, at), follow_redirects=False)

    def get(self, who: str, path: str, language: str = "en", **asked: str):  # type: ignore[no-untyped-def]
        headers = {WHO: who, "accept-language": language}
        return self.client.get(f"/habitue{path}", headers=headers, params=asked or None)

    def post(self, who: str, path: str, language: str = "en", **fields: object):  # type: ignore[no-untyped-def]
        headers = {WHO: who, "accept-language": language, **FROM_THE_PAGE}
        return self.client.post(f"/habitue{path}", headers=headers, data=fields)


@contextmanager
def browsed(house: House, at: At, *, who: str = "olga") -> Iterator[str]:
    """The pages for a browser, as one person sees them: their address."""
    with served(app(house, at, otherwise=who)) as address:
        yield f"{address}/habitue"
