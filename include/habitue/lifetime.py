"""How likely a customer still is one, and what he may bring in a year: BG/NBD and Gamma-Gamma, fitted on the lake.

    BG/NBD        Fader, Hardie, Lee 2005, Marketing Science 24(2) 275-284: purchases at a rate of his own (gamma among
                  customers, r and alpha), after each of which he may leave for good (beta among customers, a and b)
    Gamma-Gamma   Fader, Hardie 2013, "The Gamma-Gamma model of monetary value": what a repeat purchase brings (p, q, v)

A history is (repeats, last, known): repeat purchases, weeks from the first to the last one, weeks from the first until
today. The likelihood is that of the distinct histories, each with how many share it, so that a million customers are
some hundred thousand terms.

The model thinks that whoever bought once is still a customer (it lets people leave after repeat purchases only). So
`alive` is unknown for them, and nothing here ever calls anybody active: the groups are the segments' (`segments`).
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from habitue.order_lines import open_lines
from habitue.statements import source as sql_text

Array = NDArray[np.float64]

VERSION = "lifetime-1"
"""Of these rules; it stands in the manifest of every snapshot that has values."""
LEAST_REPEATERS = 200
"""Customers with a repeat purchase below whom nothing is fitted: the estimates would be those of chance."""
AHEAD_WEEKS = 52.0
WEEK = 7.0
MEMORY = "2GB"
ROUGH_ROWS = 20_000
"""Rows on which estimates are sought before they are made exact on all."""


@dataclass(frozen=True, slots=True)
class Buying:
    """BG/NBD's parameters; time in weeks."""

    r: float
    alpha: float
    a: float
    b: float

    def log_likelihood(self, repeats: Array, last: Array, known: Array) -> Array:
        """Of each history."""
        from scipy.special import gammaln

        r, alpha, a, b = self.r, self.alpha, self.a, self.b

        def of_number(x: Array) -> Array:
            begin = gammaln(r + x) - gammaln(r) + r * math.log(alpha)
            stays: Array = gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x)
            return np.asarray(begin + stays)

        bought = -(r + repeats) * np.log(alpha + known)
        odds = _looked_up(lambda x: math.log(a) - np.log(b + np.maximum(x, 1) - 1), repeats)
        left = odds - (r + repeats) * np.log(alpha + last)
        ends: Array = np.where(repeats > 0, np.logaddexp(bought, left), bought)
        return ends + _looked_up(of_number, repeats)

    def alive(self, repeats: Array, last: Array, known: Array) -> Array:
        """The probability that he is still a customer; 1 for whoever bought once, which says nothing of him."""
        from scipy.special import expit

        odds = math.log(self.a) - np.log(self.b + np.maximum(repeats, 1) - 1)
        odds = odds + (self.r + repeats) * (np.log(self.alpha + known) - np.log(self.alpha + last))
        found: Array = np.where(repeats > 0, expit(-odds), 1.0)
        return found

    def expected_if_alive(self, weeks: float, repeats: Array, known: Array) -> Array:
        """Purchases within the next weeks of a customer who is one still. By Euler's transformation, in which no power
        of the purchases overflows."""
        from scipy.special import hyp2f1

        a = self.a if abs(self.a - 1) > 1e-9 else 1 + 1e-9
        c = a + self.b + repeats - 1
        z = weeks / (self.alpha + known + weeks)
        found: Array = c / (a - 1) * (1 - (1 - z) ** (a - 1) * hyp2f1(a + self.b - 1 - self.r, a - 1, c, z))
        return found

    def expected(self, weeks: float, repeats: Array, last: Array, known: Array) -> Array:
        """Purchases within the next weeks, given the history."""
        found: Array = self.expected_if_alive(weeks, repeats, known) * self.alive(repeats, last, known)
        return found

    def expected_of_new(self, weeks: float) -> float:
        """Repeat purchases of a new customer within so many weeks."""
        return float(self.expected_if_alive(weeks, np.zeros(1), np.zeros(1))[0])

    def chance_of(self, repeats: int, weeks: float) -> float:
        """The probability that a new customer makes so many repeat purchases within so many weeks."""
        from scipy.special import betaln, gammaln

        shares = np.arange(repeats)
        z = math.log(weeks / (self.alpha + weeks))
        start = self.r * math.log(self.alpha / (self.alpha + weeks))

        def counted(number: Any) -> Any:
            return np.exp(gammaln(self.r + number) - gammaln(self.r) - gammaln(number + 1.0) + start + number * z)

        still = math.exp(betaln(self.a, self.b + repeats) - betaln(self.a, self.b)) * float(counted(repeats))
        if not repeats:
            return still
        gone = math.exp(betaln(self.a + 1, self.b + repeats - 1) - betaln(self.a, self.b))
        return still + gone * (1 - float(np.sum(counted(shares))))


@dataclass(frozen=True, slots=True)
class Spending:
    """Gamma-Gamma's parameters; v in the unit of the amounts."""

    p: float
    q: float
    v: float

    @property
    def mean(self) -> float:
        """What a purchase brings among all customers."""
        return self.p * self.v / (self.q - 1)

    def expected(self, repeats: Array, average: Array) -> Array:
        """What a customer's purchases bring, by how many repeat purchases he made and their average."""
        found: Array = self.p * (self.v + repeats * average) / (self.p * repeats + self.q - 1)
        return found

    def log_likelihood(self, repeats: Array, average: Array) -> Array:
        from scipy.special import gammaln

        def of_number(x: Array) -> Array:
            shape = self.p * np.maximum(x, 1)
            begin = gammaln(shape + self.q) - gammaln(shape) - gammaln(self.q) + self.q * math.log(self.v)
            return np.asarray(begin + shape * np.log(np.maximum(x, 1)))

        shape = self.p * repeats
        paid = (shape - 1) * np.log(average) - (shape + self.q) * np.log(repeats * average + self.v)
        return np.asarray(paid + _looked_up(of_number, repeats))


@dataclass(frozen=True, slots=True)
class Fit:
    """What was fitted, on whom, and how well."""

    customers: int
    repeaters: int
    buying: Buying | None
    """None: too few customers come again, or no estimate was found"""
    spending: Spending | None
    log_likelihood: float | None

    def figures(self) -> dict[str, Any]:
        """For the manifest, as JSON takes them."""
        return {"version": VERSION, **asdict(self)}


def fit_buying(repeats: Array, last: Array, known: Array, customers: Array) -> tuple[Buying, float] | None:
    """The estimates of greatest likelihood from distinct histories, each shared by so many customers; and their
    log-likelihood. None where the search finds none."""
    scale = max(float(known.max(initial=1.0)), 1.0)
    weight = customers / customers.sum()

    last_part, known_part = last / scale, known / scale

    def cost(logs: Array, step: int) -> float:
        terms = Buying(*np.exp(logs)).log_likelihood(repeats[::step], last_part[::step], known_part[::step])
        return -float(np.dot(weight[::step], terms) / weight[::step].sum())

    best = _search(cost, (0.5, 0.1, 0.5, 2.0), len(repeats))
    if best is None:
        return None
    r, alpha, a, b = (float(value) for value in best)
    buying = Buying(r, alpha * scale, a, b)
    return buying, float(np.dot(customers, buying.log_likelihood(repeats, last, known)))


def fit_spending(repeats: Array, average: Array) -> Spending | None:
    """From customers who came again and what their repeat purchases brought on average, above 0."""
    scale = float(average.mean())

    average_part = average / scale

    def cost(logs: Array, step: int) -> float:
        return -float(Spending(*np.exp(logs)).log_likelihood(repeats[::step], average_part[::step]).mean())

    best = _search(cost, (2.0, 3.0, 1.0), len(repeats))
    if best is None or best[1] <= 1:
        return None
    return Spending(float(best[0]), float(best[1]), float(best[2]) * scale)


def _looked_up(function: Callable[[Array], Array], repeats: Array) -> Array:
    """A function of the number of repeats alone: computed once for each number, not for each history."""
    found: Array = function(np.arange(repeats.max(initial=0) + 1))[repeats.astype(np.int64)]
    return found


def _search(cost: Callable[[Array, int], float], start: Sequence[float], rows: int) -> Array | None:
    """The parameters, all above 0, of the least cost: roughly on every so-many-th row, then from there on all."""
    from scipy.optimize import minimize

    at: Array = np.log(start)
    for step, precision, rounds in ((max(1, rows // ROUGH_ROWS), 1e-10, 200), (1, 1e-12, 20)):

        def bounded(logs: Array, step: int = step) -> float:
            with np.errstate(all="ignore"):
                found = cost(logs, step)
            return found if math.isfinite(found) else 1e10

        limits = [(-12.0, 12.0)] * len(start)
        found = minimize(bounded, at, method="L-BFGS-B", bounds=limits, options={"ftol": precision, "maxiter": rounds})
        if found.fun >= 1e10:
            return None
        at = found.x
    return np.exp(at)


def add_values(orders: Sequence[Path], segments: Path, *, on: date) -> Fit:
    """Fits both models on the lake and writes into the segments' file, beside what is known of each customer:

        alive            probability of being a customer still, four digits; NULL for who bought once or never
        worth_cents      what the next year may bring, given the history
        won_back_cents   of lapsed customers: what a year brings if they come back, beyond what they may bring anyway

    All three are NULL where nothing could be fitted. They are frozen with the snapshot, as the groups are.
    """
    import duckdb

    with (
        tempfile.TemporaryDirectory(prefix=".lifetime-", dir=segments.parent) as spill,
        duckdb.connect(config={"temp_directory": spill, "memory_limit": MEMORY}) as con,
    ):
        open_lines(con, orders, amount="amount_cents")
        con.read_parquet(str(segments)).create_view("segments")
        con.execute(f"CREATE TABLE histories AS {sql_text('lifetime/histories')}", {"on": on})
        found = _fitted(con)
        _valued(con, found)
        partial = segments.with_name(f".{segments.name}.part")
        try:
            con.sql(sql_text("lifetime/valued")).write_parquet(str(partial), compression="zstd")
            partial.replace(segments)
        finally:
            partial.unlink(missing_ok=True)
    return found


def _fitted(con: Any) -> Fit:
    grouped = con.sql(sql_text("lifetime/distinct")).fetchnumpy()
    repeats, last, known, customers = (
        np.asarray(grouped[name], dtype=np.float64) for name in ("repeats", "last_after", "known_for", "customers")
    )
    everyone, again = int(customers.sum()), int(customers[repeats > 0].sum())
    if again < LEAST_REPEATERS:
        return Fit(everyone, again, None, None, None)
    buying = fit_buying(repeats, last / WEEK, known / WEEK, customers)
    spent = con.sql(sql_text("lifetime/spending")).fetchnumpy()
    spending = fit_spending(*(np.asarray(spent[name], dtype=np.float64) for name in ("repeats", "average")))
    return Fit(everyone, again, buying and buying[0], spending, buying and buying[1])


def _valued(con: Any, found: Fit) -> None:
    """The table `valued` (customer_id, alive, worth, back): back, what a year brings who is a customer."""
    import pyarrow as pa

    con.execute("CREATE TEMP TABLE valued (customer_id VARCHAR, alive DOUBLE, worth DOUBLE, back DOUBLE)")
    if found.buying is None or found.spending is None:
        return
    reading = con.cursor()  # a connection of its own: the rows stream while others are written
    histories = reading.sql("SELECT * FROM histories ORDER BY customer_id")
    for batch in histories.to_arrow_reader(200_000):
        repeats, last, known, cents = (
            batch.column(name).to_numpy(zero_copy_only=False).astype(np.float64)
            for name in ("repeats", "last_after", "known_for", "repeat_cents")
        )
        alive = found.buying.alive(repeats, last / WEEK, known / WEEK)
        average = np.divide(cents, repeats, out=np.zeros_like(cents), where=repeats > 0)
        back = found.buying.expected_if_alive(AHEAD_WEEKS, repeats, known / WEEK)
        back = back * found.spending.expected(repeats, average)
        rows = pa.table(
            {
                "customer_id": batch.column("customer_id"),
                "alive": pa.array(np.round(alive, 4), mask=repeats == 0),
                "worth": alive * back,
                "back": back,
            }
        )
        con.register("rows_of_batch", rows)
        con.execute("INSERT INTO valued SELECT * FROM rows_of_batch")
        con.unregister("rows_of_batch")
