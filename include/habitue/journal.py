"""The claims' journal: one line a message that a worker is about to hand to a provider, in a file beside the database.

A database that is restored from this morning's copy does not know what left at noon. The journal does: who is claimed
in it more often than in the ledger is in doubt, and is not written to again by itself. It holds message ids only.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

LINE = 37
"""Bytes of a line: an id and its end."""


class Journal:
    """The journal of one shard; written by one worker at a time, or by several that append."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def claims(self) -> Counter[UUID]:
        """How often each message was claimed. A last line that a crash cut short was never acted on."""
        if not self.path.exists():
            return Counter()
        written = self.path.read_bytes().decode("ascii")
        return Counter(UUID(line) for line in written.split("\n") if len(line) == LINE - 1)

    def add(self, messages: Iterable[UUID]) -> None:
        """Written and on the disk when it returns: only then may they leave."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lines = "".join(f"{message}\n" for message in sorted(messages)).encode("ascii")
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            if self._cut_short():
                lines = b"\n" + lines
            while lines:  # a disk that is full takes a part, and says so only the next time
                lines = lines[os.write(descriptor, lines) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _cut_short(self) -> bool:
        size = self.path.stat().st_size
        if size == 0:
            return False
        with self.path.open("rb") as file:
            file.seek(size - 1)
            return file.read(1) != b"\n"
