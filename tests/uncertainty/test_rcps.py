"""The promise of a calibration is kept in simulations, and broken when pixels are counted instead of images."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import erfc

from restain.errors import DataError
from restain.uncertainty import (
    ImageRisk,
    Interval,
    IntervalRule,
    calibrate,
    hoeffding_bentkus_bound,
    interval_of,
    widen,
)
from restain.uncertainty.bounds import p_value
from restain.uncertainty.rcps import LAMBDAS, safe_lambdas, walk_down

CENTRED = LAMBDAS["centred"]


def span(shape: tuple[int, ...], lower: float, upper: float) -> Interval:
    return Interval(np.full(shape, lower), np.zeros(shape), np.full(shape, upper))


def image(spread: float, seed: int = 0, pixels: int = 400) -> ImageRisk:
    """Gaussian errors around intervals that are right for a spread of one."""
    risk = ImageRisk()
    truth = spread * np.random.default_rng(seed).standard_normal((pixels, 1))
    risk.add(span(truth.shape, *stats.norm.ppf([0.05, 0.95])), truth)
    return risk


@pytest.mark.parametrize(
    ("law", "outside"),
    [
        (stats.norm, lambda lambda_: erfc(lambda_ * stats.norm.ppf(0.95) / math.sqrt(2))),
        (stats.laplace, lambda lambda_: 0.1**lambda_),
        (stats.uniform(-0.5, 1), lambda lambda_: np.maximum(1 - 0.9 * lambda_, 0)),
    ],
    ids=["gaussian", "laplace", "uniform"],
)
def test_the_risk_of_true_quantiles_is_the_closed_form_for_every_lambda(law, outside):
    truth = law.ppf((np.arange(20_000) + 0.5) / 20_000)[:, None]
    risk = ImageRisk()
    risk.add(span(truth.shape, law.ppf(0.05), law.ppf(0.95)), truth)
    np.testing.assert_allclose(risk.curve(), outside(CENTRED), atol=2e-4)


@pytest.mark.parametrize(("law", "expected"), [("standard_normal", 1.264), ("laplace", 1.377), ("random", 1.119)])
def test_a_perfect_sampler_of_20_needs_a_lambda_above_one(law: str, expected: float):
    rng = np.random.default_rng(7)
    samples, fresh = [getattr(rng, law)(size=(21, 100_000, 1)) for _ in range(2)]
    risk = ImageRisk()
    risk.add(interval_of(samples[:-1]), samples[-1])
    lambda_ = CENTRED[np.argmax(risk.curve() <= 0.1)]
    assert lambda_ == pytest.approx(expected, abs=0.02)
    wide = widen(interval_of(fresh[:-1]), lambda_, "centred")
    assert np.mean((wide.lower <= fresh[-1]) & (fresh[-1] <= wide.upper)) == pytest.approx(0.9, abs=0.005)


def simulate(trials: int = 200, images: int = 100, pixels: int = 128 * 128 * 3) -> dict[str, float]:
    """The share of calibrations that miss their promise, counting images and counting pixels.

    Each image has errors of its own spread, lognormal(0.5), and so many pixels that its risk is the expected one.
    """
    rng, z = np.random.default_rng(0), stats.norm.ppf(0.95)
    lambdas = CENTRED[::8] * z / math.sqrt(2)
    nodes = np.exp(0.5 * stats.norm.ppf((np.arange(2000) + 0.5) / 2000))
    true = np.mean(erfc(lambdas / nodes[:, None]), axis=0)
    misses = {"images": 0, "pixels": 0}
    for _ in range(trials):
        spreads = np.exp(0.5 * rng.standard_normal(images))
        risk = np.mean(erfc(lambdas / spreads[:, None]), axis=0)
        for unit, n in (("images", images), ("pixels", images * pixels)):
            at = walk_down(p_value(risk, n, 0.1) <= 0.1)
            misses[unit] += true[at] > 0.1
    return {unit: count / trials for unit, count in misses.items()}


def test_counting_images_keeps_the_promise_and_counting_pixels_breaks_it():
    missed = simulate()
    assert missed["images"] <= 0.1 + 3 * math.sqrt(0.1 * 0.9 / 200)
    assert missed["pixels"] > 0.3


def test_betting_keeps_the_promise_with_wider_risks_than_hoeffding_and_bentkus():
    rng, lambdas = np.random.default_rng(1), CENTRED[::8] * stats.norm.ppf(0.95) / math.sqrt(2)
    nodes = np.exp(0.5 * stats.norm.ppf((np.arange(2000) + 0.5) / 2000))
    true = np.mean(erfc(lambdas / nodes[:, None]), axis=0)
    risks: dict[str, list[float]] = {"betting": [], "hoeffding_bentkus": []}
    for _ in range(200):
        curves = erfc(lambdas / np.exp(0.5 * rng.standard_normal(100))[:, None])
        for bound in ("betting", "hoeffding_bentkus"):
            at = walk_down(safe_lambdas(curves, 0.1, 0.1, bound))
            assert at is not None
            risks[bound].append(true[at])
    assert np.mean(np.array(risks["betting"]) > 0.1) <= 0.1 + 3 * math.sqrt(0.1 * 0.9 / 200)
    assert np.mean(risks["hoeffding_bentkus"]) < np.mean(risks["betting"]) < 0.1


def test_a_calibration_is_the_last_safe_lambda_before_the_first_unsafe_one():
    images = [image(spread, seed) for seed, spread in enumerate(np.linspace(0.5, 1.5, 60))]
    made = calibrate(images, IntervalRule())
    risk = np.mean([each.curve() for each in images], axis=0)
    at = int(np.flatnonzero(made.lambda_ == CENTRED)[0])
    assert made.n == 60
    assert made.risk == pytest.approx(risk[at])
    assert made.bound == pytest.approx(hoeffding_bentkus_bound(risk[at], 60, 0.1))
    assert made.bound <= 0.1 < hoeffding_bentkus_bound(risk[at - 1], 60, 0.1)


def test_the_walk_stops_at_the_first_failure_even_if_smaller_lambdas_pass():
    assert walk_down(np.array([True, False, True, True])) == 2
    assert walk_down(np.ones(3, np.bool_)) == 0
    assert walk_down(np.zeros(3, np.bool_)) is None


def test_more_pixels_of_the_same_images_do_not_make_the_bound_lower():
    def made(copies: int) -> float:
        images = []
        for seed, spread in enumerate(np.linspace(0.5, 1.5, 40)):
            truth = np.tile(spread * np.random.default_rng(seed).standard_normal((400, 1)), (copies, 1))
            images.append(ImageRisk())
            images[-1].add(span(truth.shape, *stats.norm.ppf([0.05, 0.95])), truth)
        return calibrate(images, IntervalRule()).lambda_

    assert made(1) == made(3)


@pytest.mark.parametrize("form", ["centred", "multiplicative"])
def test_an_image_in_parts_gives_exactly_the_whole(form):
    rng = np.random.default_rng(3)
    lower, centre, upper = np.sort(rng.random((3, 16, 12, 3)), axis=0)
    truth, mask = rng.random((16, 12, 3)), rng.integers(0, 4, (16, 12))
    whole, parts = ImageRisk(form), ImageRisk(form)
    whole.add(Interval(lower, centre, upper), truth, mask)
    for rows in (slice(0, 5), slice(5, 6), slice(6, 16)):
        parts.add(Interval(lower[rows], centre[rows], upper[rows]), truth[rows], mask[rows])
    np.testing.assert_array_equal(whole.curve(), parts.curve())


def test_the_risk_is_the_weighted_share_outside_of_what_widening_gives():
    rng = np.random.default_rng(4)
    lower, centre, upper = np.sort(rng.random((3, 20, 20, 3)), axis=0)
    truth, mask = rng.random((20, 20, 3)), rng.integers(0, 3, (20, 20))
    risk = ImageRisk()
    risk.add(Interval(lower, centre, upper), truth, mask)
    for at in (0, 100, 333, 800, 1999):
        wide = widen(Interval(lower, centre, upper), CENTRED[at], "centred")
        outside = ((truth < wide.lower) | (truth > wide.upper)).mean(axis=-1)
        assert risk.curve()[at] == pytest.approx(np.average(outside, weights=mask), abs=1e-12)


def test_what_the_mask_leaves_out_may_be_anything():
    truth = np.zeros((4, 4, 3))
    truth[0] = np.nan
    mask = np.ones((4, 4), bool)
    mask[0] = False
    risk = ImageRisk()
    risk.add(span(truth.shape, -1, 1), truth, mask)
    assert risk.curve().max() == 0
    with pytest.raises(DataError, match="not finite"):
        risk.add(span(truth.shape, -1, 1), truth)


def test_too_few_images_are_told_how_many_are_needed():
    with pytest.raises(DataError, match="needs at least 22 images, not 21"):
        calibrate([image(0.1, seed) for seed in range(21)], IntervalRule())
    assert calibrate([image(0.1, seed) for seed in range(22)], IntervalRule()).n == 22
    with pytest.raises(DataError, match="needs at least 22 images, not 0"):
        calibrate([], IntervalRule())


def test_intervals_that_never_hold_the_truth_are_refused():
    with pytest.raises(DataError, match="outside even of the widest"):
        calibrate([image(100, seed) for seed in range(30)], IntervalRule())


def test_forms_are_not_mixed():
    with pytest.raises(DataError, match="different forms"):
        calibrate([ImageRisk(), ImageRisk("multiplicative")] * 20, IntervalRule())


def test_an_image_without_pixels_that_count_is_refused():
    risk = ImageRisk()
    risk.add(span((4, 4, 3), -1, 1), np.zeros((4, 4, 3)), np.zeros((4, 4), bool))
    with pytest.raises(DataError, match="no pixel that counts"):
        risk.curve()


@pytest.mark.parametrize(
    ("truth", "mask", "reason"),
    [
        (np.zeros((4, 4, 1)), None, "does not fit an interval"),
        (np.zeros((4, 4, 3), np.uint8), None, "uint8"),
        (np.zeros((4, 4, 3)), np.ones((3, 4), bool), "does not fit an interval"),
        (np.zeros((4, 4, 3)), np.ones((4, 4)), "not exact"),
        (np.zeros((4, 4, 3)), np.full((4, 4), -1), "below zero"),
    ],
)
def test_what_does_not_fit_is_refused(truth, mask, reason):
    with pytest.raises(DataError, match=reason):
        ImageRisk().add(span((4, 4, 3), -1, 1), truth, mask)


def test_images_sorted_by_difficulty_do_not_win_the_bet_before_the_hard_ones_come():
    images = [image(spread, seed) for seed, spread in enumerate(np.linspace(0.2, 2, 100))]
    made = calibrate(images, IntervalRule(), bound="betting")
    sorted_first = np.stack([each.curve() for each in images])
    at = walk_down(safe_lambdas(sorted_first, 0.1, 0.1, "betting"))
    assert at is not None
    assert sorted_first[:, at].mean() > 0.1  # as sorted, a lambda passes that breaks the promise on these very images
    assert made.risk < made.bound <= 0.1
