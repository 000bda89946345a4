"""Envelopes: which part of a folded sheet a window shows, always and at one time or another. All in mm.

A sheet slides in its envelope, sideways by S and up and down by T:

    S = envelope width - sheet width          T = envelope height - height of the folded sheet

Seen from the sheet's top left corner, a window at L from the envelope's left edge and `top` from its upper edge shows

    always (safe)   x from L to L + w - S        y from top - D to top - D + h - T
    ever            x from L - S to L + w        y from top - D - T to top - D + h

D is by how much the first panel is lower than the folded sheet: 0 but for DIN 5008 form A, whose panel of 87 mm lies at
the bottom of 105. Figures of windows: DIN 680, DIN 5008, SN 010130; French ones as envelope makers list them.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Literal, NamedTuple, Self

from pydantic import Field, model_validator

from habitue.settings import INCLUDE, Strict, read_yaml, validate

SHIPPED = INCLUDE / "templates" / "letters" / "envelopes.yaml"

PAPERS = {"a4": (210.0, 297.0), "us_letter": (215.9, 279.4)}

MARK = 5.0
"""A fold mark's length, from MARK_X on: outside every window, inside what a laser prints."""
MARK_X = 3.5

LETTERHEAD = 17.0
"""What a letterhead needs above the zone that a window may show."""


class Zone(NamedTuple):
    """A rectangle on the sheet, from its top left corner."""

    left: float
    top: float
    right: float
    bottom: float

    def holds(self, other: Zone) -> bool:
        return (
            self.left <= other.left
            and self.top <= other.top
            and other.right <= self.right
            and other.bottom <= self.bottom
        )

    def meets(self, other: Zone) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


class Window(Strict):
    """`left` or `right`: to the envelope's edge on that side; `bottom`: to its lower edge."""

    width: float = Field(gt=0)
    height: float = Field(gt=0)
    left: float | None = Field(None, ge=0)
    right: float | None = Field(None, ge=0)
    bottom: float = Field(ge=0)

    @model_validator(mode="after")
    def _on_one_side(self) -> Self:
        if (self.left is None) == (self.right is None):
            raise ValueError("say left or right, the distance to that edge of the envelope, and not both")
        return self


class AddressField(Strict):
    """Where the address stands on the sheet."""

    x: float
    y: float
    width: float = Field(gt=0)
    height: float = Field(gt=0)

    @property
    def zone(self) -> Zone:
        return Zone(self.x, self.y, self.x + self.width, self.y + self.height)


class Envelope(Strict):
    """An envelope with a window, and how a letter is laid out for it."""

    paper: Literal["a4", "us_letter"] = "a4"
    size: tuple[float, float]
    window: Window
    folds: list[float] = Field(min_length=1, max_length=3)
    punch: float | None = None
    address: AddressField
    date: tuple[float, float] | None = None
    return_line: float | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.folds != sorted(set(self.folds)) or not self.folds[0] > 0 or self.folds[-1] >= self.sheet[1]:
            raise ValueError("folds: from the sheet's top, ascending, within the sheet")
        if self.slide[0] < 0 or self.slide[1] < 0:
            raise ValueError("the folded sheet is larger than the envelope: mend size or folds")
        if self.window_left < 0 or self.window_top < 0:
            raise ValueError("the window is not inside the envelope: mend size or window")
        if not self.safe.holds(self.address.zone):
            raise ValueError(f"address: must lie where the window always shows it, {_said(self.safe)}")
        if self.return_line is not None and not self.safe.top <= self.return_line <= self.address.y - 4:
            raise ValueError("return_line: in what the window always shows, 4 mm or more above the address")
        if self.ever.top < LETTERHEAD + 5:
            raise ValueError(f"the window may show the sheet from {self.ever.top:g} mm on: no room for a letterhead")
        return self

    @property
    def sheet(self) -> tuple[float, float]:
        return PAPERS[self.paper]

    @property
    def panels(self) -> list[float]:
        """The heights that the folds make, from the top."""
        edges = [0.0, *self.folds, self.sheet[1]]
        return [below - above for above, below in pairwise(edges)]

    @property
    def slide(self) -> tuple[float, float]:
        """How far the folded sheet can move in the envelope."""
        return self.size[0] - self.sheet[0], self.size[1] - max(self.panels)

    @property
    def window_left(self) -> float:
        if self.window.left is not None:
            return self.window.left
        return self.size[0] - self.window.width - (self.window.right or 0)

    @property
    def window_top(self) -> float:
        return self.size[1] - self.window.bottom - self.window.height

    @property
    def drop(self) -> float:
        """How far below the folded sheet's upper edge the first panel begins."""
        return max(self.panels) - self.panels[0]

    @property
    def safe(self) -> Zone:
        """What the window shows wherever the sheet lies."""
        left, top = self.window_left, self.window_top - self.drop
        sideways, down = self.slide
        return Zone(left, top, left + self.window.width - sideways, top + self.window.height - down)

    @property
    def ever(self) -> Zone:
        """What the window shows where the sheet lies badly."""
        left, top = self.window_left, self.window_top - self.drop
        sideways, down = self.slide
        return Zone(left - sideways, top - down, left + self.window.width, top + self.window.height)

    @property
    def addressed(self) -> Zone:
        """Where ink of the address, and the sender's line above it, may stand."""
        x, y, right, bottom = self.address.zone
        return Zone(x, y if self.return_line is None else self.return_line, right, bottom)

    def layout(self) -> dict[str, object]:
        """What the layout must know, in mm."""
        width, height = self.sheet
        return {
            "width": width,
            "height": height,
            "marks": [*self.folds, *([self.punch] if self.punch else [])],
            "head": min(12.0, self.ever.top - LETTERHEAD),
            "address": self.address.model_dump(),
            "date": self.date,
            "return_line": self.return_line,
            "body": max(self.ever.bottom + 3, 60.0),
        }


class _Shipped(Strict):
    envelopes: dict[str, Envelope]


@cache
def shipped() -> dict[str, Envelope]:
    """The envelopes that come with the project, by name."""
    return validate(SHIPPED, _Shipped, {"envelopes": read_yaml(SHIPPED)}).envelopes


def _said(zone: Zone) -> str:
    return f"x {zone.left:g} to {zone.right:g}, y {zone.top:g} to {zone.bottom:g}"
