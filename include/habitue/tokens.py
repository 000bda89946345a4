"""Tokens for links that work without a login: opaque, without an address, hard to forge (RFC 8058: the link alone
must do). A token is the message's id and a keyed hash of it and of what the link is for."""

from __future__ import annotations

import base64
import hmac
from enum import StrEnum
from uuid import UUID

MAC_BYTES = 16
LENGTH = 43


class Scope(StrEnum):
    """What a link is for: a token of one scope opens nothing else."""

    UNSUBSCRIBE = "unsubscribe"
    PREFERENCES = "preferences"


def sign(message_id: UUID, secret: bytes, scope: Scope = Scope.UNSUBSCRIBE) -> str:
    """43 characters, safe in a URL; the same at every retry."""
    return base64.urlsafe_b64encode(message_id.bytes + _mac(message_id, secret, scope)).decode().rstrip("=")


def read(token: str, *secrets: bytes, scope: Scope = Scope.UNSUBSCRIBE) -> UUID | None:
    """The message's id, or None where none of these keys has signed the token for this scope."""
    if len(token) != LENGTH or not token.isascii():
        return None
    try:
        message_id = UUID(bytes=base64.urlsafe_b64decode(token + "=")[:16])
    except ValueError:
        return None
    given = token.encode()
    valid = [hmac.compare_digest(sign(message_id, secret, scope).encode(), given) for secret in secrets]
    return message_id if any(valid) else None


def decoy(token: str, secret: bytes) -> str:
    """What looks like a token and opens nothing: where a page of a forged token links on, as a real one would."""
    return base64.urlsafe_b64encode(hmac.digest(secret, b"decoy:" + token.encode(), "sha256")).decode().rstrip("=")


def _mac(message_id: UUID, secret: bytes, scope: Scope) -> bytes:
    return hmac.digest(secret, f"{scope}:".encode() + message_id.bytes, "sha256")[:MAC_BYTES]
