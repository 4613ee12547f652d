"""What holds for every metric of the catalogue."""

import math
import re
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restain.errors import DataError
from restain.geometry import Region, Size
from restain.metrics import METRICS, SOURCE_METRICS, Metric, Scores, add, reach
from restain.metrics.base import BLOCK

ALL = (*METRICS, *SOURCE_METRICS)
LINEAR = ("psnr", "ssim_gaussian", "ssim_uniform", "l1", "l2")
"""Metrics whose sums over an image are those over its channels."""


def those(metrics: Sequence[Metric]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("metric", metrics, ids=lambda metric: metric.name)


every_metric = those(ALL)
every_metric_of_any_image = those([metric for metric in ALL if not metric.rgb])
every_metric_of_colour = those([metric for metric in ALL if metric.rgb])
every_metric_of_windows = those([metric for metric in ALL if metric.window > 1])


def test_names_are_unique_and_plain():
    names = [metric.name for metric in ALL]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[a-z][a-z0-9_]*", name) for name in names)


@every_metric
def test_facts_are_stated(metric: Metric):
    low, high = metric.bounds
    assert low < high
    assert metric.source
    assert metric.window % 2 == 1
    assert metric.better in ("higher", "lower", "nearer 0")
    assert BLOCK % metric.stride == 0


@every_metric
def test_equal_images_have_the_best_value(metric: Metric, make_pair):
    _, target = make_pair()
    best = {"higher": metric.bounds[1], "lower": metric.bounds[0], "nearer 0": 0}[metric.better]
    if metric.name.startswith("vif"):
        best = 1  # more is an exaggeration
    assert metric.of(target, target) == best


@every_metric
@pytest.mark.parametrize("seed", range(5))
def test_value_lies_within_bounds_and_falls_with_noise(metric: Metric, make_pair, seed: int):
    pred, target = make_pair(seed=seed)
    noise = np.random.default_rng(seed).integers(0, 256, target.shape, dtype=np.uint8)
    near, far = metric.of(pred, target), metric.of(noise, target)
    assert metric.bounds[0] <= min(near, far)
    assert max(near, far) <= metric.bounds[1]
    if metric.better == "nearer 0":
        near, far = abs(near), abs(far)
    assert (near > far) == (metric.better == "higher")


@every_metric
def test_black_against_white_does_not_wrap_around(metric: Metric):
    black, white = np.zeros((2, 48, 48, 3), np.uint8)
    white += 255
    value = metric.of(black, white)
    expected = {
        "psnr": 0,
        "l1": 255,
        "l2": 255,
        "hist_correlation": -1 / 255,
        "hist_correlation_joint": -1 / 511,
        "hist_bhattacharyya": 1,
        "stain_dice": 0,
        "stain_iou": 0,
        "stain_tpr": math.nan,  # target has nothing to find
        "stain_fpr": 1,
    }
    if metric.name in expected:
        assert value == pytest.approx(expected[metric.name], abs=1e-15, nan_ok=True)
    elif metric.name.startswith("ssim"):
        assert 0 < value < 1e-3
    elif metric.name.startswith("vif"):
        assert value == 1  # there is no structure to lose
    else:
        assert value > 0.5  # black is dense
    turned = {"stain_tpr": 0, "stain_fpr": math.nan}.get(metric.name, -value if metric.better == "nearer 0" else value)
    assert metric.of(white, black) == pytest.approx(turned, abs=0, nan_ok=True)


@those([metric for metric in ALL if metric.name in LINEAR])
@pytest.mark.parametrize("channels", [1, 2, 3, 26])
def test_any_number_of_channels_is_the_mean_over_them(metric: Metric, make_pair, channels: int):
    pred, target = make_pair(40, 50, channels)
    singly = (metric.tally(pred[..., [c]], target[..., [c]]) for c in range(channels))
    total = ()
    for tally in singly:
        total = add(total, tally)
    assert metric.tally(pred, target) == total


@every_metric_of_any_image
def test_sixteen_bits_give_the_value_of_eight(metric: Metric, make_pair):
    pred, target = make_pair()
    deep = [image.astype(np.uint16) * 257 for image in (pred, target)]
    assert metric.of(*deep) == pytest.approx(metric.of(pred, target), rel=1e-11)


@those(METRICS)  # those against the source share their code
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_an_image_measured_in_parts_gives_the_same_integers(metric: Metric, data: st.DataObject):
    least = max(11, metric.window)
    height, width = data.draw(st.integers(least, least + 60)), data.draw(st.integers(least, least + 60))
    side = metric.stride * data.draw(st.integers(1, 40 // metric.stride))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    pred, target = rng.integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    size, parts = Size(width, height), []
    further = data.draw(st.integers(0, 9))  # more pixels than needed do no harm
    for tile in Region.of(size).tiles(side):
        part = reach(tile, size, metric.window + further).slices
        parts.append(metric.tally(pred[part], target[part], tile.size))
    total = ()
    for i in rng.permutation(len(parts)):
        total = add(total, parts[i])
    assert total == metric.tally(pred, target)


@every_metric
def test_images_larger_than_one_block_are_measured_whole(metric: Metric, make_pair, monkeypatch: pytest.MonkeyPatch):
    pred, target = make_pair(130, 150)
    whole = metric.tally(pred, target)
    monkeypatch.setattr("restain.metrics.base.BLOCK", 64)
    assert metric.tally(pred, target) == whole


@every_metric
def test_pooled_is_the_metric_of_all_pixels_together(metric: Metric, make_pair):
    scores = Scores(metric)
    pairs = [make_pair(seed=seed) for seed in range(3)]
    values = [scores.add(metric.tally(*pair)) for pair in pairs]
    summary = scores.result()
    assert values == [metric.of(*pair) for pair in pairs]
    assert summary.mean == pytest.approx(np.mean(values), rel=1e-14)
    assert summary.std == pytest.approx(np.std(values, ddof=1), rel=1e-9)
    assert summary.n == 3
    if metric.window == 1:
        assert summary.pooled == metric.of(*(np.concatenate(side) for side in zip(*pairs, strict=True)))
    elif metric.name.startswith("ssim"):
        assert summary.pooled == pytest.approx(np.mean(values), rel=1e-12)  # linear, and the images are of equal size
    else:
        assert min(values) < summary.pooled < max(values)  # a ratio of sums


def test_an_infinite_value_makes_the_mean_infinite_and_the_deviation_unknown(make_pair):
    psnr = METRICS[0]
    pred, target = make_pair()
    scores = Scores(psnr)
    scores.add(psnr.tally(target, target))
    scores.add(psnr.tally(pred, target))
    summary = scores.result()
    assert summary.mean == math.inf
    assert math.isnan(summary.std)
    assert math.isfinite(summary.pooled)


@every_metric
@pytest.mark.parametrize(
    ("pred", "target"),
    [
        (np.zeros((60, 60, 3), np.uint8), np.zeros((60, 61, 3), np.uint8)),
        (np.zeros((60, 60, 3), np.uint8), np.zeros((60, 60, 1), np.uint8)),
        (np.zeros((60, 60, 3), np.uint8), np.zeros((60, 60, 3), np.uint16)),
        (np.zeros((60, 60, 3), np.float32), np.zeros((60, 60, 3), np.float32)),
        (np.zeros((60, 60), np.uint8), np.zeros((60, 60), np.uint8)),
        (np.zeros((0, 60, 3), np.uint8), np.zeros((0, 60, 3), np.uint8)),
        (np.zeros((60, 60, 0), np.uint8), np.zeros((60, 60, 0), np.uint8)),
    ],
    ids=["size", "channels", "depth", "float", "no channel axis", "no pixels", "no channels"],
)
def test_what_cannot_be_compared_is_refused(metric: Metric, pred: np.ndarray, target: np.ndarray):
    with pytest.raises(DataError):
        metric.of(pred, target)


@every_metric_of_any_image
def test_fractions_of_white_are_no_levels(metric: Metric, make_pair):
    """Measured on the scale 0 .. 255 they would give VIF and SSIM near 1 without a word."""
    pair = [(image / 255).astype(np.float32) for image in make_pair()]
    with pytest.raises(DataError, match="fractions of white are no levels"):
        metric.of(*pair)


@every_metric_of_windows
def test_an_image_smaller_than_the_window_is_refused(metric: Metric):
    image = np.zeros((metric.window - 1, 80, 3), np.uint8)
    with pytest.raises(DataError, match=f"{metric.name} .* less than a window of {metric.window}"):
        metric.of(image, image)
    assert metric.misfit(Size(80, metric.window - 1), 3, np.dtype(np.uint8))
    assert metric.misfit(Size(80, metric.window), 3, np.dtype(np.uint8)) is None


@every_metric_of_colour
@pytest.mark.parametrize(("channels", "dtype"), [(1, np.uint8), (4, np.uint8), (3, np.uint16)])
def test_what_is_no_colour_is_refused_by_metrics_of_colour(metric: Metric, channels: int, dtype: type):
    image = np.zeros((60, 60, channels), dtype)
    with pytest.raises(DataError, match=f"{metric.name} .* no 8-bit colour"):
        metric.of(image, image)
    with pytest.raises(DataError, match=f"{metric.name} .* no 8-bit colour"):
        metric.tally(image, image, Size(8, 8))


@given(
    width=st.integers(1, 60), height=st.integers(1, 60), window=st.sampled_from([1, 3, 7, 11]), side=st.integers(1, 30)
)
def test_every_window_lies_in_the_reach_of_exactly_one_tile(width: int, height: int, window: int, side: int):
    size = Size(width, height)
    starts = np.zeros((max(0, height - window + 1), max(0, width - window + 1)), int)
    for tile in Region.of(size).tiles(side):
        block = reach(tile, size, window)
        assert block.right <= width
        assert block.bottom <= height
        assert max(block.width, block.height) <= side + window - 1
        starts[block.y : max(block.y, block.bottom - window + 1), block.x : max(block.x, block.right - window + 1)] += 1
    assert (starts == 1).all()
