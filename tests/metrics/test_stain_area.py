"""Overlap of positive areas: counted by hand, and without a value where there is nothing to overlap."""

import math

import numpy as np
import pytest

from restain.colour import H_DAB_FIJI, compose, rgb_from_od
from restain.metrics import Metric, Scores, StainDice, StainFpr, StainIou, StainTpr, dab_mask

METRICS = (StainDice(), StainIou(), StainTpr(), StainFpr())
every_area = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)

PALE, BROWN = (rgb_from_od(compose(np.array([0.1, dab]), H_DAB_FIJI)) for dab in (0.1, 0.8))


def picture(mask: np.ndarray) -> np.ndarray:
    return np.where(mask[..., None], BROWN, PALE)


def pair(tp: int, fp: int, fn: int, tn: int) -> tuple[np.ndarray, np.ndarray]:
    pred = np.array([[True] * (tp + fp) + [False] * (fn + tn)])
    target = np.array([[True] * tp + [False] * fp + [True] * fn + [False] * tn])
    return picture(pred), picture(target)


@every_area
def test_the_tally_counts_the_four_kinds_of_pixels(metric: Metric):
    assert metric.tally(*pair(5, 3, 2, 10)) == (5, 3, 2, 10)


def test_values_are_those_worked_out_by_hand():
    images = pair(5, 3, 2, 10)
    assert [metric.of(*images) for metric in METRICS] == [10 / 15, 5 / 10, 5 / 7, 3 / 13]


def test_masks_of_random_stains_give_what_set_algebra_gives():
    amounts = np.random.default_rng(0).gamma(1.5, 0.3, (2, 60, 70, 2))
    pred, target = (rgb_from_od(compose(each, H_DAB_FIJI)) for each in amounts)
    a, b = dab_mask(pred), dab_mask(target)
    dice, iou, found, wrong = (metric.of(pred, target) for metric in METRICS)
    assert dice == 2 * (a & b).sum() / (a.sum() + b.sum())
    assert iou == (a & b).sum() / (a | b).sum()
    assert iou == pytest.approx(dice / (2 - dice), rel=1e-14)
    assert found == a[b].mean()
    assert wrong == a[~b].mean()
    assert 0 < wrong < 1


@pytest.mark.parametrize(
    ("counts", "missing"),
    [
        ((0, 0, 0, 9), {"stain_dice", "stain_iou", "stain_tpr"}),  # nothing is positive
        ((0, 4, 0, 5), {"stain_tpr"}),  # only pred is: a failure, so Dice is 0
        ((0, 0, 4, 5), set()),
        ((9, 0, 0, 0), {"stain_fpr"}),  # everything is positive
    ],
)
def test_what_has_no_value_is_nan_and_never_zero(counts: tuple, missing: set[str]):
    images = pair(*counts)
    assert {metric.name for metric in METRICS if math.isnan(metric.of(*images))} == missing
    if counts[1] or counts[2]:
        assert StainDice().of(*images) == StainIou().of(*images) == 0


def test_images_without_a_value_are_counted_and_left_out_of_the_mean():
    """With a Dice of 0 for the empty image, as in some evaluations, the mean would be 0.5."""
    scores = Scores(StainDice())
    values = [scores.add(scores.metric.tally(*pair(*counts))) for counts in ((5, 0, 0, 5), (5, 5, 5, 5), (0, 0, 0, 20))]
    assert values[:2] == [1, 0.5]
    assert math.isnan(values[2])
    summary = scores.result()
    assert (summary.mean, summary.n, summary.without) == (0.75, 2, 1)
    assert summary.std == pytest.approx(np.std([1, 0.5], ddof=1))
    assert summary.pooled == 2 * 10 / (2 * 10 + 10)


def test_where_no_image_has_a_value_there_is_no_mean():
    scores = Scores(StainDice())
    scores.add(scores.metric.tally(*pair(0, 0, 0, 4)))
    summary = scores.result()
    assert (summary.n, summary.without) == (0, 1)
    assert all(math.isnan(number) for number in (summary.mean, summary.std, summary.pooled))


def test_one_image_with_a_value_among_others_has_no_deviation():
    scores = Scores(StainDice())
    for counts in ((5, 0, 5, 5), (0, 0, 0, 20)):
        scores.add(scores.metric.tally(*pair(*counts)))
    summary = scores.result()
    assert summary.mean == summary.pooled == 2 / 3
    assert math.isnan(summary.std)
