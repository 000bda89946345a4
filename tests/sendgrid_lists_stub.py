"""SendGrid's suppression lists on 127.0.0.1 (v3 suppressions API), which misbehave when told to.

A page holds at most 500 entries; an address that is added stands on the list of unsubscribes once. Faults:

    401, 403, 404               with an errors body
    429                         with X-RateLimit-Reset
    500, 502, 503, 504
    redirect                    307 to elsewhere
    reset, slow                 the connection is reset, or the answer comes `delay` seconds late
    lost                        an address is taken, and then the connection is reset
    garbage, not a list, same   200 with no JSON, with an object, or with the first page again whatever was asked
"""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from loopback import Faults, HttpServer

NAMES = ("bounces", "blocks", "spam_reports", "invalid_emails", "unsubscribes")
MOST = 500
_STATUS = ("401", "403", "404", "429", "500", "502", "503", "504")


class SendGridLists(HttpServer):
    """`lists`: name to entries; `asked`: the requests; `remaining` and `reset`: what it says of its rate limit;
    `bad`: addresses that it takes from nobody."""

    def __init__(
        self,
        *,
        key: str = "SG.key",
        faults: Faults | None = None,
        remaining: str = "100",
        reset: str = "0",
        delay: float = 1.0,
        bad: frozenset[str] = frozenset(),
    ) -> None:
        self.key = key
        self.faults = faults or Faults()
        self.remaining = remaining
        self.reset = reset
        self.delay = delay
        self.bad = bad
        self.lists: dict[str, list[dict[str, Any]]] = {name: [] for name in NAMES}
        self.asked: list[str] = []
        self.added: list[list[str]] = []
        self.now = 1_790_000_000

    def put(self, name: str, *addresses: str, created: int = 1_789_000_000) -> None:
        more = {
            "bounces": {"reason": "550 5.1.1 no such user", "status": "5.1.1"},
            "blocks": {"reason": "550 5.7.1 not today", "status": "5.7.1"},
            "spam_reports": {"ip": "192.0.2.1"},
            "invalid_emails": {"reason": "Mail domain mentioned in email address is unknown"},
            "unsubscribes": {},
        }
        self.lists[name] += [{"email": one, "created": created, **more[name]} for one in addresses]

    async def _answer(self, head: bytes, body: bytes) -> bytes | None:
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        self.asked.append(f"{method} {target}")
        if f"authorization: bearer {self.key}\r\n".lower().encode() not in head.lower():
            return _http("401 Unauthorized", {"errors": [{"message": "authorization required"}]})
        fault = self.faults.draw(*_STATUS, "redirect", "reset", "slow", "garbage", "not a list", "same")
        if fault in _STATUS:
            return _http(f"{fault} fault", {"errors": [{"message": "anna@example.fr"}]}, self._rate("0"))
        match fault:
            case "redirect":
                return _http("307 Temporary Redirect", None, "Location: http://127.0.0.1:1/\r\n")
            case "reset":
                return None
            case "slow":
                await asyncio.sleep(self.delay)
            case "garbage":
                return _http("200 OK", None, body=b"<html>")
            case "not a list":
                return _http("200 OK", {"result": []})
        place = urlsplit(target)
        if method == "GET":
            return self._page(place.path, parse_qs(place.query), same=fault == "same")
        return self._add(place.path, json.loads(body))

    def _page(self, path: str, query: dict[str, list[str]], *, same: bool) -> bytes:
        name = path.removeprefix("/v3/suppression/")
        limit, offset = int(query["limit"][0]), int(query["offset"][0])
        if name not in self.lists or not 0 < limit <= MOST or offset < 0:
            return _http("400 Bad Request", {"errors": [{"message": "no"}]})
        return _http("200 OK", self.lists[name][0 if same else offset :][:limit], self._rate(self.remaining))

    def _add(self, path: str, asked: dict[str, Any]) -> bytes | None:
        addresses = asked["recipient_emails"]
        if (
            path != "/v3/asm/suppressions/global"
            or list(asked) != ["recipient_emails"]
            or len(addresses) > MOST
            or self.bad & set(addresses)
        ):
            return _http("400 Bad Request", {"errors": [{"message": "no"}]})
        known = {entry["email"].lower() for entry in self.lists["unsubscribes"]}
        self.put("unsubscribes", *(one for one in addresses if one.lower() not in known), created=self.now)
        self.added.append(addresses)
        if self.faults.draw("lost"):
            return None
        return _http("201 Created", {"recipient_emails": addresses}, self._rate(self.remaining))

    def _rate(self, remaining: str) -> str:
        return f"X-RateLimit-Remaining: {remaining}\r\nX-RateLimit-Reset: {self.reset}\r\n"


def _http(status: str, content: object, headers: str = "", *, body: bytes = b"") -> bytes:
    body = body or (b"" if content is None else json.dumps(content).encode())
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body
