"""DKIM: the shop's domain signs its mails (RFC 6376, rsa-sha256, relaxed/simple).

Every header that we write is signed, both of one-click unsubscribing among them (RFC 8058 wants that), and From once
more than it is there, so that nobody can add one. Written here because signing takes the usual library, which counts
in Python, seventeen milliseconds a mail, and OpenSSL less than one; the tests have that library judge what comes out.
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from habitue.errors import SettingError
from habitue.shop import DkimSettings

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

_FOLD = re.compile(rb"\r\n(?![ \t])")
_SPACE = re.compile(rb"[ \t\r\n]+")
_WIDTH = 72
SHORTEST_KEY = 1024
"""Bits; mailbox providers take none below."""


@dataclass(frozen=True)
class Signer:
    """Signs mails as `domain`, whose DNS holds the public key at `<selector>._domainkey.<domain>`."""

    selector: str
    domain: str
    key: RSAPrivateKey = field(repr=False)

    @classmethod
    def of(cls, settings: DkimSettings) -> Signer:
        """SettingError where the key's file can't be read or holds no RSA key in PEM without a pass phrase."""
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            key = load_pem_private_key(settings.key_file.read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as error:
            raise _wrong(settings.key_file, type(error).__name__) from None
        if not isinstance(key, RSAPrivateKey) or key.key_size < SHORTEST_KEY:
            raise _wrong(settings.key_file, "another kind of key, or a short one")
        return cls(settings.selector, settings.domain, key)

    def sign(self, content: bytes) -> bytes:
        """The mail with its signature before it. The same mail gets the same signature: it has no time in it."""
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        head, _, body = content.partition(b"\r\n\r\n")
        headers = dict(_relaxed(line) for line in _FOLD.split(head))
        digest = b64encode(sha256(body.rstrip(b"\r\n") + b"\r\n").digest()).decode()
        names = ":".join((*(name.decode() for name in headers), "from"))
        unsigned = (
            f" v=1; a=rsa-sha256; c=relaxed/simple; d={self.domain}; s={self.selector};\r\n"
            f" h={_folded(names, ':')};\r\n bh={digest};\r\n b="
        ).encode()
        signed = b"".join(name + b":" + value + b"\r\n" for name, value in headers.items())
        name, value = _relaxed(b"DKIM-Signature:" + unsigned)
        written = b64encode(self.key.sign(signed + name + b":" + value, PKCS1v15(), SHA256())).decode()
        lines = "\r\n ".join(written[at : at + _WIDTH] for at in range(0, len(written), _WIDTH))
        return b"DKIM-Signature:" + unsigned + lines.encode() + b"\r\n" + content


def _relaxed(line: bytes) -> tuple[bytes, bytes]:
    """A header as it is signed: its name small, its value on one line with single spaces (RFC 6376 3.4.2)."""
    name, _, value = line.partition(b":")
    return name.strip().lower(), _SPACE.sub(b" ", value).strip()


def _folded(names: str, separator: str) -> str:
    """A list of names on several lines, folded after a separator."""
    lines = [""]
    for name in names.split(separator):
        if len(lines[-1]) + len(name) > _WIDTH:
            lines.append("")
        lines[-1] += name + separator
    return "\r\n ".join(lines)[: -len(separator)]


def _wrong(file: Path, found: str) -> SettingError:
    return SettingError(
        f"sender.smtp.dkim.key_file in shop.yaml: {file} holds no RSA private key in PEM of {SHORTEST_KEY} bits or "
        f"more, without a pass phrase ({found}); make one with: openssl genrsa -out <file> 2048"
    )
