"""One connection to a mail server (RFC 5321): commands go out in groups, answers come back in order.

`Lost` says that the server can't be talked to any more and that what it was told is void, unless a whole mail had been
written to it: then only its answer would say. Nothing that a server writes is shown anywhere but its codes, as a server
likes to repeat addresses.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from base64 import b64encode
from collections import deque
from dataclasses import dataclass, field
from typing import Literal, cast

from habitue.errors import SendError

_LINE = re.compile(rb"([2-5]\d\d)(?:([ -])(.*))?", re.DOTALL)
_ENHANCED = re.compile(rb"([245]\.\d{1,3}\.\d{1,3})(?: |$)")
_LONGEST_ANSWER = 65_536


class Lost(Exception):
    """The connection is of no use any more. `str()` says why, in codes and words of ours."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's answer: its code and its lines, without the codes."""

    code: int
    lines: list[bytes]

    @property
    def done(self) -> bool:
        return 200 <= self.code < 300

    @property
    def busy(self) -> bool:
        return 400 <= self.code < 500

    def __str__(self) -> str:
        """The code and, where there is one, the enhanced code (RFC 3463): `550 5.1.1`."""
        found = _ENHANCED.match(self.lines[0]) if self.lines else None
        return f"{self.code} {found[1].decode()}" if found else str(self.code)


@dataclass(frozen=True)
class Server:
    """A mail server and how to be let in. `timeout` in seconds; `name` is how we call ourselves."""

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    name: str
    timeout: float
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None

    @property
    def place(self) -> str:
        return f"the mail server {self.host}:{self.port}"


class Connection(asyncio.Protocol):
    """Opened by `open_connection`. `pipelining`: several commands may be written before their answers are read."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self.pipelining = False
        self.carried = 0
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._lines: list[bytes] = []
        self._replies: deque[Reply] = deque()
        self._reader: asyncio.Future[None] | None = None
        self._lost: str | None = None

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if (sock := transport.get_extra_info("socket")) is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else 44 ms a mail over TLS

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        # After nonsense nothing counts: the next answer would be taken for the one that was nonsense.
        while self._lost is None and (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end]).rstrip(b"\r")
            del self._buffer[: end + 1]
            self._line(line)
        if len(self._buffer) + sum(map(len, self._lines)) > _LONGEST_ANSWER:
            self.abort("an answer without an end")

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = self._lost or "the connection broke"
        self._wake()

    def _line(self, line: bytes) -> None:
        found = _LINE.fullmatch(line)
        if not found:
            self.abort("an answer that is not SMTP")
            return
        self._lines.append(found[3] or b"")
        if found[2] != b"-":
            self._replies.append(Reply(int(found[1]), self._lines))
            self._lines = []
            self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    # What a sender calls

    @property
    def fresh(self) -> bool:
        """Whether a new mail may begin: nobody hung up, and the server has said nothing unasked."""
        return self._lost is None and not self._replies and not self._buffer

    def write(self, data: bytes) -> None:
        if self._lost is not None or self._transport is None:
            raise Lost(self._lost or "the connection broke")
        self._transport.write(data)

    async def reply(self, patience: float = 1) -> Reply:
        """The next answer, within `patience` times the timeout. Lost where none comes."""
        while not self._replies:
            if self._lost is not None:
                raise Lost(self._lost)
            self._reader = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(self.timeout * patience):
                    await self._reader
            except TimeoutError:
                self.abort("no answer in time")
        return self._replies.popleft()

    async def ask(self, command: bytes) -> Reply:
        self.write(command + b"\r\n")
        return await self.reply()

    def abort(self, why: str) -> None:
        self._lost = self._lost or why
        if self._transport is not None:
            self._transport.abort()
        self._wake()

    async def quit(self) -> None:
        """Takes leave, and hangs up whatever the answer, soon."""
        try:
            if self.fresh:
                self.write(b"QUIT\r\n")
                await self.reply(0.05)
        except Lost:
            pass
        if self._transport is not None:
            self._transport.close()

    async def start_tls(self, server: Server) -> None:
        if not self.fresh:  # written before the key exchange, so anybody may have written it
            self.abort("the server spoke in the clear after it was asked for TLS")
            raise Lost(self._lost)
        assert self._transport is not None  # noqa: S101 - for the type checker
        assert server.tls is not None  # noqa: S101
        self._transport = await asyncio.get_running_loop().start_tls(
            self._transport, self, server.tls, server_hostname=server.host, ssl_handshake_timeout=self.timeout
        )


async def open_connection(server: Server) -> Connection:
    """A connection on which mails may be handed over.

    Lost where trying again may help; SendError(permanent=True) where somebody must change a setting first: the
    certificate is not the server's, it has no STARTTLS or no log-in that we know, the password is wrong.
    """
    loop = asyncio.get_running_loop()
    context = server.tls if server.security == "tls" else None
    connection = Connection(server.timeout)
    try:
        async with asyncio.timeout(server.timeout):
            await loop.create_connection(
                lambda: connection,
                server.host,
                server.port,
                ssl=context,
                server_hostname=server.host if context else None,
            )
        await _greet(connection, server)
    except ssl.SSLCertVerificationError as error:
        connection.abort("TLS failed")
        raise SendError(
            f"{server.place} showed a certificate that can't be trusted ({error.verify_message}); "
            "nothing was handed over; see sender.smtp.host and ca_file in shop.yaml",
            permanent=True,
        ) from None
    except (OSError, TimeoutError) as error:  # ssl.SSLError is one, a name that DNS doesn't know another
        connection.abort("no connection")
        raise Lost(f"no connection ({type(error).__name__})") from None
    except BaseException:
        connection.abort("not let in")
        raise
    return connection


async def _greet(connection: Connection, server: Server) -> None:
    _expect(await connection.reply(), "the greeting", server)
    offers = await _hello(connection, server)
    if server.security == "starttls":
        if b"STARTTLS" not in offers:
            raise SendError(
                f"{server.place} offers no STARTTLS, so nothing was handed over; "
                "see sender.smtp.security and port in shop.yaml",
                permanent=True,
            )
        _expect(await connection.ask(b"STARTTLS"), "STARTTLS", server)
        await connection.start_tls(server)
        offers = await _hello(connection, server)
    connection.pipelining = b"PIPELINING" in offers
    if server.username:
        await _log_in(connection, server, offers.get(b"AUTH", b"").upper().split())


async def _hello(connection: Connection, server: Server) -> dict[bytes, bytes]:
    """What the server offers: keyword to parameters."""
    reply = await connection.ask(b"EHLO " + server.name.encode("ascii"))
    _expect(reply, "EHLO", server)
    offers = (line.upper().partition(b" ") for line in reply.lines[1:])
    return {word: parameters for word, _, parameters in offers}


async def _log_in(connection: Connection, server: Server, ways: list[bytes]) -> None:
    name, password = (server.username or "").encode(), (server.password or "").encode()
    if b"PLAIN" in ways:
        reply = await connection.ask(b"AUTH PLAIN " + b64encode(b"\0" + name + b"\0" + password))
    elif b"LOGIN" in ways:
        reply = await connection.ask(b"AUTH LOGIN")
        for part in (name, password):
            if reply.code == 334:
                reply = await connection.ask(b64encode(part))
    else:
        raise SendError(f"{server.place} knows neither AUTH PLAIN nor LOGIN; nothing was handed over", permanent=True)
    _expect(reply, "the log-in; see sender.smtp.username in shop.yaml and HABITUE_SMTP_PASSWORD", server)


def _expect(reply: Reply, what: str, server: Server) -> None:
    if reply.busy:
        raise Lost(f"{reply} to {what}")
    if not reply.done:
        raise SendError(f"{server.place} answered {reply} to {what}; nothing was handed over", permanent=True)
