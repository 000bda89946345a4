"""A shop's two colours as the schemes of its mails and pages, legible by day and by night whatever the shop chose.

Words reach 4.5 to 1 against what they stand on (WCAG 2.2, 1.4.3): a colour that does not is taken towards black or
white until it does. Colours are `#rrggbb`.
"""

from __future__ import annotations

LEAST_CONTRAST = 4.5
_BLACK, _WHITE, _NIGHT = "#000000", "#ffffff", "#1d1917"


def palettes(accent: str, ink: str) -> dict[str, dict[str, str]]:
    """Linen and paper by day (`colour`), warm near-black by night (`dark`). `accent` fills buttons and draws lines,
    `accent_ink` is the accent as words, `on_accent` the words on it."""
    page, card, tint = mix(accent, "#faf5ec", 0.05), _WHITE, mix(accent, "#fdf8ef", 0.04)
    light = {
        "accent": accent,
        "accent_ink": legible(accent, page, card, tint),
        "on_accent": next(one for one in (_WHITE, _NIGHT, _BLACK) if contrast(one, accent) >= LEAST_CONTRAST),
        "ink": legible(ink, page, card, tint),
        "page": page,
        "card": card,
        "tint": tint,
        "faint": legible(mix(ink, _WHITE, 0.72), page, card),
    }
    page, card, tint = "#171412", "#221e1b", mix(accent, "#221e1b", 0.14)
    bright = legible(mix(accent, "#ffe9d6", 0.42), page, card, tint)
    dark = {
        "accent": bright,
        "accent_ink": bright,
        "on_accent": card,
        "ink": "#efe7dc",
        "page": page,
        "card": card,
        "tint": tint,
        "faint": legible("#b3a89c", page, card),
    }
    return {"colour": light, "dark": dark}


def legible(colour: str, *grounds: str) -> str:
    """The colour, or the nearest of its shades that can be read on each of the grounds, which are all light or all
    dark."""
    towards = _BLACK if luminance(grounds[0]) > 0.18 else _WHITE
    shades = (mix(colour, towards, 1 - step / 32) for step in range(33))
    return next((one for one in shades if all(contrast(one, on) >= LEAST_CONTRAST for on in grounds)), towards)


def mix(one: str, other: str, share: float) -> str:
    """The colour between two, `share` of the first."""
    pairs = zip(bytes.fromhex(one[1:]), bytes.fromhex(other[1:]), strict=True)
    return "#" + "".join(f"{round(a * share + b * (1 - share)):02x}" for a, b in pairs)


def contrast(one: str, other: str) -> float:
    """From 1 (the same) to 21 (black on white), by WCAG 2.2."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    """Relative luminance, 0 to 1, by WCAG 2.2."""
    steps = [channel / 255 for channel in bytes.fromhex(colour[1:])]
    red, green, blue = (step / 12.92 if step <= 0.04045 else ((step + 0.055) / 1.055) ** 2.4 for step in steps)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
