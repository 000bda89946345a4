"""What became of a run, in figures: by group, channel, text and arm; its effect against the holdout; the rows behind.

Two different things, never mixed up:

    responses   customers whose orders are credited to a message (`credits`): what the shop saw come back
    effect      what those planned to be written to did more than those held out (`responses`, `effects`): what would
                not have come by itself. Everyone counts on the side of the draw, whether or not a message left

Each figure has a definition in templates/web/results.*.yaml and the versions of its rules (`VERSIONS`). Page, report,
terminal and CSV show what `Measures` and `Results` hold and compute nothing. `known` asks for the figures as they were
known at a moment: what late returns restate stands there both ways (`Results.first`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, RowMapping, TextClause, select, text

from habitue import effects, outcome_parts
from habitue.credits import RULES_VERSION as CREDITS_VERSION
from habitue.effects import Effect, MeanEffect, Side, Sums, Trial
from habitue.errors import LedgerError
from habitue.statements import source, statement
from habitue.tables import run

RULES_VERSION = "1"
"""Of the measures: what is counted as sent, delivered, a person's click."""
VERSIONS = {"measures": RULES_VERSION, "effects": effects.VERSION, "credits": CREDITS_VERSION}

MACHINE_SECONDS = 10
"""A click sooner after the delivery is a scanner's (SendGrid counts them: support article 4416801410459)."""
BURST_SECONDS = 2
"""Two clicks of one mail within so many seconds are a scanner's, that follows every link."""
MOST = 1000
"""Rows behind a figure that are given at a time."""
FIRST_ID = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Counts:
    """So many messages, and what came of them. planned = sent + refused + cancelled + waiting; in doubt are some of
    those sent. Clicks, opens, unsubscribes, complaints and responses are of messages, each once."""

    planned: int = 0
    sent: int = 0
    in_doubt: int = 0
    refused: int = 0
    cancelled: int = 0
    waiting: int = 0
    delivered: int = 0
    returned: int = 0
    human_clicks: int = 0
    machine_clicks: int = 0
    """of mails that nobody else clicked in"""
    opens: int = 0
    """only where the reader agreed to be told of; no decision rests on them"""
    unsubscribes: int = 0
    complaints: int = 0
    reached: int = 0
    """spoken to by telephone"""
    responses: int = 0
    orders: int = 0
    revenue_cents: int = 0
    """what was paid, less what came back"""
    cost_micros: int = 0
    """of what was sent"""

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))

    def margin_cents(self, gross: float | None) -> int | None:
        return None if gross is None else round(self.revenue_cents * gross)


FIGURES = tuple(one.name for one in fields(Counts))
"""What can be drilled down into by `behind`."""


@dataclass(frozen=True, slots=True)
class Part:
    """The messages of one group by one channel with one text in one arm (empty: no test)."""

    segment: str
    channel: str
    template: str
    arm: str
    counts: Counts


@dataclass(frozen=True, slots=True)
class Measures:
    run_id: str
    parts: tuple[Part, ...]
    gross: float | None
    """the shop's gross margin as the run was planned with; None: it says none, and there are no margins"""
    currency: str
    known: datetime
    """of when they are"""
    first: Counts | None = None
    """responses, orders and revenue as they were known when the window had closed, where that was something else"""

    @property
    def all(self) -> Counts:
        return sum((part.counts for part in self.parts), Counts())

    def by(self, name: str) -> dict[str, Counts]:
        """The sums by `segment`, `channel`, `template` or `arm`."""
        found: dict[str, Counts] = {}
        for part in self.parts:
            found[getattr(part, name)] = found.get(getattr(part, name), Counts()) + part.counts
        return dict(sorted(found.items()))

    def rows(self) -> list[dict[str, Any]]:
        """A row a part and one for all, as the CSV has them."""
        parts = [({name: getattr(part, name) for name in KEYS}, part.counts) for part in self.parts]
        everything = [*parts, ({"segment": "all", "channel": "all", "template": "all", "arm": ""}, self.all)]
        return [
            {**key, **asdict(counts), "margin_cents": counts.margin_cents(self.gross)} for key, counts in everything
        ]


KEYS = ("segment", "channel", "template", "arm")


@dataclass(frozen=True, slots=True)
class Contrast:
    """Some of those planned to be written to, against those held out who are their like."""

    name: str
    """`all`; a group, a channel or an arm; `shop`: all campaigns together, against the shop's own holdout"""
    buyers: Effect
    revenue: MeanEffect | None
    """in cents a customer"""
    margin: MeanEffect | None
    cost_micros: int

    @property
    def cost_per_extra_order(self) -> int | None:
        """Cents for a customer who ordered and would not have; None where there is none, or it is not shown."""
        return round(self.cost_micros / 10_000 / self.buyers.extra) if self.buyers.verdict == "gain" else None

    @property
    def earned_cents(self) -> tuple[int, int, int] | None:
        """The margin that would not have come, less what the messages cost: as measured, at least, at most. None before
        the window has closed, or where the shop says no margin."""
        if self.margin is None or self.buyers.early:
            return None
        between, cost = self.margin.extra_interval, self.cost_micros / 10_000
        return round(self.margin.extra - cost), round(between.low - cost), round(between.high - cost)


@dataclass(frozen=True, slots=True)
class Results:
    """A run's effect, as one customer base told it."""

    run_id: str
    snapshot_id: str
    known_at: datetime
    until: date
    """the last day of orders in it"""
    closed: bool
    """the whole response window is in it: only then is anything said to be shown"""
    whole: Contrast | None
    """None: nobody was held out, and nothing can be measured"""
    segments: tuple[Contrast, ...]
    channels: tuple[Contrast, ...]
    arms: tuple[Contrast, ...]
    """each against the whole holdout"""
    trial: Trial | None
    """the arms with each other; None: no test"""
    shop: Contrast | None
    """against the shop's holdout of the year, which no campaign writes to"""
    first: Results | None
    """the same as it was known when the window had closed, where that was something else: late returns came since"""


def measures_of(engine: Engine, run_id: str, *, known: datetime) -> Measures:
    """The run's figures by group, channel, text and arm, of what was known at `known`."""
    with engine.connect() as connection:
        found = _run(connection, run_id)
        return _measures(found, _counted(connection, [run_id], known)[run_id], known)


def latest(engine: Engine, run_id: str, *, at: datetime) -> Measures:
    """What pages show: a small run's figures counted now, a large one's as they were counted last."""
    with engine.connect() as connection:
        found = _run(connection, run_id)
        if found["planned"] <= outcome_parts.LIVE:
            return _measures(found, _counted(connection, [run_id], at)[run_id], at)
        if last := outcome_parts.kept(connection, outcome_parts.MEASURES, run_id, at=at):
            return _measures(found, last.rows, last.at)
    return keep(engine, run_id, at=at)


def known_at(engine: Engine, run_id: str, *, at: datetime) -> datetime:
    """Of when the figures are that pages show."""
    with engine.connect() as connection:
        if _run(connection, run_id)["planned"] <= outcome_parts.LIVE:
            return at
        last = outcome_parts.kept(connection, outcome_parts.MEASURES, run_id, at=at)
    return last.at if last else at


def keep(engine: Engine, run_id: str, *, at: datetime) -> Measures:
    """Counts the run and keeps it, some seconds for a million messages."""
    [found] = keep_all(engine, [run_id], at=at)
    return found


def keep_all(engine: Engine, run_ids: Sequence[str], *, at: datetime) -> list[Measures]:
    """The same of several runs: one statement reads their messages and what came of them."""
    with engine.begin() as connection:
        found = [_run(connection, run_id) for run_id in run_ids]
        counted = _counted(connection, run_ids, at)
        for run_id, rows in counted.items():
            outcome_parts.keep(connection, outcome_parts.MEASURES, run_id, rows, at=at)
    return [_measures(one, counted[one["run_id"]], at) for one in found]


def behind(
    engine: Engine,
    run_id: str,
    figure: str,
    *,
    known: datetime,
    segment: str = "",
    channel: str = "",
    template: str = "",
    arm: str | None = None,
    after: UUID = FIRST_ID,
    before: UUID | None = None,
    most: int = MOST,
) -> list[dict[str, Any]]:
    """The messages behind a figure (one of FIGURES), by id: the first `most` after `after`, or the last before
    `before`. Ids, states, orders, amounts; no names. Empty: any. What they sum up to is the figure."""
    asked = _wanted(run_id, figure, known, segment, channel, template, arm)
    with engine.connect() as connection:
        _run(connection, run_id)
        given = {**asked, "after": after, "before": before, "most": most}
        rows = [dict(row) for row in connection.execute(_asked("behind"), given).mappings()]
    return rows if before is None else rows[::-1]


def every_row(
    engine: Engine,
    run_id: str,
    figure: str,
    *,
    known: datetime,
    segment: str = "",
    channel: str = "",
    template: str = "",
    arm: str | None = None,
) -> Iterator[dict[str, Any]]:
    """All of `behind`, however many: one question, whose answer is fetched MOST rows at a time."""
    asked = _wanted(run_id, figure, known, segment, channel, template, arm)
    with engine.connect() as connection:
        _run(connection, run_id)
        given = {**asked, "after": FIRST_ID, "before": None, "most": None}
        streamed = connection.execution_options(yield_per=MOST)
        for row in streamed.execute(_asked("behind"), given).mappings():
            yield dict(row)


def _wanted(
    run_id: str, figure: str, known: datetime, segment: str, channel: str, template: str, arm: str | None
) -> dict[str, Any]:
    if figure not in FIGURES:
        raise LedgerError(f"{figure} is no figure of a run; there are {', '.join(FIGURES)}")
    part = {"segment": segment, "channel": channel, "template": template, "arm": arm or "", "of_arm": arm is not None}
    return {**_parameters([run_id], known), **part, "measure": figure}


def results_of(engine: Engine, run_id: str, *, known: datetime, counted: Measures | None = None) -> Results | None:
    """The run's effect as it was known at `known`; None where no purchases have been gathered for it yet. `counted`:
    what `measures_of` said of the same moment, where it was asked before."""
    with engine.connect() as connection:
        _run(connection, run_id)
        rows = connection.execute(statement("measures/responses"), {"run_id": run_id, "known": known}).mappings().all()
    if not rows:
        return None
    told: dict[tuple[str, datetime], list[RowMapping]] = {}
    for row in rows:
        told.setdefault((row["snapshot_id"], row["known_at"]), []).append(row)
    costs = counted or measures_of(engine, run_id, known=known)
    snapshots = list(told.values())
    last = _results(run_id, snapshots[-1], costs)
    closed = next((one for one in snapshots if one[0]["closed"]), snapshots[-1])
    first = None if closed is snapshots[-1] else _results(run_id, closed, costs)
    return _with_first(last, first)


def _with_first(last: Results, first: Results | None) -> Results:
    return last if first is None or _same(last, first) else replace(last, first=first)


def _same(one: Results, other: Results) -> bool:
    return (one.whole, one.segments, one.channels, one.arms) == (
        other.whole,
        other.segments,
        other.channels,
        other.arms,
    )


def _run(connection: Connection, run_id: str) -> RowMapping:
    found = connection.execute(select(run).where(run.c.run_id == run_id)).mappings().one_or_none()
    if found is None:
        raise LedgerError(f"run {run_id} is not known; habitue runs lists the last ones")
    return found


def _asked(question: str) -> TextClause:
    """A question about `measured`: every figure and every row behind it come from the same text."""
    return text(f"with measured as (\n{source('measures/messages')})\n{source(f'measures/{question}')}")


def _parameters(run_ids: Sequence[str], known: datetime) -> dict[str, Any]:
    return {"run_ids": list(run_ids), "known": known, "seconds": MACHINE_SECONDS, "burst": BURST_SECONDS}


def _counted(connection: Connection, run_ids: Sequence[str], known: datetime) -> dict[str, dict[str, Any]]:
    """By run what the questions answer: `parts`, and what was known `first`."""
    found: dict[str, dict[str, Any]] = {run_id: {"parts": []} for run_id in run_ids}
    for row in connection.execute(_asked("parts"), _parameters(run_ids, known)).mappings():
        found[row["run_id"]]["parts"].append({name: value for name, value in row.items() if name != "run_id"})
    for run_id, counted in found.items():
        first = connection.execute(statement("measures/first"), {"run_id": run_id, "known": known}).mappings()
        counted["first"] = [dict(row) for row in first]
    return found


def _measures(found: RowMapping, counted: Mapping[str, Any], known: datetime) -> Measures:
    gross, currency = (found["shop"].get("margin") or {}).get("gross"), found["shop"].get("currency", "")
    made = Measures(found["run_id"], tuple(map(_part, counted["parts"])), gross, currency, known)
    for first in counted["first"]:
        if any(getattr(made.all, name) != number for name, number in first.items()):
            return replace(made, first=Counts(**first))
    return made


def _part(row: Mapping[str, Any]) -> Part:
    counts = Counts(**{name: row[name] for name in FIGURES})
    return Part(row["segment"], row["channel"], row["template"], row["arm"], counts)


def _results(run_id: str, rows: Sequence[RowMapping], costs: Measures) -> Results:
    one = rows[0]
    early = not one["closed"]
    treated = [row for row in rows if row["treated"]]
    held = [row for row in rows if not row["treated"] and row["scope"] == "campaign"]
    kept = [row for row in rows if not row["treated"] and row["scope"] == "shop"]
    whole = _contrast("all", treated, held, costs.all.cost_micros, early)
    arms = sorted({row["arm"] for row in treated if row["arm"]})
    sides = {arm: _side([row for row in treated if row["arm"] == arm]) for arm in arms}
    return Results(
        run_id,
        one["snapshot_id"],
        one["known_at"],
        one["until"],
        one["closed"],
        whole,
        _contrasts("segment", treated, held, costs, early),
        _contrasts("channel", treated, held, costs, early),
        _contrasts("arm", treated, held, costs, early),
        effects.compare(sides, early=early) if len(sides) > 1 else None,
        _contrast("shop", treated, kept, costs.all.cost_micros, early),
        None,
    )


def _contrasts(
    name: str, treated: Sequence[RowMapping], held: Sequence[RowMapping], costs: Measures, early: bool
) -> tuple[Contrast, ...]:
    """By group, channel or arm. They are several looks at one run, so their intervals are widened by their number. An
    arm is held against everyone held out: there the draw of arms has no say."""
    names = sorted({row[name] for row in treated if row[name]})
    spent, found = costs.by(name), []
    for value in names:
        mine = [row for row in treated if row[name] == value]
        like = held if name == "arm" else [row for row in held if row[name] == value]
        cost = spent[value].cost_micros if value in spent else 0
        found.append(_contrast(value, mine, like, cost, early, alpha=effects.ALPHA / len(names)))
    return tuple(one for one in found if one is not None)


def _contrast(
    name: str,
    treated: Sequence[RowMapping],
    held: Sequence[RowMapping],
    cost_micros: int,
    early: bool,
    *,
    alpha: float = effects.ALPHA,
) -> Contrast | None:
    buyers = effects.effect(_side(treated), _side(held), alpha=alpha, early=early)
    if buyers is None:
        return None
    revenue = effects.mean_effect(_sums(treated), _sums(held), alpha=alpha)
    margin = None
    if (share := _margin_share([*treated, *held])) is not None:
        margin = effects.mean_effect(_sums(treated, share), _sums(held, share), alpha=alpha)
    return Contrast(name, buyers, revenue, margin, cost_micros)


def _side(rows: Iterable[RowMapping]) -> Side:
    several = list(rows)
    return Side(sum(row["customers"] for row in several), sum(row["buyers"] for row in several))


def _sums(rows: Iterable[RowMapping], share: float = 1.0) -> Sums:
    """Of what was paid less what came back, in cents, times a share."""
    several = list(rows)
    total = sum(row["sold_cents"] - row["returned_cents"] for row in several)
    squares = sum(row["squares"] for row in several)
    return Sums(sum(row["customers"] for row in several), float(total) * share, float(squares) * share**2)


def _margin_share(rows: Sequence[RowMapping]) -> float | None:
    """The gross margin that the rows' margins were made with; None: the shop says none, or nobody bought."""
    if any(row["margin_cents"] is None for row in rows):
        return None
    net = sum(row["sold_cents"] - row["returned_cents"] for row in rows)
    return sum(row["margin_cents"] for row in rows) / net if net else None
