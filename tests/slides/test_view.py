"""Reading at a scale: the right extent, the mean over the right area, and the same pixel whatever the cut."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates
from skimage.transform import downscale_local_mean

from restain.errors import ScaleError
from restain.geometry import Mpp, Region, Size
from restain.pixels import Image
from restain.slides import SlideInfo, SlideReader, open_slide, overview, read_at, scale_at, size_at


class Memory(SlideReader):
    """A pyramid held in memory, which notes what is read of it."""

    def __init__(self, levels: list[Image], mpp: Mpp | None) -> None:
        sizes = tuple(Size(level.shape[1], level.shape[0]) for level in levels)
        names = ("red", "green", "blue")[: levels[0].shape[2]]
        self.info = SlideInfo(Path("memory"), "memory", sizes, mpp, names, levels[0].dtype, 255)
        self.levels = levels
        self.reads: list[tuple[int, Size]] = []

    def _read_inside(self, region: Region, level: int) -> Image:
        self.reads.append((level, region.size))
        return self.levels[level][region.slices].copy()

    def close(self) -> None:
        pass


def noise(width: int, height: int, dtype: type = np.uint8, seed: int = 0) -> Image:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, (height, width, 3), dtype=dtype)


def at(reader: SlideReader, mpp: float) -> Image:
    return read_at(reader, Region.of(size_at(reader.info, Mpp.square(mpp))), Mpp.square(mpp))


def test_the_own_scale_is_read_as_it_is() -> None:
    image = noise(61, 47)
    reader = Memory([image], Mpp.square(0.499))
    np.testing.assert_array_equal(at(reader, 0.5), image)
    assert scale_at(reader.info, Mpp.square(0.5)) == Mpp.square(0.499)


def test_a_level_of_the_same_scale_is_read_as_it_is() -> None:
    levels = [noise(64, 48), noise(32, 24, seed=1), noise(16, 12, seed=2)]
    reader = Memory(levels, Mpp.square(0.2528))
    np.testing.assert_array_equal(at(reader, 0.5), levels[1])
    np.testing.assert_array_equal(at(reader, 1.0), levels[2])
    assert scale_at(reader.info, Mpp.square(1.0)) == Mpp.square(0.2528 * 4)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("factor", [2, 3, 7, 40])
def test_whole_steps_are_local_means(dtype: type, factor: int) -> None:
    image = noise(factor * 9, factor * 6, dtype)
    expected = downscale_local_mean(image.astype(float), (factor, factor, 1))
    found = at(Memory([image], Mpp.square(0.25)), 0.25 * factor)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, np.floor(expected + 0.5 + 1e-9))


@pytest.mark.parametrize(("parts", "step"), [(4, 1.25), (2, 2.5), (5, 3.4), (4, 5.75)])
def test_broken_steps_are_means_over_the_exact_area(parts: int, step: float) -> None:
    fine = round(parts * step)  # with every pixel cut into parts x parts, a step is a whole number of them
    image = noise(fine * 4, fine * 3)
    cut = image.repeat(parts, 0).repeat(parts, 1).astype(float)
    expected = downscale_local_mean(cut, (fine, fine, 1))
    found = at(Memory([image], Mpp.square(0.5)), 0.5 * step)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=0.5 + 1e-3)


def test_growing_is_bilinear() -> None:
    image = noise(40, 30)
    found = at(Memory([image], Mpp.square(0.5)), 0.3)
    rows, columns = ((np.arange(n) + 0.5) * 0.6 - 0.5 for n in found.shape[:2])
    grid = np.meshgrid(rows, columns, indexing="ij")
    for channel in range(3):
        expected = map_coordinates(image[..., channel].astype(float), grid, order=1, mode="nearest")
        np.testing.assert_allclose(found[..., channel], expected, atol=0.5 + 1e-3)


def test_a_ramp_stays_in_place() -> None:
    """The value of pixel i of a linear ramp is that at the centre of its area: no shift by half a pixel."""
    ramp = np.arange(6000, dtype=np.uint16)[None, :, None].repeat(8, 0).repeat(3, 2) * 10
    for step in (2, 2.2, 3.7, 0.6):
        found = at(Memory([ramp], Mpp.square(1.0)), step)[0, 2:-2, 0]
        centre = (np.arange(2, len(found) + 2) + 0.5) * step - 0.5
        np.testing.assert_allclose(found, 10 * centre, atol=0.51)


def test_pixels_are_not_square() -> None:
    image = noise(60, 90)
    reader = Memory([image], Mpp(0.5, 0.25))
    assert size_at(reader.info, Mpp.square(1.0)) == Size(30, 22)
    found = read_at(reader, Region(0, 0, 30, 22), Mpp.square(1.0))
    np.testing.assert_allclose(found, downscale_local_mean(image[:88].astype(float), (4, 2, 1)), atol=0.5 + 1e-3)


@pytest.mark.parametrize("mpp", [0.5, 0.7, 1.0, 1.13, 1.5, 4.4, 0.31])
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_a_pixel_does_not_depend_on_the_cut(mpp: float, data: st.DataObject) -> None:
    reader = Memory([noise(301, 233), noise(150, 116, seed=1)], Mpp.square(0.5))
    size = size_at(reader.info, Mpp.square(mpp))
    image = at(reader, mpp)
    x, y = data.draw(st.integers(0, size.width - 1)), data.draw(st.integers(0, size.height - 1))
    region = Region(x, y, data.draw(st.integers(1, size.width - x)), data.draw(st.integers(1, size.height - y)))
    np.testing.assert_array_equal(read_at(reader, region, Mpp.square(mpp)), image[region.slices])


@pytest.mark.parametrize("mpp", [0.5, 0.7, 1.0])
def test_the_outside_is_background(mpp: float) -> None:
    reader = Memory([noise(50, 40)], Mpp.square(0.5))
    size = size_at(reader.info, Mpp.square(mpp))
    image = read_at(reader, Region(-3, -2, size.width + 8, size.height + 6), Mpp.square(mpp))
    np.testing.assert_array_equal(image[2:-4, 3:-5], at(reader, mpp))
    assert (image[:2] == 255).all()
    assert (image[:, -5:] == 255).all()
    assert (read_at(reader, Region(10**6, 0, 3, 3), Mpp.square(mpp)) == 255).all()


@given(st.integers(1, 70), st.integers(1, 70), st.floats(0.06, 19))
@settings(max_examples=60, deadline=None)
def test_every_extent_and_scale_gives_an_image_within_the_range_of_the_slide(
    width: int, height: int, mpp: float
) -> None:
    image = noise(width, height) // 2 + 60
    found = at(Memory([image], Mpp.square(0.5)), mpp)
    assert min(found.shape) > 0
    assert image.min() <= found.min() <= found.max() <= image.max()


def test_the_nearest_finer_level_is_used() -> None:
    levels = [noise(640, 480), noise(160, 120), noise(40, 30)]
    reader = Memory(levels, Mpp.square(0.25))
    for mpp, level in ((0.25, 0), (0.5, 0), (0.97, 0), (0.99, 1), (1.0, 1), (2.0, 1), (3.9, 1), (4.0, 2), (9.0, 2)):
        reader.reads.clear()
        at(reader, mpp)
        assert {used for used, _ in reader.reads} == {level}, mpp


def test_memory_is_bounded() -> None:
    """However large the region, the slide is read in blocks."""
    reader = Memory([np.zeros((9000, 5000, 3), np.uint8)], Mpp.square(0.5))
    at(reader, 6.3)
    overview(reader, 300)
    assert max(size.area for _, size in reader.reads) <= 2060**2
    assert len(reader.reads) > 10


class TestOverview:
    def test_of_a_slide_with_levels(self) -> None:
        levels = [noise(400, 300), noise(100, 75, seed=1)]
        found = overview(Memory(levels, None), 100)
        assert found.downsample == 4
        np.testing.assert_array_equal(found.image, levels[1])

    def test_of_a_slide_without(self) -> None:
        image = noise(400, 300)
        found = overview(Memory([image], None), 97)
        assert found.downsample == 5
        np.testing.assert_allclose(found.image, downscale_local_mean(image.astype(float), (5, 5, 1)), atol=0.5)

    def test_of_something_small(self) -> None:
        image = noise(40, 30)
        found = overview(Memory([image], None), 100)
        assert found.downsample == 1
        np.testing.assert_array_equal(found.image, image)

    @given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 90))
    @settings(max_examples=40, deadline=None)
    def test_it_never_exceeds_the_side(self, width: int, height: int, side: int) -> None:
        found = overview(Memory([noise(width, height)], None), side)
        assert max(found.image.shape[:2]) <= side
        assert max(found.image.shape[:2]) >= min(0.75 * side - 1, width, height)

    def test_of_every_slide(self, every_slide: Path, recwarn: pytest.WarningsRecorder) -> None:
        with open_slide(every_slide) as reader:
            found = overview(reader, 64)
            assert max(found.image.shape[:2]) <= 64
            assert found.image.std() > 1


def test_no_scale_no_view() -> None:
    with pytest.raises(ScaleError, match="--mpp"):
        size_at(Memory([noise(4, 4)], None).info, Mpp.square(0.5))
