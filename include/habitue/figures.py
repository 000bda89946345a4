"""Figures of the customer base: what each means, and what was told of it. `trends` works them out.

What a figure means stands in include/figures.yaml. What was told stands in the table `figure`, which only ever grows: a
cell is value and `of`, whole numbers (customers, visits, cents), from which the page, the report and the CSV make the
same share or average. A later snapshot that works out something else of the same period (lines that came late) adds a
row with its own name: the figure is then restated, and both are shown.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import date, datetime
from functools import cache
from typing import IO, Any, Literal

from sqlalchemy import Connection, select, text
from sqlalchemy.dialects.postgresql import insert

from habitue.kinds import Span
from habitue.settings import INCLUDE, Strict, read_yaml, validate
from habitue.statements import statement
from habitue.tables import figure_rule

Unit = Literal["customers", "money", "share", "average_money", "average"]


class Saying(Strict):
    """A figure in one language; `{window_days}` and its like stand for what the rule says."""

    name: str
    means: str
    formula: str


class Definition(Strict):
    unit: Unit
    better: Literal["up", "down", "neither"]
    rows: str
    """the question that gives the rows behind it"""
    fr: Saying
    en: Saying

    def said(self, language: str, rule: Mapping[str, Any]) -> Saying:
        """In that language, with the rule's own numbers."""
        heavy = round(100 * (1 - rule["segments"]["heavy_percentile"]))
        known = {**rule["segments"], **rule["slowing_down"], "heavy_share": heavy}
        known |= {name: int(n) for name, n in known.items() if isinstance(n, float) and n.is_integer()}
        saying: Saying = getattr(self, language)
        return Saying(**{name: value.format(**known) for name, value in saying.model_dump().items()})


class _Definitions(Strict):
    figures: dict[str, Definition]


@cache
def definitions() -> Mapping[str, Definition]:
    path = INCLUDE / "figures.yaml"
    return validate(path, _Definitions, {"figures": read_yaml(path)}).figures


FIGURES = definitions()


@dataclass(frozen=True, slots=True)
class Cell:
    """One number of a figure: `value`, and of how many where it is a part or an average."""

    name: str
    span: str
    starts: date
    ends: date
    part: str
    other: str
    value: int
    of: int


@dataclass(frozen=True, slots=True)
class Told(Cell):
    """The same as it was told: last, and first."""

    times: int
    snapshot_id: str
    told_at: datetime
    first_value: int
    first_of: int
    first_snapshot_id: str

    @property
    def restated(self) -> bool:
        return (self.value, self.of) != (self.first_value, self.first_of)

    @property
    def share(self) -> float | None:
        """value ÷ of: a share of 1, an average; None of nothing."""
        return self.value / self.of if self.of else None

    @property
    def amount(self) -> float | None:
        """What is shown."""
        return amount(self.name, self.value, self.of)

    @property
    def first_amount(self) -> float | None:
        return amount(self.name, self.first_value, self.first_of)


def amount(name: str, value: int, of: int) -> float | None:
    """What is shown of a figure: the value itself of what is counted, else value ÷ of, None of nothing. Money in
    cents."""
    if FIGURES[name].unit in ("customers", "money"):
        return value
    return value / of if of else None


def last_snapshot(connection: Connection, rule: str) -> str | None:
    """By which snapshot figures were last told under the rule."""
    found: str | None = connection.scalar(statement("figures/last"), {"rule": rule})
    return found


def keep_rule(connection: Connection, rule: str, means: Mapping[str, Any], *, at: datetime) -> None:
    connection.execute(insert(figure_rule).values(rule=rule, means=means, since=at).on_conflict_do_nothing())


def rules(connection: Connection) -> list[tuple[str, Mapping[str, Any]]]:
    """The versions of the rules by which figures were told, the last one first."""
    asked = select(figure_rule.c.rule, figure_rule.c.means).order_by(figure_rule.c.since.desc(), figure_rule.c.rule)
    return [(row.rule, row.means) for row in connection.execute(asked)]


def write(connection: Connection, cells: Sequence[Cell], *, rule: str, snapshot_id: str, at: datetime) -> int:
    """Tells what is new or has changed; returns how many rows that were."""
    connection.execute(text("select pg_advisory_xact_lock(hashtext('habitue.figures'))"))
    connection.execute(
        text(
            "create temp table incoming_figure (name text, span text, starts date, ends date, part text, other text, "
            "value bigint, of bigint) on commit drop"
        )
    )
    driver = connection.connection.driver_connection
    if driver is None:
        raise RuntimeError("the connection is closed")
    with driver.cursor() as cursor, cursor.copy("copy incoming_figure from stdin") as copy:
        for cell in cells:
            copy.write_row(astuple(cell))
    connection.execute(text("analyze incoming_figure"))
    given = {"rule": rule, "snapshot_id": snapshot_id, "at": at}
    return connection.execute(statement("figures/write"), given).rowcount


def told(
    connection: Connection,
    rule: str,
    names: Iterable[str] = FIGURES,
    *,
    spans: Iterable[str] = Span,
    ends: Iterable[date] | None = None,
) -> list[Told]:
    """What was told of these figures, of periods that end on those days (default: of all), in order of time."""
    given = {
        "rule": rule,
        "names": list(names),
        "spans": [str(span) for span in spans],
        "ends": None if ends is None else list(ends),
    }
    found = connection.execute(statement("figures/told"), given).mappings()
    return [Told(**row) for row in found]


def last_day(connection: Connection, rule: str) -> date | None:
    """The day of the last snapshot of which figures were told."""
    found = last_snapshot(connection, rule)
    return date.fromisoformat(found) if found else None


COLUMNS = ("figure", "name", "span", "after", "until", "part", "to", "value", "of", "result", "unit",
           "first_value", "first_of", "first_result", "restated", "rule", "snapshot", "first_snapshot")  # fmt: skip


def lines(found: Iterable[Told], rule: str, language: str) -> Iterator[tuple[Any, ...]]:
    """The rows of a CSV, one a cell, as COLUMNS. Money is in the currency's units, with a point."""
    for one in found:
        known = FIGURES[one.name]
        money = known.unit in ("money", "average_money")
        yield (
            one.name,
            getattr(known, language).name,
            one.span,
            one.starts,
            one.ends,
            one.part,
            one.other,
            one.value,
            one.of,
            _plain(one.amount, money=money),
            known.unit,
            one.first_value,
            one.first_of,
            _plain(one.first_amount, money=money),
            "yes" if one.restated else "",
            rule,
            one.snapshot_id,
            one.first_snapshot_id,
        )


def _plain(number: float | None, *, money: bool) -> str:
    if number is None:
        return ""
    if money:
        return f"{number / 100:.2f}"
    return str(number) if isinstance(number, int) else f"{number:.6f}"


def write_csv(found: Iterable[Told], rule: str, out: IO[str], *, language: str) -> int:
    """What was told, for a spreadsheet; how many rows. Names and parts are ours, so no cell can be a formula."""
    rows = csv.writer(out, delimiter=";" if language == "fr" else ",")
    rows.writerow(COLUMNS)
    number = 0
    for line in lines(found, rule, language):
        rows.writerow(line)
        number += 1
    return number
