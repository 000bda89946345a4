"""What supervisors see and move: lists, days, agents, outcomes, reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import groupby
from uuid import UUID

from sqlalchemy import update

from habitue.call_endings import REACHED
from habitue.house import House
from habitue.salutations import name
from habitue.statements import statement
from habitue.tables import LineStatus, call_line


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
    closed_by: str | None
    """the rule that closed it"""
    reason: str | None
    """why the customer left, as they told it"""
    value_cents: int


def board(house: House, at: datetime, *, run_id: str | None = None, days: int = 14) -> Board:
    """How the lists stand: one, or all that are open or ended within the last so many days; and what was done in
    these."""
    first = at.astimezone(house.shop.tz).date() - timedelta(days=days - 1)
    since = datetime.combine(first, time(), house.shop.tz)
    asked = {"run_id": run_id, "since": since}
    reached = [one.value for one in sorted(REACHED)]
    with house.engine.connect() as connection:
        lists = connection.execute(statement("calls/lists"), {**asked, "at": at, "reached": reached}).all()
        done = connection.execute(statement("calls/days"), {**asked, "zone": house.shop.timezone}).all()
        reasons = connection.execute(statement("calls/reasons"), asked).all()
        assigned = connection.execute(statement("calls/assigned"), {"run_id": run_id}).all()
        troubles = connection.execute(statement("calls/troubles"), {"at": at}).one()
    outcomes: dict[str, int] = {}
    for row in done:
        outcomes[row.disposition] = outcomes.get(row.disposition, 0) + row.attempts
    by_day = groupby(done, key=lambda row: (row.day, row.agent))
    return Board(
        lists=tuple(ListState(**row._mapping) for row in lists),
        days=tuple(
            _day(house, day, agent, {row.disposition: row.attempts for row in rows}) for (day, agent), rows in by_day
        ),
        assigned={row.agent: row.lines for row in assigned},
        outcomes=outcomes,
        reasons={row.reason: row.customers for row in reasons},
        complaints_open=troubles.open,
        complaints_late=troubles.late,
    )


def _day(house: House, day: date, agent: str, outcomes: dict[str, int]) -> Day:
    reached = sum(number for name, number in outcomes.items() if name in REACHED)
    return Day(day, agent, house.shop.calls.per_agent, sum(outcomes.values()), reached, outcomes)


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
    asked = {"run_id": run_id, "status": status, "agent": agent, "most": most, "after": after, "at": at}
    with house.engine.connect() as connection:
        rows = connection.execute(statement("calls/lines"), asked).mappings().all()
    names = Line.__slots__
    found = [
        Line(**{**{key: row[key] for key in names if key in row}, "name": name(row["first_name"], row["last_name"])})
        for row in rows
    ]
    return found, rows[0]["total"] if rows else 0


def assign(house: House, lines: Sequence[UUID], to: str | None, *, at: datetime) -> int:
    """Gives open lines to one agent alone, or back to all (None); returns how many. What somebody holds just now
    stays with them until they let go."""
    theirs = update(call_line).where(
        call_line.c.message_id.in_(list(lines)), call_line.c.status == LineStatus.OPEN, call_line.c.expires_at > at
    )
    with house.engine.begin() as connection:
        return connection.execute(theirs.values(assigned_to=to)).rowcount
