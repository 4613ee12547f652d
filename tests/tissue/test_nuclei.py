import numpy as np
import pytest

from restain.colour import H_DAB_FIJI, HE_FIJI, compose, rgb_from_od
from restain.errors import DataError
from restain.geometry import Mpp
from restain.tissue import centres, find_nuclei

HALF = Mpp.square(0.5)
RADIUS = 3.1
"""Of the discs, in micrometres."""

PLACES = np.array([[y, x] for y in (10.3, 22, 34, 46.7) for x in (8, 20.4, 32, 44, 56.1)])
"""Of the discs, y then x in micrometres."""


def discs(mpp, *, nuclear=(0.5, 0.1), around=(0.08, 0.25), stains=HE_FIJI, places=PLACES, noise=0.0):
    """An image of discs: amounts of the two stains inside and outside."""
    y, x = np.mgrid[0 : round(57 / mpp.y), 0 : round(64 / mpp.x)]
    y, x = (y + 0.5) * mpp.y, (x + 0.5) * mpp.x
    inside = (np.hypot(y[..., None] - places[:, 0], x[..., None] - places[:, 1]) < RADIUS).any(axis=2)
    amounts = np.where(inside[..., None], nuclear, around)
    amounts = amounts + np.random.default_rng(0).normal(0, noise, amounts.shape)
    return rgb_from_od(compose(amounts, stains))


@pytest.mark.parametrize("mpp", [HALF, Mpp.square(0.25), Mpp.square(1.0), Mpp(0.25, 0.5)], ids=str)
def test_discs_are_found_where_they_are_at_any_scale(mpp):
    labels = find_nuclei(discs(mpp), mpp, HE_FIJI)
    assert labels.max() == len(PLACES)
    nearest = np.linalg.norm(centres(labels, mpp)[:, None] - PLACES, axis=2).argmin(axis=1)
    np.testing.assert_allclose(centres(labels, mpp), PLACES[nearest], atol=0.5 * mpp.mean)
    assert len(set(nearest)) == len(PLACES)
    area = np.bincount(labels.ravel())[1:] * mpp.x * mpp.y
    np.testing.assert_allclose(area, np.pi * RADIUS**2, rtol=0.25)  # half way in the logarithm lies a little outside


def test_touching_discs_are_parted_and_numbered_without_gaps():
    places = np.array([[20.0, 20], [20, 26], [25.2, 23]])  # 6 um apart, with diameters of 6.2
    labels = find_nuclei(discs(HALF, places=places), HALF, HE_FIJI)
    assert set(np.unique(labels)) == {0, 1, 2, 3}
    np.testing.assert_allclose(sorted(map(tuple, centres(labels, HALF))), sorted(map(tuple, places)), atol=0.6)


def test_with_a_nuclear_marker_pale_and_brown_nuclei_are_found():
    pale = discs(HALF, nuclear=(0.25, 0.04), around=(0.03, 0.04), stains=H_DAB_FIJI)
    brown = discs(HALF, nuclear=(0.05, 0.9), around=(0.03, 0.04), stains=H_DAB_FIJI)
    both = np.where((np.arange(pale.shape[1]) < 52)[:, None], pale, brown)
    assert find_nuclei(both, HALF, H_DAB_FIJI, ("hematoxylin", "dab")).max() == len(PLACES)
    assert find_nuclei(both, HALF, H_DAB_FIJI).max() == 8  # four rows and two of five columns


def test_brown_membranes_are_no_nuclei():
    image = discs(HALF, nuclear=(0.25, 0.04), around=(0.03, 0.04), stains=H_DAB_FIJI)
    bars = np.full((8, image.shape[1], 3), rgb_from_od(compose(np.array([0.04, 0.9]), H_DAB_FIJI)), np.uint8)
    labels = find_nuclei(np.concatenate([bars, image, bars]), HALF, H_DAB_FIJI)
    assert labels.max() == len(PLACES)
    assert not labels[:8].any()


@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (90, 40, 130), (230, 150, 190), (120, 80, 40)])
@pytest.mark.parametrize("noise", [0, 3])
def test_an_image_of_one_colour_has_no_nuclei(colour, noise):
    image = np.full((200, 200, 3), colour) + np.random.default_rng(0).normal(0, noise, (200, 200, 3))
    image = image.round().clip(0, 255).astype(np.uint8)
    for stains, marks in ((HE_FIJI, ("hematoxylin",)), (H_DAB_FIJI, ("hematoxylin", "dab"))):
        labels = find_nuclei(image, HALF, stains, marks)
        assert not labels.any()
        assert centres(labels, HALF).shape == (0, 2)


def test_noise_makes_no_nuclei_and_hides_none():
    labels = find_nuclei(discs(HALF, noise=0.05), HALF, HE_FIJI)
    assert labels.max() == len(PLACES)


def test_specks_and_blots_are_no_nuclei():
    image = discs(HALF)
    dark = rgb_from_od(compose(np.array([0.6, 0.1]), HE_FIJI))
    image[30:33, 28:31] = dark
    blot = np.full((120, *image.shape[1:]), dark, np.uint8)
    assert find_nuclei(np.concatenate([image, blot]), HALF, HE_FIJI).max() == len(PLACES)


@pytest.mark.parametrize("size", [(1, 1), (2, 40), (5, 5)])
def test_images_smaller_than_a_nucleus_are_no_trouble(size):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    assert find_nuclei(image, HALF, HE_FIJI).shape == size


def test_what_cannot_be_searched_is_refused():
    image = discs(HALF)
    with pytest.raises(DataError, match="eosin"):
        find_nuclei(image, HALF, HE_FIJI, ("eosin",))
    with pytest.raises(DataError, match="dab"):
        find_nuclei(image, HALF, HE_FIJI, ("hematoxylin", "dab"))
    with pytest.raises(DataError, match="no dye"):
        find_nuclei(image, HALF, HE_FIJI, ())
    with pytest.raises(DataError, match="colour"):
        find_nuclei(image[..., 0], HALF, HE_FIJI)
