"""Tokens for links that work without a login: opaque, without an address, hard to forge (RFC 8058: the link alone
must do). A token is the message's id and a keyed hash of it."""

from __future__ import annotations

import base64
import hmac
from uuid import UUID

MAC_BYTES = 16
LENGTH = 43


def sign(message_id: UUID, secret: bytes) -> str:
    """43 characters, safe in a URL; the same at every retry."""
    return base64.urlsafe_b64encode(message_id.bytes + _mac(message_id, secret)).decode().rstrip("=")


def read(token: str, secret: bytes) -> UUID | None:
    """The message's id, or None where the token is not one of ours."""
    try:
        message_id = UUID(bytes=base64.urlsafe_b64decode(token[:LENGTH] + "=")[:16])
    except ValueError:
        return None
    return message_id if hmac.compare_digest(sign(message_id, secret).encode(), token.encode()) else None


def _mac(message_id: UUID, secret: bytes) -> bytes:
    return hmac.digest(secret, b"unsubscribe:" + message_id.bytes, "sha256")[:MAC_BYTES]
