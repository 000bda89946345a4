"""A letter service on 127.0.0.1 that keeps to the contract of `habitue.letter_api`, and misbehaves when told to.

It takes a lot only whole: every file that SHA256SUMS names, with its sum, and the key that is that file's own. A lot of
a name that it has is the same order where the key is the same, and 409 where it is not. Faults, drawn for each request:

    429, 500, 503     429 with Retry-After: 0
    reset early       the connection is reset after the request: nothing was taken
    reset late        the lot was taken, then the connection is reset
    garbage           the lot was taken, then an answer that is no JSON
"""

from __future__ import annotations

import hashlib
import json
import re
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

from loopback import Faults, HttpServer


class LetterServiceFake(HttpServer):
    """`lots` by name: id, status, key, files. `asked` keeps (method, lot) of each request."""

    def __init__(self, *, key: str, faults: Faults | None = None) -> None:
        self.key = key
        self.faults = faults or Faults()
        self.lots: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, str]] = []

    async def _answer(self, head: bytes, body: bytes) -> bytes | None:
        request, _, rest = head.partition(b"\r\n")
        headers = BytesParser(policy=HTTP).parsebytes(rest)
        method, path, _ = request.decode().split(" ")
        lot = path.rsplit("/", 1)[-1]
        self.asked.append((method, lot))
        fault = self.faults.draw("429", "500", "503", "reset early", *(["reset late", "garbage"] * (method == "PUT")))
        if fault == "reset early":
            return None
        if fault in ("429", "500", "503"):
            status, said = int(fault), {}
        else:
            status, said = self._do(method, path, lot, headers, body)
        if fault == "reset late":
            return None
        written = b"<html>" if fault == "garbage" else json.dumps(said).encode()
        return f"HTTP/1.1 {status} X\r\nContent-Length: {len(written)}\r\nRetry-After: 0\r\n\r\n".encode() + written

    def _do(self, method: str, path: str, lot: str, headers: Any, body: bytes) -> tuple[int, dict[str, Any]]:
        if headers.get("Authorization") != f"Bearer {self.key}":
            return 401, {"error": "key"}
        if not re.fullmatch(r"/v1/lots/LOT-[a-z0-9_]+-\d{4}-\d\d-\d\d-\d{3,}", path):
            return 404, {}
        if method == "GET":
            return (200, self._said(lot)) if lot in self.lots else (404, {})
        key = headers.get("Idempotency-Key")
        if lot in self.lots:
            return (200, self._said(lot)) if self.lots[lot]["key"] == key else (409, {"error": "another lot"})
        files = _files(headers["Content-Type"], body)
        if not _whole(files, key):
            return 422, {"error": "not whole"}
        number = len(self.lots) + 1
        self.lots[lot] = {"id": f"ORDER-{number:04}", "status": "received", "key": key, "files": files}
        return 201, self._said(lot)

    def _said(self, lot: str) -> dict[str, Any]:
        return {name: self.lots[lot][name] for name in ("id", "status", "key")}


def _files(content_type: str, body: bytes) -> dict[str, bytes]:
    message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    return {str(part.get_filename()): part.get_payload(decode=True) for part in message.iter_parts()}  # type: ignore[attr-defined,misc]


def _whole(files: dict[str, bytes], key: str | None) -> bool:
    sums = files.get("SHA256SUMS", b"")
    named = dict(reversed(line.split("  ", 1)) for line in sums.decode().splitlines())
    return (
        bool(named)
        and hashlib.sha256(sums).hexdigest() == key
        and set(named) == set(files) - {"SHA256SUMS"}
        and all(hashlib.sha256(files[name]).hexdigest() == digest for name, digest in named.items())
    )
