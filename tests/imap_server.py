"""A small IMAP server on 127.0.0.1 (RFC 3501, with MOVE of RFC 6851): one account, folders of messages with flags.

It speaks TLS from the first byte or after STARTTLS, and never takes a password in the clear. Faults, by when they come:

    no login, no select     the command is refused
    drop fetch, drop store  the connection is cut in answer to it, before anything is done
    late store              it is cut after the flags were set, so that the client does not know
"""

from __future__ import annotations

import asyncio
import re
import ssl
from dataclasses import dataclass, field

from loopback import Faults, Listener

_COMMAND = re.compile(rb"(\S+) (?:UID )?(\S+) ?(.*)", re.IGNORECASE)


@dataclass
class Message:
    uid: int
    raw: bytes
    flags: set[str] = field(default_factory=set)


class ImapServer(Listener):
    """`folders`: name to messages. `asked` keeps the commands, without what follows LOGIN."""

    def __init__(
        self,
        tls: ssl.SSLContext,
        *,
        security: str = "tls",
        login: tuple[str, str] = ("shop", "secret"),
        can_move: bool = True,
        faults: Faults | None = None,
    ) -> None:
        self.tls = tls
        self.security = security
        self.login = login
        self.can_move = can_move
        self.faults = faults or Faults()
        self.folders: dict[str, list[Message]] = {"INBOX": []}
        self.asked: list[str] = []
        self.tls_at_once = tls if security == "tls" else None
        self._uids = 0

    def deliver(self, *mails: bytes, folder: str = "INBOX") -> None:
        for raw in mails:
            self._uids += 1
            self.folders.setdefault(folder, []).append(Message(self._uids, raw))

    def flags(self, folder: str = "INBOX") -> list[set[str]]:
        return [message.flags for message in self.folders[folder]]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = _Session(self, reader, writer)
        try:
            await session.run()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
            pass
        finally:
            writer.close()


class _Session:
    def __init__(self, server: ImapServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server, self.reader, self.writer = server, reader, writer
        self.secure = server.security == "tls"
        self.known = False
        self.folder: list[Message] = []

    async def run(self) -> None:
        self.say("* OK tests")
        while line := await self.reader.readline():
            found = _COMMAND.fullmatch(line.rstrip(b"\r\n"))
            if found is None:
                self.say("* BAD what?")
                continue
            tag, name, rest = found[1].decode(), found[2].decode().lower(), found[3].decode("utf-8")
            self.server.asked.append(name if name == "login" else f"{name} {rest}".strip())
            answer = getattr(self, f"do_{name}", None)
            if answer is None or (not self.known and name not in ("capability", "starttls", "login", "logout")):
                self.say(f"{tag} BAD not now")
                continue
            said = answer(rest)
            if said is None:
                self.writer.transport.abort()
                return
            self.say(f"{tag} {said}")
            if name == "starttls":
                await self.writer.start_tls(self.server.tls)
                self.secure = True
            if name == "logout":
                return
            await self.writer.drain()

    def say(self, text: str | bytes) -> None:
        self.writer.write((text.encode() if isinstance(text, str) else text) + b"\r\n")

    def do_capability(self, _: str) -> str:
        words = ["IMAP4REV1", "LOGINDISABLED" if not self.secure else "AUTH=PLAIN"]
        words += ["MOVE"] if self.server.can_move else []
        words += ["STARTTLS"] if self.server.security == "starttls" and not self.secure else []
        self.say(f"* CAPABILITY {' '.join(words)}")
        return "OK done"

    def do_starttls(self, _: str) -> str:
        return "OK begin"

    def do_login(self, rest: str) -> str:
        assert self.secure, "a password came in the clear"
        name, _, password = rest.partition(" ")
        self.known = (name.strip('"'), password.strip('"')) == self.server.login
        self.known = self.known and self.server.faults.draw("no login") is None
        return "OK in" if self.known else f"NO not {name}"

    def do_select(self, rest: str) -> str:
        name = rest.strip('"')
        if name not in self.server.folders or self.server.faults.draw("no select"):
            return "NO no such folder"
        self.folder = self.server.folders[name]
        self.say(f"* {len(self.folder)} EXISTS")
        return "OK [READ-WRITE] done"

    def do_search(self, rest: str) -> str:
        assert rest == "UNSEEN UNDELETED"
        found = [str(one.uid) for one in self.folder if not one.flags & {"\\Seen", "\\Deleted"}]
        self.say(f"* SEARCH {' '.join(found)}")
        return "OK done"

    def do_fetch(self, rest: str) -> str | None:
        chosen, _, wanted = rest.partition(" ")
        if self.server.faults.draw("drop fetch"):
            return None
        for number, one in self._chosen(chosen):
            if "BODY.PEEK[]" in wanted:
                self.say(
                    f"* {number} FETCH (UID {one.uid} BODY[] {{{len(one.raw)}}}".encode() + b"\r\n" + one.raw + b")"
                )
            else:
                self.say(f"* {number} FETCH (UID {one.uid} RFC822.SIZE {len(one.raw)})")
        return "OK done"

    def do_store(self, rest: str) -> str | None:
        chosen, how, flags = rest.split(" ", 2)
        assert how == "+FLAGS.SILENT"
        if self.server.faults.draw("drop store"):
            return None
        for _, one in self._chosen(chosen):
            one.flags |= set(flags.strip("()").split())
        return None if self.server.faults.draw("late store") else "OK done"

    def do_copy(self, rest: str) -> str:
        return self._take_to(rest, leaving=True)

    def do_move(self, rest: str) -> str:
        return self._take_to(rest, leaving=False)

    def _take_to(self, rest: str, *, leaving: bool) -> str:
        chosen, _, name = rest.partition(" ")
        name = name.strip('"')
        if name not in self.server.folders:
            return "NO [TRYCREATE] no such folder"
        for _, one in self._chosen(chosen):
            self.server.deliver(one.raw, folder=name)
            self.server.folders[name][-1].flags = set(one.flags)
            if not leaving:
                self.folder.remove(one)
        return "OK done"

    def do_logout(self, _: str) -> str:
        self.say("* BYE")
        return "OK bye"

    def _chosen(self, uids: str) -> list[tuple[int, Message]]:
        wanted = {int(uid) for uid in uids.split(",")}
        return [(number, one) for number, one in enumerate(self.folder, start=1) if one.uid in wanted]
