"""What is said of intervals, against direct computation on all values at once and against scipy."""

import math

import numpy as np
import pytest
from scipy import stats

from restain.errors import DataError
from restain.uncertainty import Interval, IntervalRule, Reliability, ReliabilityCurve


def heteroscedastic(count: int = 60_000, seed: int = 0, honest: bool = True) -> tuple[Interval, np.ndarray]:
    """Errors whose spread differs from pixel to pixel; intervals know it (90 %), or hold the mean spread for all."""
    rng = np.random.default_rng(seed)
    spread = np.exp(rng.normal(-3, 0.6, (count, 1)))
    truth = 0.5 + spread * rng.standard_normal((count, 1))
    reach = stats.norm.ppf(0.95) * (spread if honest else rng.permutation(spread))
    centre = np.full((count, 1), 0.5)
    return Interval(centre - reach, centre, centre + reach), truth


def judged(interval: Interval, truth: np.ndarray, mask: np.ndarray | None = None) -> Reliability:
    books = Reliability()
    books.add(interval, truth, mask)
    return books


@pytest.mark.parametrize("honest", [True, False])
def test_all_values_at_once_give_the_same(honest: bool):
    interval, truth = heteroscedastic(honest=honest)
    found = judged(interval, truth).result()
    width, error = interval.width.ravel(), np.abs(truth - interval.centre).ravel()
    outside = ((truth < interval.lower) | (truth > interval.upper)).ravel()
    assert found.weight == truth.size
    assert found.coverage == pytest.approx(1 - outside.mean(), abs=1e-12)
    assert found.width == pytest.approx(width.mean(), abs=1e-8)
    assert found.widths == pytest.approx(np.quantile(width, [0.25, 0.5, 0.75]), rel=0.02)
    quarters = np.array_split(outside[np.argsort(width)], 4)
    assert found.risk_by_width == pytest.approx([quarter.mean() for quarter in quarters], abs=0.004)
    assert found.rank_correlation == pytest.approx(stats.spearmanr(width, error).statistic, abs=1e-3)


def test_honest_intervals_have_the_same_risk_in_all_quarters():
    found = judged(*heteroscedastic()).result()
    assert found.coverage == pytest.approx(0.9, abs=0.005)
    assert found.risk_by_width == pytest.approx([0.1] * 4, abs=0.01)
    assert found.rank_correlation > 0.3


def test_dishonest_intervals_are_found_out_by_their_quarters():
    found = judged(*heteroscedastic(honest=False)).result()
    assert found.risk_by_width[0] > 3 * found.risk_by_width[3]
    assert abs(found.rank_correlation) < 0.02


def test_an_image_in_parts_gives_exactly_the_whole():
    interval, truth = heteroscedastic(999)
    parts = Reliability()
    for rows in (slice(0, 1), slice(1, 700), slice(700, 999)):
        parts.add(Interval(interval.lower[rows], interval.centre[rows], interval.upper[rows]), truth[rows])
    assert parts.result() == judged(interval, truth).result()


def test_a_weight_is_a_value_counted_several_times():
    interval, truth = heteroscedastic(500)
    weight = np.random.default_rng(1).integers(0, 4, truth.shape)
    several = np.repeat(np.arange(500), weight.ravel())
    repeated = Interval(interval.lower[several], interval.centre[several], interval.upper[several])
    assert judged(interval, truth, weight).result() == judged(repeated, truth[several]).result()


def test_equal_widths_have_no_rank_correlation_and_equal_quarters():
    truth = np.random.default_rng(2).standard_normal((40_000, 1))
    z = np.full(truth.shape, stats.norm.ppf(0.95))
    found = judged(Interval(-z, 0 * z, z), truth).result()
    assert math.isnan(found.rank_correlation)
    assert len({round(risk, 12) for risk in found.risk_by_width}) == 1


def test_order_statistics_of_a_perfect_sampler_lie_on_the_diagonal():
    draws = np.random.default_rng(3).standard_exponential((21, 50_000, 1))
    curve = ReliabilityCurve(IntervalRule(kind="order_stat"))
    curve.add(draws[:-1], draws[-1])
    for point in curve.points():
        assert point.empirical == pytest.approx(point.nominal, abs=0.008)


def test_quantiles_of_20_uniform_samples_lie_on_a_line_below_the_diagonal():
    draws = np.random.default_rng(4).random((21, 50_000, 1))
    curve = ReliabilityCurve()
    for rows in (slice(0, 20_000), slice(20_000, 50_000)):
        curve.add(draws[:-1, rows], draws[-1, rows])
    for point in curve.points():
        assert point.empirical == pytest.approx(point.nominal * 19 / 21, abs=0.008)


def test_nothing_that_counts_is_an_error():
    interval, truth = heteroscedastic(10)
    with pytest.raises(DataError, match="no pixel counts"):
        judged(interval, truth, np.zeros(10, bool)).result()
    with pytest.raises(DataError, match="no pixel counts"):
        ReliabilityCurve().points()
