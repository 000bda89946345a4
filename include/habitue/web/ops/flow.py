"""Movement as a picture: two columns of groups, before and after, and bands between them as wide as the customers who
went that way. Plain SVG; who stayed is pale, so that who moved is seen. The numbers stand in the table beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup, escape

WIDTH, HEIGHT = 800, 430
LEFT, RIGHT, NODE = 236, 560, 12
LEAST = 34
"""Room for a group's two lines of words, however few are in it."""

Flows = Mapping[tuple[str, str], int]


def flow(
    flows: Flows,
    *,
    before: Sequence[str],
    after: Sequence[str],
    say: Callable[[str], str],
    count: Callable[[int], str],
    shades: Mapping[str, str],
    title: str,
    description: str,
) -> Markup:
    """`flows`: customers by (from, to); `before` and `after`: the groups of each side, from the top."""
    lefts = [name for name in before if any(flows.get((name, to), 0) for to in after)]
    totals = {name: sum(flows.get((name, to), 0) for to in after) for name in lefts}
    ends = {name: sum(flows.get((one, name), 0) for one in lefts) for name in after}
    scale = min(_scale(list(totals.values())), _scale(list(ends.values())))
    left, right = _places(totals, scale), _places(ends, scale)
    bands, leaving, arriving = [], dict(left), dict(right)
    for name in lefts:
        for to in after:
            number = flows.get((name, to), 0)
            if not number:
                continue
            thick = number * scale
            says = f"{say(name)} → {say(to)}: {count(number)}"
            bands.append((name == to, _band(leaving[name], arriving[to], thick, shades[name], name == to, says)))
            leaving[name] += thick
            arriving[to] += thick
    drawn = [band for stays, band in sorted(bands, key=lambda one: not one[0])]
    for name, top in left.items():
        drawn.append(_node(LEFT - NODE, top, totals[name] * scale, shades[name]))
        drawn.append(_words(LEFT - NODE - 10, top + totals[name] * scale / 2, say(name), count(totals[name]), "end"))
    for name, top in right.items():
        drawn.append(_node(RIGHT, top, ends[name] * scale, shades[name]))
        change = ends[name] - totals.get(name, 0)
        signed = ("+" if change > 0 else "−" if change < 0 else "±") + count(abs(change))
        words = f"{count(ends[name])} ({signed})"
        drawn.append(_words(RIGHT + NODE + 10, top + ends[name] * scale / 2, say(name), words, "start"))
    return Markup(  # noqa: S704 - what is not ours is escaped
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img" aria-label="{escape(title)}" font-size="13"><title>{escape(title)}</title>'
        f"<desc>{escape(description)}</desc>{''.join(drawn)}</svg>"
    )


def _scale(totals: Sequence[int]) -> float:
    """Pixels a customer, so that the column fits with room for each group's words."""
    room, rest = float(HEIGHT), sorted(totals)
    while rest and sum(rest):
        scale = (room - 8 * len(rest)) / sum(rest)
        if rest[0] * scale + 8 >= LEAST:
            return scale
        room -= LEAST
        rest = rest[1:]
    return 0.0


def _places(totals: Mapping[str, int], scale: float) -> dict[str, float]:
    """The top of each group's bar: in the middle of its room."""
    slots = {name: max(LEAST, number * scale + 8) for name, number in totals.items()}
    top, found = (HEIGHT - sum(slots.values())) / 2, {}
    for name, slot in slots.items():
        found[name] = top + (slot - totals[name] * scale) / 2
        top += slot
    return found


def _band(start: float, end: float, thick: float, colour: str, stays: bool, says: str) -> str:
    middle = f"{(LEFT + RIGHT) / 2:.0f}"
    upper = f"M{LEFT},{start:.1f} C{middle},{start:.1f} {middle},{end:.1f} {RIGHT},{end:.1f}"
    start, end = start + thick, end + thick
    lower = f"V{end:.1f} C{middle},{end:.1f} {middle},{start:.1f} {LEFT},{start:.1f} Z"
    opacity = ".16" if stays else ".72"
    return f'<path d="{upper} {lower}" fill="{colour}" opacity="{opacity}"><title>{escape(says)}</title></path>'


def _node(x: float, y: float, height: float, colour: str) -> str:
    return f'<rect x="{x}" y="{y:.1f}" width="{NODE}" height="{max(1.5, height):.1f}" rx="2" fill="{colour}"/>'


def _words(x: float, y: float, name: str, number: str, anchor: str) -> str:
    look = f'x="{x}" text-anchor="{anchor}" fill="currentColor"'
    return (
        f'<text {look} y="{y - 3:.1f}" font-weight="600">{escape(name)}</text>'
        f'<text {look} y="{y + 13:.1f}">{escape(number)}</text>'
    )


def spark(values: Sequence[int], *, says: str) -> Markup:
    """A line of a few values, from nought on, with its last one marked; what they are stands beside it."""
    most = max([*values, 1])
    step = 92 / max(1, len(values) - 1)
    points = [(4 + place * step, 26 - 22 * value / most) for place, value in enumerate(values)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    x, y = points[-1] if points else (4, 26)
    return Markup(  # noqa: S704 - what is not ours is escaped
        f'<svg class="spark" viewBox="0 0 100 30" width="100" height="30" role="img" aria-label="{escape(says)}">'
        f'<line x1="4" x2="96" y1="26.5" y2="26.5" stroke="currentColor" opacity=".25"/>'
        f'<polyline points="{line}" fill="none" stroke="currentColor" stroke-width="2" stroke-linejoin="round"/>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="currentColor"/></svg>'
    )
