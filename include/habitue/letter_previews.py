"""Letters to look at before any is printed: for screens, as a picture, and with the envelope laid over it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from habitue.letters import FONTS, Letter, Press
from habitue.senders import replace_file
from habitue.settings import INCLUDE

OVERLAY = INCLUDE / "templates" / "letters" / "window.typ"


@dataclass(frozen=True, slots=True)
class LetterPreview:
    """The files of one letter."""

    pdf: Path
    """all pages, tagged for screen readers (PDF/UA-1), without the printer's marks"""
    png: Path
    """the first page as it is printed"""
    window: Path
    """the first page with the envelope over it, what its window always shows dashed"""


def preview_letter(press: Press, letter: Letter, stem: Path, *, ppi: int = 110) -> LetterPreview:
    """Writes `<stem>.pdf`, `.png` and `.window.png`. Unprintable where the letter can't be set."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    found = LetterPreview(*(stem.with_name(f"{stem.name}{ending}") for ending in (".pdf", ".png", ".window.png")))
    replace_file(found.pdf, press.proof(letter))
    replace_file(found.png, press.picture(letter, ppi=ppi))
    replace_file(found.window, in_its_envelope(press, letter, ppi=ppi))
    return found


def in_its_envelope(press: Press, letter: Letter, *, ppi: int = 110) -> bytes:
    """The first page, as PNG, with the envelope over it."""
    import typst

    envelope = press.envelope
    sideways, down = envelope.slide
    left, top = -sideways / 2, -envelope.drop - down / 2
    window = (left + envelope.window_left, top + envelope.window_top)
    profile = {
        "width": envelope.sheet[0],
        "height": envelope.sheet[1],
        "envelope": (left, top, left + envelope.size[0], top + envelope.size[1]),
        "window": (*window, window[0] + envelope.window.width, window[1] + envelope.window.height),
        "safe": envelope.safe,
        "name": press.shop.letterhead.envelope,
    }
    compiler = typst.Compiler(
        str(OVERLAY),
        root=str(INCLUDE),
        font_paths=typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(FONTS)]),
    )
    words = {"sheet": press.drawing(letter), "profile": json.dumps(profile)}
    picture: Any = compiler.compile(sys_inputs=words, format="png", ppi=ppi)
    return bytes(picture)
