"""Senders: one seam for everything that can carry a mail, and the first of them, a folder.

A sender answers for every mail that it was given, in order, and drops nothing: what it can't do is refused with the
reason, what it can't know is unknown.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from habitue.errors import SendError
from habitue.mime import Mail, write


class Status(StrEnum):
    """How a provider answered; the ledger's states of the same names."""

    ACCEPTED = "accepted"
    """the provider has it"""
    REFUSED = "refused"
    """the provider said no, or the mail can't be written; nothing has left, trying again can't help"""
    UNKNOWN = "unknown"
    """no answer came; it may have left"""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer for one mail. `reason` says the rule, never the address."""

    message_id: str
    status: Status
    provider_id: str | None = None
    reason: str | None = None


class Sender(Protocol):
    @property
    def idempotent(self) -> bool:
        """Whether a mail sent again is still one mail."""

    def send(self, batch: Sequence[Mail]) -> list[Receipt]:
        """One receipt a mail, in the batch's order. SendError(permanent=False) when nobody can be reached now."""


@dataclass(frozen=True)
class Outbox:
    """Writes each mail to `<message_id>.eml` in a folder: what a shop has until it names a provider.

    The same mail is the same file with the same bytes, however often it is sent. A file is there whole or not at all
    (it is renamed into place); it is not forced to the disk, as losing power is cured by sending again.
    """

    folder: Path

    idempotent = True

    def send(self, batch: Sequence[Mail]) -> list[Receipt]:
        """Writes the batch. SendError(permanent=False) when the disk won't take it; what was written stays."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return [self._write(mail) for mail in batch]

    def _write(self, mail: Mail) -> Receipt:
        try:
            content = write(mail)
        except SendError as error:
            return Receipt(mail.message_id, Status.REFUSED, reason=str(error))
        name = f"{mail.message_id}.eml"
        try:
            replace_file(self.folder / name, content)
        except OSError as error:
            raise SendError(
                f"Outbox: {name} can't be written ({os.strerror(error.errno or 0)}); make room and send again",
                permanent=False,
            ) from None
        return Receipt(mail.message_id, Status.ACCEPTED, provider_id=name)


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
