"""Slides written here, read by others; in any order, after any kind of death, and never half under the final name."""

import errno
import os
import signal
import subprocess
import sys
import tracemalloc
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from random import Random

import numpy as np
import pytest
import pyvips
import tifffile
from openslide import OpenSlide
from skimage.transform import downscale_local_mean

import restain
from restain.errors import OutputError, RestainWarning
from restain.geometry import Mpp, Point, Region, Size
from restain.slides import create_slide, open_slide

SIZE = Size(331, 270)
TILE = 64
HALF_UM = Mpp.square(0.5)
LOSSLESS = ("deflate", "zstd")


def write(path: Path, image: np.ndarray, regions: list[Region] | None = None, **options) -> None:
    """Write an image tile by tile, in the order given."""
    size = Size(image.shape[1], image.shape[0])
    with create_slide(path, size, HALF_UM, dtype=image.dtype, tile=TILE, **options) as slide:
        for region in regions or Region.of(size).tiles(TILE):
            slide.write(image[region.slices], region.at)


def everything(path: Path, level: int = 0) -> np.ndarray:
    with open_slide(path) as reader:
        return reader.read(Region.of(reader.info.levels[level]), level)


@pytest.fixture
def rgb(picture) -> np.ndarray:
    return picture(3, np.uint8)


class TestOthersReadIt:
    @pytest.mark.parametrize("compression", ["jpeg", "deflate", "zstd"])
    def test_pixels_and_levels(self, tmp_path: Path, rgb: np.ndarray, compression: str) -> None:
        path = tmp_path / "a.ome.tif"
        write(path, rgb, compression=compression)
        sizes = [(331, 270), (166, 135), (83, 68), (42, 34)]

        slide = OpenSlide(path)
        assert list(slide.level_dimensions) == sizes
        assert float(slide.properties["openslide.mpp-x"]) == pytest.approx(0.5)
        with tifffile.TiffFile(path) as file:
            assert file.is_ome
            assert len(file.series) == 1
            assert [level.shape[1::-1] for level in file.series[0].levels] == sizes
            levels = [level.asarray() for level in file.series[0].levels]
        for level, image in enumerate(levels):
            seen = np.asarray(slide.read_region((0, 0), level, sizes[level]).convert("RGB"))
            np.testing.assert_array_equal(seen, image)
            if compression != "zstd":  # which the vips of pyvips-binary lacks
                page = pyvips.Image.new_from_file(str(path), page=level)
                np.testing.assert_array_equal(page.numpy(), image)
                sub = pyvips.Image.new_from_file(str(path), subifd=level - 1)
                np.testing.assert_array_equal(sub.numpy(), image)
        if compression in LOSSLESS:
            np.testing.assert_array_equal(levels[0], rgb)
            padded = np.pad(rgb, ((0, 0), (0, 1), (0, 0)), mode="edge")
            expected = np.floor(downscale_local_mean(padded.astype(float), (2, 2, 1)) + 0.5)
            np.testing.assert_array_equal(levels[1], expected)
        else:
            assert np.abs(levels[0].astype(int) - rgb).mean() < 1.5

    @pytest.mark.parametrize("compression", LOSSLESS)
    @pytest.mark.parametrize(
        ("channels", "dtype"),
        [
            (("DAPI", "CD3", "Ki67", "µ <&> ß"), np.uint16),
            (("DAPI", "FITC", "Cy3"), np.uint8),
            (("autofluorescence",), np.uint16),
        ],
    )
    def test_channels(self, tmp_path: Path, picture, channels: tuple, dtype: type, compression: str) -> None:
        path = tmp_path / "a.ome.tif"
        image = picture(len(channels), dtype)
        write(path, image, channels=channels, compression=compression)
        with tifffile.TiffFile(path) as file:
            series = file.series[0]
            assert series.axes == ("CYX" if len(channels) > 1 else "YX")
            assert len(series.levels) == 4
            np.testing.assert_array_equal(series.asarray(), np.moveaxis(image, -1, 0).squeeze())
            root = ElementTree.fromstring(file.ome_metadata)
        assert tuple(found.get("Name") for found in root.findall(".//{*}Channel")) == channels
        with open_slide(path) as reader:
            assert reader.info.channels == channels
            assert reader.info.dtype == dtype
            np.testing.assert_array_equal(reader.read(Region.of(SIZE)), image)

    def test_colour_of_16_bits(self, tmp_path: Path, picture) -> None:
        image = picture(3, np.uint16)
        write(tmp_path / "a.tif", image, compression="deflate")
        np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), image)
        page = pyvips.Image.new_from_file(str(tmp_path / "a.tif"))
        np.testing.assert_array_equal(page.numpy(), image)

    def test_grey_jpeg(self, tmp_path: Path, picture) -> None:
        image = picture(1, np.uint8)
        write(tmp_path / "a.tif", image, channels=("grey",))
        assert np.abs(tifffile.imread(tmp_path / "a.tif").astype(int) - image[..., 0]).max() < 10

    def test_jpeg_keeps_the_resolution_of_colour(self, tmp_path: Path) -> None:
        """Columns of two stains of one brightness, one pixel wide: 4:2:0 would mix them to one colour."""
        image = np.empty((TILE, TILE, 3), np.uint8)
        image[:, 0::2], image[:, 1::2] = (200, 120, 90), (110, 140, 220)
        write(tmp_path / "a.tif", image)
        assert np.abs(everything(tmp_path / "a.tif").astype(int) - image).mean() < 6

    @pytest.mark.parametrize("mpp", [Mpp(0.25, 0.2528), Mpp.square(0.499), Mpp.square(1 / 3), None])
    def test_the_scale_survives(self, tmp_path: Path, rgb: np.ndarray, mpp: Mpp | None) -> None:
        path = tmp_path / "a.tif"
        with create_slide(path, SIZE, mpp) as slide:
            slide.write(rgb, Point(0, 0))
        with open_slide(path) as reader:
            assert reader.info.mpp == mpp
        properties = OpenSlide(path).properties
        if mpp is None:
            assert "openslide.mpp-x" not in properties
        else:
            assert float(properties["openslide.mpp-x"]) == pytest.approx(mpp.x, rel=1e-8)
            assert float(properties["openslide.mpp-y"]) == pytest.approx(mpp.y, rel=1e-8)

    def test_provenance_and_metadata(self, tmp_path: Path, rgb: np.ndarray) -> None:
        provenance = {"model": "her2 <b> & µ", "seed": "3", "odd": "a\x00b"}
        write(tmp_path / "a.tif", rgb, provenance=provenance)
        with tifffile.TiffFile(tmp_path / "a.tif") as file:
            assert file.pages[0].software == f"restain {restain.__version__}"
            root = ElementTree.fromstring(file.ome_metadata)
        names = [child.tag.rpartition("}")[2] for child in root]
        assert names == ["Image", "StructuredAnnotations"]  # the order of the schema
        assert [child.tag.rpartition("}")[2] for child in root[0]] == ["Pixels", "AnnotationRef"]
        found = {entry.get("K"): entry.text for entry in root.findall(".//{*}M")}
        assert found == provenance | {"odd": "a\ufffdb"}
        pixels = root.find("{*}Image/{*}Pixels")
        assert (pixels.get("PhysicalSizeX"), pixels.get("PhysicalSizeXUnit")) == ("0.5", "µm")
        assert (pixels.get("SizeX"), pixels.get("SizeY"), pixels.get("SizeC")) == ("331", "270", "3")


class TestBlocks:
    def test_any_order_gives_the_same_slide(self, tmp_path: Path, rgb: np.ndarray) -> None:
        regions = list(Region.of(SIZE).tiles(TILE))
        Random(3).shuffle(regions)
        write(tmp_path / "a.tif", rgb, regions)
        write(tmp_path / "b.tif", rgb)
        for level in range(4):
            np.testing.assert_array_equal(everything(tmp_path / "a.tif", level), everything(tmp_path / "b.tif", level))

    @pytest.mark.parametrize("side", [2 * TILE, 3 * TILE, 8 * TILE])
    def test_blocks_of_several_tiles(self, tmp_path: Path, rgb: np.ndarray, side: int) -> None:
        write(tmp_path / "a.tif", rgb, list(Region.of(SIZE).tiles(side)))
        write(tmp_path / "b.tif", rgb)
        np.testing.assert_array_equal(everything(tmp_path / "a.tif"), everything(tmp_path / "b.tif"))

    @pytest.mark.parametrize("size", [Size(1, 1), Size(64, 64), Size(65, 64), Size(1, 300), Size(128, 129)])
    def test_every_extent(self, tmp_path: Path, picture, size: Size) -> None:
        image = picture(3, np.uint8, size)
        write(tmp_path / "a.tif", image, compression="deflate")
        np.testing.assert_array_equal(everything(tmp_path / "a.tif"), image)
        assert OpenSlide(tmp_path / "a.tif").dimensions == (size.width, size.height)

    @pytest.mark.parametrize(
        ("shape", "at", "dtype"),
        [
            ((64, 64, 3), Point(10, 0), np.uint8),  # off the grid
            ((60, 64, 3), Point(0, 0), np.uint8),  # not a whole tile
            ((64, 64, 3), Point(320, 0), np.uint8),  # beyond the edge
            ((64, 64, 3), Point(-64, 0), np.uint8),
            ((64, 64, 1), Point(0, 0), np.uint8),
            ((64, 64, 3), Point(0, 0), np.uint16),
        ],
    )
    def test_what_does_not_fit_is_refused(self, tmp_path: Path, shape: tuple, at: Point, dtype: type) -> None:
        with (
            pytest.raises(OutputError, match="does not fit a slide of 331 x 270 pixels in tiles of 64"),
            create_slide(tmp_path / "a.tif", SIZE, HALF_UM, tile=TILE) as slide,
        ):
            slide.write(np.zeros(shape, dtype), at)
        assert not (tmp_path / "a.tif").exists()

    def test_missing_tiles_are_counted(self, tmp_path: Path, rgb: np.ndarray) -> None:
        with pytest.raises(OutputError, match=r"28 of 30 tiles of .*a\.tif were never written"):
            write(tmp_path / "a.tif", rgb, list(Region.of(SIZE).tiles(TILE))[:2])
        assert not (tmp_path / "a.tif").exists()

    def test_a_closed_slide_takes_no_more(self, tmp_path: Path, rgb: np.ndarray) -> None:
        slide = create_slide(tmp_path / "a.tif", SIZE, HALF_UM)
        slide.write(rgb, Point(0, 0))
        slide.close()
        slide.close()
        with pytest.raises(OutputError, match="is closed"):
            slide.write(rgb, Point(0, 0))


_HALF_A_SLIDE = """
import os, signal, sys
from pathlib import Path
import numpy as np
from restain.geometry import Mpp, Region, Size
from restain.slides import create_slide
image = np.load(sys.argv[2])
size = Size(image.shape[1], image.shape[0])
slide = create_slide(Path(sys.argv[1]), size, Mpp.square(0.5), tile=64)
for region in list(Region.of(size).tiles(64))[: int(sys.argv[3])]:
    slide.write(image[region.slices], region.at)
os.kill(os.getpid(), signal.SIGKILL)
"""


class TestResume:
    def finish(self, path: Path, rgb: np.ndarray) -> int:
        """Write what is missing; return how much was there."""
        regions = list(Region.of(SIZE).tiles(TILE))
        with create_slide(path, SIZE, HALF_UM, tile=TILE) as slide:
            there = [region for region in regions if slide.has(region.at)]
            for region in regions:
                if region not in there:
                    slide.write(rgb[region.slices], region.at)
        return len(there)

    def check(self, path: Path, rgb: np.ndarray) -> None:
        """The slide is the same as one written without interruption, and nothing lies beside it."""
        other = path.with_name("uninterrupted.tif")
        write(other, rgb)
        for level in range(4):
            np.testing.assert_array_equal(everything(path, level), everything(other, level))
        assert {found.name for found in path.parent.iterdir()} <= {path.name, other.name, "rgb.npy"}

    def half(self, path: Path, rgb: np.ndarray, count: int = 17) -> Path:
        """Write some tiles, then fail; return the folder with what is left."""
        slide = create_slide(path, SIZE, HALF_UM, tile=TILE)
        for region in list(Region.of(SIZE).tiles(TILE))[:count]:
            slide.write(rgb[region.slices], region.at)
        slide.__exit__(ZeroDivisionError, None, None)
        assert not path.exists()
        return path.with_name(path.name + ".partial")

    @pytest.mark.parametrize("count", [1, 11, 23, 30])
    def test_after_kill_9(self, tmp_path: Path, rgb: np.ndarray, count: int) -> None:
        path = tmp_path / "a.tif"
        np.save(tmp_path / "rgb.npy", rgb)
        command = [sys.executable, "-c", _HALF_A_SLIDE, str(path), str(tmp_path / "rgb.npy"), str(count)]
        assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
        assert not path.exists()
        there = self.finish(path, rgb)
        assert count - 6 <= there <= count  # up to six were in work
        self.check(path, rgb)

    @pytest.mark.parametrize("count", [0, 1, 17, 30])
    def test_after_an_exception(self, tmp_path: Path, rgb: np.ndarray, count: int) -> None:
        path = tmp_path / "a.tif"
        self.half(path, rgb, count)
        assert self.finish(path, rgb) == count
        self.check(path, rgb)

    def test_again_and_again(self, tmp_path: Path, rgb: np.ndarray) -> None:
        path = tmp_path / "a.tif"
        for count in range(0, 30, 3):
            self.half(path, rgb, count)
        assert self.finish(path, rgb) == 27
        self.check(path, rgb)

    def test_another_file_of_that_name_stays_until_the_end(self, tmp_path: Path, rgb: np.ndarray) -> None:
        path = tmp_path / "a.tif"
        path.write_text("older")
        with create_slide(path, SIZE, HALF_UM, tile=TILE) as slide:
            slide.write(rgb, Point(0, 0))
            assert path.read_text() == "older"
        self.check(path, rgb)

    @pytest.mark.parametrize("cut", [1, 5, 20])
    def test_a_torn_journal(self, tmp_path: Path, rgb: np.ndarray, cut: int) -> None:
        journal = self.half(tmp_path / "a.tif", rgb) / "journal"
        journal.write_bytes(journal.read_bytes()[:-cut])
        assert self.finish(tmp_path / "a.tif", rgb) >= 16
        self.check(tmp_path / "a.tif", rgb)

    @pytest.mark.parametrize("name", ["slide.tiff", "halves", "journal"])
    @pytest.mark.parametrize("kept", [0.0, 0.3, 0.7])
    def test_a_torn_file(self, tmp_path: Path, rgb: np.ndarray, name: str, kept: float) -> None:
        file = self.half(tmp_path / "a.tif", rgb) / name
        os.truncate(file, int(file.stat().st_size * kept))
        assert self.finish(tmp_path / "a.tif", rgb) < 17
        self.check(tmp_path / "a.tif", rgb)

    @pytest.mark.parametrize("name", ["slide.tiff", "halves", "journal"])
    def test_flipped_bytes(self, tmp_path: Path, rgb: np.ndarray, name: str) -> None:
        file = self.half(tmp_path / "a.tif", rgb) / name
        data = bytearray(file.read_bytes())
        for place in range(40, len(data), max(1, len(data) // 7)):
            data[place] ^= 0x15
        file.write_bytes(data)
        assert self.finish(tmp_path / "a.tif", rgb) < 17
        self.check(tmp_path / "a.tif", rgb)

    @pytest.mark.parametrize(
        "options", [{"quality": 80}, {"compression": "zstd"}, {"tile": 128}, {"provenance": {"seed": "4"}}]
    )
    def test_another_job_starts_anew_and_says_so(self, tmp_path: Path, rgb: np.ndarray, options: dict) -> None:
        path = tmp_path / "a.tif"
        self.half(path, rgb)
        with pytest.warns(RestainWarning, match="of another job; it is thrown away"):
            slide = create_slide(path, SIZE, HALF_UM, **({"tile": TILE} | options))
        assert not slide.has(Point(0, 0))
        slide.write(rgb, Point(0, 0))
        slide.close()
        assert path.exists()

    def test_two_writers(self, tmp_path: Path, rgb: np.ndarray) -> None:
        path = tmp_path / "a.tif"
        with create_slide(path, SIZE, HALF_UM, tile=TILE) as slide:
            with pytest.raises(OutputError, match="another process is writing"):
                create_slide(path, SIZE, HALF_UM, tile=TILE)
            slide.write(rgb, Point(0, 0))
        self.check(path, rgb)

    def test_the_lock_is_free_after_a_failure(
        self, tmp_path: Path, rgb: np.ndarray, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "a.tif"
        with monkeypatch.context() as patch:

            def full(*_arguments: object, **_options: object) -> int:
                raise OSError(errno.ENOSPC, "No space left on device")

            patch.setattr(Path, "write_text", full)
            with pytest.raises(OutputError, match="the disk is full"):
                create_slide(path, SIZE, HALF_UM, tile=TILE)
        assert self.finish(path, rgb) == 0
        self.check(path, rgb)

    def test_a_damaged_note_of_the_job(self, tmp_path: Path, rgb: np.ndarray) -> None:
        (self.half(tmp_path / "a.tif", rgb) / "job.json").write_text("{")
        assert self.finish(tmp_path / "a.tif", rgb) == 0
        self.check(tmp_path / "a.tif", rgb)

    def test_no_tile_outside(self, tmp_path: Path, rgb: np.ndarray) -> None:
        with create_slide(tmp_path / "a.tif", SIZE, HALF_UM, tile=TILE) as slide:
            slide.write(rgb, Point(0, 0))
            assert slide.has(Point(320, 256))
            assert not slide.has(Point(384, 0))
            assert not slide.has(Point(-64, 0))


class TestDisk:
    @pytest.mark.parametrize("function", ["pwrite", "write", "fsync"])
    @pytest.mark.parametrize("after", [0, 1, 20])
    def test_a_full_disk_loses_nothing(
        self, tmp_path: Path, rgb: np.ndarray, monkeypatch: pytest.MonkeyPatch, function: str, after: int
    ) -> None:
        path = tmp_path / "a.tif"
        calls, original = [0], getattr(os, function)

        def full(*arguments):
            calls[0] += 1
            if calls[0] > after or function == "fsync":
                raise OSError(errno.ENOSPC, "No space left on device")
            return original(*arguments)

        monkeypatch.setattr(os, function, full)
        with pytest.raises(OutputError, match=r"the disk is full while writing .*a\.tif: free some space"):
            write(path, rgb)
        assert not path.exists()
        monkeypatch.undo()
        TestResume().finish(path, rgb)
        TestResume().check(path, rgb)

    def test_a_cut_journal_line_spoils_no_other(
        self, tmp_path: Path, rgb: np.ndarray, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A disk full for a moment leaves half a line; tiles in work on other threads write theirs behind it."""
        path = tmp_path / "a.tif"
        original, calls = os.write, [0]

        def cut(descriptor: int, data: bytes) -> int:
            calls[0] += 1
            if calls[0] == 5:
                original(descriptor, data[: len(data) // 2])
                raise OSError(errno.ENOSPC, "No space left on device")
            return original(descriptor, data)

        monkeypatch.setattr(os, "write", cut)
        with pytest.raises(OutputError, match="the disk is full"):
            write(path, rgb)
        monkeypatch.undo()
        assert TestResume().finish(path, rgb) >= 3
        TestResume().check(path, rgb)

    def test_a_failure_cannot_be_ignored(
        self, tmp_path: Path, rgb: np.ndarray, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        slide = create_slide(tmp_path / "a.tif", SIZE, HALF_UM, tile=TILE)
        with monkeypatch.context() as patch:

            def full(*_arguments: object) -> int:
                raise OSError(errno.ENOSPC, "No space left on device")

            patch.setattr(os, "pwrite", full)
            with pytest.raises(OutputError, match="the disk is full"):
                slide.write(rgb, Point(0, 0))
        with pytest.raises(OutputError, match="the disk is full"):
            slide.close()
        assert not (tmp_path / "a.tif").exists()

    def test_no_permission(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_arguments: object, **_options: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(Path, "mkdir", refuse)
        with pytest.raises(OutputError, match=r"cannot be written \(Permission denied\): check the folder"):
            create_slide(tmp_path / "a.tif", SIZE, HALF_UM)

    def test_a_file_where_a_folder_is_needed(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(OutputError, match="cannot be written"):
            create_slide(tmp_path / "file" / "a.tif", SIZE, HALF_UM)


class TestArguments:
    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"dtype": np.uint16}, "JPEG cannot store 3 channels of uint16"),
            ({"channels": ("a", "b", "c", "d")}, "JPEG cannot store 4 channels"),
            ({"channels": ("a", "b", "c")}, "JPEG cannot store 3 channels"),
            ({"channels": ()}, "0 channels"),
            ({"dtype": np.float32}, "float32 cannot be stored"),
            ({"compression": "lzw"}, "'lzw'"),
            ({"quality": 101}, "quality 101"),
            ({"tile": 100}, "tiles of 100 pixels"),
            ({"size": Size(0, 5)}, "0 x 5 pixels is empty"),
        ],
    )
    def test_refused(self, tmp_path: Path, options: dict, match: str) -> None:
        with pytest.raises(OutputError, match=match):
            create_slide(tmp_path / "a.tif", **({"size": SIZE, "mpp": HALF_UM} | options))
        assert not list(tmp_path.iterdir())

    def test_names(self, tmp_path: Path) -> None:
        with pytest.raises(OutputError, match=r"a\.png does not say: end it in \.ome\.tiff"):
            create_slide(tmp_path / "a.png", SIZE, HALF_UM)
        (tmp_path / "b.tif").mkdir()
        with pytest.raises(OutputError, match="is a folder"):
            create_slide(tmp_path / "b.tif", SIZE, HALF_UM)

    def test_missing_folders_are_made(self, tmp_path: Path, rgb: np.ndarray) -> None:
        write(tmp_path / "new" / "deep" / "a.tif", rgb)
        assert (tmp_path / "new" / "deep" / "a.tif").exists()


def test_memory_grows_by_the_directory_only(tmp_path: Path) -> None:
    """Peaks of the interpreter's allocations, pixels included: at most 200 bytes per tile of 48 kilobytes.

    On a busy machine more tiles may wait for the encoder at once, hence the least of three peaks.
    """
    block = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)

    def peak(edge: int, attempt: int) -> int:
        size = Size(edge, edge)
        tracemalloc.start()
        with create_slide(tmp_path / f"{edge}-{attempt}.tif", size, HALF_UM, tile=128) as slide:
            for region in Region.of(size).tiles(128):
                slide.write(block.copy(), region.at)
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peaks = [min(peak(edge, attempt) for attempt in range(3)) for edge in (1024, 4096)]
    more_tiles = (32 * 32 - 8 * 8) * 4 / 3
    assert peaks[1] - peaks[0] < 200 * more_tiles, peaks
