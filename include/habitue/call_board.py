"""What supervisors see and move: lists, days, agents, outcomes, reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from habitue.house import House


@dataclass(frozen=True, slots=True)
class ListState:
    """A list. total = open + done + closed + not_reached + released. Of the open ones, `reserved` are in an agent's
    hands now and `callbacks` have an agreed moment; `closed`: may not be called any more, by `calling` or the ledger;
    `not_reached`: tried in vain until the list's end, or as often as the law allows; `released`: never tried."""

    run_id: str
    title: dict[str, str]
    opened_at: datetime
    expires_at: datetime
    total: int
    open: int
    reserved: int
    callbacks: int
    done: int
    closed: int
    not_reached: int
    released: int
    attempts: int
    reached: int
    unlawful: int
    """attempts off the desk that the law did not allow"""


@dataclass(frozen=True, slots=True)
class Day:
    """An agent's day, by the shop's clock. `capacity`: calls that an agent makes in a day (shop.yaml
    `calls.per_agent`)."""

    day: date
    agent: str
    capacity: int
    attempts: int
    reached: int
    outcomes: dict[str, int]


@dataclass(frozen=True, slots=True)
class Board:
    lists: tuple[ListState, ...]
    days: tuple[Day, ...]
    assigned: dict[str, int]
    """by agent, open lines that are theirs alone"""
    outcomes: dict[str, int]
    reasons: dict[str, int]
    """why customers left, as they told"""
    complaints_open: int
    complaints_late: int
    """their 24 hours are over"""


@dataclass(frozen=True, slots=True)
class Line:
    message_id: UUID
    run_id: str
    customer_id: str
    name: str
    rank: int
    status: str
    """calls.LineStatus: open, done, closed, not_reached, released"""
    reserved_by: str | None
    assigned_to: str | None
    not_before: datetime | None
    callback_at: datetime | None
    owner: str | None
    attempts: int
    disposition: str | None
    reason: str | None
    value_cents: int


def board(house: House, at: datetime, *, run_id: str | None = None, days: int = 14) -> Board:
    """How the lists stand: all that are open, or one; and the last so many days."""
    raise NotImplementedError


def lines(
    house: House,
    at: datetime,
    *,
    run_id: str,
    status: str | None = None,
    agent: str | None = None,
    most: int = 50,
    after: int = 0,
) -> tuple[list[Line], int]:
    """The lines of a list by rank, so many from the place `after` on; and how many there are. `agent`: assigned to or
    held by them, or theirs to call back."""
    raise NotImplementedError


def assign(house: House, lines: Sequence[UUID], to: str | None, *, at: datetime) -> int:
    """Gives open lines to one agent alone, or back to all (None); returns how many. What somebody holds just now
    stays with them until they let go."""
    raise NotImplementedError
