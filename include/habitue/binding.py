"""Binding: the batches of one shard joined into one PDF, page by page as they come, in flat memory; and taken apart
again, for who asks what is held on them or wants it gone.

It joins what Typst writes and no other PDF: plain objects, a plain cross-reference table, no object streams. Each
batch keeps its page tree below a common root; its document information goes, the first batch's is kept, and with it
the PDF/A-2b marks. The same batches make the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from io import BufferedWriter
from pathlib import Path
from types import TracebackType

from habitue.errors import HabitueError

_REFERENCE = re.compile(rb"(?<![\d.])(\d+) 0 R\b")
_PARENT = re.compile(rb"/Parent \d+ 0 R")
_START = re.compile(rb"startxref\s+(\d+)\s+%%EOF\s*$")
_ROOT_PAGES = 1


class BindingError(HabitueError):
    """A batch is not the plain PDF that Typst writes."""


class Binder:
    """Writes to a file beside `path`, which takes its place when the binder is left without an error."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pages = 0
        self._partial = path.with_name(f".{path.name}.{os.getpid()}")
        self._offsets: dict[int, int] = {}
        self._next = _ROOT_PAGES + 1
        self._trees: list[int] = []
        self._head: dict[bytes, int] = {}
        self._digest = hashlib.sha256()

    def __enter__(self) -> Binder:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file: BufferedWriter = self._partial.open("wb")
        self._write(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if kind is None and self.pages:
                self._finish()
                self._file.flush()
                os.fsync(self._file.fileno())
        finally:
            self._file.close()
            if kind is None and self.pages:
                self._partial.replace(self.path)
            else:
                self._partial.unlink(missing_ok=True)

    def add(self, pdf: bytes) -> int:
        """Appends a batch; returns its number of pages."""
        table, root, info = _contents(pdf)
        catalog = _body(pdf, table, root)
        tree = _number(catalog, rb"/Pages (\d+) 0 R")
        metadata = _number(catalog, rb"/Metadata (\d+) 0 R")
        first = not self._trees
        left_out = {root} if first else {root, info, metadata}
        shift = {old: self._next + position for position, old in enumerate(sorted(set(table) - left_out))}
        self._next += len(shift)
        for old, new in shift.items():
            body = _renumbered(_body(pdf, table, old), shift)
            if old == tree:
                body = body.replace(b"/Type/Pages", b"/Type/Pages/Parent %d 0 R" % _ROOT_PAGES, 1)
            self._object(new, body)
        if first:
            self._catalog = _renumbered(catalog, shift | {tree: _ROOT_PAGES})
            self._info = shift[info]
        self._trees.append(shift[tree])
        count = _number(_body(pdf, table, tree), rb"/Count (\d+)")
        self.pages += count
        return count

    def _finish(self) -> None:
        kids = b" ".join(b"%d 0 R" % tree for tree in self._trees)
        self._object(_ROOT_PAGES, b"<</Type/Pages/Count %d/Kids[%b]>>" % (self.pages, kids))
        catalog = self._next
        self._object(catalog, self._catalog)
        mark = self._digest.hexdigest()[:32].encode()
        start = self._file.tell()
        self._write(b"xref\n0 %d\n0000000000 65535 f \n" % (catalog + 1))
        self._write(b"".join(b"%010d 00000 n \n" % self._offsets[number] for number in range(1, catalog + 1)))
        self._write(
            b"trailer\n<</Size %d/Root %d 0 R/Info %d 0 R/ID[<%b><%b>]>>\nstartxref\n%d\n%%%%EOF\n"
            % (catalog + 1, catalog, self._info, mark, mark, start)
        )

    def _object(self, number: int, body: bytes) -> None:
        self._offsets[number] = self._file.tell()
        self._write(b"%d 0 obj\n%b\nendobj\n" % (number, body))

    def _write(self, content: bytes) -> None:
        self._digest.update(content)
        self._file.write(content)


def extracted(pdf: bytes, pages: Iterable[int]) -> bytes:
    """A document of these pages alone, in their order; they count from 1. Those that aren't there are passed over."""
    table, root, _ = _contents(pdf)
    places = _places(pdf, table, root)
    wanted = [places[page - 1] for page in sorted(set(pages)) if 0 < page <= len(places)]
    needed = set().union(*(_reached(pdf, table, page) for page in wanted))
    shift = {old: _ROOT_PAGES + 1 + position for position, old in enumerate(sorted(needed))}
    kids = b" ".join(b"%d 0 R" % shift[page] for page in wanted)
    bodies = {_ROOT_PAGES: b"<</Type/Pages/Count %d/Kids[%b]>>" % (len(wanted), kids)}
    for old, new in shift.items():
        body = _body(pdf, table, old)
        if old in wanted:
            body = _renumbered(_PARENT.sub(b"", body), shift)
            bodies[new] = body.replace(b"/Type/Page", b"/Type/Page/Parent %d 0 R" % _ROOT_PAGES, 1)
        else:
            bodies[new] = _renumbered(body, shift)
    catalog = max(bodies) + 1
    return _document({**bodies, catalog: b"<</Type/Catalog/Pages %d 0 R>>" % _ROOT_PAGES}, catalog, None)


def blanked(pdf: bytes, pages: Iterable[int]) -> bytes:
    """The same document with these pages empty: all others keep their place, and nothing that only the empty ones used
    is left in it."""
    table, root, info = _contents(pdf)
    places = _places(pdf, table, root)
    gone = {places[page - 1] for page in pages if 0 < page <= len(places)}
    others = set().union(*(_reached(pdf, table, page) for page in places if page not in gone))
    unused = set().union(*(_reached(pdf, table, page) for page in gone)) - others
    bodies = {number: b"null" if number in unused else _body(pdf, table, number) for number in table}
    for page in gone:
        box = re.search(rb"/MediaBox\[[^\]]*\]", _body(pdf, table, page))
        parent = _number(_body(pdf, table, page), rb"/Parent (\d+) 0 R")
        bodies[page] = b"<</Type/Page/Resources<<>>%b/Parent %d 0 R>>" % (box[0] if box else b"", parent)
    return _document(bodies, root, info)


def _places(pdf: bytes, table: dict[int, tuple[int, int]], root: int) -> list[int]:
    """The objects of the pages, in the order in which they are read."""

    def below(number: int) -> Iterator[int]:
        body = _body(pdf, table, number)
        kids = re.search(rb"/Kids\[([^\]]*)\]", body)
        if kids is None:
            yield number
            return
        for kid in _REFERENCE.findall(kids[1]):
            yield from below(int(kid))

    return list(below(_number(_body(pdf, table, root), rb"/Pages (\d+) 0 R")))


def _reached(pdf: bytes, table: dict[int, tuple[int, int]], page: int) -> set[int]:
    """The page's object and all that it needs; not the tree above it."""
    found, waiting = {page}, [page]
    while waiting:
        head = _PARENT.sub(b"", _body(pdf, table, waiting.pop()).partition(b"\nstream")[0])
        new = {int(number) for number in _REFERENCE.findall(head)} - found
        found |= new
        waiting += new
    return found


def _document(bodies: dict[int, bytes], catalog: int, info: int | None) -> bytes:
    """A whole document of these objects, which are numbered without a gap."""
    parts, offsets, at = [b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"], {}, 15
    for number in sorted(bodies):
        offsets[number] = at
        parts.append(b"%d 0 obj\n%b\nendobj\n" % (number, bodies[number]))
        at += len(parts[-1])
    mark = hashlib.sha256(b"".join(parts)).hexdigest()[:32].encode()
    about = b"/Info %d 0 R" % info if info else b""
    parts.append(b"xref\n0 %d\n0000000000 65535 f \n" % (len(bodies) + 1))
    parts += [b"%010d 00000 n \n" % offsets[number] for number in range(1, len(bodies) + 1)]
    parts.append(
        b"trailer\n<</Size %d/Root %d 0 R%b/ID[<%b><%b>]>>\nstartxref\n%d\n%%%%EOF\n"
        % (len(bodies) + 1, catalog, about, mark, mark, at)
    )
    return b"".join(parts)


def _contents(pdf: bytes) -> tuple[dict[int, tuple[int, int]], int, int]:
    """Where each object begins and ends, and the numbers of the catalog and of the document information."""
    start = _START.search(pdf, max(0, len(pdf) - 64))
    if not start:
        raise BindingError("a batch of letters is no complete PDF: print it again")
    table_at = int(start[1])
    header = re.compile(rb"xref\s+0 (\d+)\s+").match(pdf, table_at)
    if not header:
        raise BindingError("a batch of letters has no plain cross-reference table: is this another version of Typst?")
    entries = pdf[header.end() : header.end() + 20 * int(header[1])]
    begins = {
        number: int(entries[20 * number : 20 * number + 10])
        for number in range(1, int(header[1]))
        if entries[20 * number + 17 : 20 * number + 18] == b"n"
    }
    ends = dict(zip(sorted(begins.values()), [*sorted(begins.values())[1:], table_at], strict=True))
    trailer = pdf[header.end() + len(entries) :]
    table = {number: (begin, ends[begin]) for number, begin in begins.items()}
    return table, _number(trailer, rb"/Root (\d+) 0 R"), _number(trailer, rb"/Info (\d+) 0 R")


def _body(pdf: bytes, table: dict[int, tuple[int, int]], number: int) -> bytes:
    begin, end = table[number]
    whole = pdf[begin:end]
    return whole[whole.index(b"obj") + 3 : whole.rindex(b"endobj")].strip(b"\n")


def _renumbered(body: bytes, shift: dict[int, int]) -> bytes:
    """References moved to their new numbers; what stands in a stream is left alone."""
    head, stream, rest = body.partition(b"\nstream")
    return _REFERENCE.sub(lambda found: b"%d 0 R" % shift[int(found[1])], head) + stream + rest


def _number(body: bytes, pattern: bytes) -> int:
    found = re.search(pattern, body)
    if not found:
        raise BindingError(f"a batch of letters lacks {pattern.decode()}: is this another version of Typst?")
    return int(found[1])
