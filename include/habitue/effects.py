"""What a campaign changed: who was written to, or was to be, against who was held out at random. Statistics alone.

Everyone counts on the side that the draw put them on, whether or not a message left or arrived (intention to treat):
only so are both sides alike. Sources of the formulas:

    p of two shares       z-test with the pooled variance; Fisher's exact test where an expected cell is below 5
    interval of the two   Wald's with each side's own variance; Newcombe 1998 (method 10, of Wilson's intervals) where
                          Fisher's test is used, because Wald's is too narrow there
    means (money)         Welch 1947: two sides with variances of their own. Spending has a long tail and many zeros;
                          the means of some hundred customers are near enough to normal (Lumley et al. 2002), and
                          sums of squares are all that it needs of a million customers
    size, smallest effect Fleiss 1981, two-sided 5 %, power 80 %
    several comparisons   Holm 1979 for p; intervals at 1 - 5 % ÷ comparisons (Bonferroni)
    several looks         nothing is decided before the planned day, so that the test of that day has the error it says.
                          An interval shown before is one of a sequence that holds on all days together (Robbins 1970;
                          Waudby-Smith et al. 2024), so whoever looks daily is not misled either

Shares are of 1; "points" are differences of shares.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from habitue.errors import SettingError

VERSION = "effects-1"
"""Of these rules; it stands beside every figure made by them."""

ALPHA = 0.05
POWER = 0.8
EXPECTED = 5
"""Below it in any cell of the table, the exact test."""
LOOKS_SCALE = 0.01
"""Where the sequence of early intervals is tightest: at about this × 8 of variance, a response of some 9 %. It must not
depend on the data; the sequence holds whatever it is."""
BEYOND = 1_000_000
"""Customers an arm that no shop has: a difference that needs more is none to be looked for."""

Verdict = Literal["gain", "loss", "too_small", "no_difference", "too_early", "no_control"]


@dataclass(frozen=True, slots=True)
class Side:
    """So many customers, of whom so many responded."""

    size: int
    responded: int

    def __post_init__(self) -> None:
        if not 0 <= self.responded <= self.size:
            raise SettingError(f"{self.responded} of {self.size} customers responded: give 0 to all of them")

    @property
    def share(self) -> float:
        return self.responded / self.size if self.size else math.nan

    @property
    def variance(self) -> float:
        return self.share * (1 - self.share) / self.size


@dataclass(frozen=True, slots=True)
class Sums:
    """An amount over customers, those with nothing included: what Welch's test needs."""

    size: int
    total: float
    squares: float

    @property
    def mean(self) -> float:
        return self.total / self.size if self.size else math.nan

    @property
    def variance(self) -> float:
        """Of one customer's amount."""
        spread = self.squares - self.total**2 / self.size
        return max(0.0, spread) / (self.size - 1)


@dataclass(frozen=True, slots=True)
class Interval:
    low: float
    high: float

    def times(self, factor: float) -> Interval:
        return Interval(self.low * factor, self.high * factor)

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Effect:
    """A difference of two shares, treated less control."""

    treated: Side
    control: Side
    difference: float
    interval: Interval
    p: float
    z: float
    exact: bool
    """Fisher's test and Newcombe's interval"""
    detectable: float | None
    """the smallest gain that this run could have seen, at 80 %; None: none, however large"""
    needed: int | None
    """customers an arm with which a difference like this one would be seen; None where there is none to be seen"""
    verdict: Verdict
    early: bool = False
    """before the planned day: the interval holds for all looks together, and nothing is decided"""

    @property
    def on_the_edge(self) -> bool:
        """Test and interval are made by two formulas, and once in a while say two things; then the test decides."""
        return not self.early and (0 in self.interval) == (self.verdict in ("gain", "loss"))

    @property
    def lift(self) -> float | None:
        """What the campaign added, as a share of what would have come by itself."""
        return self.treated.share / self.control.share - 1 if self.control.responded else None

    @property
    def extra(self) -> float:
        """Customers who responded and would not have."""
        return self.difference * self.treated.size

    @property
    def extra_interval(self) -> Interval:
        return self.interval.times(self.treated.size)


@dataclass(frozen=True, slots=True)
class MeanEffect:
    """A difference of two means a customer, treated less control, in the amount's own unit."""

    treated: Sums
    control: Sums
    difference: float
    interval: Interval
    p: float
    detectable: float
    """the smallest difference that this run could have seen, at 80 %"""

    @property
    def extra(self) -> float:
        """What the campaign added in all."""
        return self.difference * self.treated.size

    @property
    def extra_interval(self) -> Interval:
        return self.interval.times(self.treated.size)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two arms of a test."""

    one: str
    other: str
    effect: Effect
    """of `one` over `other`; its interval and its verdict are corrected for the number of comparisons"""
    adjusted_p: float


@dataclass(frozen=True, slots=True)
class Trial:
    """All arms of an A/B test with each other."""

    comparisons: tuple[Comparison, ...]
    winner: str | None
    """shown to be better than every other arm; None: no arm was, or it is too early to say"""
    early: bool


def normal(share: float) -> float:
    """The value below which that share of a normal distribution lies."""
    from scipy.special import ndtri

    return float(ndtri(share))


def wilson(side: Side, alpha: float = ALPHA) -> Interval:
    """The interval of one share (Wilson 1927)."""
    z, n, p = normal(1 - alpha / 2), side.size, side.share
    middle, spread = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return Interval(max(0.0, (middle - spread) / (1 + z * z / n)), min(1.0, (middle + spread) / (1 + z * z / n)))


def effect(treated: Side, control: Side, *, alpha: float = ALPHA, early: bool = False) -> Effect | None:
    """The effect on the share that responded; None where a side is empty: without a holdout nothing can be measured."""
    if not treated.size or not control.size:
        return None
    difference = treated.share - control.share
    exact = _smallest_expected(treated, control) < EXPECTED
    p, z = _tested(treated, control, exact)
    interval = _interval(treated, control, exact, alpha)
    if early:
        interval = _widened(interval, treated, control, alpha)
    needed = _needed(treated, control)
    return Effect(
        treated,
        control,
        difference,
        interval,
        p,
        z,
        exact,
        detectable(treated.size, control.size, control.share, alpha=alpha),
        needed,
        _judged(difference, interval, p, needed, alpha, early),
        early,
    )


def mean_effect(treated: Sums, control: Sums, *, alpha: float = ALPHA) -> MeanEffect | None:
    """The effect on an amount a customer; None where a side has fewer than two customers."""
    if min(treated.size, control.size) < 2:
        return None
    from scipy.stats import t

    difference = treated.mean - control.mean
    parts = treated.variance / treated.size, control.variance / control.size
    error = math.sqrt(sum(parts))
    if not error:
        return MeanEffect(treated, control, difference, Interval(difference, difference), float(not difference), 0.0)
    freedom = sum(parts) ** 2 / sum(
        part**2 / (side.size - 1) for part, side in zip(parts, (treated, control), strict=True)
    )
    reach = float(t.ppf(1 - alpha / 2, freedom)) * error
    return MeanEffect(
        treated,
        control,
        difference,
        Interval(difference - reach, difference + reach),
        float(2 * t.sf(abs(difference) / error, freedom)),
        (normal(1 - alpha / 2) + normal(POWER)) * error,
    )


def compare(arms: dict[str, Side], *, alpha: float = ALPHA, early: bool = False) -> Trial:
    """Every arm with every other, in the order given; arms without customers are left out."""
    there = [name for name, side in arms.items() if side.size]
    pairs = [(one, other) for place, one in enumerate(there) for other in there[place + 1 :]]
    found = [effect(arms[one], arms[other], alpha=alpha / len(pairs), early=early) for one, other in pairs]
    effects = [one for one in found if one is not None]
    adjusted = holm([one.p for one in effects])
    comparisons = tuple(
        Comparison(one, other, _rejudged(what, p, alpha), p)
        for (one, other), what, p in zip(pairs, effects, adjusted, strict=True)
    )
    return Trial(comparisons, None if early else _winner(there, comparisons), early)


def holm(values: Sequence[float]) -> list[float]:
    """p corrected for their number (Holm 1979), in the same order: below alpha together, they err in alpha of cases."""
    corrected, highest = [0.0] * len(values), 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        highest = max(highest, min(1.0, values[place] * (len(values) - rank)))
        corrected[place] = highest
    return corrected


def sample_size(control: float, treated: float, *, ratio: float = 1.0, alpha: float = ALPHA) -> int:
    """Customers of the control that show the difference of two shares four times in five; `ratio`: treated customers
    for each of them (a holdout of 10 %: 9)."""
    if control == treated:
        raise SettingError(f"two equal shares ({control:g}) have no difference that any number of customers could show")
    return math.ceil((_spread(control, treated, 1.0, ratio, alpha) / (treated - control)) ** 2)


def detectable(treated: int, control: int, share: float, *, alpha: float = ALPHA) -> float | None:
    """The smallest gain over the control's share that sides of these sizes show four times in five; None: not even all
    customers responding would do."""
    from scipy.optimize import brentq

    def lacking(gain: float) -> float:
        return gain - _spread(share, share + gain, control, treated, alpha)

    most = 1 - share
    if most <= 0 or lacking(most) < 0:
        return None
    return float(brentq(lacking, 1e-12, most))


def _spread(control: float, treated: float, controls: float, many: float, alpha: float) -> float:
    """How large a difference must be, where the sides have these shares and sizes (Fleiss 1981)."""
    pooled = (control * controls + treated * many) / (controls + many)
    under_none = math.sqrt(pooled * (1 - pooled) * (1 / controls + 1 / many))
    under_this = math.sqrt(control * (1 - control) / controls + treated * (1 - treated) / many)
    return normal(1 - alpha / 2) * under_none + normal(POWER) * under_this


def _smallest_expected(treated: Side, control: Side) -> float:
    everyone, responded = treated.size + control.size, treated.responded + control.responded
    fewer = min(treated.size, control.size)
    return fewer * min(responded, everyone - responded) / everyone


def _pooled_variance(treated: Side, control: Side) -> float:
    pooled = (treated.responded + control.responded) / (treated.size + control.size)
    return pooled * (1 - pooled) * (1 / treated.size + 1 / control.size)


def _tested(treated: Side, control: Side, exact: bool) -> tuple[float, float]:
    from scipy.special import ndtr
    from scipy.stats import fisher_exact

    error = math.sqrt(_pooled_variance(treated, control))
    z = (treated.share - control.share) / error if error else 0.0
    if not exact:
        return float(2 * ndtr(-abs(z))), z
    table = [[side.responded, side.size - side.responded] for side in (treated, control)]
    return float(fisher_exact(table).pvalue), z


def _interval(treated: Side, control: Side, exact: bool, alpha: float) -> Interval:
    difference = treated.share - control.share
    if not exact:
        reach = normal(1 - alpha / 2) * math.sqrt(treated.variance + control.variance)
        return Interval(difference - reach, difference + reach)
    one, other = wilson(treated, alpha), wilson(control, alpha)
    return Interval(
        difference - math.hypot(treated.share - one.low, other.high - control.share),
        difference + math.hypot(one.high - treated.share, control.share - other.low),
    )


def _widened(interval: Interval, treated: Side, control: Side, alpha: float) -> Interval:
    """The interval of a look before the planned day: all such looks together err in alpha of cases. Responses that
    come in over the days are a sum whose variance grows; the boundary is the mixture of normals of Robbins 1970."""
    difference = treated.share - control.share
    # On the first days a side may have no response yet, and so no variance of its own: the pooled one has.
    grown = max(treated.variance + control.variance, _pooled_variance(treated, control))
    scale = LOOKS_SCALE * (1 / treated.size + 1 / control.size)
    reach = math.sqrt((grown + scale) * math.log((grown + scale) / (scale * alpha**2)))
    return Interval(min(interval.low, difference - reach), max(interval.high, difference + reach))


def _needed(treated: Side, control: Side) -> int | None:
    if treated.share == control.share:
        return None
    found = sample_size(control.share, treated.share)
    return found if found <= BEYOND else None


def _judged(difference: float, interval: Interval, p: float, needed: int | None, alpha: float, early: bool) -> Verdict:
    if early:
        return "too_early"
    if p < alpha and 0 not in interval:
        return "gain" if difference > 0 else "loss"
    return "too_small" if needed is not None else "no_difference"


def _rejudged(what: Effect, adjusted: float, alpha: float) -> Effect:
    """With the verdict that p, corrected for the number of comparisons, gives."""
    if what.early:
        return what
    shown: Verdict = "gain" if what.difference > 0 else "loss"
    none: Verdict = "too_small" if what.needed is not None else "no_difference"
    return replace(what, verdict=shown if adjusted < alpha else none)


def _winner(arms: Sequence[str], comparisons: Sequence[Comparison]) -> str | None:
    beaten: dict[str, set[str]] = {name: set() for name in arms}
    for one in comparisons:
        if one.effect.verdict == "gain":
            beaten[one.one].add(one.other)
        if one.effect.verdict == "loss":
            beaten[one.other].add(one.one)
    return next((name for name, worse in beaten.items() if len(worse) == len(arms) - 1 > 0), None)


def rounded(customers: int) -> int:
    """To two digits, as such an estimate deserves: 3826 is 3800."""
    return int(float(f"{customers:.2g}"))
