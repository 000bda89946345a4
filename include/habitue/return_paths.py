"""The envelope's sender that names the message (VERP): `b+<message id>@bounce.shop.example`. Whatever a mail server
writes about the mail goes there, so that the address alone says which mail it was."""

from __future__ import annotations

import re
from uuid import UUID

ID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_NAMED = re.compile(rf"\+({ID})@", re.IGNORECASE)


def naming(return_path: str, message_id: str) -> str:
    """The return path that names this message."""
    local, _, domain = return_path.partition("@")
    return f"{local}+{message_id}@{domain}"


def named(text: str) -> list[UUID]:
    """The messages that the addresses in a header name."""
    return [UUID(found) for found in _NAMED.findall(text[:10_000])]
