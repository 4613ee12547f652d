"""Confidence bounds against published numbers, against each other, and against the binomial law."""

import math

import numpy as np
import pytest
from scipy import stats

from restain.errors import DataError
from restain.uncertainty import betting_bound, hoeffding_bentkus_bound, hoeffding_bound, images_needed
from restain.uncertainty.bounds import betting_wealth, p_value


@pytest.mark.parametrize(("n", "bound"), [(100, 0.14508), (500, 0.10491), (1000, 0.09693), (10000, 0.08501)])
def test_the_bound_has_its_known_values(n: int, bound: float):
    assert hoeffding_bentkus_bound(0.08, n, 0.1) == pytest.approx(bound, abs=1e-4)


def test_hoeffding_has_its_known_value():
    assert hoeffding_bound(0.08, 1000, 0.1) == pytest.approx(0.11393, abs=1e-5)


@pytest.mark.parametrize("delta", [0.01, 0.1, 0.5])
@pytest.mark.parametrize("n", [1, 10, 137])
def test_the_bound_rises_with_the_risk_and_is_never_above_hoeffding(n: int, delta: float):
    risks = np.linspace(0, 1, 41)
    bounds = [hoeffding_bentkus_bound(risk, n, delta) for risk in risks]
    assert (np.diff(bounds) >= -1e-9).all()
    for risk, bound in zip(risks, bounds, strict=True):
        assert risk <= bound <= hoeffding_bound(risk, n, delta) + 1e-9


def test_the_bound_falls_with_n_where_n_times_the_risk_is_whole():
    bounds = [hoeffding_bentkus_bound(0.05, n, 0.1) for n in (20, 40, 100, 200, 1000, 5000)]
    assert bounds == sorted(bounds, reverse=True)


def test_n_times_the_risk_is_rounded_up():
    bentkus = np.e * stats.binom.cdf(81, 1000, 0.1)
    assert float(p_value(0.0801, 1000, 0.1)) == pytest.approx(bentkus, rel=1e-9)


def test_rounding_of_the_computer_is_not_rounded_up():
    assert 100 * 0.07 > 7
    assert float(p_value(0.07, 100, 0.15)) == pytest.approx(np.e * stats.binom.cdf(7, 100, 0.15), rel=1e-9)


@pytest.mark.parametrize("mu", [0.02, 0.1, 0.4])
def test_the_bound_holds_for_binary_values_for_which_it_is_made(mu: float):
    n, delta = 100, 0.1
    seen = np.arange(n + 1)
    misses = [hoeffding_bentkus_bound(k / n, n, delta) < mu for k in seen]
    assert float(stats.binom.pmf(seen, n, mu)[misses].sum()) <= delta


def test_the_p_value_is_delta_at_the_bound():
    for risk in (0.0, 0.013, 0.5, 0.97):
        bound = hoeffding_bentkus_bound(risk, 60, 0.1)
        assert float(p_value(risk, 60, bound)) == pytest.approx(0.1, abs=1e-6)


def test_as_many_images_as_needed_are_enough_and_one_less_is_not():
    for alpha, delta in ((0.1, 0.1), (0.05, 0.1), (0.2, 0.01)):
        n = images_needed(alpha, delta)
        assert hoeffding_bentkus_bound(0, n, delta) <= alpha < hoeffding_bentkus_bound(0, n - 1, delta)


@pytest.mark.parametrize(("risk", "n", "delta"), [(1.1, 10, 0.1), (-0.1, 10, 0.1), (0.1, 0, 0.1), (0.1, 10, 1)])
@pytest.mark.parametrize("bound", [hoeffding_bound, hoeffding_bentkus_bound])
def test_odd_numbers_are_refused(bound, risk: float, n: int, delta: float):
    with pytest.raises(DataError, match="has no bound"):
        bound(risk, n, delta)


def test_a_risk_of_one_has_the_bound_one():
    assert hoeffding_bentkus_bound(1, 10, 0.1) == hoeffding_bound(1, 10, 0.1) == 1


def test_the_wealth_of_two_bets_is_that_of_the_formula():
    losses, mu, delta = (0.2, 0.6), 0.5, 0.1
    first = min(1, math.sqrt(2 * math.log(10) / (2 * 0.25)))
    mean = (0.5 + 0.2) / 2
    variance = (0.25 + (0.2 - mean) ** 2) / 2
    second = min(1, math.sqrt(2 * math.log(10) / (2 * variance)))
    one = 1 - first * (0.2 - mu)
    two = one * (1 - second * (0.6 - mu))
    assert betting_wealth(losses, mu, delta) == pytest.approx(max(1, one, two), rel=1e-12)


@pytest.mark.parametrize("law", ["coins", "narrow"])
def test_the_bound_by_betting_is_missed_no_more_often_than_promised(law: str):
    rng, true = np.random.default_rng(3), 0.08
    narrow = rng.beta(true * 200, (1 - true) * 200, (100, 1000))
    losses = narrow if law == "narrow" else (rng.random((100, 1000)) < true).astype(float)
    # the bound is below the truth exactly where the bet against the truth reaches 1 / delta
    missed = np.mean(betting_wealth(losses, true, 0.1) >= 10)
    assert missed <= 0.1 + 3 * math.sqrt(0.1 * 0.9 / 1000)


def test_betting_is_the_tighter_where_losses_vary_little():
    losses = np.random.default_rng(4).beta(16, 184, 200)
    betting, other = betting_bound(losses, 0.1), hoeffding_bentkus_bound(losses.mean(), 200, 0.1)
    assert losses.mean() < betting < 0.1 < other
    assert betting_wealth(losses, betting, 0.1) == pytest.approx(10, rel=1e-6)


def test_perfect_losses_need_a_few_more_bets():
    n = images_needed(0.1, 0.1, "betting")
    assert betting_bound(np.zeros(n), 0.1) <= 0.1 < betting_bound(np.zeros(n - 1), 0.1)
