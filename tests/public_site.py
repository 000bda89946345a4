"""The public pages over a base in which Anna, Boris and Clara each got a mail, and what the base says afterwards."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, insert, select
from starlette.applications import Starlette
from starlette.testclient import TestClient

from habitue.house import House
from habitue.tables import consent, message, metadata, outcome, preference, suppression
from habitue.tokens import Scope, sign
from habitue.web.public import ALLOWANCES, create
from habitue.web.serving import server
from people import ANNA, AT, BORIS, CLARA, SECRET, move_in

MAILS = {ANNA: UUID(int=1), BORIS: UUID(int=2), CLARA: UUID(int=3)}
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
SETTINGS = {"HABITUE_SECRET": SECRET.decode()}


@dataclass
class Site:
    engine: Engine
    house: House
    app: Starlette
    at: list[datetime] = field(default_factory=lambda: [AT])
    """the moment, the last one counts"""

    def client(self, **known: Any) -> TestClient:
        return TestClient(self.app, raise_server_exceptions=False, follow_redirects=False, **known)

    def later(self, **time: float) -> None:
        self.at.append(self.at[-1] + timedelta(**time))

    def rows(self, name: str, **where: object) -> list[dict[str, Any]]:
        table = metadata.tables[name]
        wanted = [table.c[column] == value for column, value in where.items()]
        with self.engine.connect() as connection:
            found = connection.execute(select(table).where(*wanted).order_by(*table.primary_key.columns))
            return [dict(row) for row in found.mappings()]

    def kept(self) -> list[list[dict[str, Any]]]:
        """All that the pages may write."""
        return [self.rows(table.name) for table in (consent, suppression, outcome, preference, message)]


@contextmanager
def site(base: Engine, settings: dict[str, str] | None = None, **known: Any) -> Iterator[Site]:
    """Each of the three got a mail of the spring run."""
    move_in(base)
    mails = [
        {
            "message_id": message_id,
            "run_id": "spring:2026-09-01",
            "customer_id": who,
            "channel": "email",
            "segment": "lapsed",
            "language": "fr",
            "template": "x",
            "shard": 1,
            "position": number,
            "state": "accepted",
        }
        for number, (who, message_id) in enumerate(MAILS.items(), 1)
    ]
    with base.begin() as connection:
        connection.execute(insert(message), mails)
    url = base.url.render_as_string(hide_password=False)
    house = House.of({**SETTINGS, "HABITUE_DATABASE_URL": url, **(settings or {})})
    at = [AT]
    yield Site(base, house, create(house, lambda: at[-1], **{"allowances": ALLOWANCES, **known}), at)
    house.engine.dispose()


@contextmanager
def served(app: Any) -> Iterator[str]:
    """The app behind a real uvicorn on a port of its own; its address."""
    made = server(app, host="127.0.0.1", port=0)
    thread = threading.Thread(target=made.run, daemon=True)
    thread.start()
    while not made.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.01)
    port = made.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    made.should_exit = True
    thread.join(30)


def end(who: str = ANNA) -> str:
    """Where her mail's unsubscribe link leads."""
    return "/u/" + sign(MAILS[who], SECRET)


def wishes(who: str = ANNA) -> str:
    return "/p/" + sign(MAILS[who], SECRET, Scope.PREFERENCES)


def shape(page: str) -> str:
    """A page without its tokens."""
    return TOKEN.sub("…", page)
