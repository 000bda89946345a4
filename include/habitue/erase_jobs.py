"""SendGrid's copy: names and addresses there are erased by a job (POST /v3/recipients/erasejob), which is only ordered
here. Ordering the same again does no harm, so whatever is not answered is asked again.

    202 with a job_id        ordered
    429, 5xx, no answer      tried again, a few times
    anything else            a key without the right `recipients.erasejob.create`, an address that it does not like
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from habitue.errors import SendError

if TYPE_CHECKING:
    from aiohttp import ClientSession

MOST = 5000
"""Addresses a job."""
LARGEST = 256_000
"""Bytes of a request."""
_TRIES = 4


@dataclass(frozen=True)
class EraseJobs:
    """`pause`: seconds before the second try, twice as long before each next one."""

    key: str = field(repr=False)
    base_url: str = "https://api.sendgrid.com"
    timeout: float = 60
    pause: float = 1.0

    def order(self, addresses: Iterable[str]) -> list[str]:
        """Orders the erasure of these addresses; returns the jobs' ids. SendError where one was not taken: the ones
        before it were, and asking again for all does no harm."""
        import asyncio

        return asyncio.run(self._order(list(batches(addresses))))

    async def _order(self, bodies: list[bytes]) -> list[str]:
        from aiohttp import ClientSession, ClientTimeout, DummyCookieJar

        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        async with ClientSession(
            base_url=self.base_url,
            headers=headers,
            timeout=ClientTimeout(total=self.timeout),
            cookie_jar=DummyCookieJar(),
        ) as session:
            return [await self._ordered(session, body) for body in bodies]

    async def _ordered(self, session: ClientSession, body: bytes) -> str:
        import asyncio

        from aiohttp import ClientError

        said = ""
        for attempt in range(_TRIES):
            if attempt:
                await asyncio.sleep(self.pause * 2 ** (attempt - 1))
            try:
                async with session.post("/v3/recipients/erasejob", data=body, allow_redirects=False) as answer:
                    if answer.status == 202:
                        return str(json.loads(await answer.content.read(65_536))["job_id"])
                    said = str(answer.status)
                    if answer.status != 429 and answer.status < 500:
                        break
            except (ClientError, OSError, TimeoutError, ValueError, LookupError, TypeError) as error:
                said = f"no answer, {type(error).__name__}"
        raise SendError(
            f"SendGrid took no erase job ({said}); see HABITUE_SENDGRID_KEY and its right recipients.erasejob.create",
            permanent=said in ("400", "401", "403", "404"),
        )


def batches(addresses: Iterable[str]) -> Iterator[bytes]:
    """The requests' bodies, each within SendGrid's two limits."""
    batch: list[str] = []
    size = 0
    for address in addresses:
        length = len(json.dumps(address, ensure_ascii=False).encode()) + 1
        if batch and (len(batch) == MOST or size + length > LARGEST - 100):
            yield _body(batch)
            batch, size = [], 0
        batch.append(address)
        size += length
    if batch:
        yield _body(batch)


def _body(batch: list[str]) -> bytes:
    return json.dumps({"email_addresses": batch}, ensure_ascii=False, separators=(",", ":")).encode()
