"""Where mail comes back to: a maildir, or a folder on an IMAP server. Each mail is taken, and then either done with or
left for a person.

Done: in a maildir it moves to `cur` with the flag S, on a server it gets \\Seen; or it moves to `done_folder` where the
settings name one. Left: it stays as it is, unread, or moves to `person_folder`. Nothing is ever deleted.
"""

from __future__ import annotations

import imaplib
import os
import re
import ssl
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from habitue.errors import MailboxError, SettingError
from habitue.mail_parts import LARGEST
from habitue.shop import ImapSettings, ReturnsSettings

BATCH = 100
"""Mails that are read together."""
_FLAGS = ":2,"
_UID = re.compile(rb"UID (\d+)")
_SIZE = re.compile(rb"RFC822\.SIZE (\d+)")


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail by its key in the mailbox; `raw` is None where it is larger than any report or reply."""

    key: str
    raw: bytes | None


class Mailbox(Protocol):
    """`waiting` gives what nobody has read, in batches, without those of `known`; MailboxError where it can't."""

    def waiting(self, known: Collection[str] = ()) -> Iterator[list[Letter]]: ...
    def done(self, keys: Sequence[str]) -> None: ...
    def leave(self, keys: Sequence[str]) -> None: ...
    def close(self) -> None: ...


def open_mailbox(settings: ReturnsSettings | None, password: str | None) -> Mailbox:
    """The mailbox of `sender.returns` in shop.yaml. SettingError where there is none or its password is missing."""
    if settings is None:
        raise SettingError("sender.returns in shop.yaml names no mailbox: give it `maildir` or `imap`")
    if settings.maildir is not None:
        return Maildir(settings.maildir, settings.done_folder, settings.person_folder)
    assert settings.imap is not None  # noqa: S101 - shop.py makes sure of it
    if not password:
        raise SettingError("HABITUE_IMAP_PASSWORD is not set, nor HABITUE_IMAP_PASSWORD_FILE: sender.returns has imap")
    return Imap(settings.imap, password, settings.done_folder, settings.person_folder)


@dataclass
class Maildir:
    """A maildir: mails in `new`, and in `cur` those without the flag S. A file name is the key. `done_folder` and
    `person_folder` are maildirs inside it, made when they are needed."""

    folder: Path
    done_folder: str | None = None
    person_folder: str | None = None

    def waiting(self, known: Collection[str] = ()) -> Iterator[list[Letter]]:
        names = iter([name for name in self._unread() if name not in known])
        while batch := list(islice(names, BATCH)):
            yield [letter for name in batch if (letter := self._letter(name)) is not None]

    def _unread(self) -> list[str]:
        try:
            found = [
                entry.name
                for place in ("new", "cur")
                for entry in os.scandir(self.folder / place)
                if entry.is_file(follow_symlinks=False) and "S" not in entry.name.partition(_FLAGS)[2]
            ]
        except OSError as error:
            raise self._trouble(error) from None
        return sorted(name for name in found if not name.startswith("."))

    def _letter(self, name: str) -> Letter | None:
        """None where another process has taken it away meanwhile."""
        try:
            path = self._path(name)
            if path.stat().st_size > LARGEST:
                return Letter(name, None)
            return Letter(name, path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._trouble(error) from None

    def _path(self, name: str) -> Path:
        path = self.folder / "new" / name
        return path if path.exists() else self.folder / "cur" / name

    def done(self, keys: Sequence[str]) -> None:
        if self.done_folder is not None:
            self._move(keys, self.folder / self.done_folder, "cur", "S")
        else:
            self._move(keys, self.folder, "cur", "S")

    def leave(self, keys: Sequence[str]) -> None:
        if self.person_folder is not None:
            self._move(keys, self.folder / self.person_folder, "new", "")

    def _move(self, keys: Sequence[str], maildir: Path, place: str, flag: str) -> None:
        try:
            for part in ("tmp", "new", "cur"):
                (maildir / part).mkdir(mode=0o700, parents=True, exist_ok=True)
            for key in keys:
                unique, _, flags = key.partition(_FLAGS)
                name = unique + _FLAGS + "".join(sorted({*flags, flag})) if flag else unique
                try:
                    self._path(key).rename(maildir / place / name)
                except FileNotFoundError:
                    continue  # somebody else was quicker
        except OSError as error:
            raise self._trouble(error) from None

    def close(self) -> None:
        """Nothing is kept open."""

    def _trouble(self, error: OSError) -> MailboxError:
        return MailboxError(
            f"the maildir {self.folder} can't be read or written ({os.strerror(error.errno or 0)}): it has the folders "
            "new and cur, and this user may write there; see sender.returns.maildir in shop.yaml"
        )


@dataclass
class Imap:
    """A folder of an IMAP server (RFC 3501), always by TLS. The key of a mail is its UID."""

    settings: ImapSettings
    password: str = field(repr=False)
    done_folder: str | None = None
    person_folder: str | None = None

    def __post_init__(self) -> None:
        self._server: imaplib.IMAP4 | None = None

    @property
    def place(self) -> str:
        return f"the IMAP server {self.settings.host}:{self.settings.port}"

    def waiting(self, known: Collection[str] = ()) -> Iterator[list[Letter]]:
        found = self._asked("SEARCH", lambda server: server.uid("SEARCH", "UNSEEN", "UNDELETED"))
        keys = iter([key for line in found for key in (line or b"").decode("ascii").split() if key not in known])
        while batch := list(islice(keys, BATCH)):
            yield self._fetched(batch)

    def _fetched(self, keys: list[str]) -> list[Letter]:
        rows = self._asked("FETCH", lambda server: server.uid("FETCH", ",".join(keys), "(UID RFC822.SIZE)"))
        sizes: dict[str, int] = {}
        for row in rows:
            line = row[0] if isinstance(row, tuple) else row or b""
            if (uid := _UID.search(line)) and (size := _SIZE.search(line)):
                sizes[uid[1].decode()] = int(size[1])
        return [Letter(key, self._content(key) if sizes[key] <= LARGEST else None) for key in keys if key in sizes]

    def _content(self, key: str) -> bytes:
        rows = self._asked("FETCH", lambda server: server.uid("FETCH", key, "(UID BODY.PEEK[])"))
        return next((bytes(row[1]) for row in rows if isinstance(row, tuple)), b"")

    def done(self, keys: Sequence[str]) -> None:
        if keys and self.done_folder is not None:
            self._mark(keys)
            self._move(keys, self.done_folder)
        elif keys:
            self._mark(keys)

    def leave(self, keys: Sequence[str]) -> None:
        if keys and self.person_folder is not None:
            self._move(keys, self.person_folder)

    def _mark(self, keys: Sequence[str]) -> None:
        self._asked("STORE", lambda server: server.uid("STORE", ",".join(keys), "+FLAGS.SILENT", r"(\Seen)"))

    def _move(self, keys: Sequence[str], folder: str) -> None:
        """By MOVE (RFC 6851) or, on an old server, by a copy and the flag \\Deleted: the folder's owner expunges."""
        chosen = ",".join(keys)
        if "MOVE" in self._ready().capabilities:
            self._asked("MOVE", lambda server: server.uid("MOVE", chosen, _quoted(folder)))
        else:
            self._asked("COPY", lambda server: server.uid("COPY", chosen, _quoted(folder)))
            self._asked("STORE", lambda server: server.uid("STORE", chosen, "+FLAGS.SILENT", r"(\Seen \Deleted)"))

    def close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            with suppress(imaplib.IMAP4.error, OSError):
                server.logout()

    def _asked(self, what: str, ask: Callable[[imaplib.IMAP4], tuple[str, list[Any]]]) -> list[Any]:
        """The answer's lines. MailboxError where the server says no or is gone; it repeats nothing that it said."""
        try:
            said, lines = ask(self._ready())
        except (imaplib.IMAP4.error, OSError) as error:
            broken, self._server = self._server, None
            _hang_up(broken)
            raise MailboxError(f"{self.place} broke off at {what} ({type(error).__name__}); try again") from None
        if said != "OK":
            raise MailboxError(f"{self.place} refused {what}; see the folders of sender.returns in shop.yaml")
        return lines

    def _ready(self) -> imaplib.IMAP4:
        if self._server is None:
            self._server = self._opened()
        return self._server

    def _opened(self) -> imaplib.IMAP4:
        settings = self.settings
        server: imaplib.IMAP4 | None = None
        try:
            context = ssl.create_default_context(cafile=settings.ca_file)
        except OSError as error:
            raise SettingError(
                f"sender.returns.imap.ca_file in shop.yaml: {settings.ca_file} can't be read ({type(error).__name__})"
            ) from None
        step = "the connection"
        try:
            if settings.security == "tls":
                server = imaplib.IMAP4_SSL(settings.host, settings.port, ssl_context=context, timeout=settings.timeout)
            else:
                server = imaplib.IMAP4(settings.host, settings.port, timeout=settings.timeout)
                step = "STARTTLS"
                server.starttls(context)
            step = "the log-in; see sender.returns.imap.username and HABITUE_IMAP_PASSWORD"
            server.login(settings.username, self.password)
            step = "the folder; see sender.returns.imap.folder"
            if server.select(_quoted(settings.folder))[0] != "OK":
                raise imaplib.IMAP4.error
            return server
        except ssl.SSLCertVerificationError as error:
            _hang_up(server)
            raise SettingError(
                f"{self.place} showed a certificate that can't be trusted ({error.verify_message}); "
                "see sender.returns.imap.host and ca_file in shop.yaml"
            ) from None
        except (imaplib.IMAP4.error, OSError) as error:
            _hang_up(server)
            raise MailboxError(f"{self.place} can't be used ({type(error).__name__}): it failed at {step}") from None


def _hang_up(server: imaplib.IMAP4 | None) -> None:
    if server is not None:
        with suppress(OSError):
            server.shutdown()


def _quoted(folder: str) -> str:
    return f'"{folder}"'
