"""What the test servers on 127.0.0.1 share: how they run, how they misbehave, and what they write down.

A server can run in a thread of the test (`running`) or as a process of its own (`serve`), which prints its port.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import socket
import ssl
import struct
import threading
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Protocol, TypeVar

_LENGTH = re.compile(rb"^content-length: *(\d+)", re.IGNORECASE | re.MULTILINE)


@dataclass
class Faults:
    """Which misbehaviour how often (0 to 1), the same for the same seed; `most`: after so many it behaves."""

    chances: dict[str, float] = field(default_factory=dict)
    seed: int = 0
    most: int | None = None
    drawn: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def draw(self, *names: str) -> str | None:
        """At most one of these faults, now."""
        for name in names:
            if self.most is not None and len(self.drawn) >= self.most:
                return None
            if (chance := self.chances.get(name)) and self._random.random() < chance:
                self.drawn.append(name)
                return name
        return None


class Record:
    """An append-only file, a line written before its answer leaves; several processes may write to one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o644)

    def write(self, line: str) -> None:
        os.write(self._file, f"{line}\n".encode())

    def lines(self) -> list[str]:
        return self.path.read_text("utf-8").split("\n")[:-1]


class Server(Protocol):
    async def start(self, port: int = 0) -> int: ...
    async def stop(self) -> None: ...


S = TypeVar("S", bound=Server)


@contextmanager
def running(server: S, port: int = 0) -> Iterator[S]:
    """The server in a thread with a loop of its own; its `port` is set before this returns."""
    started, ended = threading.Event(), asyncio.Event()
    loop: asyncio.AbstractEventLoop | None = None

    async def run() -> None:
        nonlocal loop
        loop = asyncio.get_running_loop()
        await server.start(port)
        started.set()
        await ended.wait()
        await server.stop()

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert started.wait(10), "the test server did not start"
    try:
        yield server
    finally:
        assert loop is not None
        loop.call_soon_threadsafe(ended.set)
        thread.join(10)


class Listener:
    """A server of asyncio's streams. Whoever inherits says in `_serve` how it talks; `tls_at_once`: before the first
    byte."""

    tls_at_once: ssl.SSLContext | None = None
    port = 0
    _server: asyncio.Server | None = None

    async def start(self, port: int = 0) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, limit=2**26, ssl=self.tls_at_once)
        self.port = self._server.sockets[0].getsockname()[1]
        return self.port

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise NotImplementedError


class HttpServer(Listener):
    """Answers requests of connections that are kept. Whoever inherits says in `_answer` with which bytes; None: the
    connection is reset."""

    connections = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _answer(self, head: bytes, body: bytes) -> bytes | None:
        raise NotImplementedError

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                body = await reader.readexactly(int(length[1]) if length else 0)
                answer = await self._answer(head, body)
                if answer is None:
                    sock = writer.get_extra_info("socket")
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    writer.transport.abort()
                    return
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()


def arguments(parser: ArgumentParser) -> Namespace:
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--record", type=Path, required=True, help="append-only file, one line a message")
    parser.add_argument("--doubts", type=Path, help="append-only file: the messages whose answer a fault swallowed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fault", action="append", default=[], metavar="NAME=CHANCE", help="may be repeated")
    parser.add_argument("--most-faults", type=int)
    return parser.parse_args()


def faults(given: Namespace) -> Faults:
    pairs = (one.rpartition("=") for one in given.fault)
    return Faults({name: float(chance) for name, _, chance in pairs}, given.seed, given.most_faults)


def serve(server: Server, port: int) -> None:
    """Runs until it is ended, as a process of its own: its port is the first line of its output."""

    async def run() -> None:
        print(await server.start(port), flush=True)
        await asyncio.Event().wait()

    asyncio.run(run())


def certificate(folder: Path, host: str = "127.0.0.1") -> tuple[Path, ssl.SSLContext]:
    """A throw-away certificate that signs itself: its file, which a client may trust, and the server's side."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
    try:
        called: x509.GeneralName = x509.IPAddress(ip_address(host))
    except ValueError:
        called = x509.DNSName(host)
    start = datetime.now(UTC) - timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([called]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(parents=True, exist_ok=True)
    shown, kept = folder / "certificate.pem", folder / "key.pem"
    shown.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    kept.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown, kept)
    return shown, context
