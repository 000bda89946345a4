"""The door of the public pages: who may come in, how often and with how much, and what every answer carries.

1. A request from an address that has used up its share is answered 429.
2. A body is read whole before anything else is done with it: above the limit 413, not whole in time 408.
3. Whatever goes wrong within is a page that says nothing of it, and a log line that names the kind of error alone.
4. Every answer has the headers of SAFE; the log has method, route, status and duration: no path, for paths hold tokens.
"""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Any, Protocol

from sqlalchemy import exc

log = logging.getLogger("habitue.public")

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

SAFE = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "x-robots-tag": "noindex, nofollow",
}
UNREACHABLE = (exc.OperationalError, exc.TimeoutError)
"""The database is away, or too busy: trying again helps."""
HSTS = {"strict-transport-security": "max-age=31536000; includeSubDomains"}


@dataclass(frozen=True, slots=True)
class Allowance:
    """What an address may do on a path: so many requests a second on the long run and so many at once, bodies of so
    many bytes, arrived whole within so many seconds."""

    a_second: float = 10
    at_once: int = 120
    body: int = 64 * 1024
    seconds: float = 10


@dataclass(frozen=True, slots=True)
class Door:
    """An ASGI app around another. `allowances`: by the beginning of a path, the longest counts; `refusal` makes the
    page of a refused request; `now`: seconds of a clock that only ever goes on."""

    app: App
    allowances: Mapping[str, Allowance]
    refusal: Callable[[Scope, int], Refusal]
    shares: Shares
    now: Callable[[], float] = time.monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        else:
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, answer = self.now(), _Answer(send, https=scope.get("scheme") == "https")
        try:
            await self._within(scope, receive, answer)
        except Exception as error:  # whatever it is: no trace of it leaves, nor a stranger's data into the log
            log.error("%s at %s", type(error).__name__, _where(error))
            if not answer.status:
                await self._refuse(scope, receive, answer, 503 if isinstance(error, UNREACHABLE) else 500)
        milliseconds = round((self.now() - began) * 1000)
        log.info("%s %s %s %s ms", _method(scope), _route(scope), answer.status or "gone", milliseconds)

    async def _within(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        path = scope["path"]
        prefix = max((one for one in self.allowances if path.startswith(one)), key=len)
        allowed = self.allowances[prefix]
        who = address((scope.get("client") or ("",))[0])
        if not self.shares.take(f"{prefix} {who}", allowed, self.now()):
            await self._refuse(scope, receive, answer, 429)
            return
        try:
            async with asyncio.timeout(allowed.seconds):
                body = await _body(scope, receive, allowed.body)
        except _TooLong:
            await self._refuse(scope, receive, answer, 413)
        except TimeoutError:
            await self._refuse(scope, receive, answer, 408)
        else:
            if body is not None:
                await self.app(scope, _replay(body, receive), answer)

    async def _refuse(self, scope: Scope, receive: Receive, answer: _Answer, status: int) -> None:
        answer.close = True
        await self.refusal(scope, status)(scope, receive, answer)


class Refusal(Protocol):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


class _Answer:
    """Sends on, with the headers that every answer has."""

    def __init__(self, send: Send, *, https: bool) -> None:
        self._send = send
        self._headers = SAFE | (HSTS if https else {})
        self.status = 0
        self.close = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            given = [(name, value) for name, value in message.get("headers", []) if name != b"server"]
            has = {name.lower() for name, _ in given}
            given += [(n.encode(), v.encode()) for n, v in self._headers.items() if n.encode() not in has]
            if self.close:  # what was not read must not be taken for the next request
                given.append((b"connection", b"close"))
            message = {**message, "headers": given}
        await self._send(message)


class Shares:
    """Token buckets by address, the longest unseen forgotten beyond `most`."""

    def __init__(self, most: int = 20_000) -> None:
        self._most = most
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, who: str, allowed: Allowance, now: float) -> bool:
        """Whether one request more may come in now."""
        left, since = self._left.pop(who, (float(allowed.at_once), now))
        left = min(float(allowed.at_once), left + (now - since) * allowed.a_second)
        self._left[who] = (left - 1, now) if left >= 1 else (left, now)
        if len(self._left) > self._most:
            self._left.popitem(last=False)
        return left >= 1


def address(host: str) -> str:
    """Whom a share belongs to: an IPv4 address, or the /64 that one IPv6 customer has to himself."""
    try:
        known = ip_address(host)
    except ValueError:
        return "unknown"
    if isinstance(known, IPv6Address):
        return str(known.ipv4_mapped or IPv6Address(int(known) >> 64 << 64))
    return str(known)


class _TooLong(Exception):
    pass


async def _body(scope: Scope, receive: Receive, most: int) -> bytes | None:
    """The body; None where the client went away. _TooLong as soon as it must be."""
    for name, value in scope["headers"]:
        if name == b"content-length" and (not value.isdigit() or int(value) > most):
            raise _TooLong
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part = message.get("body", b"")
        size += len(part)
        if size > most:
            raise _TooLong
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _where(error: BaseException) -> str:
    """Where it happened: the last line of our own, else the last."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "habitue" in frame.filename and not frame.filename.endswith("door.py")]
    frame = (ours or frames)[-1]
    return f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}"


def _method(scope: Scope) -> str:
    known = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
    return scope["method"] if scope["method"] in known else "other"


def _route(scope: Scope) -> str:
    """The route's own name of its path, `/u/{token}`; what no route takes is not written down."""
    return str(getattr(scope.get("route"), "path", "-"))
