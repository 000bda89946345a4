"""What an envelope's window will show, measured on the finished PDF of every letter: PDFium reads where the ink is.

A letter passes when all ink of its address lies where the window always shows it, and no other ink where the window may
ever show it. That takes a tenth of the time that setting it took; drawing the zone and looking at its pixels takes as
long and can't tell whose ink it is.
"""

from __future__ import annotations

import ctypes
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from types import TracebackType
from typing import Any

from habitue.envelopes import Envelope, Zone

POINTS = 72 / 25.4
SLACK = 0.05
"""mm: what rounding may move."""


class Windows:
    """A finished PDF, page by page; pages count from 1. Leave it with `with`."""

    def __init__(self, pdf: bytes, envelope: Envelope) -> None:
        import pypdfium2.raw as pdfium

        self._pdfium: Any = pdfium
        self._pdf = pdf  # PDFium reads from it as long as the document is open
        self._document = pdfium.FPDF_LoadMemDocument64(pdf, len(pdf), None)
        self.pages: int = pdfium.FPDF_GetPageCount(self._document)
        self.envelope = envelope
        self._height = envelope.sheet[1]

    def __enter__(self) -> Windows:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pdfium.FPDF_CloseDocument(self._document)

    def is_blank(self, page: int) -> bool:
        """Whether the page is there and has no ink."""
        loaded = self._pdfium.FPDF_LoadPage(self._document, page - 1)
        try:
            return bool(loaded) and self._pdfium.FPDFPage_CountObjects(loaded) == 0
        finally:
            self._pdfium.FPDF_ClosePage(loaded)

    def problem(self, page: int, lines: Sequence[str], *, read: bool = False) -> str | None:
        """`address_outside_window`, `ink_in_window`, or None where all is well: `lines` are what the window must show,
        and all that it may. As many runs of text as lines are taken to be them, unless they are to be `read`, which
        takes as long again as the rest."""
        loaded = self._pdfium.FPDF_LoadPage(self._document, page - 1)
        try:
            seen = self._seen(loaded)
            if any(kind != self._pdfium.FPDF_PAGEOBJ_TEXT for kind, _ in seen):
                return "ink_in_window"
            inside = all(_around(self.envelope.safe).holds(zone) for _, zone in seen)
            if inside and not read and len(seen) == len(lines) and _one_below_another(zone for _, zone in seen):
                return None
            # More runs of text than lines: a name in two scripts, or something else.
            shown, wanted = Counter(self._text(loaded)), Counter(_bare(lines))
            if wanted - shown:
                return "address_outside_window"
            if shown - wanted:
                return "ink_in_window"
            return None if inside else "address_outside_window"
        finally:
            self._pdfium.FPDF_ClosePage(loaded)

    def shows(self, page: int, lines: Sequence[str]) -> bool:
        """Whether these words stand where the window may show them: whose letter begins here."""
        loaded = self._pdfium.FPDF_LoadPage(self._document, page - 1)
        try:
            return bool(loaded) and Counter(self._text(loaded)) == Counter(_bare(lines))
        finally:
            self._pdfium.FPDF_ClosePage(loaded)

    def _seen(self, loaded: Any) -> list[tuple[int, Zone]]:
        """What the window may show of the page's objects: kind, and bounds in mm from the top left corner."""
        pdfium, ever = self._pdfium, self.envelope.ever
        get, bounds = pdfium.FPDFPage_GetObject, pdfium.FPDFPageObj_GetBounds
        left, bottom, right, top = edges = tuple(ctypes.c_float() for _ in range(4))
        places = tuple(map(ctypes.byref, edges))
        lower, upper = (self._height - ever.bottom) * POINTS, (self._height - ever.top) * POINTS
        found = []
        for position in range(pdfium.FPDFPage_CountObjects(loaded)):
            thing = get(loaded, position)
            # Most of a page is not near the window, and a hundred thousand pages have millions of objects.
            if not bounds(thing, *places) or top.value <= lower or bottom.value >= upper:
                continue
            zone = Zone(
                left.value / POINTS,
                self._height - top.value / POINTS,
                right.value / POINTS,
                self._height - bottom.value / POINTS,
            )
            if zone.meets(ever):
                found.append((pdfium.FPDFPageObj_GetType(thing), zone))
        return found

    def _text(self, loaded: Any) -> str:
        pdfium, zone = self._pdfium, self.envelope.ever
        words = pdfium.FPDFText_LoadPage(loaded)
        try:
            corners = (
                zone.left * POINTS,
                (self._height - zone.top) * POINTS,
                zone.right * POINTS,
                (self._height - zone.bottom) * POINTS,
            )
            count = pdfium.FPDFText_GetBoundedText(words, *corners, None, 0)
            letters = (ctypes.c_ushort * max(count, 1))()
            pdfium.FPDFText_GetBoundedText(words, *corners, letters, count)
            return _bare([bytes(letters)[: 2 * count].decode("utf-16-le", "replace")])
        finally:
            pdfium.FPDFText_ClosePage(words)


def _around(zone: Zone) -> Zone:
    return Zone(zone.left - SLACK, zone.top - SLACK, zone.right + SLACK, zone.bottom + SLACK)


def _one_below_another(zones: Iterable[Zone]) -> bool:
    """Lines that do not run into each other: no two share most of their height."""
    ordered = sorted(zones, key=lambda zone: zone.bottom)
    return all(below.bottom - above.bottom > (below.bottom - below.top) / 2 for above, below in pairwise(ordered))


def _bare(lines: Sequence[str]) -> str:
    """The characters alone, without the spaces that a reader of PDFs guesses."""
    return "".join("".join(lines).replace("\0", "").replace("\u00ad", "").split())
