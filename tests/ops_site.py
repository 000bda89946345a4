"""The pages in Airflow's UI without Airflow, for tests of what they show: who asks is said in a header.

What Airflow lets in, and as whom, is asked of the real one: see test_plugin.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from fastapi import FastAPI, Request
from starlette.testclient import TestClient

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


def app(house: House, at: At, *, otherwise: str = "") -> FastAPI:
    """The pages below /habitue. `otherwise`: who asks where no header says so (a browser)."""

    def visitor(request: Request) -> Visitor:
        name = request.headers.get(WHO, otherwise).partition("#")[0]
        role = NAMES.get(name, Role.AGENT if name.startswith("agent") else None)
        return Visitor(name, role, may_act=role is Role.OPS)

    pages, whole = FastAPI(docs_url=None, redoc_url=None, openapi_url=None), FastAPI()
    pages.include_router(ops.router(lambda: house, lambda _: at() if callable(at) else at, visitor))
    whole.mount("/habitue", pages)
    return whole


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
