"""A real SFTP server on 127.0.0.1 (paramiko's), over a folder: it asks for a password, and hangs up when told to."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import paramiko

from habitue.sftp import fingerprint


class Door(paramiko.ServerInterface):
    def __init__(self, password: str) -> None:
        self.password = password

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_auth_password(self, username: str, password: str) -> int:
        right = (username, password) == ("shop", self.password)
        return paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return "password"


class Disk(paramiko.SFTPServerInterface):
    """Files below `root`; the `hangs_up_at`th file that is opened to be written breaks the line, once."""

    def __init__(self, server: Door, *, at: SftpServer) -> None:
        super().__init__(server)
        self.at = at

    def _there(self, path: str) -> Path:
        return self.at.root / self.canonicalize(path).lstrip("/")

    def list_folder(self, path: str) -> Any:
        try:
            return [paramiko.SFTPAttributes.from_stat(one.stat(), one.name) for one in self._there(path).iterdir()]
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)

    def stat(self, path: str) -> Any:
        try:
            return paramiko.SFTPAttributes.from_stat(self._there(path).stat())
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)

    lstat = stat

    def mkdir(self, path: str, attr: Any) -> int:
        try:
            self._there(path).mkdir()
        except OSError as error:
            return int(paramiko.SFTPServer.convert_errno(error.errno))
        return int(paramiko.SFTP_OK)

    def open(self, path: str, flags: int, attr: Any) -> Any:
        writes = bool(flags & (os.O_WRONLY | os.O_RDWR))
        if writes:
            self.at.written.append(Path(path).name)
            if len(self.at.written) == self.at.hangs_up_at:
                self.at.hang_up()
                return paramiko.SFTP_FAILURE
        try:
            file = os.fdopen(os.open(self._there(path), flags, 0o600), "r+b" if writes else "rb")
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)
        handle = Opened(flags)
        handle.readfile = handle.writefile = file
        return handle


class Opened(paramiko.SFTPHandle):
    def stat(self) -> Any:
        return paramiko.SFTPAttributes.from_stat(os.fstat(self.readfile.fileno()))


class SftpServer:
    def __init__(self, root: Path, password: str) -> None:
        self.root, self.password = root, password
        self.key = paramiko.RSAKey.generate(2048)
        self.written: list[str] = []
        self.hangs_up_at = 0
        self.logins = 0
        self._lines: list[Any] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]

    @property
    def url(self) -> str:
        return f"sftp://shop@127.0.0.1:{self.port}/in"

    @property
    def host_key(self) -> str:
        return fingerprint(self.key.asbytes())

    @property
    def open_lines(self) -> int:
        return sum(line.is_active() for line in self._lines)

    def serve(self) -> None:
        with suppress(OSError):  # closed
            while True:
                taken, _ = self._socket.accept()
                line = paramiko.Transport(taken)
                line.add_server_key(self.key)
                line.set_subsystem_handler("sftp", paramiko.SFTPServer, Disk, at=self)
                self._lines.append(line)
                with suppress(paramiko.SSHException, EOFError, OSError):
                    line.start_server(threading.Event(), Door(self.password))

    def hang_up(self) -> None:
        for line in list(self._lines):
            with suppress(OSError):
                line.sock.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        if self._socket.fileno() < 0:
            return
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self.hang_up()


@contextmanager
def sftp_server(root: Path, password: str) -> Iterator[SftpServer]:
    (root / "in").mkdir(parents=True)
    server = SftpServer(root, password)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join(5)
