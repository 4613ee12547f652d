"""Confidence bounds against published numbers, against each other, and against the binomial law."""

import numpy as np
import pytest
from scipy import stats

from restain.errors import DataError
from restain.uncertainty import hoeffding_bentkus_bound, hoeffding_bound, images_needed
from restain.uncertainty.bounds import p_value


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
