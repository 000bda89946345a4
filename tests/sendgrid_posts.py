"""SendGrid as it posts events: signs as it does, over connections that are kept; and a real server that listens.

As a process of its own, a server for the bench:  python tests/sendgrid_posts.py --database URL --key KEY
"""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import uvicorn
from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.applications import Starlette

from habitue.house import House
from habitue.web.webhooks import SIGNATURE, TIMESTAMP, routes

PATH = "/webhooks/sendgrid"


class Account:
    """An account at SendGrid with its signing key."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def public_key(self) -> str:
        shown = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(shown).decode()

    def headers(self, body: bytes, at: datetime) -> dict[str, str]:
        timestamp = str(int(at.timestamp()))
        signature = self._key.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        return {SIGNATURE: base64.b64encode(signature).decode(), TIMESTAMP: timestamp}


def event(kind: str, message_id: UUID | None, address: str, at: datetime, **more: Any) -> dict[str, Any]:
    """One event as SendGrid writes it."""
    known = {"email": address, "timestamp": int(at.timestamp()), "event": kind, "category": ["habitue"]}
    return {**known, **({"message_id": str(message_id)} if message_id else {}), **more}


def body(events: Sequence[dict[str, Any]]) -> bytes:
    return json.dumps(events, separators=(",", ":")).encode() + b"\r\n"


@contextmanager
def listening(house: House, now: Callable[[], datetime], **settings: Any) -> Iterator[str]:
    """A real uvicorn on a port of 127.0.0.1, with our routes: its address."""
    app = Starlette(routes=routes(house, now))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_level="critical", lifespan="off", **settings)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]}, daemon=True)
        thread.start()
        while not server.started and thread.is_alive():
            threading.Event().wait(0.01)
        try:
            yield f"http://127.0.0.1:{taken.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)
            house.engine.dispose()


Post = tuple[bytes, dict[str, str]]


def posted(url: str, posts: Sequence[Post], *, connections: int = 16, timeout: float = 60) -> Counter[int]:
    """Posts them over so many kept connections; how often each status was the answer, 0 for a connection cut off."""
    return asyncio.run(_posted(url, posts, connections, timeout))


async def _posted(url: str, posts: Sequence[Post], connections: int, timeout: float) -> Counter[int]:
    found: Counter[int] = Counter()
    waiting = iter(posts)

    async def work(session: ClientSession) -> None:
        for raw, headers in waiting:
            try:
                async with session.post(url + PATH, data=raw, headers=headers) as answer:
                    await answer.read()
                    found[answer.status] += 1
            except (ClientError, OSError, TimeoutError):
                found[0] += 1

    async with (
        ClientSession(connector=TCPConnector(limit=connections), timeout=ClientTimeout(total=timeout)) as session,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(connections):
            group.create_task(work(session))
    return found


def house(database: Any, out: Path, keys: str | None) -> House:
    """The shipped shop on this base."""
    url = database if isinstance(database, str) else database.render_as_string(hide_password=False)
    settings = {"HABITUE_DATABASE_URL": url, "HABITUE_OUT": str(out), "HABITUE_SECRET": "s" * 32}
    return House.of(settings | ({"HABITUE_SENDGRID_WEBHOOK_KEY": keys} if keys else {}))


if __name__ == "__main__":
    from argparse import ArgumentParser

    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--database", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    with listening(house(given.database, given.out, given.key), lambda: datetime.now(UTC)) as url:
        print(url, flush=True)
        threading.Event().wait()
