"""What holds for every metric of the catalogue."""

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restain.errors import DataError
from restain.geometry import Size
from restain.metrics import METRICS, Metric, Scores, add, blocks

every_metric = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)


def test_names_are_unique_and_plain():
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[a-z][a-z0-9_]*", name) for name in names)


@every_metric
def test_facts_are_stated(metric: Metric):
    low, high = metric.bounds
    assert low < high
    assert metric.source
    assert metric.window % 2 == 1


@every_metric
def test_equal_images_reach_the_better_bound(metric: Metric, make_pair):
    _, target = make_pair()
    assert metric.of(target, target) == metric.bounds[1 if metric.higher_is_better else 0]


@every_metric
@pytest.mark.parametrize("seed", range(5))
def test_value_lies_within_bounds_and_falls_with_noise(metric: Metric, make_pair, seed: int):
    pred, target = make_pair(seed=seed)
    noise = np.random.default_rng(seed).integers(0, 256, target.shape, dtype=np.uint8)
    near, far = metric.of(pred, target), metric.of(noise, target)
    assert metric.bounds[0] <= min(near, far)
    assert max(near, far) <= metric.bounds[1]
    assert (near > far) == metric.higher_is_better


@every_metric
def test_worst_images_do_not_wrap_around(metric: Metric):
    black, white = np.zeros((2, 32, 32, 3), np.uint8)
    white += 255
    value = metric.of(black, white)
    if metric.name in ("psnr", "l1", "l2"):
        assert value == metric.bounds[0 if metric.higher_is_better else 1]
    else:
        assert 0 < value < 1e-3
    assert value == metric.of(white, black)


@every_metric
@pytest.mark.parametrize("channels", [1, 2, 3, 26])
def test_any_number_of_channels_is_the_mean_over_them(metric: Metric, make_pair, channels: int):
    pred, target = make_pair(40, 50, channels)
    singly = (metric.tally(pred[..., [c]], target[..., [c]]) for c in range(channels))
    total = ()
    for tally in singly:
        total = add(total, tally)
    assert metric.tally(pred, target) == total


@every_metric
def test_sixteen_bits_give_the_value_of_eight(metric: Metric, make_pair):
    pred, target = make_pair()
    deep = [image.astype(np.uint16) * 257 for image in (pred, target)]
    assert metric.of(*deep) == pytest.approx(metric.of(pred, target), rel=1e-11)


@every_metric
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_an_image_measured_in_parts_gives_the_same_integers(metric: Metric, data: st.DataObject):
    height, width = data.draw(st.integers(11, 70)), data.draw(st.integers(11, 70))
    side = data.draw(st.integers(1, 40))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    pred, target = rng.integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    parts = [
        metric.tally(pred[block.slices], target[block.slices])
        for block in blocks(Size(width, height), metric.window, side)
    ]
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
    else:
        assert summary.pooled == pytest.approx(np.mean(values), rel=1e-12)  # linear, and the images are of equal size


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
        (np.zeros((20, 20, 3), np.uint8), np.zeros((20, 21, 3), np.uint8)),
        (np.zeros((20, 20, 3), np.uint8), np.zeros((20, 20, 1), np.uint8)),
        (np.zeros((20, 20, 3), np.uint8), np.zeros((20, 20, 3), np.uint16)),
        (np.zeros((20, 20, 3), np.float32), np.zeros((20, 20, 3), np.float32)),
        (np.zeros((20, 20), np.uint8), np.zeros((20, 20), np.uint8)),
        (np.zeros((0, 20, 3), np.uint8), np.zeros((0, 20, 3), np.uint8)),
        (np.zeros((20, 20, 0), np.uint8), np.zeros((20, 20, 0), np.uint8)),
    ],
    ids=["size", "channels", "depth", "float", "no channel axis", "no pixels", "no channels"],
)
def test_what_cannot_be_compared_is_refused(metric: Metric, pred: np.ndarray, target: np.ndarray):
    with pytest.raises(DataError):
        metric.of(pred, target)


@every_metric
def test_an_image_smaller_than_the_window_is_refused(metric: Metric):
    if metric.window == 1:
        pytest.skip("looks at single pixels")
    image = np.zeros((metric.window - 1, 40, 3), np.uint8)
    with pytest.raises(DataError, match=f"window of {metric.name}"):
        metric.of(image, image)


@given(
    width=st.integers(1, 60), height=st.integers(1, 60), window=st.sampled_from([1, 3, 7, 11]), side=st.integers(1, 30)
)
def test_every_window_lies_in_exactly_one_block(width: int, height: int, window: int, side: int):
    size = Size(width, height)
    starts = np.zeros((max(0, height - window + 1), max(0, width - window + 1)), int)
    for block in blocks(size, window, side):
        assert block.right <= width
        assert block.bottom <= height
        assert max(block.width, block.height) <= side + window - 1
        starts[block.y : block.bottom - window + 1, block.x : block.right - window + 1] += 1
    assert (starts == 1).all()
