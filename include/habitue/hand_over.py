"""Handing lots over: to a folder by an fsspec path (file://, s3://, sftp://), or to a letter service.

1. A file that stands there with the bytes that SHA256SUMS says is left alone: after a crash the rest follows.
2. Each file that was written is read back and its sum compared.
3. `<lot>.done` comes last. Whoever watches the folder takes nothing without it.

A lot that is there with its `.done` is not touched again: the print shop may have taken it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from habitue.errors import LedgerError, SendError, SettingError
from habitue.lots import BLOCK, SUMS, Lot
from habitue.shop import LetterSettings

NEEDS = {"s3": "s3fs", "sftp": "paramiko"}
"""What a file system needs beside fsspec, and the extra of the same name that brings it."""


class LetterService(Protocol):
    """Takes lots to be printed. All three may be asked again and again."""

    address: str
    """where it is, as it may be shown"""

    def taken(self, lot: Lot) -> str | None:
        """Its name for the lot where it has exactly this one, whole; else None. LedgerError where it has another one
        of that name."""

    def submit(self, lot: Lot, key: str) -> str:
        """Hands the lot over and returns the service's name for it. `key` is the lot's own: the same lot again is the
        same order. SendError where it could not be handed over."""

    def status(self, lot_id: str) -> str:
        """How far it is, in the service's own words."""

    def close(self) -> None: ...


def open_service(settings: LetterSettings, *, password: str | None, letters: Path) -> LetterService:
    """The print shop that shop.yaml names: a letter service, a folder elsewhere, or `letters`."""
    if settings.service is not None:
        from habitue.letter_api import LetterApi

        if not password:
            raise SettingError(
                "HABITUE_LETTERS_PASSWORD is not set, nor HABITUE_LETTERS_PASSWORD_FILE: letters.service wants its key"
            )
        return LetterApi(settings.service.base_url, key=password, timeout=settings.service.timeout)
    if settings.hand_over is not None:
        return Folder.at(settings.hand_over, password=password, host_key=settings.host_key)
    from fsspec.implementations.local import LocalFileSystem

    return Folder(LocalFileSystem(auto_mkdir=False), str(letters), letters.as_uri())


class Folder:
    """A folder of any file system that fsspec knows; a lot is a folder in it."""

    def __init__(self, files: Any, root: str, address: str) -> None:
        self.files = files
        self.root = root.rstrip("/")
        self.address = address

    @classmethod
    def at(cls, url: str, *, password: str | None = None, host_key: str | None = None) -> Folder:
        """SettingError where what the address needs is not installed, and says what to install."""
        from fsspec.core import url_to_fs

        protocol = url.split("://", 1)[0]
        try:
            if protocol == "sftp":
                from habitue.sftp import connected

                files, root = connected(url, password=password, host_key=host_key)
            else:
                files, root = url_to_fs(url)
        except SendError:
            raise
        except ImportError:
            needed = NEEDS.get(protocol, protocol)
            raise SettingError(
                f"letters.hand_over: {protocol}:// needs {needed}, which is not installed: "
                f'pip install "habitue[{protocol}]"'
            ) from None
        except Exception as error:
            raise SendError(
                f"letters.hand_over: no connection by {protocol}:// ({type(error).__name__}); deliver again",
                permanent=isinstance(error, PermissionError),
            ) from None
        return cls(files, root, url)

    def taken(self, lot: Lot) -> str | None:
        try:
            said = self._read(self._done(lot.name))
        except Exception as error:
            raise self._failed(lot, error) from None
        if said is None:
            return None
        if said.split(maxsplit=1)[:1] not in [[key] for key in lot.keys]:
            raise LedgerError(
                f"{lot.name} was handed over to {self.address} with other letters: ask the print shop which it has; "
                "to hand over this one, move that folder away and deliver again"
            )
        return f"{self.address.rstrip('/')}/{lot.name}"

    def submit(self, lot: Lot, key: str) -> str:
        if (place := self.taken(lot)) is not None:
            return place
        sums = _sums(lot)
        try:
            self.files.makedirs(f"{self.root}/{lot.name}", exist_ok=True)
            for name in lot.files:
                self._put(lot, name, key if name == SUMS else sums[name])
            with self.files.open(self._done(lot.name), "wb") as file:
                file.write(f"{key}  {SUMS}\n".encode())
        except SendError:
            raise
        except Exception as error:
            raise self._failed(lot, error) from None
        if (place := self.taken(lot)) is None:
            raise SendError(f"{lot.name}: its .done did not arrive at {self.address}; deliver again", permanent=False)
        return place

    def status(self, lot_id: str) -> str:
        return "handed over" if self._read(self._done(lot_id)) is not None else "not there"

    def close(self) -> None:
        """Hangs up, where a connection is kept open."""
        if (client := getattr(self.files, "client", None)) is not None:
            client.close()

    def _done(self, name: str) -> str:
        return f"{self.root}/{name}/{name}.done"

    def _put(self, lot: Lot, name: str, sha256: str) -> None:
        there = f"{self.root}/{lot.name}/{name}"
        if self._sha256(there) == sha256:
            return
        digest = hashlib.sha256()
        with self.files.open(there, "wb") as file:
            for block in _blocks(lot.folder / name):
                digest.update(block)
                file.write(block)
        if digest.hexdigest() != sha256:
            raise SendError(f"{lot.name}: {name} was made again meanwhile; deliver again", permanent=False)
        if self._sha256(there) != sha256:
            raise SendError(
                f"{lot.name}: {name} came back from {self.address} with other bytes; deliver again", permanent=False
            )

    def _sha256(self, path: str) -> str | None:
        """Of the file as it is read back; None where there is none."""
        self.files.invalidate_cache()
        if not self.files.exists(path):
            return None
        digest = hashlib.sha256()
        with self.files.open(path, "rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
        return digest.hexdigest()

    def _read(self, path: str) -> str | None:
        self.files.invalidate_cache()
        if not self.files.exists(path):
            return None
        with self.files.open(path, "rb") as file:
            return bytes(file.read(BLOCK)).decode("utf-8", "replace")

    def _failed(self, lot: Lot, error: Exception) -> SendError | LedgerError:
        """What any file system raises, without its words: they may hold a password."""
        if isinstance(error, SendError | LedgerError):
            return error
        return SendError(
            f"{lot.name} could not be handed over to {self.address} ({type(error).__name__}); nothing is lost, "
            "deliver again",
            permanent=isinstance(error, PermissionError),
        )


def _sums(lot: Lot) -> dict[str, str]:
    lines = (lot.folder / SUMS).read_text("utf-8").splitlines()
    return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block
