"""Our numbers against those of other people's code and against closed forms."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity
from torchmetrics.functional.image import peak_signal_noise_ratio as torchmetrics_psnr
from torchmetrics.functional.image import structural_similarity_index_measure as torchmetrics_ssim

from restain.metrics import L1, L2, Psnr, SsimGaussian, SsimUniform

every_depth = pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
GAUSSIAN = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}


def planes(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image.astype(np.float64)).permute(2, 0, 1)[None]


def torchmetrics_map(pred: np.ndarray, target: np.ndarray, gaussian: bool, window: int) -> np.ndarray:
    """torchmetrics averages over a reflected margin too; its map without that margin is the published definition."""
    _, full = torchmetrics_ssim(
        planes(pred),
        planes(target),
        gaussian_kernel=gaussian,
        sigma=1.5,
        kernel_size=window,
        data_range=float(np.iinfo(pred.dtype).max),
        return_full_image=True,
    )
    margin = window // 2
    return full[..., margin:-margin, margin:-margin].numpy()


@every_depth
def test_psnr_equals_scikit_image_and_torchmetrics(make_pair, dtype: type):
    pred, target = make_pair(dtype=dtype)
    white = np.iinfo(dtype).max
    ours = Psnr().of(pred, target)
    assert ours == pytest.approx(peak_signal_noise_ratio(target, pred, data_range=white), abs=1e-6)
    theirs = torchmetrics_psnr(planes(pred), planes(target), data_range=float(white))
    assert ours == pytest.approx(theirs.item(), abs=5e-6)  # torchmetrics keeps constants in float32


@every_depth
def test_gaussian_ssim_equals_scikit_image_and_torchmetrics(make_pair, dtype: type):
    pred, target = make_pair(dtype=dtype)
    ours = SsimGaussian().of(pred, target)
    theirs = structural_similarity(target, pred, channel_axis=2, data_range=np.iinfo(dtype).max, **GAUSSIAN)
    assert ours == pytest.approx(theirs, abs=1e-6)
    assert ours == pytest.approx(torchmetrics_map(pred, target, True, 11).mean(), abs=1e-6)


@every_depth
def test_uniform_ssim_equals_the_default_of_scikit_image(make_pair, dtype: type):
    pred, target = make_pair(dtype=dtype)
    theirs = structural_similarity(target, pred, channel_axis=2, data_range=np.iinfo(dtype).max)
    assert SsimUniform().of(pred, target) == pytest.approx(theirs, abs=1e-6)


def test_the_two_ssim_profiles_differ_beyond_rounding(make_pair):
    pair = make_pair()
    assert abs(SsimGaussian().of(*pair) - SsimUniform().of(*pair)) > 0.005


def test_l2_is_the_root_of_the_mean_square_error_of_scikit_image(make_pair):
    pred, target = make_pair()
    assert L2().of(pred, target) == pytest.approx(math.sqrt(mean_squared_error(target, pred)), abs=1e-9)


def test_l1_and_l2_of_a_constant_difference_are_that_difference():
    pred, target = np.full((9, 8, 3), 0, np.uint8), np.full((9, 8, 3), 100, np.uint8)
    assert L1().of(pred, target) == 100
    assert L2().of(pred, target) == pytest.approx(100, abs=1e-12)
    assert Psnr().of(pred, target) == pytest.approx(20 * math.log10(2.55), abs=1e-12)


def test_ratio_of_l2_to_l1_for_gaussian_noise_is_that_of_theory():
    rng = np.random.default_rng(0)
    target = np.full((500, 500, 3), 30000, np.uint16)
    pred = np.rint(target + rng.normal(0, 2000, target.shape)).astype(np.uint16)
    assert L2().of(pred, target) / L1().of(pred, target) == pytest.approx(math.sqrt(math.pi / 2), rel=2e-3)


def test_ssim_of_two_flat_images_is_its_luminance_term():
    pred, target = np.full((20, 20, 3), 100, np.uint8), np.full((20, 20, 3), 150, np.uint8)
    c_1 = (0.01 * 255) ** 2
    expected = (2 * 100 * 150 + c_1) / (100**2 + 150**2 + c_1)
    assert SsimGaussian().of(pred, target) == pytest.approx(expected, abs=1e-11)
    assert SsimUniform().of(pred, target) == pytest.approx(expected, abs=1e-11)


@pytest.mark.parametrize("folder", ["he_her2_bci", "he_her2_mist"])
def test_real_tiles_agree_with_scikit_image(shared_data, folder: str):
    from PIL import Image

    he, ihc = (sorted((shared_data / folder / stain).iterdir())[0] for stain in ("he", "ihc"))
    pred, target = (np.asarray(Image.open(path).convert("RGB")) for path in (he, ihc))
    assert Psnr().of(pred, target) == pytest.approx(peak_signal_noise_ratio(target, pred), abs=1e-6)
    gaussian = structural_similarity(target, pred, channel_axis=2, **GAUSSIAN)
    assert SsimGaussian().of(pred, target) == pytest.approx(gaussian, abs=1e-6)
    assert SsimUniform().of(pred, target) == pytest.approx(
        structural_similarity(target, pred, channel_axis=2), abs=1e-6
    )
