"""SFTP to the print shop: fsspec's file system, but for whom it trusts and how long it waits.

fsspec takes any host key; a folder of letters goes only to the server that shop.yaml (`letters.host_key`) or the
known_hosts file of whoever runs this names.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from habitue.errors import SendError

TIMEOUT = 60.0
"""Seconds for an answer, whatever was asked."""


def connected(url: str, *, password: str | None, host_key: str | None, timeout: float = TIMEOUT) -> tuple[Any, str]:
    """The server's files and the folder of the address. `host_key`: SHA256:… as `ssh-keygen -lf` shows it.

    SendError, permanent where a person must look: another key, no way in.
    """
    import paramiko
    from fsspec.implementations.sftp import SFTPFileSystem

    class OnlyOurs(paramiko.MissingHostKeyPolicy):  # type: ignore[misc]
        def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
            if (seen := fingerprint(key.asbytes())) != host_key:
                raise SendError(
                    f"letters.hand_over: nothing was sent: the server's host key is {seen}, which neither shop.yaml "
                    "nor known_hosts names; ask the print shop whether it is theirs, then set letters.host_key",
                    permanent=True,
                )

    class Files(SFTPFileSystem):  # type: ignore[misc]
        cachable = False  # a connection that has died would be handed out again

        def _connect(self) -> None:
            self.client = paramiko.SSHClient()
            if host_key is None:
                self.client.load_system_host_keys()
            self.client.set_missing_host_key_policy(OnlyOurs())
            waits = dict.fromkeys(("timeout", "banner_timeout", "auth_timeout", "channel_timeout"), timeout)
            try:
                self.client.connect(self.host, **self.ssh_kwargs, **waits)
                self.ftp = self.client.open_sftp()
                self.ftp.get_channel().settimeout(timeout)
            except BaseException:
                self.client.close()
                raise

        def _open(self, path: str, mode: str = "rb", **given: Any) -> Any:
            # A lot is a thousand blocks: asked for one by one, each would wait for the line to go there and back.
            file = super()._open(path, mode, **given)
            if "r" in mode:
                file.prefetch(max_concurrent_requests=64)
            else:
                file.set_pipelined(True)
            return file

    options = SFTPFileSystem._get_kwargs_from_urls(url) | ({"password": password} if password else {})
    try:
        return Files(**options), str(SFTPFileSystem._strip_protocol(url))
    except paramiko.BadHostKeyException:
        raise SendError(
            "letters.hand_over: nothing was sent: the server has another host key than known_hosts says; ask the print "
            "shop, then mend known_hosts or set letters.host_key",
            permanent=True,
        ) from None
    except paramiko.AuthenticationException:
        raise SendError(
            "letters.hand_over: the server does not let us in: see the user in the address, the key, and "
            "HABITUE_LETTERS_PASSWORD",
            permanent=True,
        ) from None


def fingerprint(key: bytes) -> str:
    """A host key as `ssh-keygen -lf` shows it."""
    return f"SHA256:{base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip('=')}"
