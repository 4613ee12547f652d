"""Coarse masks, against drawn shapes, a foreign pipeline and the phantom."""

import numpy as np
import pytest
from scipy import ndimage
from skimage.morphology import remove_small_objects

from restain.colour import H_DAB_FIJI, compose, rgb_from_od
from restain.geometry import Mpp, Region
from restain.phantom import Phantom
from restain.tissue import (
    GLANDS,
    GLANDS_OF_CDX2,
    CoarseMaskConfig,
    DabHistogram,
    choose_threshold,
    coarse_mask,
    dab_density,
)

HALF = Mpp.square(0.5)
ONLY_THRESHOLD = CoarseMaskConfig(smooth=0, opening=0, closing=0, median=0, speck=0, fill=0)


def brown_where(mask):
    """Return an image with DAB of density 0.6 in a mask."""
    dab = np.where(mask, 0.6, 0.05)
    return rgb_from_od(compose(np.stack([np.full(dab.shape, 0.05), dab], axis=-1), H_DAB_FIJI))


def disc(radius, side=101):
    y, x = np.mgrid[:side, :side] - side // 2
    return y**2 + x**2 <= radius**2


def dice(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())


def test_without_steps_the_mask_is_the_threshold():
    assert (coarse_mask(brown_where(disc(20)), 0.3, HALF, ONLY_THRESHOLD) == disc(20)).all()


def test_a_disc_stays_nearly_as_it_is():
    assert dice(coarse_mask(brown_where(disc(20)), 0.3, HALF), disc(20)) > 0.99


def test_growth_is_in_micrometres():
    options = ONLY_THRESHOLD.model_copy(update={"grow": 5.0})
    for mpp, pixels in ((0.5, 10), (1.0, 5)):
        grown = coarse_mask(brown_where(disc(20)), 0.3, Mpp.square(mpp), options)
        assert np.count_nonzero(grown[50]) == 2 * (20 + pixels) + 1


def test_where_the_scale_is_unknown_the_assumed_one_is_taken():
    image, options = brown_where(disc(20)), ONLY_THRESHOLD.model_copy(update={"grow": 5.0, "assumed_mpp": 1.0})
    assert (coarse_mask(image, 0.3, None, options) == coarse_mask(image, 0.3, Mpp.square(1), options)).all()


def test_specks_go_and_holes_close_up_to_their_areas():
    ring, speck = disc(30) & ~disc(8), np.zeros((101, 101), bool)
    speck[3:6, 3:6] = True
    options = ONLY_THRESHOLD.model_copy(update={"speck": 10.0, "fill": 60.0})  # 40 and 240 pixels; the hole has 197
    assert (coarse_mask(brown_where(ring | speck), 0.3, HALF, options) == disc(30)).all()
    smaller = ONLY_THRESHOLD.model_copy(update={"fill": 40.0})
    assert (coarse_mask(brown_where(ring), 0.3, HALF, smaller) == ring).all()


def test_what_reaches_the_edge_of_the_image_is_no_hole():
    half = np.zeros((60, 60), bool)
    half[:, 10:] = True
    options = ONLY_THRESHOLD.model_copy(update={"fill": float("inf")})
    assert (coarse_mask(brown_where(half), 0.3, HALF, options) == half).all()


def test_the_edge_of_the_image_wears_nothing_away():
    full = np.ones((60, 60), bool)
    assert coarse_mask(brown_where(full), 0.3, HALF).all()
    assert not coarse_mask(brown_where(~full), 0.3, HALF).any()


def test_gaps_beside_the_edge_of_the_image_close_only_where_they_would_inside():
    stripe = np.zeros((60, 60), bool)
    stripe[:, 3:] = True  # of its mirror image six pixels away
    narrow, wide = (
        coarse_mask(brown_where(stripe), 0.3, HALF, ONLY_THRESHOLD.model_copy(update={"closing": closing}))
        for closing in (1.0, 3.0)
    )
    assert (narrow == stripe).all()
    assert wide.all()


def test_thin_lines_go_by_opening_and_thin_gaps_by_closing():
    lines = np.zeros((60, 60), bool)
    lines[:, ::30] = True
    opened = coarse_mask(brown_where(lines), 0.3, HALF, ONLY_THRESHOLD.model_copy(update={"opening": 1.0}))
    closed = coarse_mask(brown_where(~lines), 0.3, HALF, ONLY_THRESHOLD.model_copy(update={"closing": 1.0}))
    assert not opened.any()
    assert closed[:, 1:].all()


def test_the_preset_for_glands_does_what_the_public_pipeline_does():
    scene = Phantom(201).scene(Region(0, 0, 384, 384), Mpp.square(0.25))
    image = scene.image("ck818")
    histogram = DabHistogram(tissue_only=False)
    histogram.add(image)
    square = np.ones((3, 3))
    mask = ndimage.binary_erosion(dab_density(image) > histogram.mean, square, iterations=5, border_value=1)
    mask = ndimage.uniform_filter(ndimage.binary_dilation(mask, square, iterations=20).astype(float), 51) > 0.5
    mask = ndimage.binary_fill_holes(remove_small_objects(mask, max_size=1999, connectivity=2))
    ours = coarse_mask(image, histogram.mean, Mpp.square(0.25), GLANDS_OF_CDX2)
    assert dice(ours, mask) > 0.95


@pytest.mark.parametrize(("stain", "least"), [("ck818", 0.97), ("ki67", 0.9)])
def test_the_mask_is_where_the_marker_is_on_the_phantom(stain, least):
    scene = Phantom(201).scene(Region(0, 0, 384, 384), HALF)
    image = scene.image(stain)
    if stain == "ck818":
        truth = np.isin(scene.classes, (2, 4))  # epithelium and its nuclei, which are clear and filled
        options = GLANDS
    else:
        truth, options = np.append(False, scene.cells.ki67)[scene.instances], CoarseMaskConfig()
    histogram = DabHistogram()
    histogram.add(image)
    assert dice(coarse_mask(image, choose_threshold(histogram).density, HALF, options), truth) > least
