"""The figures of the customer base as a manager reads them in a minute: now, a year ago, and whether that is ordinary.

Made from what was told alone: no order is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection

from habitue import figures
from habitue.figures import FIGURES, Told
from habitue.kinds import Segment, Span
from habitue.ordinary import Judgement, judge
from habitue.periods import YEARS, quarter_before, years_before
from habitue.shop import Shop
from habitue.trends import FIVE, rule_of

CARDS = (
    ("attrition", Span.YEAR),
    ("basket", Span.YEAR),
    ("frequency", Span.YEAR),
    ("complaints", Span.QUARTER),
    ("slowing", Span.DAY),
)
"""What stands at the top, and of which span."""

JUDGED = ("attrition", "complaints")
"""Rates that are held against earlier years."""

YOUNG = 30
"""Days into a quarter before which the last whole one is shown: of a quarter just begun there is nothing to say yet."""

MOVES = 7
"""Movements that stand beside the picture."""

A_YEAR = 5
"""Points of a year of history: the day itself and the ends of the four quarters before it."""


@dataclass(frozen=True, slots=True)
class Card:
    """A figure now, and of the same period a year before; `judgement` where it is one that is judged."""

    name: str
    now: Told | None
    before: Told | None
    judgement: Judgement | None

    @property
    def rises(self) -> bool | None:
        """Whether it is higher than a year before; None where nothing can be said, or it is the same."""
        if self.now is None or self.before is None or self.now.amount is None or self.before.amount is None:
            return None
        return None if self.now.amount == self.before.amount else self.now.amount > self.before.amount

    @property
    def news(self) -> str:
        """`good`, `bad`, `even`, or `` where there is nothing to hold it against, or neither way is good."""
        better = FIGURES[self.name].better
        if self.rises is None:
            return "even" if self.now and self.before and self.now.amount == self.before.amount else ""
        return "" if better == "neither" else "good" if self.rises == (better == "up") else "bad"


@dataclass(frozen=True, slots=True)
class Group:
    """One of the five: who is in it, what they spend, what has changed since the last quarter's end."""

    name: str
    size: Told
    spend: Told
    change: int | None
    history: Sequence[Told]
    """a year of sizes, the oldest first"""


@dataclass(frozen=True, slots=True)
class Headlines:
    rule: str
    on: date
    """the snapshot's day"""
    since: date
    """a quarter's end before it: groups and movement are held against that day"""
    until: date
    """the last day of the movement: the snapshot's, or the end of the last whole quarter"""
    cards: Sequence[Card]
    groups: Sequence[Group]
    movement: Sequence[Told]
    restated: int
    """figures of the last two years that were told otherwise at first"""

    @property
    def moves(self) -> list[Told]:
        """The largest movements from one group to another, new customers among them."""
        moved = [one for one in self.movement if one.part != one.other and one.value]
        return sorted(moved, key=lambda one: -one.value)[:MOVES]

    @property
    def alerts(self) -> list[Card]:
        return [card for card in self.cards if card.judgement and card.judgement.alert]


def headlines(connection: Connection, shop: Shop, *, on: date | None = None) -> Headlines | None:
    """As they stood on a day that figures are told of, a quarter's end (default: the last snapshot's day). None:
    nothing is told yet under the shop's rules."""
    rule, _ = rule_of(shop.segments)
    last = figures.last_day(connection, rule)
    if last is None:
        return None
    on = on or last
    until = on if (on - quarter_before(on)).days >= YOUNG else quarter_before(on)
    since = quarter_before(until)
    ends = [on]
    while len(ends) < A_YEAR:
        ends.append(quarter_before(ends[-1]))
    days = {*ends, *(years_before(day, years) for day in (on, until) for years in range(YEARS + 1))}
    names = ["size", "spend", "movement", *(name for name, _ in CARDS)]
    found = figures.told(connection, rule, names, ends=sorted(days))
    return Headlines(
        rule=rule,
        on=on,
        since=since,
        until=until,
        cards=[_card(found, name, span, until if span is Span.QUARTER else on) for name, span in CARDS],
        groups=[group for name in FIVE if (group := _group(found, name, ends, since))],
        movement=[one for one in found if (one.name, one.span, one.ends) == ("movement", Span.QUARTER, until)],
        restated=sum(one.restated for one in found),
    )


def kept(found: Headlines | None) -> dict[str, Any] | None:
    """The cards as summary.json keeps them, for the run card; None where nothing is told."""
    if found is None:
        return None
    shown = [card.now for card in found.cards if card.now]
    numbers = ("value", "of", "first_value", "first_of")
    return {
        "rule": found.rule,
        "on": found.on.isoformat(),
        "figures": [
            {"name": one.name, "span": one.span, "ends": one.ends.isoformat(), "snapshot": one.snapshot_id}
            | {number: getattr(one, number) for number in numbers}
            for one in shown
        ],
    }


def _card(found: Sequence[Told], name: str, span: Span, on: date) -> Card:
    whole = {one.ends: one for one in found if (one.name, one.span, one.part) == (name, span, "")}
    now = whole.get(on)
    return Card(name, now, whole.get(years_before(on, 1)), judged(now, whole.values()) if now else None)


def judged(now: Told, found: Iterable[Told]) -> Judgement | None:
    """The rate against those of the same period of earlier years; None of a figure that isn't judged."""
    if now.name not in JUDGED or now.span == Span.DAY:
        return None
    known = {one.ends: one for one in found if (one.name, one.span) == (now.name, now.span)}
    past = [known.get(years_before(now.ends, years)) for years in range(1, YEARS + 1)]
    return judge((now.value, now.of), [(one.value, one.of) for one in past if one])


def _group(found: Sequence[Told], name: str, ends: Sequence[date], since: date) -> Group | None:
    sizes = {one.ends: one for one in found if (one.name, one.part) == ("size", name)}
    spend = next((one for one in found if (one.name, one.part, one.ends) == ("spend", name, ends[0])), None)
    if ends[0] not in sizes or spend is None:
        return None
    before = sizes.get(since)
    history = [sizes[day] for day in reversed(ends) if day in sizes]
    change = sizes[ends[0]].value - before.value if before else None
    return Group(Segment(name), sizes[ends[0]], spend, change, history)
