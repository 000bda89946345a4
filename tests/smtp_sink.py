"""A fast mail server on 127.0.0.1 that keeps Message-IDs and nothing else, and misbehaves when it is told to.

    python tests/smtp_sink.py --record taken.txt --seed 7 --fault "rcpt 450=0.05" --fault "reset late=0.02"

It prints its port. A message that it takes is a line of the record (its Message-ID without brackets and domain) before
the answer leaves. One whose sender can't know whether it was taken is a line of `--doubts`. Faults, by when they come:

    mail 421, mail 450, mail 550, mail garbage    in answer to MAIL; 421 hangs up
    rcpt 450, rcpt 550, rcpt reset                in answer to RCPT; reset hangs up without a word
    data 451                                      in answer to DATA
    dot 421, dot 451, dot 554                     in answer to the whole message, which is not taken
    reset early                                   the connection is reset instead, nothing is taken
    reset late, dot garbage, silent               the message is taken, then a reset, nonsense, or no answer at all
    slow                                          any answer comes `delay` seconds late
"""

from __future__ import annotations

import asyncio
import base64
import re
import socket
import ssl
import struct
import threading
from argparse import ArgumentParser
from collections import Counter
from pathlib import Path

from loopback import Faults, Record, arguments, certificate, faults, serve

_MESSAGE_ID = re.compile(rb"^Message-ID: *<([^@>]+)", re.MULTILINE | re.IGNORECASE)
_ADDRESS = re.compile(rb"(?:FROM|TO):<([^>]*)>", re.IGNORECASE)


class SmtpSink:
    """`security`: none, starttls or tls, with `tls` as the server's side. `login`: the name and password it asks for.
    `room`: connections that it likes. `keep`: whole messages are kept in `messages`, as they came, dots unstuffed."""

    def __init__(
        self,
        record: Path,
        *,
        faults: Faults | None = None,
        security: str = "none",
        tls: ssl.SSLContext | None = None,
        login: tuple[str, str] | None = None,
        ways: str = "PLAIN LOGIN",
        pipelining: bool = True,
        delay: float = 0.05,
        room: int | None = None,
        keep: bool = False,
        doubts: Path | None = None,
    ) -> None:
        self.record = Record(record)
        self.doubts = Record(doubts) if doubts else None
        self.faults = faults or Faults()
        self.security = security
        self.tls = tls
        self.login = login
        self.ways = ways
        self.pipelining = pipelining
        self.delay = delay
        self.room = room
        self.keep = keep
        self.messages: list[bytes] = []
        self.envelopes: list[tuple[str, str]] = []
        self.commands: list[bytes] = []
        self.connections = 0
        self.under_way: Counter[str] = Counter()
        self.peak: Counter[str] = Counter()
        self.port = 0
        self._server: asyncio.Server | None = None
        self._sessions: set[_Session] = set()

    @property
    def taken(self) -> list[str]:
        return self.record.lines()

    def doubt(self, key: str) -> None:
        if self.doubts is not None:
            self.doubts.write(key)

    async def start(self, port: int = 0) -> int:
        loop = asyncio.get_running_loop()
        context = self.tls if self.security == "tls" else None
        self._server = await loop.create_server(lambda: _Session(self), "127.0.0.1", port, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self.port

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for session in list(self._sessions):
            session.transport.abort()
        await asyncio.sleep(0.01)  # until all have noticed

    def hang_up(self) -> None:
        """Ends every connection, as a server does that has waited long enough. From any thread."""
        gone = threading.Event()

        def leave() -> None:
            for session in list(self._sessions):
                session.leave("421 4.4.2 idle for too long")
            gone.set()

        assert self._server is not None
        self._server.get_loop().call_soon_threadsafe(leave)
        assert gone.wait(10)


class _Session(asyncio.Protocol):
    def __init__(self, sink: SmtpSink) -> None:
        self.sink = sink
        self.buffer = bytearray()
        self.answers: list[bytes] = []
        self.in_data = self.secure = self.paused = self.closed = False
        self.known = sink.login is None
        self.secret: list[bytes] | None = None
        self.last: str | None = None
        self.sender = self.recipient = b""
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.secure = self.secure or self.sink.security == "tls"
        self.sink.connections += 1
        self.sink._sessions.add(self)
        if self.sink.room is not None and len(self.sink._sessions) > self.sink.room:
            self.leave("421 4.7.0 too many connections")
            return
        transport.write(b"220 sink ESMTP\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self.sink._sessions.discard(self)
        self._ended()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        self.work()

    def work(self) -> None:
        """Works off what has come, and answers at once what may be answered together."""
        while not self.paused and not self.closed:
            if self.in_data:
                end = 0 if self.buffer.startswith(b".\r\n") else self.buffer.find(b"\r\n.\r\n") + 2
                if end < 2 and not self.buffer.startswith(b".\r\n"):
                    break
                content = bytes(self.buffer[:end])
                del self.buffer[: end + 3]
                self.in_data = False
                self.message(content)
            else:
                end = self.buffer.find(b"\r\n")
                if end < 0:
                    break
                line = bytes(self.buffer[:end])
                del self.buffer[: end + 2]
                self.command(line)
        self.flush()

    def flush(self) -> None:
        if self.answers and not self.closed:
            self.transport.write(b"".join(self.answers))
            self.answers.clear()

    def say(self, answer: str) -> None:
        self.answers.append(answer.encode() + b"\r\n")
        if self.sink.faults.draw("slow"):
            self.paused = True
            said = self.answers.pop()
            self.flush()
            asyncio.get_running_loop().call_later(self.sink.delay, self.late, said)

    def late(self, said: bytes) -> None:
        self.answers.append(said)
        self.paused = False
        self.work()

    def reset(self) -> None:
        """Hangs up so that the other side finds a reset, not an end."""
        self.closed = True
        if self.answers and self.last is not None:  # what it said of that one goes down with the connection
            self.sink.doubt(self.last)
        sock = self.transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def leave(self, answer: str) -> None:
        self.answers.append(answer.encode() + b"\r\n")  # never late: it would never come
        self.flush()
        self.closed = True
        self.transport.close()

    def command(self, line: bytes) -> None:
        if self.secret is not None:
            self.log_in(line)
            return
        self.sink.commands.append(line)
        word = line.split(b" ")[0].upper()
        match word:
            case b"EHLO":
                self.say("\r\n".join(self.hello()))
            case b"STARTTLS" if self.sink.security == "starttls" and not self.secure:
                self.answers.append(b"220 go ahead\r\n")
                self.flush()
                self.paused = True
                self.shake = asyncio.get_running_loop().create_task(self.start_tls())
            case b"AUTH":
                self.begin_log_in(line)
            case b"MAIL":
                self.mail(line)
            case b"RCPT":
                self.rcpt(line)
            case b"DATA":
                self.data()
            case b"RSET" | b"NOOP":
                self._ended()
                self.say("250 ok")
            case b"QUIT":
                self.leave("221 bye")
            case _:
                self.say("500 what?")

    def hello(self) -> list[str]:
        offers = ["sink", "8BITMIME"]
        offers += ["PIPELINING"] if self.sink.pipelining else []
        offers += ["STARTTLS"] if self.sink.security == "starttls" and not self.secure else []
        offers += [f"AUTH {self.sink.ways}"] if self.sink.login and self.secure else []
        return [*(f"250-{one}" for one in offers), "250 HELP"]

    async def start_tls(self) -> None:
        assert self.sink.tls is not None
        try:
            made = await asyncio.get_running_loop().start_tls(self.transport, self, self.sink.tls, server_side=True)
        except (OSError, ssl.SSLError):
            self.closed = True
            return
        assert isinstance(made, asyncio.Transport)
        self.transport, self.secure, self.paused = made, True, False
        self.work()

    def begin_log_in(self, line: bytes) -> None:
        if not self.secure:
            self.say("538 5.7.11 TLS first")
        elif line.upper().startswith(b"AUTH PLAIN "):
            _, name, password = base64.b64decode(line.split(b" ")[2]).split(b"\0")
            self.judge(name, password)
        else:
            self.secret = []
            self.say("334 VXNlcm5hbWU6")

    def log_in(self, line: bytes) -> None:
        assert self.secret is not None
        self.secret.append(base64.b64decode(line))
        if len(self.secret) == 1:
            self.say("334 UGFzc3dvcmQ6")
        else:
            name, password = self.secret
            self.secret = None
            self.judge(name, password)

    def judge(self, name: bytes, password: bytes) -> None:
        self.known = (name.decode(), password.decode()) == self.sink.login
        self.say("235 2.7.0 welcome" if self.known else "535 5.7.8 no")

    def mail(self, line: bytes) -> None:
        fault = self.sink.faults.draw("mail 421", "mail 450", "mail 550", "mail garbage")
        if not self.known:
            self.say("530 5.7.0 log in first")
        elif fault == "mail 421":
            self.leave("421 4.3.2 closing")
        elif fault == "mail garbage":
            self.say("HTTP/1.1 400 Bad Request")
        elif fault:
            self.say(f"{fault[-3:]} {fault[-3]}.7.1 not from you, anna@example.fr")
        elif self.sender:
            self.say("503 5.5.1 one at a time")
        else:
            self.sender = _ADDRESS.findall(line)[0]
            self.say("250 2.1.0 ok")

    def rcpt(self, line: bytes) -> None:
        fault = self.sink.faults.draw("rcpt 450", "rcpt 550", "rcpt reset")
        if not self.sender:
            self.say("503 5.5.1 MAIL first")
        elif fault == "rcpt reset":
            self.reset()
        elif fault:
            self.say(f"{fault[-3:]} {fault[-3]}.1.1 {line.decode()} is not wanted")
        else:
            self.recipient = _ADDRESS.findall(line)[0]
            domain = self.recipient.decode().rpartition("@")[2]
            self.sink.under_way[domain] += 1
            self.sink.peak[domain] = max(self.sink.peak[domain], self.sink.under_way[domain])
            self.say("250 2.1.5 ok")

    def data(self) -> None:
        if not self.recipient:
            self.say("503 5.5.1 RCPT first")
        elif self.sink.faults.draw("data 451"):
            self.say("451 4.3.0 later")
        else:
            self.in_data = True
            self.say("354 go on")

    def message(self, content: bytes) -> None:
        sink, recipient = self.sink, self.recipient
        fault = sink.faults.draw("dot 421", "dot 451", "dot 554", "reset early", "reset late", "dot garbage", "silent")
        sender, found = self.sender, _MESSAGE_ID.search(content)
        self.last = key = found[1].decode() if found else "(none)"
        self._ended()
        if fault == "dot 421":
            self.leave("421 4.3.2 closing")
        elif fault in ("dot 451", "dot 554"):
            self.say(f"{fault[-3:]} {fault[-3]}.6.0 not this one")
        elif fault == "reset early":
            sink.doubt(key)
            self.reset()
        else:
            sink.record.write(key)
            sink.envelopes.append((sender.decode(), recipient.decode()))
            if sink.keep:
                sink.messages.append(re.sub(rb"(?m)^\.", b"", content))
            self.after(fault, key)

    def after(self, fault: str | None, key: str) -> None:
        """Answers for a message that was taken."""
        if fault:
            self.sink.doubt(key)
        if fault == "reset late":
            self.reset()
        elif fault == "dot garbage":
            self.say("\x00\x01 250")
        elif fault == "silent":
            self.paused = True
        else:
            self.say(f"250 2.0.0 ok: queued as Q{key}")

    def _ended(self) -> None:
        if self.recipient:
            self.sink.under_way[self.recipient.decode().rpartition("@")[2]] -= 1
        self.sender = self.recipient = b""


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--security", choices=["none", "starttls", "tls"], default="none")
    parser.add_argument("--certificate", type=Path, help="folder in which to put a throw-away certificate")
    parser.add_argument("--login", metavar="NAME:PASSWORD")
    parser.add_argument("--no-pipelining", action="store_true")
    parser.add_argument("--delay", type=float, default=0.05, help="seconds, for slow answers")
    given = arguments(parser)
    name, _, password = (given.login or "").partition(":")
    sink = SmtpSink(
        given.record,
        faults=faults(given),
        security=given.security,
        tls=certificate(given.certificate)[1] if given.security != "none" else None,
        login=(name, password) if given.login else None,
        pipelining=not given.no_pipelining,
        delay=given.delay,
        doubts=given.doubts,
    )
    serve(sink, given.port)
