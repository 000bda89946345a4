"""Binding: the batches of one shard joined into one PDF, page by page as they come, in flat memory; and taken apart
again, for who asks what is held on them or wants it gone.

It joins what Typst writes and no other PDF: plain objects, a plain cross-reference table, no object streams. Each
batch keeps its page tree below a common root, and its tags as a part of one document; its document information goes,
the first batch's is kept, and with it the PDF/A-2b marks. The same batches make the same bytes.

Tags (ISO 32000-1, 14.7) hang together twice: elements name their pages, and a page has a number (`StructParents`) under
which the parent tree lists the elements of what stands on it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from io import BufferedWriter
from pathlib import Path
from types import TracebackType

from habitue.errors import HabitueError

_REFERENCE = re.compile(rb"(?<![\d.])(\d+) 0 R\b")
_MISLEADING = re.compile(rb"\([^)]* 0 (?:R|obj)\b")
_PARENT = re.compile(rb"/Parent \d+ 0 R|/StructParents \d+")
_BELOW = re.compile(rb"/K\[([^\]]*)\]")
_PLACE = re.compile(rb"/StructParents (\d+)")
_PAIR = re.compile(rb"(\d+) (\d+) 0 R")
_TAGS = re.compile(
    rb"<</Type/StructTreeRoot(/RoleMap<<[^<>]*>>)/K\[(\d+) 0 R\]/ParentTree<</Nums\[([\d R]*)\]>>"
    rb"/ParentTreeNextKey (\d+)>>"
)
_LEAVES = re.compile(rb"/ParentTree<</Kids\[([\d R]*)\]>>")
_START = re.compile(rb"startxref\s+(\d+)\s+%%EOF\s*$")
_ROOT_PAGES, _ROOT_TAGS, _DOCUMENT = 1, 2, 3


class BindingError(HabitueError):
    """A batch is not the plain PDF that Typst writes."""


class Binder:
    """Writes to a file beside `path`, which takes its place when the binder is left without an error."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pages = 0
        self._partial = path.with_name(f".{path.name}.{os.getpid()}")
        self._offsets: dict[int, int] = {}
        self._next = _DOCUMENT + 1
        self._trees: list[int] = []
        self._parts: list[int] = []
        self._leaves: list[int] = []
        self._places = 0
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
        tagged = _number(catalog, rb"/StructTreeRoot (\d+) 0 R")
        tags = _TAGS.fullmatch(_body(pdf, table, tagged))
        if tags is None:
            raise BindingError("a batch of letters has other tags than we know: is this another version of Typst?")
        roles, part = tags[1], int(tags[2])
        first = not self._trees
        left_out = {root, tagged} if first else {root, tagged, info, metadata}
        shift = {old: self._next + position for position, old in enumerate(sorted(set(table) - left_out))}
        self._next += len(shift)
        if first:
            self._catalog = _renumbered(catalog, shift | {tree: _ROOT_PAGES, tagged: _ROOT_TAGS})
            self._info = shift[info]
            self._roles = roles
        elif roles != self._roles:
            raise BindingError("two batches of letters name their tags differently: print both again")
        names = _names(shift | {tagged: _DOCUMENT})
        special = {
            tree: (b"/Type/Pages", b"/Type/Pages/Parent %d 0 R" % _ROOT_PAGES),
            part: (b"/S/Document", b"/S/Part"),
        }
        for numbers in _runs(pdf, table, left_out, special):
            begin, end = table[numbers[0]][0], table[numbers[-1]][1]
            head, stream, rest = pdf[begin:end].partition(b"\nstream")
            if numbers[0] in special:
                head = head.replace(*special[numbers[0]], 1)
            self._objects(_moved(head, names, self._places), names)
            self._write(stream + rest)
        self._trees.append(shift[tree])
        self._parts.append(shift[part])
        self._leaf(_PAIR.findall(tags[3]), shift)
        self._places += int(tags[4])
        count = _number(_body(pdf, table, tree), rb"/Count (\d+)")
        self.pages += count
        return count

    def _leaf(self, pairs: list[tuple[bytes, bytes]], shift: dict[int, int]) -> None:
        """A batch's part of the parent tree."""
        places = [(self._places + int(place), shift[int(elements)]) for place, elements in pairs]
        self._object(self._next, _leaf(places))
        self._leaves.append(self._next)
        self._next += 1

    def _finish(self) -> None:
        self._object(_ROOT_PAGES, b"<</Type/Pages/Count %d/Kids[%b]>>" % (self.pages, _references(self._trees)))
        self._object(
            _ROOT_TAGS,
            b"<</Type/StructTreeRoot%b/K[%d 0 R]/ParentTree<</Kids[%b]>>/ParentTreeNextKey %d>>"
            % (self._roles, _DOCUMENT, _references(self._leaves), self._places),
        )
        self._object(
            _DOCUMENT,
            b"<</Type/StructElem/S/Document/P %d 0 R/K[%b]>>" % (_ROOT_TAGS, _references(self._parts)),
        )
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

    def _objects(self, head: bytes, names: Mapping[bytes, bytes]) -> None:
        """Objects as they stand in a batch, under their new numbers."""
        at = self._file.tell()
        pieces = head.split(b" 0 obj")
        for place, piece in enumerate(pieces[:-1]):
            begin = piece.rfind(b"\n") + 1
            number = names[piece[begin:]]
            self._offsets[int(number)] = at + begin
            pieces[place] = piece[:begin] + number
            at += len(pieces[place]) + len(b" 0 obj")
        self._write(b" 0 obj".join(pieces))

    def _object(self, number: int, body: bytes) -> None:
        self._offsets[number] = self._file.tell()
        self._write(b"%d 0 obj\n%b\nendobj\n" % (number, body))

    def _write(self, content: bytes) -> None:
        self._digest.update(content)
        self._file.write(content)


def extracted(pdf: bytes, pages: Iterable[int]) -> bytes:
    """A document of these pages alone, in their order, with their tags where whole letters are taken; they count from
    1. Those that aren't there are passed over."""
    table, root, _ = _contents(pdf)
    places = _places(pdf, table, root)
    wanted = [places[page - 1] for page in sorted(set(pages)) if 0 < page <= len(places)]
    needed = set().union(*(_reached(pdf, table, page) for page in wanted))
    tags = _Tags.of(pdf, table, root)
    tops = list(dict.fromkeys(top for page in wanted for top in tags.tops(page))) if tags else []
    elements = tags.below(tops) if tags else {}
    lists: list[tuple[int, int]] = []
    if tags and elements and all(_pages_of(body) <= set(wanted) for body in elements.values()):
        lists = [(page, place[1]) for page in wanted if (place := tags.place(page))]
        needed |= elements.keys() | {elements for _, elements in lists}
    shift = {old: _DOCUMENT + 1 + position for position, old in enumerate(sorted(needed))}
    numbers = {page: b"/StructParents %d" % place for place, (page, _) in enumerate(lists)}
    bodies = {_ROOT_TAGS: b"null", _DOCUMENT: b"null"}
    about = b""
    if tags and lists:
        shift |= dict.fromkeys(tags.parts, _DOCUMENT)
        leaf = b" ".join(b"%d %d 0 R" % (place, shift[elements]) for place, (_, elements) in enumerate(lists))
        above = b"%b/K[%d 0 R]/ParentTree<</Nums[%b]>>/ParentTreeNextKey %d" % (tags.roles, _DOCUMENT, leaf, len(lists))
        below = _references(shift[top] for top in tops)
        bodies[_ROOT_TAGS] = b"<</Type/StructTreeRoot%b>>" % above
        bodies[_DOCUMENT] = b"<</Type/StructElem/S/Document/P %d 0 R/K[%b]>>" % (_ROOT_TAGS, below)
        language = re.search(rb"/Lang\([A-Za-z-]+\)", _body(pdf, table, root))
        about = language[0] if language else b""
        about += b"/StructTreeRoot %d 0 R/MarkInfo<</Marked true/Suspects false>>" % _ROOT_TAGS
    kids = _references(shift[page] for page in wanted)
    bodies[_ROOT_PAGES] = b"<</Type/Pages/Count %d/Kids[%b]>>" % (len(wanted), kids)
    for old in sorted(needed):
        body = _body(pdf, table, old)
        if old in wanted:
            mark = b"/Type/Page/Parent %d 0 R%b" % (_ROOT_PAGES, numbers.get(old, b""))
            body = _renumbered(_PARENT.sub(b"", body), shift).replace(b"/Type/Page", mark, 1)
        else:
            body = _renumbered(body, shift)
        bodies[shift[old]] = body
    catalog = max(bodies) + 1
    bodies[catalog] = b"<</Type/Catalog/Pages %d 0 R%b>>" % (_ROOT_PAGES, about)
    return _document(bodies, catalog, None)


def blanked(pdf: bytes, pages: Iterable[int]) -> bytes:
    """The same document with these pages empty: all others keep their place, and nothing that only the empty ones used
    is left in it, nor any tag of theirs."""
    table, root, info = _contents(pdf)
    places = _places(pdf, table, root)
    gone = {places[page - 1] for page in pages if 0 < page <= len(places)}
    others = set().union(*(_reached(pdf, table, page) for page in places if page not in gone))
    unused = set().union(*(_reached(pdf, table, page) for page in gone)) - others
    bodies = {number: b"null" if number in unused else _body(pdf, table, number) for number in table}
    if tags := _Tags.of(pdf, table, root):
        tops = {top for page in gone for top in tags.tops(page)}
        bodies |= dict.fromkeys(tags.below(tops), b"null")
        bodies |= {place[1]: b"[]" for page in gone if (place := tags.place(page))}
        for part in tags.parts:
            kept = [kid for kid in tags.kids(part) if kid not in tops]
            bodies[part] = _BELOW.sub(b"/K[%b]" % _references(kept), bodies[part], count=1)
    for page in gone:
        box = re.search(rb"/MediaBox\[[^\]]*\]", _body(pdf, table, page))
        parent = _number(_body(pdf, table, page), rb"/Parent (\d+) 0 R")
        bodies[page] = b"<</Type/Page/Resources<<>>%b/Parent %d 0 R>>" % (box[0] if box else b"", parent)
    return _document(bodies, root, info)


class _Tags:
    """The tags of a bound document: parts below one document element, and lists of the elements of each page."""

    def __init__(self, pdf: bytes, table: dict[int, tuple[int, int]], tagged: int) -> None:
        self._pdf, self._table = pdf, table
        body = _body(pdf, table, tagged)
        leaves, roles = _LEAVES.search(body), re.search(rb"/RoleMap<<[^<>]*>>", body)
        if leaves is None:
            raise BindingError("this PDF has other tags than our lots: make the lot again")
        self.roles = roles[0] if roles else b""
        self.parts = [part for document in self.kids(tagged) for part in self.kids(document)]
        self._lists: dict[int, int] = {}
        for leaf in _REFERENCE.findall(leaves[1]):
            pairs = _body(pdf, table, int(leaf)).partition(b"/Nums[")[2]
            self._lists |= {int(place): int(elements) for place, elements in _PAIR.findall(pairs)}

    @classmethod
    def of(cls, pdf: bytes, table: dict[int, tuple[int, int]], root: int) -> _Tags | None:
        """None where it has none: a lot that was made before letters had tags."""
        found = re.search(rb"/StructTreeRoot (\d+) 0 R", _body(pdf, table, root))
        return cls(pdf, table, int(found[1])) if found else None

    def kids(self, element: int) -> list[int]:
        found = _BELOW.search(_body(self._pdf, self._table, element))
        return [int(kid) for kid in _REFERENCE.findall(found[1])] if found else []

    def place(self, page: int) -> tuple[int, int] | None:
        """The page's number, and the list of what stands on it; None for a blank one."""
        found = _PLACE.search(_body(self._pdf, self._table, page))
        return (int(found[1]), self._lists[int(found[1])]) if found else None

    def tops(self, page: int) -> list[int]:
        """The elements right below a part that have something on this page, in the order in which they are read."""
        if (place := self.place(page)) is None:
            return []
        tops: dict[int, None] = {}
        for found in dict.fromkeys(_REFERENCE.findall(_body(self._pdf, self._table, place[1]))):
            element = int(found)
            while (above := _number(_body(self._pdf, self._table, element), rb"/P (\d+) 0 R")) not in self.parts:
                element = above
            tops[element] = None
        return list(tops)

    def below(self, tops: Iterable[int]) -> dict[int, bytes]:
        """These elements and all below them, with their bodies."""
        found: dict[int, bytes] = {}
        waiting = list(tops)
        while waiting:
            element = waiting.pop()
            body = found[element] = _body(self._pdf, self._table, element)
            pages = _pages_of(body)
            waiting += [kid for kid in self.kids(element) if kid not in pages]
        return found


def _pages_of(element: bytes) -> set[int]:
    return {int(page) for page in re.findall(rb"/Pg (\d+) 0 R", element)}


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


def _renumbered(body: bytes, shift: Mapping[int, int]) -> bytes:
    """References moved to their new numbers; what stands in a stream is left alone."""
    head, stream, rest = body.partition(b"\nstream")
    return _moved(head, _names(shift), 0) + stream + rest


class _Names(dict[bytes, bytes]):
    """Numbers as they are written, old and new."""

    def __missing__(self, number: bytes) -> bytes:
        raise BindingError("a batch of letters refers to an object that it hasn't: print it again")


def _names(shift: Mapping[int, int]) -> _Names:
    return _Names((b"%d" % old, b"%d" % new) for old, new in shift.items())


def _moved(head: bytes, names: Mapping[bytes, bytes], places: int) -> bytes:
    """References moved, and the pages' places in the parent tree, which begin at `places`. Split rather than searched:
    a batch has 20,000 references, and this takes a third of the time."""
    if _MISLEADING.search(head):
        raise BindingError("shop.yaml: name or letterhead.signatory reads like a PDF's reference (5 0 R): change it")
    pieces = head.split(b" 0 R")
    for place, piece in enumerate(pieces[:-1]):
        begin = piece.rfind(b" ") + 1
        if piece[begin:] not in names:
            begin = piece.rfind(b"[") + 1
        pieces[place] = piece[:begin] + names[piece[begin:]]
    moved = b" 0 R".join(pieces)
    return _PLACE.sub(lambda found: b"/StructParents %d" % (int(found[1]) + places), moved) if places else moved


def _runs(
    pdf: bytes, table: dict[int, tuple[int, int]], left_out: Collection[int], alone: Collection[int]
) -> Iterator[list[int]]:
    """The objects as they stand in the file, in runs that can be renumbered at one go; those with a stream, and those
    that stand `alone`, each by itself."""
    run: list[int] = []
    for number, (begin, end) in sorted(table.items(), key=lambda entry: entry[1]):
        apart = number in left_out or number in alone or pdf.find(b"\nstream", begin, end) >= 0
        if apart and run:
            yield run
            run = []
        if not apart:
            run.append(number)
        elif number not in left_out:
            yield [number]
    if run:
        yield run


def _leaf(places: Sequence[tuple[int, int]]) -> bytes:
    pairs = b" ".join(b"%d %d 0 R" % pair for pair in places)
    return b"<</Limits[%d %d]/Nums[%b]>>" % (places[0][0], places[-1][0], pairs)


def _references(numbers: Iterable[int]) -> bytes:
    return b" ".join(b"%d 0 R" % number for number in numbers)


def _number(body: bytes, pattern: bytes) -> int:
    found = re.search(pattern, body)
    if not found:
        raise BindingError(f"a batch of letters lacks {pattern.decode()}: is this another version of Typst?")
    return int(found[1])
