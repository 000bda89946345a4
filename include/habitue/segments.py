"""The five groups, the prospects, and what else is known of each customer's buying: fifths, score, tier, movement.

Rules (facts: Berman & Evans' five groups, with the thresholds of `SegmentSettings`):

1. A purchase is a distinct calendar day with at least one positive line; amounts are net of returns; nothing after
   `on` counts. The window is the `window_days` days up to and including `on`.
2. Nobody without a purchase is more than a `prospect`, whatever came back. Whose last purchase is `lapsed_after_days`
   ago or more has `lapsed`. All others are active, and have a purchase in the window.
3. An active customer is `regular` from `regular_purchase_days` in the window on, else occasional; and heavy if the
   average basket (net amount ÷ purchase days, both of the window) is at or above the `heavy_percentile` of all active
   customers, linearly interpolated.
4. `orders` counts the distinct order_ids of the window with a positive line.
5. r, f, m are fifths of all who ever bought, each for itself: recency in days, purchase days and net amount of the
   window, by discrete percentiles, so that equal values get equal scores; 5 is best.
6. The score is the shop's grid (`Scoring`): points for the average order (net amount ÷ orders of the window), for the
   months since the last purchase, for the orders of the window. Who ordered nothing in the window has the average
   purchase of all history and no points for frequency. Prospects have no score.
7. The tier is that of the window's net amount among active customers: `top_20`, `next_40`, `other`. Who is level with
   the last one of a tier is in it.

The SQL in include/sql/segment/ holds these rules; here are only the thread and what is data: paths, days, the grid.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from habitue.errors import SourceError
from habitue.order_lines import Amount, OrderLines, is_csv, open_lines
from habitue.statements import source as sql_text

if TYPE_CHECKING:
    import duckdb
    from rich.table import Table

    from habitue.shop import Scoring, SegmentSettings

GROUPS = ("regular_heavy", "regular_light", "occasional_heavy", "occasional_light", "lapsed", "prospect")


@dataclass(frozen=True)
class SegmentResult:
    """What came of it. Amounts in cents, of the window."""

    on: date
    counts: Mapping[str, int]
    """customers by segment, all six, also those with nobody"""
    amounts: Mapping[str, int]
    """net amount of the window by segment"""
    thresholds: Mapping[str, Any]
    """the settings and `heavy_basket_cents`, the basket from which on a customer is heavy (None: nobody is active)"""
    fifths: Mapping[str, list[int]]
    """r (days), f (purchase days), m (cents): the values at 20, 40, 60 and 80 % of those who ever bought"""
    tiers: Mapping[str, int]
    """the smallest amount of `top_20` and of `next_40`; none where nobody is active"""
    scoring: Mapping[str, Any]
    movement: Mapping[str, Mapping[str, int]]
    """{from: {to: customers}} since `previous`, with `new` and `gone`; empty without it"""
    attrition: Mapping[str, Any] | None
    """at_start: customers active on the same day a year before; lost: those of them not active now; rate = lost ÷
    at_start. Customers who came since are in neither. None where nobody was active then."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """lines up to `on` that belong to nobody: {"no_customer": lines}"""

    def figures(self) -> dict[str, Any]:
        """Thresholds, movement and attrition for the manifest, as JSON takes them."""
        return {
            "thresholds": dict(self.thresholds),
            "fifths": dict(self.fifths),
            "tiers": dict(self.tiers),
            "scoring": dict(self.scoring),
            "movement": {before: dict(row) for before, row in self.movement.items()},
            "attrition": self.attrition and dict(self.attrition),
        }

    def summary(self) -> list[tuple[str, int, float, int]]:
        """(segment, customers, share of all customers, amount in cents), in the order of GROUPS."""
        everyone = sum(self.counts.values())
        return [
            (name, self.counts[name], self.counts[name] / everyone if everyone else 0.0, self.amounts[name])
            for name in GROUPS
        ]

    def __rich__(self) -> Table:
        from rich.table import Table

        table = Table(title=f"Segments on {self.on}", caption=self._caption(), caption_justify="left")
        for heading in ("segment", "customers", "share", "amount"):
            table.add_column(heading, justify="left" if heading == "segment" else "right")
        for name, customers, share, cents in self.summary():
            table.add_row(name, f"{customers:,}", f"{share:.1%}", f"{Decimal(cents) / 100:,.2f}")
        table.add_section()
        table.add_row("all", f"{sum(self.counts.values()):,}", "", f"{Decimal(sum(self.amounts.values())) / 100:,.2f}")
        return table

    def _caption(self) -> str:
        said = []
        if (heavy := self.thresholds["heavy_basket_cents"]) is not None:
            said.append(f"heavy: average basket of {heavy / 100:,.2f} or more")
        if self.attrition:
            said.append(f"active a year before: {self.attrition['at_start']:,}, lost since: {self.attrition['lost']:,}")
        if lines := self.left_out.get("no_customer"):
            said.append(f"lines left out for want of a customer_id: {lines:,}")
        return "\n".join(said)


def segment(
    orders: Sequence[Path] | Path,
    out: Path,
    *,
    on: date,
    settings: SegmentSettings,
    scoring: Scoring,
    customers: Path | None = None,
    previous: Path | None = None,
    memory_limit: str | None = None,
    temp_dir: Path | None = None,
) -> SegmentResult:
    """Writes the segments of the customer base as Parquet, sorted by customer_id, all or nothing.

    `orders`: files of the lake (customer_id, order_id, ordered_at in shop time, amount_cents). `customers`: Parquet
    with customer_id; each gets a row, and orders of others are left out; without it the customers are those with
    orders. `previous`: the segments to compare with. `memory_limit` ("2GB") bounds DuckDB, which then spills to
    `temp_dir` (default: a folder beside `out`). SourceError: a file or a column is missing, a value can't be read.
    """
    with _computed(
        orders, out, on=on, settings=settings, scoring=scoring, amount="amount_cents", customers=customers,
        memory_limit=memory_limit, temp_dir=temp_dir,
    ) as con:  # fmt: skip
        if previous is not None:
            con.read_parquet(str(previous)).create_view("previous")
        result = _result(con, on, settings, scoring, compare=previous is not None)
        _write(con, "SELECT * FROM segments", out)
    return result


def segment_file(
    orders: Path,
    out: Path,
    *,
    on: date,
    settings: SegmentSettings,
    scoring: Scoring,
    timezone: str | None = None,
    memory_limit: str | None = None,
    temp_dir: Path | None = None,
) -> SegmentResult:
    """The same from any shop's file to a file for people, with no database.

    `orders`: Parquet or CSV (delimiter, encoding, decimal comma and day/month order are found out) with customer_id,
    order_id, ordered_at, amount in units of currency; one row a line or an order, a return negative; identifiers of a
    CSV are text. `out`: .csv or .parquet with customer_id, segment, recency_days, purchase_days, orders, amount,
    average_basket, r, f, m, score, tier, sorted by customer_id. `timezone`: the shop's, needed where ordered_at has
    offsets. Rows without a customer_id are left out and counted. SourceError names the column or the first row.
    """
    if out.suffix.lower() not in (".csv", ".parquet"):
        raise SourceError(f"{out.name}: the result is written as .csv or .parquet; name it so")
    with _computed(
        orders, out, on=on, settings=settings, scoring=scoring, amount="amount", timezone=timezone,
        memory_limit=memory_limit, temp_dir=temp_dir,
    ) as con:  # fmt: skip
        result = _result(con, on, settings, scoring, compare=False)
        con.execute(f"CREATE VIEW for_people AS {sql_text('segment/for_people')}")
        _write(con, f"SELECT {_harmless() if is_csv(out) else '*'} FROM for_people", out)  # noqa: S608
    return result


@contextmanager
def _computed(
    orders: Sequence[Path] | Path,
    out: Path,
    *,
    on: date,
    settings: SegmentSettings,
    scoring: Scoring,
    amount: Amount,
    customers: Path | None = None,
    timezone: str | None = None,
    memory_limit: str | None,
    temp_dir: Path | None,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB with the tables `known`, `thresholds` and the view `segments`; its spill folder is gone afterwards."""
    import duckdb

    with (
        tempfile.TemporaryDirectory(prefix=".segments-", dir=temp_dir or out.parent) as spill,
        duckdb.connect(config={"temp_directory": spill, "preserve_insertion_order": False}) as con,
    ):
        if memory_limit is not None:
            con.execute("SET memory_limit = $memory_limit", {"memory_limit": memory_limit})
        lines = open_lines(con, orders, amount=amount, timezone=timezone)
        _purchases(con, lines, on, settings)
        if customers is None:
            con.execute(
                "CREATE VIEW known AS SELECT * REPLACE (CAST(customer_id AS VARCHAR) AS customer_id) "
                "FROM purchases WHERE customer_id IS NOT NULL"
            )
        else:
            con.read_parquet(str(customers)).create_view("customers")
            con.execute(f"CREATE TEMP TABLE known AS {sql_text('segment/known')}")
        con.execute(
            f"CREATE TEMP TABLE thresholds AS {sql_text('segment/thresholds')}",
            {
                "heavy_percentile": settings.heavy_percentile,
                "regular_purchase_days": settings.regular_purchase_days,
            },
        )
        con.execute(f"CREATE VIEW scored AS SELECT *, {score_sql(scoring, on)} AS score FROM known")  # noqa: S608
        con.execute(f"CREATE VIEW segments AS {sql_text('segment/segments')}")
        yield con


def _purchases(con: duckdb.DuckDBPyConnection, lines: OrderLines, on: date, settings: SegmentSettings) -> None:
    """The one pass over the orders."""
    import duckdb

    try:
        con.execute(
            f"CREATE TEMP TABLE purchases AS {sql_text('segment/purchases')}",
            {
                "on": on,
                "window_start": on - timedelta(days=settings.window_days),
                "year_before": year_before(on),
                "lapsed_after_days": settings.lapsed_after_days,
            },
        )
    except (duckdb.InvalidInputException, duckdb.ConversionException, duckdb.OutOfRangeException):
        # What was raised says neither row nor rule, and DuckDB's own words may quote the row.
        found = lines.unreadable(con)
        if found is None:
            raise
        raise found from None


def year_before(on: date) -> date:
    """The same day of the year before; of 29 February the 28th."""
    return on.replace(year=on.year - 1, day=28 if (on.month, on.day) == (2, 29) else on.day)


def score_sql(scoring: Scoring, on: date) -> str:
    """The scoring grid as an SQL expression of numbers and days only, over `average_order` (cents), `last_day` and
    `orders` (of the window). NULL for who has no last day."""
    amount = _steps(
        [(f"average_order >= {round(Decimal(str(bound)) * 100)}", points) for bound, points in scoring.amount[::-1]]
    )
    recency = _steps(
        [(f"last_day >= DATE '{months_before(on, months)}'", points) for months, points in scoring.recency_months]
    )
    frequency = f"LEAST({scoring.frequency.most:d}, {scoring.frequency.points:d} * orders)"
    return f"CASE WHEN last_day IS NULL THEN NULL ELSE {amount} + {recency} + {frequency} END"


def _steps(steps: Sequence[tuple[str, int]]) -> str:
    cases = " ".join(f"WHEN {reached} THEN {points:d}" for reached, points in steps)
    return f"CASE {cases} ELSE 0 END" if cases else "0"


def months_before(on: date, months: int) -> date:
    """The first day from which `months` calendar months reach `on`. One month before 31 March is 1 March: from 28
    February one month leads to 28 March only."""
    year, month = divmod(on.year * 12 + on.month - 1 - months, 12)
    try:
        return date(year, month + 1, on.day)
    except ValueError:  # the month is too short; it is not December, which has 31 days
        return date(year, month + 2, 1)


def _result(
    con: duckdb.DuckDBPyConnection, on: date, settings: SegmentSettings, scoring: Scoring, *, compare: bool
) -> SegmentResult:
    groups = {name: (number, cents) for name, number, cents in con.execute(sql_text("segment/counts")).fetchall()}
    found = con.execute("SELECT * FROM thresholds").fetchall()[0]
    value = dict(zip([column[0] for column in con.description], found, strict=True))
    at_start, lost = con.execute(sql_text("segment/attrition")).fetchall()[0]
    nobody = con.execute("SELECT count(*) FROM purchases WHERE customer_id IS NULL").fetchall()[0][0]
    if nobody:  # then only are the orders read again
        nobody = con.execute("SELECT count(*) FROM lines WHERE customer_id IS NULL AND day <= $on", {"on": on})
        nobody = nobody.fetchall()[0][0]
    movement: dict[str, dict[str, int]] = {}
    if compare:
        for before, now, number in con.execute(sql_text("segment/movement")).fetchall():
            movement.setdefault(before, {})[now] = number
    return SegmentResult(
        on=on,
        counts={name: groups.get(name, (0, 0))[0] for name in GROUPS},
        amounts={name: groups.get(name, (0, 0))[1] for name in GROUPS},
        thresholds={**settings.model_dump(), "heavy_basket_cents": value["heavy_basket"]},
        fifths={
            letter: [value[f"{letter}_{share}"] for share in (20, 40, 60, 80)]
            for letter in "rfm"
            if value[f"{letter}_20"] is not None
        },
        tiers={name: value[name] for name in ("top_20", "next_40") if value[name] is not None},
        scoring=scoring.model_dump(mode="json"),
        movement=movement,
        attrition={"at_start": at_start, "lost": lost, "rate": lost / at_start} if at_start else None,
        left_out={"no_customer": nobody} if nobody else {},
    )


def _harmless() -> str:
    """A CSV may be opened in a spreadsheet: an id that would be a formula there gets a quote before it (OWASP, CSV
    injection). Plain numbers stay as they are."""
    formula = "regexp_matches(customer_id, '^\\s*[=+@＝＋－＠-]') AND NOT regexp_full_match(customer_id, '[+-]?\\d+')"
    return f"* REPLACE (CASE WHEN {formula} THEN '''' || customer_id ELSE customer_id END AS customer_id)"


def _write(con: duckdb.DuckDBPyConnection, rows: str, out: Path) -> None:
    """To a file beside it first, so that a process that dies leaves the old one, or none."""
    partial = out.with_name(f".{out.name}.part")
    try:
        result = con.sql(f"{rows} ORDER BY customer_id")
        if is_csv(out):
            result.write_csv(str(partial))
        else:
            result.write_parquet(str(partial), compression="zstd")
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
