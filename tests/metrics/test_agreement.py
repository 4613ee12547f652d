import math

import numpy as np
import pytest
import scipy.stats

from restain.errors import ConfigError, DataError, SmallSampleWarning
from restain.metrics import (
    agreement,
    bland_altman,
    class_agreement,
    her2_score,
    intraclass,
    mismatches,
    resampled,
    share_with_interval,
    shuffled_agreement,
    weighted_kappa,
)

SHROUT_FLEISS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])
"""Table 2 of Shrout and Fleiss (1979)."""


def cases(n=40, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0, 60, n)
    return truth + rng.normal(0, 4, n), truth


def test_intraclass_correlations_are_those_of_shrout_and_fleiss():
    found = intraclass(SHROUT_FLEISS)
    assert found.one_way == pytest.approx(0.166, abs=5e-4)
    assert found.agreement == pytest.approx(0.290, abs=5e-4)
    assert found.consistency == pytest.approx(0.715, abs=5e-4)


def test_a_constant_difference_is_bias_and_breaks_agreement_but_not_consistency():
    truth = np.array([5.0, 20, 35, 50, 80])
    found = bland_altman(truth + 7, truth)
    assert (found.bias, found.lower, found.upper) == pytest.approx((7, 7, 7), abs=1e-12)
    shared = intraclass(np.stack([truth + 7, truth], axis=1))
    assert shared.consistency == pytest.approx(1)
    assert shared.agreement < 0.98


def test_limits_are_the_mean_and_196_deviations():
    found = bland_altman([1.0, 4, 7], [0.0, 2, 4])  # differences 1, 2, 3
    assert (found.bias, found.lower, found.upper) == pytest.approx((2, 2 - 1.96, 2 + 1.96))


def test_weighted_kappa_is_that_of_a_worked_example():
    # 2 x 2 classes of 0 to 2: observed disagreement (2 x 1 + 1 x 2) / 10, by chance from the margins below.
    pred = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])
    truth = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 0])
    p, t = np.bincount(pred) / 10, np.bincount(truth) / 10
    for weighting, power in (("linear", 1), ("quadratic", 2)):
        chance = sum(p[i] * t[j] * abs(i - j) ** power for i in range(3) for j in range(3))
        seen = (1 + 1 + 2**power) / 10
        assert weighted_kappa(pred, truth, 3, weighting) == pytest.approx(1 - seen / chance)
    assert weighted_kappa(truth, truth, 3) == 1
    assert math.isnan(weighted_kappa(np.ones(4, int), np.ones(4, int), 3))


def test_kappa_of_two_classes_is_cohens():
    # The table 20 5 / 10 15 has an observed agreement of 0.7, of 0.5 by chance.
    pred = np.repeat([0, 0, 1, 1], [20, 5, 10, 15])
    truth = np.repeat([0, 1, 0, 1], [20, 5, 10, 15])
    assert weighted_kappa(pred, truth, 2) == pytest.approx(0.4)


def test_the_interval_of_a_bias_is_the_textbooks_where_patients_have_one_image():
    differences = 4 * scipy.stats.norm.ppf((np.arange(200) + 0.5) / 200)
    truth = np.random.default_rng(0).uniform(0, 60, 200)
    pred = truth + differences
    found = agreement(pred, truth, generator=np.random.default_rng(1), resamples=1000)
    half = 1.96 * (pred - truth).std(ddof=1) / math.sqrt(200)
    assert found.bias.high - found.bias.low == pytest.approx(2 * half, rel=0.1)
    # Bland and Altman: the standard error of a limit is about sqrt(3) that of the bias.
    assert found.lower.high - found.lower.low == pytest.approx(2 * half * math.sqrt(1 + 1.96**2 / 2), rel=0.15)
    assert found.icc.low < found.icc.value < found.icc.high


def test_images_of_one_patient_are_taken_or_left_together():
    pred, truth = cases(12)
    pred, truth = np.repeat(pred, 10), np.repeat(truth, 10)
    grouped = agreement(
        pred, truth, patients=np.repeat(np.arange(12), 10), generator=np.random.default_rng(0), resamples=400
    )
    alone = agreement(pred, truth, generator=np.random.default_rng(0), resamples=400)
    width = grouped.bias.high - grouped.bias.low
    assert width == pytest.approx(math.sqrt(10) * (alone.bias.high - alone.bias.low), rel=0.15)


def test_the_seed_decides_the_interval():
    pred, truth = cases()
    draw = [agreement(pred, truth, generator=np.random.default_rng(seed), resamples=50).icc for seed in (3, 3, 4)]
    assert draw[0] == draw[1] != draw[2]


def test_one_patient_is_refused_and_few_are_told():
    pred, truth = cases(8)
    with pytest.raises(DataError, match="1 patient "):
        agreement(pred, truth, patients=np.zeros(8, int), generator=np.random.default_rng(0))
    with pytest.warns(SmallSampleWarning, match="8 patients are few"):
        rough = agreement(pred, truth, generator=np.random.default_rng(0), resamples=50)
    assert math.isfinite(rough.bias.low)
    with pytest.warns(SmallSampleWarning, match="cannot be given"):
        none = agreement(pred, truth, patients=np.repeat([0, 1], 4), generator=np.random.default_rng(0))
    assert math.isnan(none.bias.low)
    with pytest.raises(ConfigError):
        resampled(lambda rows: [0.0], None, 20, generator=np.random.default_rng(0), resamples=-1)


def test_agreement_of_the_wrong_pairs_is_chance():
    pred, truth = cases(60)
    right = agreement(pred, truth, generator=np.random.default_rng(0), resamples=0).icc.value
    wrong = shuffled_agreement(pred, truth, generator=np.random.default_rng(0))
    assert right > 0.95
    assert abs(wrong.icc) < 0.05
    assert -0.35 < wrong.low < 0 < wrong.high < 0.35


def test_no_image_meets_one_of_its_own_patient():
    patients = np.array([0, 0, 0, 1, 1, 2, 3])
    pairings = mismatches(patients, 7, 50, np.random.default_rng(0))
    assert (patients[pairings] != patients).all()
    assert (mismatches(None, 5, 50, np.random.default_rng(0)) != np.arange(5)).all()
    with pytest.raises(DataError):
        mismatches(np.zeros(4, int), 4, 1, np.random.default_rng(0))


def test_the_interval_of_a_share_is_wilsons():
    found = share_with_interval(10, 100)
    assert (found.value, found.low, found.high) == pytest.approx((0.1, 0.0552, 0.1744), abs=1e-4)
    none = share_with_interval(0, 50)
    assert (none.low, none.high) == pytest.approx((0, 3.8415 / (50 + 3.8415)), abs=1e-4)


@pytest.mark.parametrize(
    ("counts", "score"),
    [
        ((100, 0, 0, 0), 0),
        ((90, 10, 0, 0), 0),  # at most 10 %
        ((89, 11, 0, 0), 1),
        ((0, 100, 0, 0), 1),
        ((90, 0, 10, 0), 0),  # at most 10 %, and nothing intense
        ((0, 89, 11, 0), 2),
        ((0, 95, 0, 5), 2),  # intense and complete, but in at most 10 %
        ((90, 0, 0, 10), 2),
        ((89, 0, 0, 11), 3),
        ((899, 100, 0, 1), 1),  # one cell in a thousand is an error
    ],
)
def test_her2_scores_are_the_guidelines(counts, score):
    assert her2_score(np.repeat(range(4), counts)) == score


@pytest.mark.parametrize("wrong", [np.zeros(0, int), np.array([0, 4]), np.zeros((2, 2), int)])
def test_her2_of_no_cells_is_refused(wrong):
    with pytest.raises(DataError):
        her2_score(wrong)


def test_agreement_of_classes_has_intervals():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, 40)
    pred = np.clip(truth + rng.choice([0, 0, 0, 1], 40), 0, 3)
    found = class_agreement(pred, truth, 4, generator=rng, resamples=200)
    assert found.exact.value == (pred == truth).mean()
    assert found.linear.low < found.linear.value < found.linear.high <= 1
    assert found.quadratic.value > found.linear.value
    with pytest.raises(DataError, match="0 to 3"):
        class_agreement(pred + 1, truth, 4, generator=rng)


def test_readings_that_do_not_fit_are_refused():
    for pred, truth in (([1.0], [1.0, 2.0]), ([], []), ([math.nan], [1.0])):
        with pytest.raises(DataError):
            bland_altman(pred, truth)
    with pytest.raises(DataError):
        intraclass(np.zeros(3))
    assert math.isnan(intraclass(np.ones((3, 2))).agreement)
