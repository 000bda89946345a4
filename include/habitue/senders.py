"""Senders: one seam for everything that can carry a mail, and the first of them, a folder.

A sender answers for every mail that it was given, in order, and drops nothing: what it can't do is refused with the
reason, what it can't know is unknown.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Protocol

from markupsafe import Markup

from habitue.calls import read_words
from habitue.colours import palettes
from habitue.emails import FOLDER
from habitue.errors import LedgerError, SendError
from habitue.mime import Content, Mail, read, write
from habitue.shop import Shop
from habitue.texts import environment

PAGE = FOLDER / "outbox"


class Status(StrEnum):
    """How a provider answered; the ledger's states of the same names."""

    ACCEPTED = "accepted"
    """the provider has it"""
    REFUSED = "refused"
    """the provider said no, or the mail can't be written; nothing has left, trying again can't help"""
    UNKNOWN = "unknown"
    """no answer came; it may have left"""
    HELD = "held"
    """nothing was handed over; it may be tried again"""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer for one mail. `reason` says the rule, never the address."""

    message_id: str
    status: Status
    provider_id: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Receipts:
    """The answers for a batch: one receipt a mail, in the batch's order, whatever happened.

    `stopped` says why the sender gave up before it had tried every mail; those that it never handed over are `held`.
    Without it each mail was tried; one that the provider put off again and again is `held` too, and the rest may go on.
    """

    receipts: list[Receipt]
    stopped: SendError | None = None


class Sender(Protocol):
    @property
    def idempotent(self) -> bool:
        """Whether a mail sent again is still one mail."""

    def send(self, batch: Sequence[Mail]) -> Receipts:
        """Hands the mails over. It raises nothing that a provider does: an answer once had must not be lost."""

    def close(self) -> None:
        """Lets go of what is kept between batches; the next one opens it again."""


@dataclass(frozen=True)
class Outbox:
    """Writes each mail to `<message_id>.eml` in a folder: what a shop has until it names a provider.

    The same mail is the same file with the same bytes, however often it is sent. A file is there whole or not at all
    (it is renamed into place); it is not forced to the disk, as losing power is cured by sending again.
    """

    folder: Path

    idempotent = True

    def send(self, batch: Sequence[Mail]) -> Receipts:
        """Writes the batch; stops where the disk won't take a mail, and what was written stays."""
        receipts: list[Receipt] = []
        stopped = None
        for mail in batch:
            if stopped is None:
                try:
                    receipts.append(self._write(mail))
                    continue
                except OSError as error:
                    stopped = SendError(
                        f"Outbox: {mail.message_id}.eml can't be written ({os.strerror(error.errno or 0)}); "
                        "make room and send again",
                        permanent=False,
                    )
            receipts.append(Receipt(mail.message_id, Status.HELD))
        return Receipts(receipts, stopped)

    def close(self) -> None:
        """Nothing is kept open."""

    def _write(self, mail: Mail) -> Receipt:
        try:
            content = write(mail)
        except SendError as error:
            return Receipt(mail.message_id, Status.REFUSED, reason=str(error))
        name = f"{mail.message_id}.eml"
        self.folder.mkdir(parents=True, exist_ok=True)
        replace_file(self.folder / name, content)
        return Receipt(mail.message_id, Status.ACCEPTED, provider_id=name)


@dataclass(frozen=True, slots=True)
class ListedMail:
    """A mail of the outbox as its page lists it: by its message, with the group and the campaign that it is for."""

    message_id: str
    group: str
    campaign: str = ""


PREVIEWS = 40
"""Mails a file of previews: some 700 kB, read at once from a disk."""


def write_index(folder: Path, mails: Iterable[ListedMail], *, shop: Shop) -> int:
    """Writes `index.html`, which lists these mails in this order and shows each, and the previews that it shows.

    The page needs nothing but its folder and makes no connection. Bodies are shown in a sandboxed frame: whatever is in
    them runs nothing and loads nothing. Returns the number of mails; LedgerError where one has no file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    previews = folder / "previews"
    previews.mkdir(exist_ok=True)
    rows: list[list[str]] = []
    chunks = 0
    for chunk in batched(mails, PREVIEWS):
        contents = [(listed, _content(folder, listed)) for listed in chunk]
        bodies = [[content.html, content.text] for _, content in contents]
        script = f"previews({chunks}, {_json(bodies)});\n"
        replace_file(previews / f"{chunks:05}.js", script.encode())
        rows += [_row(listed, content) for listed, content in contents]
        chunks += 1
    for stale in previews.glob("*.js"):
        if int(stale.stem) >= chunks:
            stale.unlink()
    replace_file(folder / "index.html", _page(rows, shop).encode())
    return len(rows)


def batched(mails: Iterable[ListedMail], size: int) -> Iterator[list[ListedMail]]:
    rest = iter(mails)
    while chunk := list(islice(rest, size)):
        yield chunk


def _content(folder: Path, listed: ListedMail) -> Content:
    try:
        return read((folder / f"{listed.message_id}.eml").read_bytes())
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise LedgerError(
            f"message {listed.message_id} counts as sent, but the outbox can't read it back ({type(error).__name__}); "
            "deliver the run again"
        ) from None


def _row(listed: ListedMail, content: Content) -> list[str]:
    return [
        listed.message_id,
        content.subject,
        content.to_name,
        content.to_address,
        listed.group,
        content.language,
        listed.campaign,
    ]


def _page(rows: list[list[str]], shop: Shop) -> str:
    words = read_words(PAGE / f"words.{shop.language}.yaml", shop.language)
    data = [rows, words["groups"], words["to"], PREVIEWS]
    template = environment(html=True).from_string((PAGE / "index.html.j2").read_text("utf-8"))
    return template.render(
        language=shop.language,
        shop=shop.name,
        words=words,
        mails=Markup(_json(data)),  # noqa: S704 - `_json` escapes
        **palettes(shop.letterhead.accent, shop.letterhead.ink),
    )


def _json(value: object) -> str:
    """JSON that can stand inside a script element, whatever a customer is called."""
    written = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return written.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def replace_file(path: Path, content: bytes) -> None:
    """The file with this content, or as it was before: never half of it."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
