"""Style and script of the pages: files of the project, nothing from elsewhere. An address names its content."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from habitue.settings import INCLUDE

STATIC = INCLUDE / "templates" / "ops" / "static"
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@cache
def stamped(name: str) -> str:
    """The file's name with what is in it: `ops.css` is `ops.3f2a….css`, which a browser may keep for ever."""
    stem, _, kind = name.rpartition(".")
    return f"{stem}.{hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]}.{kind}"


def file_of(name: str) -> Path | None:
    """The file of a stamped name; None where there is none, or where it holds something else by now."""
    parts = name.rsplit(".", 2)
    if len(parts) != 3:
        return None
    plain = f"{parts[0]}.{parts[2]}"
    file = STATIC / plain
    known = "/" not in name and file.suffix in KINDS and file.is_file()
    return file if known and stamped(plain) == name else None
