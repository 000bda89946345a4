"""SendGrid's events: posts taken by a real uvicorn on 127.0.0.1, then applied, beside what one would use instead: the
`sendgrid` package's own EventWebhook verifies, and an ORM adds a row an event before the post is answered.

The load comes from this process over kept connections; the server is a process of its own, and so is the database, so
all of them share the machine: beside the clock's seconds stand the CPU seconds of the process that takes or applies. A
post tells of ten mails, three events each; every fifth post comes twice.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import psutil
from sqlalchemy import URL, DateTime, Engine, Text, Uuid, create_engine, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from sendgrid_posts import PATH, SIGNATURE, TIMESTAMP, Account, Post, body, event, posted

MESSAGES = 10_000
A_POST = 10
FEWER = 10
"""The usual way gets a tenth of the posts."""
CONNECTIONS = 32
OURS = "habitue"
USUAL = "EventWebhook, a row an event"
NOW = datetime.now(UTC)


class Rows(DeclarativeBase):
    pass


class Row(Rows):
    """An event as one would keep it at first."""

    __tablename__ = "usual_event"

    sg_event_id: Mapped[str] = mapped_column(Text, primary_key=True)
    message_id: Mapped[UUID] = mapped_column(Uuid)
    kind: Mapped[str] = mapped_column(Text)
    occurred_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


def usual(database: str, key: str) -> None:
    """A server as one would write it from the examples: verify, add, commit, answer."""
    import json
    import socket

    import uvicorn
    from sendgrid.helpers.eventwebhook import EventWebhook
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    engine = create_engine(database)
    Rows.metadata.create_all(engine)
    helper = EventWebhook(key)

    def kept(raw: bytes, signature: str, timestamp: str) -> int:
        if not helper.verify_signature(raw.decode(), signature, timestamp):
            return 403
        for one in json.loads(raw):
            with Session(engine) as session, session.begin():
                if session.get(Row, one["sg_event_id"]) is None:
                    at = datetime.fromtimestamp(one["timestamp"], UTC)
                    known = {"message_id": UUID(one["message_id"]), "kind": one["event"], "occurred_at": at}
                    session.add(Row(sg_event_id=one["sg_event_id"], **known))
        return 204

    async def answer(request: Request) -> Response:
        raw, headers = await request.body(), request.headers
        return Response(status_code=await run_in_threadpool(kept, raw, headers[SIGNATURE], headers[TIMESTAMP]))

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        app = Starlette(routes=[Route(PATH, answer, methods=["POST"])])
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
        threading.Thread(target=server.run, kwargs={"sockets": [taken]}, daemon=True).start()
        while not server.started:
            time.sleep(0.01)
        print(f"http://127.0.0.1:{taken.getsockname()[1]}", flush=True)
        threading.Event().wait()


@dataclass
class Server:
    url: str
    process: psutil.Process

    def cpu(self) -> float:
        spent = self.process.cpu_times()
        return float(spent.user + spent.system)


@contextmanager
def process(*command: str) -> Iterator[Server]:
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield Server(server.stdout.readline().strip(), psutil.Process(server.pid))
        finally:
            server.terminate()


def a_run(engine: Engine) -> None:
    """A run of so many mails, all of them sent."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "insert into run (run_id, campaign, on_date, snapshot_id, campaign_sha256, template_sha256, "
                "package_version, seed, settings, shop, files, audience_sha256, content_sha256, cost_micros, "
                "deliver_until, audience, planned, held_out, excluded, planned_at) values ('spring:2026-10-01', "
                "'spring', '2026-10-01', 's', '', '', '', '1', '{}', '{}', '{}', '', '', 0, now(), 0, 0, 0, 0, now())"
            )
        )
        connection.execute(
            text(
                "insert into message (message_id, run_id, customer_id, channel, segment, language, template, shard, "
                "position, state) select lpad(to_hex(i), 32, '0')::uuid, 'spring:2026-10-01', 'c' || i, 'email', "
                "'lapsed', 'fr', 'x', 1 + i / 5000, i, 'accepted' from generate_series(1, :messages) i"
            ),
            {"messages": MESSAGES},
        )
        connection.execute(
            text(
                "insert into shard (run_id, channel, shard, messages, accepted, audience_sha256) "
                "select run_id, channel, shard, count(*), count(*), '' from message group by 1, 2, 3"
            )
        )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("vacuum analyze"))


def posts(account: Account) -> list[Post]:
    found = []
    for first in range(1, MESSAGES + 1, A_POST):
        told = [
            event(
                kind,
                UUID(int=number),
                f"client{number}@example.fr",
                NOW - timedelta(seconds=number % 3600),
                sg_event_id=f"{kind}-{number}",
                sg_message_id=f"M{first}.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",
                response="250 OK",
            )
            for number in range(first, first + A_POST)
            for kind in ("processed", "delivered", "open")
        ]
        raw = body(told)
        found += [(raw, account.headers(raw, NOW))] * (2 if first // A_POST % 5 == 0 else 1)
    return found


Speed = tuple[float, float]
"""A second, and a CPU second."""


def taken(server: Server, what: Sequence[Post]) -> Speed:
    """Posts."""
    clock, cpu = time.perf_counter(), server.cpu()
    found = posted(server.url, what, connections=CONNECTIONS)
    assert found == {204: len(what)}, found
    return len(what) / (time.perf_counter() - clock), len(what) / (server.cpu() - cpu)


def applied(engine: Engine, secret: bytes) -> Speed:
    """Events, those told twice too."""
    from habitue import events
    from habitue.limits import Breaker
    from habitue.suppressions import MarkKey

    total, clock, cpu = 0, time.perf_counter(), time.process_time()
    while (done := events.apply(engine, key=MarkKey(secret), rules=Breaker(), at=NOW)).posts:
        total += done.events
    return total / (time.perf_counter() - clock), total / (time.process_time() - cpu)


def measured(url: URL, folder: Path) -> tuple[dict[str, Speed], dict[str, Speed]]:
    """Of each way, how it takes posts and how it applies events."""
    from habitue.database import connect, upgrade

    engine, account = connect(url), Account()
    upgrade(engine)
    a_run(engine)
    what, database = posts(account), url.render_as_string(hide_password=False)
    ours = ("tests/sendgrid_posts.py", "--database", database, "--key", account.public_key, "--out", str(folder))
    with process(*ours) as server:
        taking = taken(server, what)
    applying = applied(engine, b"s" * 32)
    with process("-m", "bench.events", database, account.public_key) as server:
        clock, cpu = taken(server, what[:: 2 * FEWER])
    engine.dispose()
    return {OURS: taking, USUAL: (clock, cpu)}, {OURS: applying, USUAL: (clock * 3 * A_POST, cpu * 3 * A_POST)}


def main() -> None:
    """Prints posts a second taken, events a second applied, and the ratios to the usual way."""
    from rich.console import Console
    from rich.table import Table

    from habitue.database import embedded, ensure_database

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        with embedded(folder / "postgres") as server:
            found = measured(ensure_database(server, "bench_events"), folder)
    title = f"SendGrid's events, {3 * A_POST} a post, {CONNECTIONS} connections"
    table = Table(title=title, title_justify="left")
    for heading in ("", "a second", "ratio", "a CPU second", "ratio"):
        table.add_column(heading, justify="right" if heading else "left")
    for what, ways in zip(("posts", "events"), found, strict=True):
        for name in (OURS, USUAL):
            pairs = zip(ways[name], ways[USUAL], strict=True)
            table.add_row(
                f"{what}: {name}", *(cell for one, of in pairs for cell in (f"{one:,.0f}", f"{one / of:.1f} ×"))
            )
    Console().print(table)


if __name__ == "__main__":
    if sys.argv[1:]:
        usual(*sys.argv[1:])
    else:
        main()
