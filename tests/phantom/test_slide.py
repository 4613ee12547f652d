import numpy as np
import openslide
import pytest
import tifffile

from restain.geometry import Mpp, Region, Size
from restain.phantom import CHANNEL_NAMES, Extent, Phantom, PhantomSlide, Section, write_phantom
from restain.slides import RGB, open_slide, read_at, size_at

HALF = Mpp.square(0.5)


def slide(stain="he", size=Size(700, 560), section=Section(0)):
    return PhantomSlide(Phantom(1, Extent.of(size, HALF)), stain, size, HALF, section)


def test_a_slide_says_what_it_is():
    info = slide(size=Size(9000, 4096)).info
    assert info.levels == (Size(9000, 4096), Size(2250, 1024), Size(562, 256), Size(140, 64))
    assert info.downsamples == (1, 4, 16, 64)
    assert info.require_mpp() == HALF
    assert (info.channels, info.dtype, info.background) == (RGB, np.uint8, 255)
    dark = slide("autofluorescence").info
    assert (dark.channels, dark.dtype, dark.background) == (CHANNEL_NAMES, np.uint16, 0)


def test_reading_is_rendering():
    with slide() as reader:
        region = Region(300, 200, 90, 70)
        np.testing.assert_array_equal(reader.read(region), reader.phantom.render("he", region, HALF))
        part = Region(10, 20, 60, 50)
        np.testing.assert_array_equal(reader.read(part, 1), reader.phantom.render("he", part, Mpp.square(2.0)))


def test_large_regions_are_drawn_in_blocks_without_seams():
    size = Size(1100, 40)
    reader = slide(size=size)
    whole = reader.read(Region.of(size))
    np.testing.assert_array_equal(whole, reader.phantom.render("he", Region.of(size), HALF))


def test_outside_the_slide_is_white():
    reader = slide()
    corner = reader.read(Region(-20, -10, 40, 30))
    assert (corner[:10] == 255).all()
    assert (corner[:, :20] == 255).all()
    np.testing.assert_array_equal(corner[10:, 20:], reader.read(Region(0, 0, 20, 20)))


def test_a_slide_reads_at_any_scale():
    reader = slide()
    mpp = Mpp.square(1.0)
    size = size_at(reader.info, mpp)
    assert size == Size(350, 280)
    drawn = reader.phantom.render("he", Region(100, 100, 60, 60), mpp).astype(float)
    read = read_at(reader, Region(100, 100, 60, 60), mpp).astype(float)
    assert np.abs(drawn - read).mean() < 3


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("slides") / "phantom.ome.tiff"
    reader = slide("ki67", section=Section(1))
    write_phantom(path, reader, tile=256)
    return path, reader


def test_the_file_holds_the_slide(written):
    path, reader = written
    whole = reader.read(Region.of(reader.info.size)).astype(float)
    with tifffile.TiffFile(path) as file:
        stored = file.series[0].levels[0].asarray().astype(float)
    assert stored.shape == whole.shape
    assert np.abs(stored - whole).mean() < 3  # JPEG


def test_other_programs_open_the_file(written):
    path, reader = written
    with openslide.OpenSlide(path) as file:
        assert file.dimensions == (700, 560)
        assert file.level_count > 1
        assert float(file.properties["openslide.mpp-x"]) == pytest.approx(0.5)
    with open_slide(path) as file:
        assert file.info.require_mpp().is_close(HALF)
        assert (
            np.abs(file.read(Region(300, 200, 64, 64)) - reader.read(Region(300, 200, 64, 64)).astype(float)).mean() < 4
        )


def test_autofluorescence_is_stored_without_loss(tmp_path):
    size = Size(130, 96)
    reader = slide("autofluorescence", size)
    write_phantom(tmp_path / "dark.ome.tiff", reader, tile=64)
    with open_slide(tmp_path / "dark.ome.tiff") as file:
        assert len(file.info.channels) == 26
        np.testing.assert_array_equal(file.read(Region.of(size)), reader.read(Region.of(size)))


def test_an_extent_comes_from_pixels():
    assert Extent.of(Size(200, 100), Mpp(0.5, 0.25)) == Extent(100, 25)
