"""Shifts between two stains, on phantoms shifted by a known amount and on real pairs of known kinds."""

import time

import numpy as np
import pytest
from PIL import Image
from skimage.feature import match_template

from restain.data import FolderPairsConfig, Pairs, PhantomPairs, PhantomPairsConfig, check_alignment, make_pairs
from restain.data.alignment import MOST_SIDE, RELATED, _correlation, _edges, measure_shift
from restain.errors import AlignmentWarning, DataError
from restain.geometry import Mpp, Region
from restain.phantom import Phantom

MPP = Mpp.square(0.5)
MARKERS = ("ki67", "her2", "cd3", "ck818")


class Made(Pairs):
    """Pairs that were made before."""

    aligned = True

    def __init__(self, *images):
        self.images, self.asked = images, []

    def __len__(self):
        return len(self.images)

    def name(self, index):
        return str(index)

    def read(self, index):
        self.asked.append(index)
        return self.images[index]


def pair(marker="ki67", dx=0, dy=0, seed=100, side=256):
    """H&E, and a stain that shows everything further right by dx and further down by dy."""
    phantom = Phantom(seed)
    return (
        phantom.render("he", Region(0, 0, side, side), MPP),
        phantom.render(marker, Region(-dx, -dy, side, side), MPP),
    )


def real(shared_data, folder, source, target):
    config = {"source": shared_data / folder / source, "target": shared_data / folder / target, "held_out": "*"}
    return make_pairs(FolderPairsConfig(**config, train=()), "held_out")


@pytest.mark.parametrize("marker", MARKERS)
def test_the_same_section_is_found_where_it_is(marker):
    shift = measure_shift(*pair(marker))
    assert (shift.dx, shift.dy) == (0, 0)
    assert shift.score_at_zero == shift.score_at_best > 0.4
    assert shift.related


@pytest.mark.parametrize(("dx", "dy"), [(1, 0), (0, -3), (12, 7), (-31, 20)])
@pytest.mark.parametrize("marker", ["her2", "ck818"])
def test_a_known_shift_is_found_to_the_pixel(marker, dx, dy):
    shift = measure_shift(*pair(marker, dx, dy))
    assert (shift.dx, shift.dy) == (dx, dy)
    assert shift.length == pytest.approx(np.hypot(dx, dy))
    assert shift.score_at_zero < shift.score_at_best > 0.4


def test_large_images_are_measured_in_steps_of_two():
    shift = measure_shift(*pair(dx=40, dy=-22, side=MOST_SIDE + 128))
    assert (shift.dx, shift.dy) == (40, -22)


def test_inverted_light_does_not_matter():
    source, target = pair(dx=5)
    assert measure_shift(255 - source, target).dx == 5


def test_a_shift_beyond_reach_looks_unrelated():
    shift = measure_shift(*pair(dx=60, side=256))
    assert shift.score_at_best < RELATED
    assert not shift.related


def test_the_correlation_is_that_of_scikit_image():
    edges, _ = _edges(pair()[0])
    part = _edges(pair(dx=3)[1])[0][20:-20, 24:-24]
    np.testing.assert_allclose(_correlation(part, edges), match_template(edges, part), atol=2e-5)


@pytest.mark.parametrize("level", [0, 240])
def test_glass_matches_nothing(level):
    blank = np.full((128, 128, 3), level, np.uint8)
    shift = measure_shift(blank, blank)
    assert shift.score_at_best == 0
    assert not shift.related


def test_images_that_do_not_fit_are_refused():
    source, target = pair(side=128)
    with pytest.raises(DataError, match="no shift"):
        measure_shift(source, target[1:])
    with pytest.raises(DataError, match="at least"):
        measure_shift(source[:127], target[:127])


def test_aligned_pairs_do_not_warn_and_are_spread_over_the_set():
    pairs = Made(*[pair(side=128)] * 33)
    assert [shift.length for shift in check_alignment(pairs, count=3)] == [0, 0, 0]
    assert pairs.asked == [0, 16, 32]


def test_shifted_pairs_are_told_with_the_number_and_the_fix():
    with pytest.warns(AlignmentWarning, match=r"median shift is 10 px.*register.*unpaired") as told:
        check_alignment(Made(*[pair(dx=6, dy=8, seed=seed) for seed in (100, 101, 102)]))
    assert len(told) == 1


def test_a_few_pixels_do_not_warn():
    check_alignment(Made(*[pair(dx=2, dy=2, seed=seed) for seed in (100, 101)]))


def test_other_tissue_is_told():
    images = [(pair(seed=seed)[0], pair(seed=seed + 10)[1]) for seed in (100, 101, 102)]
    with pytest.warns(AlignmentWarning, match=r"not show the same cells: in 0 of 3.*0\.1 is needed"):
        check_alignment(Made(*images))


def test_glass_among_the_pairs_does_not_warn_and_pairs_that_match_are_the_ones_that_count():
    glass = (np.full((256, 256, 3), 240, np.uint8),) * 2
    check_alignment(Made(glass, pair(), glass))
    with pytest.warns(AlignmentWarning, match="over 1 pairs the median shift is 9 px"):
        check_alignment(Made(glass, pair(dx=9), glass))


def test_small_images_and_those_of_two_sizes_are_not_measured():
    source, target = pair(side=128)
    assert check_alignment(Made((source[:120], target[8:]), (source, target[1:]))) == ()


def test_serial_sections_of_the_phantom_warn_and_the_same_section_does_not():
    config = PhantomPairsConfig(source="he", target="her2", slides=2, side=256)
    check_alignment(PhantomPairs(config, "train"))
    with pytest.warns(AlignmentWarning, match="register"):
        check_alignment(PhantomPairs(config.model_copy(update={"section": 1}), "train"))


def test_real_pairs_of_the_same_section_do_not_warn(shared_data):
    shifts = check_alignment(real(shared_data, "darkfield_he_paired", "darkfield", "he"))
    assert len(shifts) == 16
    assert np.median([shift.length for shift in shifts]) <= 2
    assert min(shift.score_at_best for shift in shifts) > RELATED


@pytest.mark.parametrize("folder", ["he_her2_bci", "he_her2_mist"])
def test_real_serial_sections_warn(shared_data, folder):
    with pytest.warns(AlignmentWarning, match="not show the same cells"):
        check_alignment(real(shared_data, folder, "he", "ihc"))


def test_real_pairs_out_of_order_warn(shared_data):
    there = real(shared_data, "darkfield_he_paired", "darkfield", "he")
    mixed = [(there.read(k)[0], there.read(k + 51)[1]) for k in range(0, 48, 3)]
    with pytest.warns(AlignmentWarning, match="in 0 of 16"):
        check_alignment(Made(*mixed))


def test_a_real_spectral_image_lies_four_pixels_off(shared_data):
    folder = shared_data / "hyperspectral_he_glioma"
    bands, he = np.load(next(folder.glob("*/tile.npy"))), np.asarray(Image.open(folder / "he" / "tile.tif"))
    shift = measure_shift(bands, he)
    assert shift.related
    assert 2 < shift.length < 5


def test_sixteen_pairs_are_measured_in_seconds():
    pairs = Made(*[pair(side=MOST_SIDE)] * 16)
    begun = time.process_time()
    check_alignment(pairs)
    assert time.process_time() - begun < 3  # 0.8 s
