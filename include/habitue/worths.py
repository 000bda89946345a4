"""What customers may bring, as the last snapshot's fit (`lifetime`) has it: by group, and who is cooling down.

A warning, and the order of win-back calls: no probability ever moves anybody from group to group, and whoever bought
once has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Engine

from habitue.statements import statement

BELOW = 0.5
"""A regular customer less likely than this to be one still is worth a warning."""


@dataclass(frozen=True, slots=True)
class Worth:
    """A group."""

    segment: str
    customers: int
    valued: int
    """of whom the model says anything"""
    judged: int
    """of whom it says how likely they still are customers: those who came again"""
    alive: float
    """the mean of these probabilities"""
    worth_cents: int
    """what the next year may bring"""
    won_back_cents: int
    """what a year would bring beyond that, if all came back"""
    cooling: int
    """regular customers who have probably left"""


@dataclass(frozen=True, slots=True)
class Cooling:
    customer_id: str
    segment: str
    alive: float
    worth_cents: int
    last_day: date


def summary(engine: Engine, *, below: float = BELOW) -> list[Worth]:
    """By group; without a fit all but `customers` is 0."""
    with engine.connect() as connection:
        return [Worth(*row) for row in connection.execute(statement("lifetime/summary"), {"below": below})]


def cooling(engine: Engine, *, below: float = BELOW, most: int = 200) -> list[Cooling]:
    """Regular customers who have probably left or are about to; best customers first."""
    with engine.connect() as connection:
        asked = {"below": below, "most": most}
        return [Cooling(*row) for row in connection.execute(statement("lifetime/cooling"), asked)]
