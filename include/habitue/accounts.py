"""A run in numbers: its messages and their cost, its holdout and its exclusions, read from the ledger.

A rehearsal is read by the same questions: in its transaction the rehearsed plan stands where the ledger is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from habitue.statements import statement


@dataclass(frozen=True, slots=True)
class Sent:
    """So many messages of one kind."""

    segment: str
    channel: str
    arm: str | None
    template: str
    language: str
    state: str
    messages: int
    pages: int
    """of letters that were printed"""
    cost_micros: int


@dataclass(frozen=True, slots=True)
class HeldOut:
    segment: str
    channel: str
    scope: str
    """campaign, or shop: held out of all campaigns of the year"""
    customers: int


@dataclass(frozen=True, slots=True)
class Excluded:
    rule: str
    """`unreachable:bad_postcode` says by which rule of the channel"""
    segment: str
    customers: int


@dataclass(frozen=True, slots=True)
class Account:
    messages: tuple[Sent, ...]
    held_out: tuple[HeldOut, ...]
    exclusions: tuple[Excluded, ...]

    @classmethod
    def of(cls, connection: Connection, run_id: str) -> Account:
        def rows(name: str) -> Iterable[Any]:
            return connection.execute(statement(f"report/{name}"), {"run_id": run_id})

        return cls(
            tuple(Sent(*row) for row in rows("messages")),
            tuple(HeldOut(*row) for row in rows("holdout")),
            tuple(Excluded(*row) for row in rows("exclusions")),
        )


def totals(rows: Iterable[Any], by: str, of: str = "messages") -> dict[str, int]:
    """The sum of `of` for each value of `by`: `totals(account.exclusions, "rule", "customers")`. Rows that have no
    such value (an arm) are left out."""
    found: dict[str, int] = {}
    for row in rows:
        if (name := getattr(row, by)) is not None:
            found[name] = found.get(name, 0) + getattr(row, of)
    return found


def crossed(rows: Iterable[Any], by: str, across: str, of: str = "messages") -> dict[str, dict[str, int]]:
    """The same by two of them: `crossed(account.messages, "segment", "channel")`."""
    groups: dict[str, list[Any]] = {}
    for row in rows:
        if (name := getattr(row, by)) is not None:
            groups.setdefault(name, []).append(row)
    return {name: totals(group, across, of) for name, group in groups.items()}
