"""VIF against the formula written out, against torchmetrics, and where its value is known."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, shift
from scipy.signal import convolve2d
from torchmetrics.functional.image import visual_information_fidelity

from restain.metrics import VifChannels, VifChannelsSource, VifLuma, VifLumaSource

LUMA = np.array([0.299, 0.587, 0.114])


def planes(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image.astype(np.float64)).permute(2, 0, 1)[None]


def texture(height: int = 96, width: int = 128, seed: int = 0, sigma: float = 2.0) -> np.ndarray:
    """Colour texture that stays clear of black and white."""
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=(height, width, 3)), (sigma, sigma, 0))
    return np.rint(128 + 25 * (noise / noise.std()).clip(-4, 4)).astype(np.uint8)


def vif_written_out(pred: np.ndarray, target: np.ndarray) -> float:
    """VIF of one plane, window by window, in the terms of the paper: pred = g target + noise of variance v."""
    x, y = pred.astype(float), target.astype(float)
    seen_in_pred = seen_in_target = 0.0
    for n in (17, 9, 5, 3):
        squares = (np.arange(n) - n // 2) ** 2
        window = np.exp(-(squares[:, None] + squares) / (2 * (n / 5) ** 2))
        window /= window.sum()

        def mean(plane: np.ndarray, window: np.ndarray = window) -> np.ndarray:
            return convolve2d(plane, window, mode="valid")

        if n < 17:
            x, y = mean(x)[::2, ::2], mean(y)[::2, ::2]
        variance_x, variance_y = mean(x * x) - mean(x) ** 2, mean(y * y) - mean(y) ** 2
        g = (mean(x * y) - mean(x) * mean(y)) / variance_y
        v = variance_x - g * (mean(x * y) - mean(x) * mean(y))
        v[g < 0] = variance_x[g < 0]
        g[g < 0] = 0
        seen_in_pred += np.log2(1 + g**2 * variance_y / (v + 2)).sum()
        seen_in_target += np.log2(1 + variance_y / 2).sum()
    return seen_in_pred / seen_in_target


@pytest.mark.parametrize("shape", [(41, 41), (42, 57), (90, 120), (131, 75)])
def test_channel_mean_equals_torchmetrics(make_pair, shape: tuple[int, int]):
    pred, target = make_pair(*shape)
    theirs = visual_information_fidelity(planes(pred), planes(target)).item()
    assert VifChannels().of(pred, target) == pytest.approx(theirs, abs=1e-6)


def test_luma_equals_torchmetrics_on_the_luma_of_piq(make_pair):
    pred, target = make_pair()
    theirs = visual_information_fidelity(planes((pred @ LUMA)[..., None]), planes((target @ LUMA)[..., None])).item()
    assert VifLuma().of(pred, target) == pytest.approx(theirs, abs=1e-6)


def test_both_profiles_equal_the_formula_written_out(make_pair):
    pred, target = make_pair()
    assert VifLuma().of(pred, target) == pytest.approx(vif_written_out(pred @ LUMA, target @ LUMA), abs=1e-9)
    channels = [vif_written_out(pred[..., c], target[..., c]) for c in range(3)]
    assert VifChannels().of(pred, target) == pytest.approx(np.mean(channels), abs=1e-9)
    assert abs(VifLuma().of(pred, target) - VifChannels().of(pred, target)) > 0.01


def test_the_written_formula_is_one_for_equal_images():
    image = texture() @ LUMA
    assert vif_written_out(image, image) == pytest.approx(1, abs=1e-9)


def test_more_contrast_gives_more_than_one():
    target = texture()
    stronger = np.rint(128 + 1.2 * (target - 128.0)).astype(np.uint8)
    for metric in (VifLuma(), VifChannels()):
        assert 1.03 < metric.of(stronger, target) < 1.2
        assert metric.of(target, stronger) < 1


def test_a_change_of_level_alone_loses_nothing():
    target = texture()
    assert VifLuma().of(target - 10, target) == pytest.approx(1, abs=1e-12)


def test_unrelated_texture_has_almost_nothing_and_a_shifted_one_little():
    target = texture(sigma=1.0)
    for metric in (VifLuma(), VifChannels()):
        assert 0 <= metric.of(texture(seed=1, sigma=1.0), target) < 0.1
        assert metric.of(shift(target, (2, 2, 0), order=0, mode="wrap"), target) < 0.25


def test_blur_loses_information_bit_by_bit():
    target = texture(sigma=1.0)
    values = [VifLuma().of(gaussian_filter(target, (sigma, sigma, 0)), target) for sigma in (0.5, 1, 2, 4)]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.2


def test_what_is_drawn_where_target_is_flat_counts_nothing():
    """The empty half of the target bears no information; whatever pred shows there, the ratio is that of the rest."""
    flat, target = np.full((96, 48, 3), 200, np.uint8), texture(96, 48)
    joined = np.concatenate([target, np.full((96, 64, 3), 128, np.uint8)], axis=1)
    drawn = joined.copy()
    drawn[:, 96:] = texture(96, 16, seed=5)
    assert VifLuma().of(drawn, joined) == VifLuma().of(joined, joined) == 1
    assert VifLuma().of(target, flat) == 1  # 0 / 0, as piq defines it


@pytest.mark.parametrize(
    ("against_source", "against_target"), [(VifLumaSource, VifLuma), (VifChannelsSource, VifChannels)]
)
def test_against_the_source_it_is_the_same_number_under_another_name(make_pair, against_source, against_target):
    pair = make_pair()
    assert against_source().of(*pair) == against_target().of(*pair)
    assert against_source.name == f"{against_target.name}_source"


def test_real_neighbouring_sections_share_little(shared_data):
    from PIL import Image

    he, ihc = (sorted((shared_data / "he_her2_mist" / stain).iterdir())[0] for stain in ("he", "ihc"))
    pred, target = (np.asarray(Image.open(path).convert("RGB"))[:128, :128] for path in (he, ihc))
    theirs = visual_information_fidelity(planes(pred), planes(target)).item()
    assert VifChannels().of(pred, target) == pytest.approx(theirs, abs=1e-6)
    assert 0.001 < VifLuma().of(pred, target) < 0.1
