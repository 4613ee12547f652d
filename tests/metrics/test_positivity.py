import numpy as np
import pytest

from restain.colour import H_DAB_FIJI, HE, HED, compose, rgb_from_od
from restain.errors import DataError
from restain.metrics import balanced_accuracy, cell_density, percent_positive

every_stains = pytest.mark.parametrize("stains", [H_DAB_FIJI, HED], ids=["H DAB", "H E DAB"])


def nuclei(dab: list[float], hematoxylin: float = 0.3, side: int = 8):
    """A row of square nuclei with known amounts of stain; labels are neither dense nor in order."""
    labels = np.arange(len(dab)) * 7 + 3
    cells = np.zeros((side + 4, (side + 4) * len(dab)), np.int32)
    amounts = np.zeros((*cells.shape, 3))
    amounts[..., 0] = 0.1
    amounts[..., -1] = 0.6  # DAB outside of cells must not count
    for i, (label, amount) in enumerate(zip(labels[::-1], dab, strict=True)):
        part = (slice(2, side + 2), slice(i * (side + 4) + 2, i * (side + 4) + side + 2))
        cells[part] = label
        amounts[part] = (hematoxylin, 0, amount)
    return cells, amounts, labels


@every_stains
def test_density_of_known_cells_is_recovered(stains):
    dab = [0.0, 0.1, 0.4, 0.9]
    cells, amounts, labels = nuclei(dab)
    if len(stains.names) == 2:
        amounts = amounts[..., [0, 2]]
    read = cell_density(rgb_from_od(compose(amounts, stains)), cells, stains)
    np.testing.assert_array_equal(read.labels, labels)
    np.testing.assert_allclose(read.density, dab[::-1], atol=0.01)  # 8 bits


def test_density_is_the_mean_over_the_pixels_of_the_cell():
    cells = np.array([[5, 5, 0, 9]])
    amounts = np.array([[[0.2, 0.1], [0.2, 0.5], [0.2, 0.9], [0.2, 0.2]]])
    read = cell_density(rgb_from_od(compose(amounts, H_DAB_FIJI)), cells)
    np.testing.assert_array_equal(read.labels, [5, 9])
    np.testing.assert_allclose(read.density, [0.3, 0.2], atol=0.01)
    np.testing.assert_array_equal(read.is_positive(0.25), [True, False])


def test_percent_positive_counts():
    assert percent_positive(np.array([True, False, False, True, True])) == 60


def test_balanced_accuracy_is_the_mean_of_both_rates():
    truth = np.array([True] * 4 + [False] * 96)
    read = truth.copy()
    read[0], read[4:28] = False, True
    assert balanced_accuracy(read, truth) == pytest.approx((3 / 4 + 72 / 96) / 2, abs=1e-15)
    assert balanced_accuracy(truth, truth) == 1
    assert balanced_accuracy(~truth, truth) == 0
    assert balanced_accuracy(np.zeros(100, bool), truth) == 0.5


def test_what_does_not_fit_is_refused():
    image, cells = np.zeros((4, 4, 3), np.uint8), np.ones((4, 4), np.int32)
    with pytest.raises(DataError, match="do not fit"):
        cell_density(image, cells[:3])
    with pytest.raises(DataError, match="do not fit"):
        cell_density(image, cells.astype(float))
    with pytest.raises(DataError, match="DAB is not among"):
        cell_density(image, cells, HE)
    with pytest.raises(DataError, match="no cell"):
        percent_positive(np.zeros(0, bool))
    with pytest.raises(DataError, match="only one kind"):
        balanced_accuracy(np.ones(3, bool), np.ones(3, bool))
    with pytest.raises(DataError, match="3 cells were read where 2"):
        balanced_accuracy(np.ones(3, bool), np.ones(2, bool))


def test_a_mask_without_cells_gives_no_cells():
    read = cell_density(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.int32))
    assert len(read.labels) == len(read.density) == 0


def test_real_ki67_is_read_as_its_annotation_says(shared_data):
    """Masks of DeepLIIF: red is a positive nucleus, blue a negative one, green a border."""
    from PIL import Image
    from scipy.ndimage import label

    density, truth = [], []
    for path in sorted((shared_data / "ihc_ki67_deepliif" / "ihc").iterdir()):
        mask = np.asarray(Image.open(path.parents[1] / "cells" / path.name).convert("RGB"))
        positive, count = label(mask[..., 0] > 128)
        negative, _ = label(mask[..., 2] > 128)
        cells = positive + np.where(negative > 0, negative + count, 0)
        read = cell_density(np.asarray(Image.open(path).convert("RGB")), cells)
        density.append(read.density)
        truth.append(read.labels <= count)
    positive, truth = np.concatenate(density) > 0.25, np.concatenate(truth)
    assert balanced_accuracy(positive, truth) > 0.97
    assert percent_positive(positive) == pytest.approx(percent_positive(truth), abs=2)
