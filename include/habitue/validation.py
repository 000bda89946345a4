"""From the staged customer base to the checked one: what is fit to be published, what is kept out, and why.

1. Consents and customers are read in batches; row rules send rows to quarantine, each with its reason.
2. Customers' names, e-mails, telephones and addresses are looked at: what is wrong closes a channel, not the record.
3. Order lines are sorted out by DuckDB alone, meanwhile.
4. A profile of each table is worked out and the batch rules are asked of it.
5. `validation.json` tells it all; if a batch rule failed, BatchRefused is raised then.

Rows staged = rows published + rows in quarantine + copies of other rows, for every dataset.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from habitue.errors import BatchRefused, LedgerError, SourceError
from habitue.expectations import DATASETS, Examiner, Rule, Suite, load_suite
from habitue.extract import ERASED
from habitue.quarantine import write_quarantine
from habitue.shop import Shop
from habitue.statements import source as sql_text
from habitue.validation_page import render_page

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

__all__ = ["Tally", "Validation", "Verdict", "check_lapsed", "render_page", "validate", "write_quarantine"]

OnProgress = Callable[[str, int], None]
"""Called with the dataset and the rows looked at so far."""

BATCH = 122_880
"""Rows at a time: a row group of DuckDB's, some 100 MB while a batch is looked at."""

MEMORY = "800MB"
FEWEST_LAPSED = 10
FEWEST_SALES = 30
"""A median of fewer lines says nothing: on a quiet day the earlier one stays the measure."""

CHANNELS = frozenset({"letter", "email", "call"})


@dataclass(frozen=True)
class Tally:
    """One dataset: staged = published + copies + the sum of quarantined."""

    staged: int
    published: int
    copies: int
    quarantined: dict[str, int]


@dataclass(frozen=True)
class Verdict:
    """One rule and how it came out. `held` is None where there was nothing to compare with."""

    dataset: str
    rule: str
    severity: str
    held: bool | None
    value: float | None
    """rows that broke a row rule; the figure that a batch rule looked at"""
    limit: float | None
    unit: str
    fr: str
    en: str
    message: str | None = None


@dataclass(frozen=True)
class Validation:
    on: date
    passed: bool
    datasets: dict[str, Tally]
    rules: list[Verdict]
    reachability: dict[str, dict[str, Any]]
    """by channel: how many are reachable, and how many are not by which barrier"""
    problems: list[dict[str, Any]]
    """field, rule, effect, found"""
    profile: dict[str, Any]
    """what the next snapshot is compared with"""
    control: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> str:
        return json.dumps(asdict(self), indent=2, ensure_ascii=False, default=str) + "\n"


def validate(
    staged: Path,
    checked: Path,
    *,
    on: date,
    shop: Shop,
    previous: Path | None,
    on_progress: OnProgress | None = None,
) -> Validation:
    """Reads the staged base of the day `on`, writes the checked one; nothing is written outside `checked`.

    `previous` is the last good snapshot's manifest.json. BatchRefused when a batch rule fails (all results are
    written by then); SourceError when a staged file or column is missing; LedgerError when rows do not add up.
    """
    suites = {dataset: load_suite(dataset) for dataset in DATASETS}
    before = _read_profile(previous)
    control = _read_control(staged)
    with _bench(checked, shop) as (con, work):
        for dataset in DATASETS:
            _check_staged(con, staged / f"{dataset}.parquet", dataset, control)
        _know_the_erased(con, staged / ERASED)
        run = _Run(con, suites, staged, checked, work, on, shop, on_progress)
        tallies = run.all()
        profiles = _profiles(con, checked, on, tallies, before, control)
        rules = _verdicts(run.examiner, suites, profiles, tallies, shop)
        result = Validation(
            on=on,
            passed=all(verdict.held is not False for verdict in rules if verdict.severity == "batch"),
            datasets={dataset: tallies[dataset] for dataset in DATASETS},
            rules=rules,
            reachability=_reachability(con, checked),
            problems=_rows(con, "problem_counts", {"checked": str(checked / "problems.parquet")}),
            profile=_kept_profile(profiles, before),
            control=control,
        )
    (checked / "validation.json").write_text(result.as_json(), "utf-8")
    if not result.passed:
        raise BatchRefused("\n".join(verdict.message for verdict in rules if verdict.message))
    return result


def check_lapsed(now: Mapping[str, int], before: Mapping[str, int], shop: Shop) -> None:
    """Raises BatchRefused if the lapsed share of all who ever bought grew by more than `most_lapsed_growth`.

    `now` and `before` count customers by segment; prospects do not matter. Where nobody had lapsed before, the share
    itself may not exceed that setting. Customers do not lapse by the half overnight: sales are missing. Fewer than
    `FEWEST_LAPSED` more say nothing, two of three customers of a small shop may well be away.
    """
    most = shop.validation.most_lapsed_growth
    share, earlier = _lapsed_share(now), _lapsed_share(before)
    if earlier is None or share is None or now.get("lapsed", 0) - before.get("lapsed", 0) < FEWEST_LAPSED:
        return
    if share > (earlier * (1 + most) if earlier else most):
        raise BatchRefused(
            f"lapsed customers are {share:.1%} of all who ever bought, {earlier:.1%} in the last snapshot: more than "
            f"{most:.0%} up (validation.most_lapsed_growth). Are recent sales missing from the export?"
        )


def _lapsed_share(counts: Mapping[str, int]) -> float | None:
    buyers = sum(count for segment, count in counts.items() if segment != "prospect")
    return counts.get("lapsed", 0) / buyers if buyers else None


# The bench and what lies on it -------------------------------------------------------------------------------------


@contextmanager
def _bench(checked: Path, shop: Shop) -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
    """A DuckDB that keeps to its memory, and a folder below `checked` that is gone afterwards."""
    import duckdb

    checked.mkdir(parents=True, exist_ok=True)
    work = checked / ".work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    for name in (*(f"{dataset}.parquet" for dataset in DATASETS), "problems.parquet", "validation.json"):
        (checked / name).unlink(missing_ok=True)
    (checked / "quarantine").mkdir(exist_ok=True)
    con = duckdb.connect(config={"memory_limit": MEMORY, "temp_directory": str(work / "spill")})
    try:
        con.execute("set enable_progress_bar = false")
        con.execute("set timezone = $zone", {"zone": shop.timezone})
        con.execute(sql_text("validate/macros"))
        yield con, work
    finally:
        con.close()
        shutil.rmtree(work, ignore_errors=True)


STAGED = {
    "customers": "customer_id civility first_name last_name birth_date language email phone street address_extra "
    "postcode city country created_on deceased_on",
    "orders": "order_id customer_id ordered_at product_code product_name quantity amount_cents offer_code",
    "consents": "customer_id channel purpose status basis recorded_at valid_until source wording_version",
}


def _check_staged(con: duckdb.DuckDBPyConnection, path: Path, dataset: str, control: Mapping[str, Any]) -> None:
    if not path.exists():
        raise SourceError(f"{path.name}: the extract left no such file; run it again")
    there = {row[0] for row in con.execute("describe select * from read_parquet($p)", {"p": str(path)}).fetchall()}
    missing = [name for name in STAGED[dataset].split() if name not in there]
    if missing:
        raise SourceError(f"{path.name}: no column {', '.join(missing)}; see include/sql/extract")
    rows = _count(con, path)
    kept = control.get(dataset, {}).get("kept", rows)
    if rows != kept:
        raise LedgerError(f"{dataset}: the extract kept {kept} rows and {rows} are staged; run the extract again")


def _know_the_erased(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """The table `erased`: whose rows hold only a number, as it should be."""
    con.execute("create temp table erased (customer_id varchar)")
    if path.exists():
        con.execute("insert into erased select customer_id from read_parquet($p)", {"p": str(path)})


def _read_control(staged: Path) -> dict[str, Any]:
    path = staged / "control.json"
    return dict(json.loads(path.read_text("utf-8"))) if path.exists() else {}


def _read_profile(previous: Path | None) -> dict[str, Any]:
    return dict(json.loads(previous.read_text("utf-8")).get("profile") or {}) if previous else {}


def _count(con: duckdb.DuckDBPyConnection, path: Path) -> int:
    return int(con.execute("select count(*) from read_parquet($p)", {"p": str(path)}).fetchall()[0][0])


def _rows(con: duckdb.DuckDBPyConnection, name: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    answer = con.execute(sql_text(f"validate/{name}"), parameters)
    columns = [column[0] for column in answer.description or ()]
    return [dict(zip(columns, row, strict=True)) for row in answer.fetchall()]


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _copy(
    con: duckdb.DuckDBPyConnection, name: str, target: Path, parameters: Mapping[str, Any], compression: str = "zstd"
) -> None:
    """The answer to include/sql/validate/`name`.sql as a Parquet file."""
    question = sql_text(f"validate/{name}").rstrip()
    command = f"copy (\n{question}\n) to {_quoted(target)} (format parquet, compression {compression})"
    con.execute(command, dict(parameters))


def _hand_on(source: Path, target: Path) -> None:
    """The same file under another name; a copy where the file system has no links."""
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)


# The three datasets ------------------------------------------------------------------------------------------------


@dataclass
class _Run:
    con: duckdb.DuckDBPyConnection
    suites: Mapping[str, Suite]
    staged: Path
    checked: Path
    work: Path
    on: date
    shop: Shop
    on_progress: OnProgress | None
    objections: dict[str, frozenset[str]] = field(default_factory=dict)

    @cached_property
    def examiner(self) -> Examiner:
        return Examiner(self.shop.validation)

    def all(self) -> dict[str, Tally]:
        with ThreadPoolExecutor(max_workers=1) as beside:
            orders = beside.submit(self.orders)
            tallies = self.consents() | self.customers() | orders.result()
        if self.on_progress:
            self.on_progress("orders", tallies["orders"].staged)
        return tallies

    def consents(self) -> dict[str, Tally]:
        staged = {"staged": str(self.staged / "consents.parquet")}
        copies = frozenset(row["row"] for row in _rows(self.con, "consent_copies", staged))
        marked = self._mark("consents", "consent_rows", staged, copies, lambda batch: batch)
        closed: dict[str, set[str]] = {}
        for row in _rows(self.con, "unclear_objections", {"marked": str(marked)}):
            closed.setdefault(row["customer_id"], set()).update({row["channel"]} if row["channel"] else CHANNELS)
        self.objections = {customer: frozenset(channels) for customer, channels in closed.items()}
        return self._split("consents", marked, {})

    def customers(self) -> dict[str, Tally]:
        from habitue.reachability import easy, look_at

        staged = {"staged": str(self.staged / "customers.parquet")}
        found = _rows(self.con, "customer_copies", staged)
        copies = frozenset(row["row"] for row in found if row["is_copy"])
        conflicts = {row["row"] for row in found if row["is_conflict"]}

        def prepare(batch: pa.RecordBatch) -> pa.RecordBatch:
            import pyarrow as pa

            known = pa.array([row in conflicts for row in batch.column("row").to_pylist()], pa.bool_())
            return look_at(batch, self.shop, self.objections).append_column("is_conflict", known)

        marked = self._mark("customers", "customer_rows", {**staged, **easy(self.shop), "on": self.on}, copies, prepare)
        ages = {"on": self.on, "minor_age": self.shop.validation.minor_age}
        tally = self._split("customers", marked, ages)
        self._problems(marked, ages)
        return tally

    def orders(self) -> dict[str, Tally]:
        """DuckDB alone, over a connection of its own: runs beside the work that Python does on the customers."""
        path = self.staged / "orders.parquet"
        with self.con.cursor() as con:
            untidy = _rows(con, "order_texts", {"staged": str(path)})[0]["untidy"]
            lines = sql_text("validate/order_lines_tidied" if untidy else "validate/order_lines")
            con.execute(f"create temp view order_lines as {lines.replace('$staged', _quoted(path))}")
            found = _rows(con, "order_faults", {})
            faults = {row["reason"]: row["lines"] for row in found if row["reason"]}
            if untidy or faults or any(row["without_quantity"] for row in found):
                _copy(con, "orders", self.checked / "orders.parquet", {}, compression="snappy")
            else:  # twenty million good lines need no second writing
                _hand_on(path, self.checked / "orders.parquet")
            _copy(con, "quarantined_orders", self.checked / "quarantine" / "orders.parquet", {})
            return {"orders": self._tally(con, "orders", _count(con, path), 0, faults)}

    def _mark(
        self,
        dataset: str,
        query: str,
        parameters: Mapping[str, Any],
        copies: frozenset[int],
        prepare: Callable[[pa.RecordBatch], pa.RecordBatch],
    ) -> Path:
        """The staged rows, less copies, each with its `reason` for quarantine or null; batch after batch."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        marked = self.work / f"{dataset}.parquet"
        rules = self.suites[dataset].of("row")
        reader = self.con.sql(sql_text(f"validate/{query}"), params=dict(parameters)).to_arrow_reader(BATCH)
        writer: pq.ParquetWriter | None = None
        seen = 0
        try:
            for batch in self._batches(reader, copies):
                full = prepare(batch)
                full = full.append_column("reason", pa.array(self._reasons(full, rules), pa.string()))
                writer = writer or pq.ParquetWriter(marked, full.schema, compression="lz4")
                writer.write_batch(full)
                seen += batch.num_rows
                if self.on_progress:
                    self.on_progress(dataset, seen)
        finally:
            if writer:
                writer.close()
        return marked

    def _batches(self, reader: pa.RecordBatchReader, copies: frozenset[int]) -> Iterator[pa.RecordBatch]:
        """At least one batch, if an empty one, so that the columns are known."""
        import pyarrow as pa

        some = False
        for batch in reader:
            if copies:
                batch = batch.filter(pa.array([row not in copies for row in batch.column("row").to_pylist()]))
            some = True
            yield batch
        if not some:
            yield from pa.Table.from_batches([], reader.schema).combine_chunks().to_batches() or [
                pa.RecordBatch.from_arrays([pa.array([], kind.type) for kind in reader.schema], schema=reader.schema)
            ]

    def _reasons(self, batch: pa.RecordBatch, rules: list[Rule]) -> list[str | None]:
        """The first rule that each row breaks."""
        reasons: list[str | None] = [None] * batch.num_rows
        if not reasons:
            return reasons
        columns = list(dict.fromkeys(rule.column for rule in rules))
        broken = self.examiner.broken_rows(batch.select(columns).to_pandas(), rules)
        for rule in reversed(rules):
            for row in broken[rule.name]:
                reasons[row] = rule.name
        return reasons

    def _split(self, dataset: str, marked: Path, parameters: Mapping[str, Any]) -> dict[str, Tally]:
        path = {"marked": str(marked)}
        _copy(self.con, dataset, self.checked / f"{dataset}.parquet", {**path, **parameters})
        _copy(self.con, f"quarantined_{dataset}", self.checked / "quarantine" / f"{dataset}.parquet", path)
        faults = {row["reason"]: row["lines"] for row in _rows(self.con, "faults", path)}
        staged = _count(self.con, self.staged / f"{dataset}.parquet")
        return {dataset: self._tally(self.con, dataset, staged, staged - _count(self.con, marked), faults)}

    def _tally(
        self, con: duckdb.DuckDBPyConnection, dataset: str, staged: int, copies: int, faults: dict[str, int]
    ) -> Tally:
        """Counted from what was written, and held against what was read."""
        tally = Tally(staged, _count(con, self.checked / f"{dataset}.parquet"), copies, faults)
        kept_out = _count(con, self.checked / "quarantine" / f"{dataset}.parquet")
        if kept_out != sum(faults.values()) or staged != tally.published + copies + kept_out:
            raise LedgerError(
                f"{dataset}: {staged} rows staged, but {tally.published} published + {copies} copies + {kept_out} in "
                "quarantine; nothing was published, run the validation again"
            )
        return tally

    def _problems(self, marked: Path, ages: Mapping[str, Any]) -> None:
        """problems.parquet: every value masked."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        from habitue.contacts import mask

        names = ("customer_id", "field", "rule", "value_masked", "effect")
        schema = pa.schema([(name, pa.string()) for name in names])
        question = self.con.sql(sql_text("validate/problems"), params={"marked": str(marked), **ages})
        with pq.ParquetWriter(self.checked / "problems.parquet", schema, compression="zstd") as writer:
            for batch in question.to_arrow_reader(BATCH):
                masked = pa.array([mask(value) for value in batch.column("value").to_pylist()], pa.string())
                columns = {**{name: batch.column(name) for name in batch.schema.names}, "value_masked": masked}
                writer.write_table(pa.table({name: columns[name].cast(pa.string()) for name in names}, schema))


# Profiles and verdicts ---------------------------------------------------------------------------------------------


def _profiles(
    con: duckdb.DuckDBPyConnection,
    checked: Path,
    on: date,
    tallies: Mapping[str, Tally],
    before: Mapping[str, Any],
    control: Mapping[str, Any],
) -> dict[str, dict[str, Any]]:
    """Per dataset, the figures that its batch rules look at."""
    profiles = {}
    for dataset, (question, parameters) in {
        "customers": ("customer_profile", {}),
        "orders": ("order_profile", {"on": on}),
        "consents": ("consent_profile", {}),
    }.items():
        path = {"checked": str(checked / f"{dataset}.parquet")}
        profile = _rows(con, question, {**path, **parameters})[0]
        tally = tallies[dataset]
        earlier = before.get("rows", {}).get(dataset)
        kept_out = sum(tally.quarantined.values())
        # A line without a legible date belongs to no night and comes again with every file: it is weighed against all
        # lines that were read, not against the few of this night.
        looked_at = max(tally.staged, control.get("orders", {}).get("read", 0) if dataset == "orders" else 0)
        profile |= {
            "quarantined_share": kept_out / looked_at if looked_at else 0.0,
            "before": earlier,
            "row_change": abs(tally.published / earlier - 1) if earlier else None,
        }
        profiles[dataset] = profile
    orders = profiles["orders"]
    orders["median_factor"] = _factor(orders, before.get("median_amount_cents"))
    for rule in ("order_id_missing", "order_customer_missing", "ordered_at_missing", "amount_missing"):
        orders[rule] = tallies["orders"].quarantined.get(rule, 0)
    return profiles


def _factor(orders: Mapping[str, Any], earlier: int | None) -> float | None:
    """How many times the median grew or shrank; None without enough sales or without an earlier one."""
    now = orders["median_amount_cents"]
    if not earlier or not now or orders["sales"] < FEWEST_SALES:
        return None
    return float(max(now / earlier, earlier / now))


def _kept_profile(profiles: Mapping[str, Mapping[str, Any]], before: Mapping[str, Any]) -> dict[str, Any]:
    """What the next snapshot is compared with; the publisher copies it to the manifest."""
    orders = profiles["orders"]
    enough = orders["sales"] >= FEWEST_SALES
    return {
        "rows": {dataset: profile["published"] for dataset, profile in profiles.items()},
        "median_amount_cents": orders["median_amount_cents"] if enough else before.get("median_amount_cents"),
        "first_day": orders["first_day"] and str(orders["first_day"]),
        "last_day": orders["last_day"] and str(orders["last_day"]),
    }


def _verdicts(
    examiner: Examiner,
    suites: Mapping[str, Suite],
    profiles: Mapping[str, Mapping[str, Any]],
    tallies: Mapping[str, Tally],
    shop: Shop,
) -> list[Verdict]:
    verdicts = []
    for dataset in DATASETS:
        rules = suites[dataset].rules
        asked = [rule for rule in rules if rule.severity == "batch" or dataset == "orders"]
        held = examiner.judge(profiles[dataset], asked)
        for rule in rules:
            broken = tallies[dataset].quarantined.get(rule.name, 0)
            value = profiles[dataset].get(rule.column) if rule in asked else broken
            verdicts.append(_verdict(dataset, rule, held.get(rule.name, not broken), value, profiles[dataset], shop))
    return verdicts


def _verdict(
    dataset: str, rule: Rule, held: bool | None, value: Any, profile: Mapping[str, Any], shop: Shop
) -> Verdict:
    limits = rule.kwargs(shop.validation)
    limit = limits.get("max_value", limits.get("min_value")) if rule.severity == "batch" else None
    message = None
    if held is False and rule.severity == "batch":
        shown = {"value": _shown(value, rule.unit, shop), "limit": _shown(limit, rule.unit, shop)}
        message = rule.refused[shop.language].format(**{**profile, **shown})
    return Verdict(dataset, rule.name, rule.severity, held, value, limit, rule.unit, rule.fr, rule.en, message)


def _shown(value: Any, unit: str, shop: Shop) -> str:
    from habitue.validation_page import figure

    return figure(value, unit, shop.language)


def _reachability(con: duckdb.DuckDBPyConnection, checked: Path) -> dict[str, dict[str, Any]]:
    barriers: dict[str, Counter[str]] = {channel: Counter() for channel in ("letter", "email", "call")}
    reachable = dict.fromkeys(barriers, 0)
    for row in _rows(con, "reachability", {"checked": str(checked / "customers.parquet")}):
        if row["barrier"] is None:
            reachable[row["channel"]] = row["people"]
        else:
            barriers[row["channel"]][row["barrier"]] = row["people"]
    return {channel: {"reachable": reachable[channel], "barriers": dict(found)} for channel, found in barriers.items()}
