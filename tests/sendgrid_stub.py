"""SendGrid's v3 mail/send on 127.0.0.1: checks each request by SendGrid's own contract, and misbehaves when told to.

    python tests/sendgrid_stub.py --record asked.txt --openapi mail_openapi.json --latency 0.02 --fault "500=0.05"

It prints its port. Each personalization is a line of the record before the answer leaves: `<message_id> accepted`, or
`refused` for all of a request that it doesn't take. One whose sender can't know is a line of `--doubts`. Its contract
is the OpenAPI file where there is one, and always the limits of SendGrid's documentation that no schema says. Faults:

    400, 401, 403, 404, 405, 413   with an errors body
    429                         with X-RateLimit-Reset
    500, 502, 503, 504
    redirect                    307 to elsewhere
    reset early, reset late     the connection is reset after the body: nothing was taken, or all of it
    garbage, silent             all was taken; then an answer that is not HTTP, or none
    garbage 400                 a refusal whose body is no JSON
    ok 200                      an answer that is none of mail/send's, outside the sandbox
"""

from __future__ import annotations

import asyncio
import json
import re
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from loopback import Faults, HttpServer, Record, arguments, faults, serve

_KEY = re.compile(rb"^authorization: *Bearer (\S+)", re.IGNORECASE | re.MULTILINE)
_CONTROL = re.compile("[\x00-\x1f\x7f]")
_NOT_OURS = {
    *("x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding"),
    *("to", "from", "subject", "reply-to", "cc", "bcc"),
}
_STATUS = ("400", "401", "403", "404", "405", "413", "429", "500", "502", "503", "504")
_NO_ANSWER = ("reset early", "ok 200", "reset late", "garbage", "silent")
MOST, LARGEST = 1000, 30 * 1024 * 1024
OPENAPI = Path(__file__).resolve().parents[2] / "shared" / "data" / "sendgrid" / "mail_openapi.json"
"""SendGrid's own contract, where it is at hand: every request of the tests is judged by it."""

Finding = tuple[str, str]
"""The field, and what is wrong with it."""


class SendGridStub(HttpServer):
    """`latency` in seconds; `bad` are message ids whose address it does not like; `reset`, `remaining` and `date` are
    what it says of its rate limit; `asked` keeps the bodies."""

    def __init__(
        self,
        record: Path,
        *,
        key: str | None = None,
        openapi: Path | None = OPENAPI,
        faults: Faults | None = None,
        latency: float = 0,
        reset: str = "0",
        remaining: str = "100",
        date: str | None = None,
        bad: frozenset[str] = frozenset(),
        bad_field: str | None = None,
        keep: bool = True,
        doubts: Path | None = None,
    ) -> None:
        self.record = Record(record)
        self.doubts = Record(doubts) if doubts else None
        self.key = key
        self.schema = schema(openapi) if openapi and openapi.exists() else None
        self.faults = faults or Faults()
        self.latency = latency
        self.reset = reset
        self.remaining = remaining
        self.date = date
        self.bad = bad
        self.bad_field = bad_field
        self.keep = keep
        self.asked: list[dict[str, Any]] = []
        self.findings: list[Finding] = []
        self.requests = 0

    @property
    def taken(self) -> list[str]:
        return [line.split()[0] for line in self.record.lines() if line.endswith(" accepted")]

    async def _answer(self, head: bytes, body: bytes) -> bytes | None:
        """The bytes of the answer; None where the connection is to be reset."""
        self.requests += 1
        if self.latency:
            await asyncio.sleep(self.latency)
        asked = json.loads(body)
        if self.keep:
            self.asked.append(asked)
        fault = self.faults.draw(*_STATUS, "redirect", "reset early", "garbage 400", "ok 200")
        refusal = self._refusal(head, body, asked, fault)
        self._note(asked, accepted=refusal is None and fault is None)
        if refusal is None and fault is None:
            fault = self.faults.draw("reset late", "garbage", "silent")
        if fault in _NO_ANSWER:
            self._doubt(asked)
        match fault:
            case "reset early" | "reset late":
                return None
            case "garbage":
                return b"\x00\x01\x02 what?\r\n\r\n"
            case "silent":
                await asyncio.sleep(3600)
        if refusal:
            return refusal
        if asked.get("mail_settings", {}).get("sandbox_mode", {}).get("enable") is True:
            return _http("200 OK")
        return _http("202 Accepted", f"X-Message-Id: M{self.requests}\r\n{self._rate(self.remaining)}")

    def _rate(self, remaining: str) -> str:
        date = f"Date: {self.date}\r\n" if self.date else ""
        return f"X-RateLimit-Remaining: {remaining}\r\nX-RateLimit-Reset: {self.reset}\r\n{date}"

    def _refusal(self, head: bytes, body: bytes, asked: dict[str, Any], fault: str | None) -> bytes | None:
        sent_key = _KEY.search(head)
        if self.key is not None and (sent_key is None or sent_key[1].decode() != self.key):
            return _errors("401 Unauthorized", None)
        if not head.startswith(b"POST /v3/mail/send HTTP/1.1\r\n"):
            return _errors("404 Not Found", None)
        if fault == "redirect":
            return _http("307 Temporary Redirect", "Location: http://127.0.0.1:1/\r\n")
        if fault == "ok 200":
            return _http("200 OK")
        if fault == "garbage 400":
            return _http("400 Bad Request", body=b"<html>")
        if fault in _STATUS:
            return _errors(f"{fault} fault", None, self._rate("0") if fault == "429" else "")
        found = next(self._wrong(body, asked), None)
        if found:
            self.findings.append(found)
        return _errors("400 Bad Request", found) if found else None

    def _wrong(self, body: bytes, asked: dict[str, Any]) -> Iterator[Finding]:
        if self.schema is not None:
            yield from self.schema(asked)
        yield from limits(body, asked)
        for number, one in enumerate(asked["personalizations"]):
            if one["custom_args"]["message_id"] in self.bad:
                field = self.bad_field or f"personalizations.{number}.to.0.email"
                yield field, f"Does not contain a valid address: {one['to'][0]['email']}"

    def _note(self, asked: dict[str, Any], *, accepted: bool) -> None:
        word = "accepted" if accepted else "refused"
        self.record.write("\n".join(f"{one['custom_args']['message_id']} {word}" for one in asked["personalizations"]))

    def _doubt(self, asked: dict[str, Any]) -> None:
        if self.doubts is not None:
            self.doubts.write("\n".join(one["custom_args"]["message_id"] for one in asked["personalizations"]))


def _http(status: str, headers: str = "", body: bytes = b"") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def _errors(status: str, found: Finding | None, headers: str = "") -> bytes:
    field, message = found or (None, "no")
    errors = {"errors": [{"message": message, "field": field, "help": None}]}
    return _http(status, headers, json.dumps(errors).encode())


@cache
def schema(openapi: Path) -> Callable[[dict[str, Any]], Iterator[Finding]]:
    """SendGrid's contract for a request's body. OpenAPI 3.1 schemas are JSON Schema 2020-12."""
    from jsonschema import Draft202012Validator

    place = "#/components/requestBodies/PostMailSend/content/application~1json/schema"
    validator = Draft202012Validator({**json.loads(openapi.read_text("utf-8")), "$ref": place})

    def wrong(asked: dict[str, Any]) -> Iterator[Finding]:
        for error in validator.iter_errors(asked):
            yield ".".join(map(str, error.absolute_path)), error.message

    return wrong


def limits(body: bytes, asked: dict[str, Any]) -> Iterator[Finding]:
    """What SendGrid's documentation forbids beyond the schema (limitations, mail/send, custom arguments)."""
    people = asked.get("personalizations") or []
    addresses = [to["email"].lower() for one in people for kind in ("to", "cc", "bcc") for to in one.get(kind, ())]
    if not 0 < len(people) <= MOST or len(addresses) > MOST or len(body) >= LARGEST:
        yield "personalizations", "1 to 1000 personalizations and recipients, less than 30 MB"
    if len(set(addresses)) < len(addresses):
        yield "personalizations", "each address at most once"
    if not asked.get("subject") or [one["type"] for one in asked.get("content", [])] != ["text/plain", "text/html"]:
        yield "content", "a subject, a text and HTML in this order"
    if any(asked["tracking_settings"][one]["enable"] is not False for one in asked.get("tracking_settings", {})):
        yield "tracking_settings", "off"
    for number, one in enumerate(people):
        yield from _limits_of_one(f"personalizations.{number}", one)
    yield from _headers("headers", asked.get("headers", {}))
    for name in (asked.get("from", {}).get("name", ""), asked.get("subject", "")):
        if _CONTROL.search(name):
            yield "subject", "control character"


def _limits_of_one(place: str, one: dict[str, Any]) -> Iterator[Finding]:
    arguments = one.get("custom_args", {})
    if len(json.dumps(arguments)) > 10_000 or not all(isinstance(value, str) for value in arguments.values()):
        yield f"{place}.custom_args", "strings of at most 10,000 bytes together"
    if any(re.search("[,;]", to.get("name", "")) or _CONTROL.search(to.get("name", "")) for to in one["to"]):
        yield f"{place}.to", "no comma, semicolon or control character in a name"
    yield from _headers(f"{place}.headers", one.get("headers", {}))


def _headers(place: str, headers: dict[str, str]) -> Iterator[Finding]:
    for name, value in headers.items():
        if name.lower() in _NOT_OURS or _CONTROL.search(value) or not value.isascii():
            yield place, "a reserved header, or one that breaks its line"


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--key")
    parser.add_argument("--openapi", type=Path)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds")
    parser.add_argument("--reset", default="0", help="X-RateLimit-Reset of a 429")
    given = arguments(parser)
    serve(
        SendGridStub(
            given.record,
            key=given.key,
            openapi=given.openapi,
            faults=faults(given),
            latency=given.latency,
            reset=given.reset,
            keep=False,
            doubts=given.doubts,
        ),
        given.port,
    )
