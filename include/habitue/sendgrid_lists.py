"""SendGrid's own lists of who is not written to (v3 suppressions API): read page by page, and added to.

    2xx                               taken
    400, 413 to several addresses     halved, until the one is found that it does not like; the others are taken
    400, 401, 403, 404, 405, 413      the key, its rights or a setting is wrong: given up
    429, 5xx, no connection, silence  tried again, not before X-RateLimit-Reset; in the end given up, to be tried later

Asking again does no harm here: reading changes nothing, and an address that is added twice is on the list once.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from habitue.errors import SendError
from habitue.postbag import Patience
from habitue.sendgrid_api import seconds_to_reset

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

PAGE = 500
"""Entries a page, the most that SendGrid gives; addresses a request, too."""
LARGEST = 8_000_000
"""Bytes of an answer: a page is some hundred kilobytes."""
GLOBAL = "/v3/asm/suppressions/global"


REFUSED_IN_A_ROW = 10
"""So many addresses refused and none taken: the fault is not theirs."""


class _Disliked(SendError):
    """SendGrid takes the key, but not what was asked."""


class _Again(Exception):
    """The request may be made again: why, and in how many seconds at the earliest."""

    def __init__(self, why: str, wait: float = 0.0) -> None:
        super().__init__(why)
        self.wait = wait


@dataclass
class Lists:
    """SendGrid's lists at `base_url`; nothing else is ever asked, and no redirect followed. `async with` opens it."""

    key: str = field(repr=False)
    base_url: str = "https://api.sendgrid.com"
    timeout: float = 60
    patience: Patience = field(default_factory=Patience)
    page: int = PAGE
    refused: int = 0
    """addresses that SendGrid would not have"""
    taken: int = 0

    async def __aenter__(self) -> Lists:
        from aiohttp import ClientSession, ClientTimeout, DummyCookieJar

        self._session: ClientSession = ClientSession(
            base_url=self.base_url,
            timeout=ClientTimeout(total=None, sock_connect=self.timeout, sock_read=self.timeout),
            headers={"Authorization": f"Bearer {self.key}", "Accept": "application/json"},
            cookie_jar=DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def entries(self, name: str) -> AsyncIterator[list[Mapping[str, Any]]]:
        """The entries of one list, a page at a time: each has `email`, `created` (Unix seconds) and more.

        Who comes onto the list or off it meanwhile may be seen twice, or at the next reading.
        """
        before: object = None
        offset = 0
        while True:
            asked = {"limit": str(self.page), "offset": str(offset)}
            found = await self._asked("GET", f"/v3/suppression/{name}", params=asked)
            if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
                raise SendError(f"SendGrid's list {name} is no list of entries: nothing was changed", permanent=True)
            if found and found == before:
                raise SendError(
                    f"SendGrid gave the same page of the list {name} twice: it has no end; nothing was changed",
                    permanent=True,
                )
            if found:
                yield found
            if len(found) < self.page:
                return
            before, offset = found, offset + len(found)

    async def add(self, addresses: Sequence[str]) -> None:
        """Puts these addresses on the list of those whom SendGrid writes to for nobody of this account."""
        try:
            await self._asked("POST", GLOBAL, json={"recipient_emails": list(addresses)})
            self.taken += len(addresses)
        except _Disliked:
            if len(addresses) > 1:
                middle = len(addresses) // 2
                await self.add(addresses[:middle])
                await self.add(addresses[middle:])
                return
            self.refused += 1
            if not self.taken and self.refused >= REFUSED_IN_A_ROW:
                raise

    async def _asked(self, method: str, path: str, **what: Any) -> Any:
        """The answer's content. SendError where there is none after so many tries, or where asking again can't help."""
        tried = 0
        while True:
            try:
                return await self._ask_once(method, path, **what)
            except _Again as error:
                tried += 1
                if tried >= self.patience.tries or error.wait > self.patience.silence:
                    wait = f"; it asks to wait {error.wait:.0f} s" if error.wait else ""
                    raise SendError(f"SendGrid: {error} at {path}{wait}; try again later", permanent=False) from None
                await asyncio.sleep(max(error.wait, self.patience.pause(tried)))

    async def _ask_once(self, method: str, path: str, **what: Any) -> Any:
        from aiohttp import ClientConnectorCertificateError, ClientError

        try:
            async with self._session.request(method, path, allow_redirects=False, **what) as response:
                return await self._answer(response, path)
        except ClientConnectorCertificateError:
            raise SendError(
                f"{self.base_url} showed a certificate that can't be trusted; see sender.sendgrid.base_url in "
                "shop.yaml; nothing was asked",
                permanent=True,
            ) from None
        except (ClientError, OSError, TimeoutError) as error:
            raise _Again(f"no answer ({type(error).__name__})") from None

    async def _answer(self, response: ClientResponse, path: str) -> Any:
        status, headers = response.status, response.headers
        if status == 429:
            raise _Again("429, its rate limit is used up", seconds_to_reset(headers))
        if status >= 500 or status == 408:
            raise _Again(str(status))
        if not 200 <= status < 300:
            error = _Disliked if status in (400, 413) else SendError
            raise error(
                f"SendGrid answered {status} at {path}: the key or its rights (to read and write suppressions) are "
                "wrong; see HABITUE_SENDGRID_KEY and sender.sendgrid in shop.yaml",
                permanent=True,
            )
        body = await _whole(response)
        if headers.get("X-RateLimit-Remaining") == "0":
            await asyncio.sleep(min(seconds_to_reset(headers), self.patience.silence))
        try:
            return json.loads(body) if body else None
        except ValueError:
            raise _Again("an answer that is no JSON") from None


async def _whole(response: ClientResponse) -> bytes:
    body = bytearray()
    async for block in response.content.iter_chunked(65_536):
        body += block
        if len(body) > LARGEST:
            raise SendError("SendGrid: an answer without an end; nothing was changed", permanent=True)
    return bytes(body)
