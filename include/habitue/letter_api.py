"""A letter service's web API: lots go there to be printed and posted, and are never printed twice.

The contract, to which `tests/letter_service.py` keeps and a connector for a provider translates:

    PUT {base_url}/v1/lots/{lot}    Authorization: Bearer KEY, Idempotency-Key: the SHA-256 of SHA256SUMS.
                                    multipart/form-data: one part `files` a file, under its name.
                                    201 (200 the second time): {"id": "…", "status": "received", "key": "…"}
                                    409: it has another lot of that name
    GET {base_url}/v1/lots/{lot}    200: the same object; status received, printing, mailed or rejected. 404: none

    200, 201                        it has the lot
    400, 401, 403, 404, 405, 413, 422   a setting or the lot is wrong: given up
    409                             another lot has that name: given up, a person asks which
    429, 5xx, no connection         tried again, not before Retry-After; in the end the task is
    no answer to what was sent      tried again: the key makes it the same order
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from habitue.errors import LedgerError, SendError
from habitue.lots import Lot
from habitue.postbag import Patience

if TYPE_CHECKING:
    from httpx import Client, Response

_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")
_BUSY = frozenset({429, 500, 502, 503, 504})
_WORD = re.compile(r"[a-z_]{1,30}")


class LetterApi:
    """Speaks to the service at `base_url`; `sleep` waits so many seconds between tries."""

    def __init__(
        self,
        base_url: str,
        *,
        key: str,
        timeout: float = 60,
        patience: Patience | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.address = base_url.rstrip("/")
        self._key = key
        self._timeout = timeout
        self._patience = patience or Patience()
        self._sleep = sleep
        self._client: Client | None = None

    def taken(self, lot: Lot) -> str | None:
        response = self._ask(lot.name, lambda client, url: client.get(url))
        if response.status_code == 404:
            return None
        found = self._said(lot.name, response)
        if found["key"] not in lot.keys:
            raise self._another(lot.name)
        return str(found["id"])

    def submit(self, lot: Lot, key: str) -> str:
        def send(client: Client, url: str) -> Response:
            with ExitStack() as opened:
                files = [
                    ("files", (name, opened.enter_context((lot.folder / name).open("rb")), "application/octet-stream"))
                    for name in lot.files
                ]
                return client.put(url, files=files, headers={"Idempotency-Key": key})

        response = self._ask(lot.name, send)
        if response.status_code == 409:
            raise self._another(lot.name)
        found = self._said(lot.name, response)
        if found["key"] != key:
            raise self._another(lot.name)
        return str(found["id"])

    def status(self, lot_id: str) -> str:
        response = self._ask(lot_id, lambda client, url: client.get(url))
        return "not there" if response.status_code == 404 else str(self._said(lot_id, response)["status"])

    def close(self) -> None:
        """Hangs up."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _ask(self, lot_id: str, request: Callable[[Client, str], Response]) -> Response:
        """The service's answer; tried again while it is busy or silent. SendError where it stays so."""
        import httpx

        if self._client is None:
            self._client = httpx.Client(
                headers={"Authorization": f"Bearer {self._key}"}, timeout=self._timeout, follow_redirects=False
            )
        why = ""
        for tried in range(1, self._patience.tries + 1):
            pause = self._patience.pause(tried)
            try:
                response = request(self._client, f"{self.address}/v1/lots/{lot_id}")
            except httpx.TransportError as error:
                why = type(error).__name__
            else:
                if response.status_code not in _BUSY:
                    return response
                why = str(response.status_code)
                pause = max(pause, _asked_to_wait(response, self._patience.longest))
            if tried < self._patience.tries:
                self._sleep(pause)
        raise SendError(
            f"{lot_id}: the letter service gave no answer ({why}, {self._patience.tries} tries); deliver again: what "
            "it has already it takes once",
            permanent=False,
        )

    def _said(self, lot_id: str, response: Response) -> dict[str, Any]:
        if response.status_code not in (200, 201):
            raise SendError(
                f"{lot_id}: the letter service refuses it ({response.status_code}); see letters.service in shop.yaml, "
                "HABITUE_LETTERS_PASSWORD and what the service wants",
                permanent=True,
            )
        try:
            found = response.json()
            well = isinstance(found, dict) and all(isinstance(found.get(name), str) for name in ("id", "status", "key"))
        except ValueError:
            well = False
        if not well or not _ID.fullmatch(found["id"]) or not _WORD.fullmatch(found["status"]):
            raise SendError(
                f"{lot_id}: the letter service answers outside its contract; deliver again", permanent=False
            )
        return dict(found)

    def _another(self, lot_id: str) -> LedgerError:
        return LedgerError(
            f"{lot_id}: the letter service at {self.address} has another lot of that name: ask it which it prints"
        )


def _asked_to_wait(response: Response, most: float) -> float:
    said = response.headers.get("Retry-After", "")
    return min(float(said), most) if said.isdigit() else 0.0
