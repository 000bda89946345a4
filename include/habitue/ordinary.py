"""Is a rate out of the ordinary? It is held against the same period of earlier years.

Each year's rate is a share of a base, so it varies by chance alone as a binomial does; years also differ among
themselves. Both are taken into account by the heterogeneity factor (McCullagh & Nelder, Generalized Linear Models, 2nd
ed. 1989, section 4.5): with p the earlier years together and n their bases,

    factor = max(1, Σ (lost − n p)² / (n p (1 − p)) ÷ (years − 1))
    variance of this year's rate about p = factor × p (1 − p) × (1 / n now + 1 / Σ n)

Beyond three standard deviations (Shewhart's limits) it is out of the ordinary. With fewer than two earlier years, or
where fewer than five would be expected in or out, nothing is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

LEAST_YEARS = 2
LEAST_EXPECTED = 5
LIMIT = 3.0

Verdict = Literal["ordinary", "high", "low", "too_few_years", "too_few_customers"]


@dataclass(frozen=True, slots=True)
class Judgement:
    verdict: Verdict
    expected: float | None = None
    """the rate of the earlier years together"""
    low: float | None = None
    high: float | None = None
    """the limits of the ordinary"""
    years: int = 0

    @property
    def alert(self) -> bool:
        return self.verdict in ("high", "low")


def judge(now: tuple[int, int], earlier: Sequence[tuple[int, int]]) -> Judgement:
    """`now` and `earlier`: (how many, of how many)."""
    count, base = now
    past = [(some, whole) for some, whole in earlier if whole > 0]
    if len(past) < LEAST_YEARS or base <= 0:
        return Judgement("too_few_years", years=len(past))
    whole = sum(of for _, of in past)
    p = sum(some for some, _ in past) / whole
    if min(p, 1 - p) * base < LEAST_EXPECTED:
        return Judgement("too_few_customers", p, years=len(past))
    spread = p * (1 - p)
    factor = max(1.0, sum((some - of * p) ** 2 / (of * spread) for some, of in past) / (len(past) - 1))
    reach = LIMIT * sqrt(factor * spread * (1 / base + 1 / whole))
    low, high, rate = max(0.0, p - reach), min(1.0, p + reach), count / base
    verdict: Verdict = "high" if rate > high else "low" if rate < low else "ordinary"
    return Judgement(verdict, p, low, high, len(past))
