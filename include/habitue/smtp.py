"""SMTP: mails by the shop's own mail server, over several connections that are kept, as many a second as it takes.

A mail server answers each command, and an answer takes as long as the way there and back. So commands go out in groups
where the server allows it (RFC 2920): a mail's content together with the next mail's envelope, one round trip a mail.

What an answer means for a mail:

    4xx, or the connection lost, before its content was written   tried again; in the end held
    5xx to RCPT or DATA                                           refused, with the codes as the reason
    5xx to MAIL, log-in refused, no TLS, a wrong certificate      a setting is wrong: all that is left is held
    its content was written, and no answer came                   unknown: never sent again by itself
    the answer to its content                                     2xx accepted, 4xx tried again, 5xx refused
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from habitue.errors import SendError
from habitue.mime import Mail, envelope, write
from habitue.postbag import Parcel, Patience, Postbag
from habitue.return_paths import naming
from habitue.senders import Receipts
from habitue.shop import Limit
from habitue.signatures import Signer
from habitue.smtp_connection import Connection, Lost, Reply, Server, open_connection

_QUEUED = re.compile(rb"\bqueued as ([A-Za-z0-9._-]{1,64})")
_STEPS = ("MAIL", "RCPT", "DATA")
_LOG_IN_FIRST = (530, 534, 535, 538)
_WHOLE_MAIL = 5
"""Times the timeout: a server may look at a whole mail for minutes (RFC 5321 4.5.3.2.6)."""


@dataclass(slots=True, eq=False)
class Letter(Parcel):
    """One mail as it goes over the wire: the three commands of its envelope, and its content with the closing dot."""

    commands: tuple[bytes, ...] = ()
    content: bytes = b""


@dataclass
class Smtp:
    """Carries mails to one mail server. Connections stay open between batches, until `close`. `return_path`: the
    envelope's sender, to which each mail's id is added; without it, the mail's own From."""

    server: Server
    connections: int = 8
    limits: Mapping[str, Limit] = field(default_factory=dict)
    signer: Signer | None = None
    patience: Patience = field(default_factory=Patience)
    return_path: str | None = None

    idempotent = False

    def __post_init__(self) -> None:
        self._runner: asyncio.Runner | None = None
        self._idle: list[Connection] = []

    def send(self, batch: Sequence[Mail]) -> Receipts:
        if self._runner is None:
            self._runner = asyncio.Runner()
        return self._runner.run(self._send(batch))

    def close(self) -> None:
        """Takes leave of the server."""
        if self._runner is not None:
            self._runner.run(self._quit())
            self._runner.close()
            self._runner = None

    async def _quit(self) -> None:
        await asyncio.gather(*(connection.quit() for connection in self._idle))
        self._idle.clear()
        for _ in range(3):  # until what was hung up is closed as well
            await asyncio.sleep(0)

    async def _send(self, batch: Sequence[Mail]) -> Receipts:
        for _ in range(3):  # lets kept connections notice who hung up since
            await asyncio.sleep(0)
        workers = min(self.connections, len(batch))
        bag = Postbag(batch, self.patience, workers, self.limits)
        for place in range(len(batch)):
            bag.put(Letter([place]))
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._work(bag)) for _ in range(workers)]
        for why in filter(None, (task.result() for task in tasks)):
            if bag.waits():
                bag.stop(SendError(f"{self.server.place}: {why}, time and again; try later", permanent=False))
        return bag.receipts()

    async def _work(self, bag: Postbag) -> str | None:
        """One connection after the other, until the bag is empty. Why, where nobody lets us in any more: a server may
        like fewer connections than we do, so the others go on."""
        failed = 0
        while await bag.ready():
            connection = None
            try:
                connection = await self._connected()
                await self._carry(connection, bag)
                self._idle.append(connection)
                continue
            except SendError as error:
                bag.stop(error)
                why = str(error)
            except Lost as lost:
                why = str(lost)
            if connection is not None:
                connection.abort(why)
            failed = 0 if connection is not None and connection.carried else failed + 1
            if failed >= self.patience.tries:
                return why
            if failed:
                await bag.rest(self.patience.pause(failed))
        return None

    async def _connected(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.fresh:
                connection.carried = 0
                return connection
            connection.abort("left by the server")
        return await open_connection(self.server)

    async def _carry(self, connection: Connection, bag: Postbag) -> None:
        """Hands over mails until none is there that may leave now. Lost or SendError as soon as it can't go on."""
        letter = following = None
        try:
            while (letter := following or self._take(bag)) is not None:
                if connection.pipelining and following is None:
                    connection.write(b"".join(letter.commands))
                following = None
                if not await self._welcome(connection, bag, letter):
                    continue
                following = self._take(bag) if connection.pipelining else None
                connection.write(b"".join((letter.content, *(following.commands if following else ()))))
                letter.in_doubt = True
                self._answered(await connection.reply(_WHOLE_MAIL), connection, bag, letter)
        except (Lost, SendError) as error:
            if letter is not None and not bag.settled(letter):
                bag.lost(letter, f"SMTP: {error}")
            if following is not None:
                bag.untouched(following)
            raise

    def _take(self, bag: Postbag) -> Letter | None:
        """The next mail, written and signed. One that can't be written is refused on the spot."""
        while (letter := bag.take()) is not None:
            assert isinstance(letter, Letter)  # noqa: S101 - this bag holds nothing else
            mail = bag.mails[letter.places[0]]
            try:
                sender, recipient = envelope(mail)
                content = write(mail)
            except SendError as error:
                bag.unwritable(letter, str(error))
                continue
            if self.signer is not None:
                content = self.signer.sign(content)
            if self.return_path is not None:
                sender = naming(self.return_path, mail.message_id)
            letter.commands = (f"MAIL FROM:<{sender}>\r\n".encode(), f"RCPT TO:<{recipient}>\r\n".encode(), b"DATA\r\n")
            letter.content = content.replace(b"\r\n.", b"\r\n..") + b".\r\n"
            return letter
        return None

    async def _welcome(self, connection: Connection, bag: Postbag, letter: Letter) -> bool:
        """Whether the server now wants the content of this mail; if not, what it said is settled."""
        refusal: tuple[str, Reply] | None = None
        reply = None
        for step, command in zip(_STEPS, letter.commands, strict=True):
            if not connection.pipelining:
                connection.write(command)
            reply = await connection.reply()
            if refusal is None and not (reply.code == 354 if step == "DATA" else reply.done):
                refusal = step, reply
                self._judge(step, reply)
                if not connection.pipelining:
                    break
        if refusal is None:
            return True
        step, said = refusal
        settle = bag.again if said.busy else bag.refused
        settle(letter, f"SMTP: {said} to {step}")
        # The transaction is still open, or even waits for the content of a mail that nobody is to get.
        closing = await connection.ask(b"." if reply and reply.code == 354 else b"RSET")
        if closing.code == 421:
            raise Lost(f"{closing} to a mail that it had not taken")
        return False

    def _judge(self, step: str, reply: Reply) -> None:
        """Raises where the answer is not about this mail's recipient."""
        if reply.code in (421, 503) or not 400 <= reply.code < 600 or (step == "MAIL" and reply.busy):
            raise Lost(f"{reply} to {step}")
        if step == "MAIL" or reply.code in _LOG_IN_FIRST:
            raise SendError(
                f"{self.server.place} answered {reply} to {step} and takes no mail from us; "
                "see sender.from_address and sender.smtp.username in shop.yaml",
                permanent=True,
            )

    def _answered(self, reply: Reply, connection: Connection, bag: Postbag, letter: Letter) -> None:
        """Settles a mail by the answer to its content."""
        if reply.done:
            connection.carried += 1
            queued = next(filter(None, map(_QUEUED.search, reply.lines)), None)
            bag.accepted(letter, queued[1].decode() if queued else None)
        elif reply.busy:
            bag.again(letter, f"SMTP: {reply} to the whole mail")
            if reply.code == 421:
                raise Lost(f"{reply} to the whole mail")
        elif reply.code >= 500:
            connection.carried += 1
            bag.refused(letter, f"SMTP: {reply} to the whole mail")
        else:
            raise Lost(f"{reply} to the whole mail")
