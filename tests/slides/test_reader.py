"""The contract of SlideReader, over every reader and every way of storing pixels."""

import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from restain.errors import RestainWarning, ScaleError, SlideError
from restain.geometry import Mpp, Region, Size
from restain.slides import SlideInfo, SlideReader, open_slide


@pytest.fixture(scope="module")
def reader(every_slide: Path) -> Iterator[SlideReader]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RestainWarning)  # of the DICOM sample, about its colours
        opened = open_slide(every_slide)
    with opened:
        yield opened


def whole(reader: SlideReader, level: int) -> np.ndarray:
    return reader.read(Region.of(reader.info.levels[level]), level)


class TestEveryReader:
    def test_info_is_complete(self, reader: SlideReader) -> None:
        info = reader.info
        assert info.path.exists()
        assert info.format
        assert info.dtype in (np.uint8, np.uint16)
        assert len(set(info.channels)) == len(info.channels) >= 1
        areas = [level.area for level in info.levels]
        assert areas == sorted(areas, reverse=True)
        assert areas[-1] > 0

    def test_a_read_has_the_stated_shape_and_type(self, reader: SlideReader) -> None:
        image = reader.read(Region(3, 5, 40, 30))
        assert image.shape == (30, 40, len(reader.info.channels))
        assert image.dtype == reader.info.dtype

    def test_a_read_belongs_to_the_caller(self, reader: SlideReader) -> None:
        first = reader.read(Region(3, 5, 40, 30))
        kept = first.copy()
        first[:] = 7
        np.testing.assert_array_equal(reader.read(Region(3, 5, 40, 30)), kept)

    def test_pixels_do_not_depend_on_the_cut(self, reader: SlideReader) -> None:
        random = np.random.default_rng(0)
        for level, size in enumerate(reader.info.levels[:4]):
            part = Region(0, 0, min(size.width, 1300), min(size.height, 1300))
            image = reader.read(part, level)
            for _ in range(6):
                x, y = int(random.integers(part.width)), int(random.integers(part.height))
                region = Region(x, y, 80, 60).clip(part)
                np.testing.assert_array_equal(
                    reader.read(region, level), image[region.slices], err_msg=f"level {level}"
                )

    def test_the_outside_is_background(self, reader: SlideReader) -> None:
        level = len(reader.info.levels) - 1
        size = reader.info.levels[level]
        image = reader.read(Region(-2, -3, size.width + 6, size.height + 5), level)
        np.testing.assert_array_equal(image[3:-2, 2:-4], whole(reader, level))
        frame = np.ones(image.shape[:2], bool)
        frame[3:-2, 2:-4] = False
        assert (image[frame] == reader.info.background).all()
        assert (reader.read(Region(10**6, 10**6, 4, 4)) == reader.info.background).all()

    def test_threads_read_the_same(self, reader: SlideReader) -> None:
        size = reader.info.size
        regions = list(Region(0, 0, min(size.width, 512), min(size.height, 512)).tiles(100))
        expected = [reader.read(region) for region in regions]
        with ThreadPoolExecutor(4) as pool:
            for found, image in zip(pool.map(reader.read, regions), expected, strict=True):
                np.testing.assert_array_equal(found, image)

    def test_lower_levels_show_the_same_picture(self, reader: SlideReader) -> None:
        mean = whole(reader, 0).mean((0, 1)) if reader.info.size.area < 2e7 else None
        for level, size in enumerate(reader.info.levels[1:], 1):
            if mean is not None and size.area > 1000:
                np.testing.assert_allclose(whole(reader, level).mean((0, 1)), mean, rtol=0.02, atol=2)

    def test_no_such_level(self, reader: SlideReader) -> None:
        with pytest.raises(SlideError, match="has no level 99"):
            reader.read(Region(0, 0, 1, 1), 99)

    def test_an_empty_region(self, reader: SlideReader) -> None:
        with pytest.raises(SlideError, match="0 x 4 pixels is empty"):
            reader.read(Region(0, 0, 0, 4))


@pytest.mark.parametrize("name", ["own-jpeg.ome.tif", "image.png"])
def test_closing_twice_does_nothing(made, name: str) -> None:
    reader = open_slide(made(name))
    reader.close()
    reader.close()


def _info(levels: list[tuple[int, int]], mpp: Mpp | None = None) -> SlideInfo:
    sizes = tuple(Size(*level) for level in levels)
    return SlideInfo(None, "", sizes, mpp, ("grey",), np.dtype(np.uint8), 0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("levels", "downsamples"),
    [
        ([(2220, 2967), (1110, 1483), (555, 741)], (1, 2, 4)),  # rounded down
        ([(2220, 2967), (1110, 1484), (555, 742)], (1, 2, 4)),  # rounded up
        ([(46000, 32914), (11500, 8228), (2875, 2057)], (1, 4, 16)),
        ([(1000, 700), (333, 233)], (1, 3)),
        ([(2220, 2967), (34, 46)], (1, 64)),  # 65 would fit as well
    ],
)
def test_downsamples_undo_the_rounding_of_extents(levels, downsamples) -> None:
    assert _info(levels).downsamples == downsamples


def test_a_downsample_that_is_no_whole_number_stays_so() -> None:
    assert _info([(1000, 1000), (400, 400)]).downsamples == (1, 2.5)


def test_a_missing_scale_names_the_flag() -> None:
    with pytest.raises(ScaleError, match="--mpp"):
        _info([(10, 10)]).require_mpp()
    assert _info([(10, 10)], Mpp.square(0.5)).require_mpp() == Mpp.square(0.5)
