"""A stranger's mail taken apart within limits: headers and parts, no more of them and no deeper than honest mail has.

The standard library reads the headers. Its parser of whole mails goes one call deeper a level and keeps an object for
each blank line of a delivery report: five megabytes made for it take more than a minute, so that is done here.
"""

from __future__ import annotations

import re
from binascii import Error, a2b_base64, a2b_qp
from collections.abc import Iterator
from dataclasses import dataclass
from email.header import decode_header
from email.message import Message
from email.parser import HeaderParser

LARGEST = 5_000_000
"""Bytes of a mail; what is larger is no report and no reply."""
MOST_PARTS = 60
DEEPEST = 6
LONGEST_HEAD = 64_000
_LONGEST_SUBJECT = 2_000


class TooMuch(ValueError):
    """More parts, levels or headers than any honest mail has."""


@dataclass(frozen=True, slots=True)
class Part:
    """Headers and the body as it was written, with `\\n` at the ends of its lines."""

    headers: Message
    body: bytes

    @property
    def kind(self) -> str:
        """`text/plain`, in small letters."""
        return self.headers.get_content_type()

    def decoded(self) -> bytes:
        """The body without its transfer encoding; as it is where that is broken."""
        try:
            match str(self.headers.get("Content-Transfer-Encoding", "")).strip().lower():
                case "base64":
                    return a2b_base64(self.body).replace(b"\r\n", b"\n")
                case "quoted-printable":
                    return a2b_qp(self.body)
        except Error:
            pass
        return self.body

    def text(self) -> str:
        """The body as text: by its charset or, where nobody knows that one, as UTF-8; what is no letter is replaced."""
        return _text(self.decoded(), self.headers.get_content_charset())

    def embedded(self) -> Message:
        """The headers of the mail that this part holds, or begins with."""
        return taken_apart(self.decoded()).headers


def taken_apart(raw: bytes) -> Part:
    """A mail, or a part of one: headers and body. TooMuch where its headers have no end."""
    raw = raw.replace(b"\r\n", b"\n")
    if raw.startswith(b"\n"):
        return Part(Message(), raw[1:])
    head, _, body = raw.partition(b"\n\n")
    if len(head) > LONGEST_HEAD:
        raise TooMuch("headers without an end")
    return Part(HeaderParser().parsestr(head.decode("utf-8", "replace") + "\n\n"), body)


def inner(part: Part) -> Iterator[Part]:
    """The parts that stand directly in this one; none where it is no multipart. The last may be cut short."""
    boundary = part.headers.get_boundary()
    if not boundary or not part.kind.startswith("multipart/"):
        return
    body = b"\n" + part.body
    edge = re.compile(rb"\n--" + re.escape(boundary.encode("utf-8", "replace")) + rb"(--)?[ \t]*(?=\n|\Z)")
    start, count = None, 0
    for found in edge.finditer(body):
        if start is not None:
            yield taken_apart(body[start : found.start()])
        if found[1]:
            return
        start, count = found.end() + 1, count + 1
        if count > MOST_PARTS:
            raise TooMuch("too many parts")
    if start is not None:
        yield taken_apart(body[start:])


def leaves(part: Part, depth: int = 0) -> Iterator[Part]:
    """The parts that hold something, in order, at most MOST_PARTS; those of a mail that is enclosed stay closed."""
    if depth > DEEPEST:
        raise TooMuch("parts in parts in parts")
    if not part.kind.startswith("multipart/"):
        yield part
        return
    count = 0
    for one in inner(part):
        for leaf in leaves(one, depth + 1):
            count += 1
            if count > MOST_PARTS:
                raise TooMuch("too many parts")
            yield leaf


def words(value: str | None) -> str:
    """A header's text with its encoded words decoded (RFC 2047), on one line; as it stands where they are broken."""
    value = " ".join((value or "")[:_LONGEST_SUBJECT].split())
    if "=?" not in value:
        return value
    try:
        pieces = decode_header(value)
    except (ValueError, Error):
        return value
    return " ".join(
        "".join(_text(piece, charset) if isinstance(piece, bytes) else piece for piece, charset in pieces).split()
    )


def _text(raw: bytes, charset: str | None) -> str:
    try:
        return raw.decode(charset or "utf-8", "replace")
    except (LookupError, ValueError):
        return raw.decode("utf-8", "replace")
