"""The statistics of effects: published vectors, and how often they err when a shop is simulated."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from habitue import verdicts
from habitue.effects import (
    Interval,
    Side,
    Sums,
    compare,
    detectable,
    effect,
    holm,
    mean_effect,
    rounded,
    sample_size,
    wilson,
)
from habitue.errors import SettingError

RNG = np.random.default_rng


def near(interval: Interval, low: float, high: float, within: float = 5e-7) -> bool:
    return interval.low == pytest.approx(low, abs=within) and interval.high == pytest.approx(high, abs=within)


@pytest.mark.parametrize(
    ("treated", "control", "difference", "z", "p", "low", "high"),
    [
        (Side(4500, 300), Side(500, 20), 0.0266667, 2.311251, 0.020819, 0.008008, 0.045325),
        (Side(1000, 150), Side(1000, 110), 0.04, 2.659584, 0.007824, 0.010574, 0.069426),
    ],
)
def test_two_shares_are_compared_as_published(
    treated: Side, control: Side, difference: float, z: float, p: float, low: float, high: float
) -> None:
    found = effect(treated, control)
    assert found is not None
    assert found.difference == pytest.approx(difference, abs=1e-7)
    assert (found.z, found.p) == (pytest.approx(z, abs=1e-6), pytest.approx(p, abs=1e-6))
    assert near(found.interval, low, high)
    assert found.lift == pytest.approx(treated.share / control.share - 1)
    assert found.extra == pytest.approx(difference * treated.size, rel=1e-5)
    assert found.verdict == "gain"


@pytest.mark.parametrize(
    ("control", "treated", "customers"),
    [(0.01, 0.015, 7750), (0.02, 0.03, 3826), (0.05, 0.06, 8158), (0.05, 0.07, 2213), (0.10, 0.12, 3841)],
)
def test_so_many_customers_an_arm_are_needed(control: float, treated: float, customers: int) -> None:
    assert sample_size(control, treated) == customers
    seen = detectable(customers, customers, control)
    assert seen == pytest.approx(treated - control, rel=1e-3)


def test_a_holdout_of_a_tenth_needs_fewer_in_it_and_more_in_all() -> None:
    assert sample_size(0.05, 0.07, ratio=9) == 1286
    with pytest.raises(SettingError, match="two equal shares"):
        sample_size(0.05, 0.05)


@pytest.mark.parametrize(("side", "low", "high"), [(Side(100, 10), 0.055229, 0.174366), (Side(50, 0), 0.0, 0.071348)])
def test_a_single_share_has_wilsons_interval(side: Side, low: float, high: float) -> None:
    assert near(wilson(side), low, high)


def test_small_cells_are_tested_exactly() -> None:
    found = effect(Side(40, 9), Side(12, 0))
    assert found is not None
    assert found.exact
    by_hand = sum(  # of all tables with these margins, those no likelier than this one
        math.comb(40, k) * math.comb(12, 9 - k)
        for k in range(10)
        if math.comb(40, k) * math.comb(12, 9 - k) <= math.comb(40, 9)
    ) / math.comb(52, 9)
    assert found.p == pytest.approx(by_hand)
    assert found.lift is None


def test_where_test_and_interval_disagree_the_test_decides_and_that_is_said() -> None:
    """28 of 200 against 1 of 40: Fisher's p is 0.06, Newcombe's interval begins above nought."""
    close, clear = effect(Side(200, 28), Side(40, 1)), effect(Side(200, 45), Side(40, 1))
    assert close is not None
    assert clear is not None
    assert (close.verdict, 0 in close.interval, close.on_the_edge) == ("too_small", False, True)
    assert verdicts.sentence(close, "en").endswith("the interval alone would say otherwise, and the test decides.")
    assert (clear.verdict, clear.on_the_edge) == ("gain", False)
    assert "the test decides" not in verdicts.sentence(clear, "en")


def test_newcombes_interval_is_as_he_published_it() -> None:
    """Newcombe 1998, table II: 9/10 less 3/10 by method 10."""
    found = effect(Side(10, 9), Side(10, 3))
    assert found is not None
    assert found.exact
    assert near(found.interval, 0.1705, 0.8090, within=1e-4)


def test_without_a_holdout_nothing_is_measured() -> None:
    assert effect(Side(500, 20), Side(0, 0)) is None
    assert mean_effect(Sums(500, 20.0, 30.0), Sums(1, 0.0, 0.0)) is None
    with pytest.raises(SettingError, match="5 of 3 customers"):
        Side(3, 5)


def test_a_small_run_says_how_many_customers_it_lacks() -> None:
    found = effect(Side(400, 12), Side(400, 8))
    assert found is not None
    assert found.verdict == "too_small"
    assert found.needed == 3826
    assert rounded(found.needed) == 3800
    same = effect(Side(400, 8), Side(400, 8))
    assert same is not None
    assert (same.verdict, same.needed) == ("no_difference", None)


def test_nobody_responding_is_no_effect() -> None:
    found = effect(Side(200, 0), Side(20, 0))
    assert found is not None
    assert (found.p, found.difference, found.verdict) == (1.0, 0.0, "no_difference")
    assert found.detectable is not None


def test_a_control_that_all_bought_leaves_no_gain_to_be_seen() -> None:
    found = effect(Side(200, 190), Side(20, 20))
    assert found is not None
    assert found.detectable is None


@given(st.integers(1, 400), st.integers(1, 400), st.data())
def test_any_two_sides_have_a_sound_effect(one: int, other: int, data: st.DataObject) -> None:
    a = Side(one, data.draw(st.integers(0, one)))
    b = Side(other, data.draw(st.integers(0, other)))
    there, back = effect(a, b), effect(b, a)
    assert there is not None
    assert back is not None
    assert there.difference in there.interval
    assert 0 <= there.p <= 1
    assert there.p == pytest.approx(back.p)
    assert (there.interval.low, there.interval.high) == (
        pytest.approx(-back.interval.high, abs=1e-12),
        pytest.approx(-back.interval.low, abs=1e-12),
    )
    if there.detectable is not None:
        assert 0 < there.detectable <= 1 - b.share


def test_holm_corrects_as_he_says() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == [0.03, 0.06, 0.06, 0.02]
    assert holm([]) == []


def test_means_are_compared_by_welch() -> None:
    from scipy.stats import ttest_ind

    rng = RNG(4)
    spent, control = (rng.gamma(0.2, 4000, size) for size in (900, 110))
    found = mean_effect(_sums(spent), _sums(control))
    assert found is not None
    theirs = ttest_ind(spent, control, equal_var=False)
    assert found.p == pytest.approx(theirs.pvalue)
    between = theirs.confidence_interval(0.95)
    assert (found.interval.low, found.interval.high) == (pytest.approx(between.low), pytest.approx(between.high))
    assert found.extra == pytest.approx((spent.mean() - control.mean()) * 900)
    nothing = mean_effect(Sums(5, 0.0, 0.0), Sums(5, 0.0, 0.0))
    assert nothing is not None
    assert (nothing.p, nothing.difference) == (1.0, 0.0)


def _sums(amounts: np.ndarray) -> Sums:
    return Sums(len(amounts), float(amounts.sum()), float((amounts**2).sum()))


# How often they err: many shops, all without an effect or with a known one.

SHOPS = 1000


def share_of(found: list[bool]) -> float:
    return sum(found) / len(found)


@pytest.mark.parametrize(("size", "held", "share"), [(4500, 500, 0.06), (900, 100, 0.12), (150, 40, 0.05)])
def test_a_campaign_without_effect_is_called_a_success_at_the_stated_rate(size: int, held: int, share: float) -> None:
    rng = RNG(size)
    treated, control = rng.binomial(size, share, SHOPS), rng.binomial(held, share, SHOPS)
    found = [effect(Side(size, int(a)), Side(held, int(b))) for a, b in zip(treated, control, strict=True)]
    alarms = share_of([one is not None and one.verdict in ("gain", "loss") for one in found])
    assert alarms < 0.05 + 3 * math.sqrt(0.05 * 0.95 / SHOPS)
    if held >= 500:
        assert alarms > 0.03  # exact tests of few customers err less often


@pytest.mark.parametrize(
    ("size", "held", "with_it", "without"), [(4500, 500, 0.09, 0.06), (900, 100, 0.15, 0.10), (150, 40, 0.08, 0.03)]
)
def test_the_interval_covers_the_true_effect_in_95_of_100_shops(
    size: int, held: int, with_it: float, without: float
) -> None:
    rng = RNG(held)
    treated, control = rng.binomial(size, with_it, SHOPS), rng.binomial(held, without, SHOPS)
    found = [effect(Side(size, int(a)), Side(held, int(b))) for a, b in zip(treated, control, strict=True)]
    covered = share_of([one is not None and with_it - without in one.interval for one in found])
    assert 0.93 <= covered <= 0.985


def test_money_is_covered_too_though_few_spend_and_some_spend_much() -> None:
    rng = RNG(7)

    def spending(size: int, share: float) -> np.ndarray:
        return np.asarray((rng.random((SHOPS, size)) < share) * rng.lognormal(3.6, 0.8, (SHOPS, size)))

    mean = math.exp(3.6 + 0.32)
    covered = []
    for spent, control in zip(spending(900, 0.15), spending(200, 0.1), strict=True):
        found = mean_effect(_sums(spent), _sums(control))
        covered.append(found is not None and 0.05 * mean in found.interval)
    assert 0.92 <= share_of(covered) <= 0.97  # skewed sums of few: a little narrow


@pytest.mark.parametrize("share", [0.05, 0.15, 0.4])
def test_whoever_looks_every_third_day_is_not_misled(share: float) -> None:
    """Thirty looks of a campaign without effect. Judged by each day's own interval many a shop would cry success."""
    rng, looks, size, held, shops = RNG(11), 30, 1800, 200, 300
    misled, naive = [], []
    for _ in range(shops):
        chances = [share / looks] * looks + [1 - share]
        treated, control = (np.cumsum(rng.multinomial(many, chances)[:-1]) for many in (size, held))
        seen = [
            effect(Side(size, int(one)), Side(held, int(other)), early=True)
            for one, other in zip(treated, control, strict=True)
        ]
        misled.append(any(one is not None and 0 not in one.interval for one in seen))
        naive.append(any(one is not None and one.p < 0.05 for one in seen))
    assert share_of(misled) <= 0.05
    assert share_of(naive) > 0.12


def test_no_winner_is_called_early() -> None:
    arms = {"warm": Side(2000, 400), "plain": Side(2000, 200)}
    early = compare(arms, early=True)
    assert early.winner is None
    assert {one.effect.verdict for one in early.comparisons} == {"too_early"}
    assert compare(arms).winner == "warm"


def test_a_winner_is_better_than_every_other_arm() -> None:
    found = compare({"a": Side(2000, 300), "b": Side(2000, 290), "c": Side(2000, 150)})
    assert found.winner is None
    assert [one.effect.verdict for one in found.comparisons] == ["too_small", "gain", "gain"]
    assert compare({"c": Side(2000, 150), "a": Side(2000, 300), "d": Side(0, 0)}).winner == "a"
    assert compare({"a": Side(10, 3)}).winner is None
    assert compare({}).comparisons == ()


def test_many_arms_err_together_no_more_often_than_one() -> None:
    rng, names = RNG(5), "abcd"
    counts = rng.binomial(1500, 0.1, (SHOPS, len(names)))
    found = [compare({name: Side(1500, int(n)) for name, n in zip(names, row, strict=True)}) for row in counts]
    alarms = share_of([any(one.effect.verdict in ("gain", "loss") for one in trial.comparisons) for trial in found])
    assert alarms <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / len(found))
    uncorrected = share_of([any(one.effect.p < 0.05 for one in trial.comparisons) for trial in found])
    assert uncorrected > 0.15
