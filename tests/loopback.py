"""What the test servers on 127.0.0.1 share: how they run, how they misbehave, and what they write down.

A server can run in a thread of the test (`running`) or as a process of its own (`serve`), which prints its port.
"""

from __future__ import annotations

import asyncio
import os
import random
import ssl
import threading
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Protocol, TypeVar


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
