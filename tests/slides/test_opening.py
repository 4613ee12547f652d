"""The right reader, right pixels (against openslide, tifffile and Pillow themselves), right scale, and clear errors."""

import os
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from openslide import OpenSlide
from PIL import Image as Pillow

from restain.errors import RestainWarning, ScaleError, SlideError
from restain.geometry import Mpp, Region
from restain.slides import open_slide


def everything(path: Path, level: int = 0) -> np.ndarray:
    with open_slide(path) as reader:
        return reader.read(Region.of(reader.info.levels[level]), level)


@pytest.mark.parametrize(
    ("name", "form", "levels", "channels"),
    [
        ("flat.tif", "tifffile", 3, ("red", "green", "blue")),
        ("flat.ome.tif", "OpenSlide", 3, ("red", "green", "blue")),  # tifffile sees the first level only
        ("subifd.ome.tif", "tifffile", 2, ("red", "green", "blue")),  # OpenSlide sees the first level only
        ("fluorescence.ome.tif", "tifffile", 2, ("DAPI", "CD3", "CD8", "Ki67", "PanCK")),
        ("planar.tif", "tifffile", 1, ("red", "green", "blue")),
        ("rgba.tif", "tifffile", 1, ("red", "green", "blue")),
        ("inverted.tif", "tifffile", 1, ("grey",)),
        ("grey.tif", "tifffile", 1, ("grey",)),
        ("stack.tif", "tifffile", 1, ("channel 0", "channel 1", "channel 2", "channel 3")),
        ("palette.tif", "tifffile", 1, ("red", "green", "blue")),
        ("grey.png", "Pillow", 1, ("grey",)),
    ],
)
def test_the_reader_that_sees_most_is_chosen(made, name: str, form: str, levels: int, channels: tuple) -> None:
    with open_slide(made(name)) as reader:
        assert form in reader.info.format
        assert len(reader.info.levels) == levels
        assert reader.info.channels == channels


def test_the_name_does_not_matter(made, tmp_path: Path) -> None:
    path = tmp_path / "slide.svs"
    path.write_bytes(made("image.png").read_bytes())
    np.testing.assert_array_equal(everything(path), everything(made("image.png")))


@pytest.mark.parametrize("name", ["strips.tif", "webp.tif", "flat.tif", "subifd.ome.tif"])
def test_tifffile_agrees(made, name: str) -> None:
    with tifffile.TiffFile(made(name)) as file:
        for level, stored in enumerate(file.series[0].levels):
            np.testing.assert_array_equal(everything(made(name), level), stored.asarray())


@pytest.mark.parametrize(("name", "channels"), [("fluorescence.ome.tif", 5), ("stack.tif", 4), ("planar.tif", 3)])
def test_planes_become_channels(made, picture, name: str, channels: int) -> None:
    dtype = np.uint16 if channels == 5 else np.uint8
    np.testing.assert_array_equal(everything(made(name)), picture(channels, dtype))


@pytest.mark.parametrize("name", ["flat.ome.tif", "flat.tif", "own-jpeg.ome.tif"])
def test_openslide_agrees(made, name: str) -> None:
    slide = OpenSlide(made(name))
    for level, size in enumerate(slide.level_dimensions):
        expected = np.asarray(slide.read_region((0, 0), level, size).convert("RGB"))
        np.testing.assert_array_equal(everything(made(name), level), expected)


def test_pillow_agrees(made) -> None:
    for name in ("image.png", "image.jpg", "palette.tif"):
        np.testing.assert_array_equal(everything(made(name)), np.asarray(Pillow.open(made(name)).convert("RGB")))
    np.testing.assert_array_equal(everything(made("grey.png"))[..., 0], np.asarray(Pillow.open(made("grey.png"))))


def test_white_may_be_zero(made, picture) -> None:
    np.testing.assert_array_equal(everything(made("inverted.tif")), picture(1, np.uint8))


@pytest.mark.parametrize("name", ["rgba.png", "rgba.tif"])
def test_transparency_is_laid_on_white(made, picture, name: str) -> None:
    stored = Pillow.fromarray(picture(4, np.uint8))
    expected = Pillow.alpha_composite(Pillow.new("RGBA", stored.size, "white"), stored).convert("RGB")
    np.testing.assert_allclose(everything(made(name)).astype(int), np.asarray(expected), atol=1)


def test_premultiplied_transparency(tmp_path: Path) -> None:
    image = np.zeros((32, 32, 4), np.uint8)
    image[:] = (60, 30, 0, 128)  # (120, 60, 0) at one half
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", extrasamples=["assocalpha"])
    np.testing.assert_array_equal(everything(tmp_path / "a.tif")[0, 0], (60 + 127, 30 + 127, 127))


def test_deep_colour_png_keeps_its_bits(tmp_path: Path, picture) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    image = picture(3, np.uint16)
    (tmp_path / "deep.png").write_bytes(imagecodecs.png_encode(image))
    np.testing.assert_array_equal(everything(tmp_path / "deep.png"), image)


def test_missing_tiles_are_background(tmp_path: Path, picture) -> None:
    path = tmp_path / "sparse.tif"
    image = picture(3, np.uint8)
    padded = np.pad(image, ((0, 320 - 270), (0, 384 - 331), (0, 0)))
    tiles = (padded[y : y + 64, x : x + 64] if x != 64 else None for y in range(0, 270, 64) for x in range(0, 331, 64))
    tifffile.imwrite(path, tiles, shape=image.shape, dtype=np.uint8, photometric="rgb", tile=(64, 64))
    found = everything(path)
    assert (found[:, 64:128] == 255).all()
    np.testing.assert_array_equal(found[:, 128:], image[:, 128:])


class TestRealSlides:
    def test_aperio_agrees_with_openslide(self, shared_data: Path) -> None:
        path = shared_data / "wsi/CMU-1-Small-Region.svs"
        slide = OpenSlide(path)
        expected = np.asarray(slide.read_region((0, 0), 0, slide.dimensions).convert("RGB"))
        np.testing.assert_array_equal(everything(path), expected)
        with open_slide(path) as reader:
            assert reader.info.require_mpp() == Mpp.square(0.499)

    def test_hamamatsu_agrees_with_openslide(self, shared_data: Path) -> None:
        path = shared_data / "wsi/fluor_dapi.ndpi"
        slide = OpenSlide(path)
        expected = np.asarray(slide.read_region((0, 0), 2, slide.level_dimensions[2]).convert("RGB"))
        np.testing.assert_array_equal(everything(path, 2), expected)
        with open_slide(path) as reader:
            assert reader.info.require_mpp().x == pytest.approx(0.228175, rel=1e-5)

    @pytest.mark.parametrize("kind", ["zlib", "jpeg"])
    def test_a_read_lands_on_the_right_pixel(self, shared_data: Path, kind: str) -> None:
        grid = np.asarray(Pillow.open(shared_data / "wsi/xyc_grid.png").convert("RGB")).astype(int)
        with open_slide(shared_data / f"wsi/xyc_pyramid_{kind}.ome.tiff") as reader:
            for x, y in ((1, 1), (130, 255), (401, 17), (421, 441)):
                found = reader.read(Region(x, y, 90, 70))
                errors = {
                    (dx, dy): np.abs(found - grid[y + dy : y + dy + 70, x + dx : x + dx + 90]).mean()
                    for dx in (-1, 0, 1)
                    for dy in (-1, 0, 1)
                }
                assert min(errors, key=errors.__getitem__) == (0, 0)
                assert errors[0, 0] == 0 or kind == "jpeg"

    def test_qptiff_names_its_channels(self, shared_data: Path) -> None:
        path = shared_data / "wsi/small_vectra.qptiff"
        with open_slide(path) as reader:
            assert reader.info.channels == ("DAPI", "FITC", "Cy3")
            assert reader.info.require_mpp().x == pytest.approx(0.49653, rel=1e-4)
            assert reader.info.background == 0
        np.testing.assert_array_equal(np.moveaxis(everything(path), -1, 0), tifffile.imread(path))

    def test_dicom_colours_are_mended_and_said(self, shared_data: Path) -> None:
        path = shared_data / "wsi/cmu1_dicom/level-0-frames-0-30.dcm"
        with pytest.warns(RestainWarning, match="calls its pixels RGB, but they are YCbCr"):
            mended = everything(path).astype(int)
        original = everything(shared_data / "wsi/CMU-1-Small-Region.svs")  # the same slide
        assert np.abs(mended - original).mean() < 5
        wrong = np.asarray(OpenSlide(path).read_region((0, 0), 0, (2220, 2967)).convert("RGB")).astype(int)
        assert np.abs(wrong - original).mean() > 40

    @pytest.mark.parametrize("name", ["cmu1_tiled_jpeg.tiff", "cmu1_tiled_webp.tiff"])
    def test_an_impossible_scale_is_refused_when_needed(self, shared_data: Path, name: str) -> None:
        path = shared_data / "wsi" / name
        with open_slide(path) as reader:
            assert reader.info.mpp is None
            with pytest.raises(ScaleError, match=r"claims 0\.00499.*--mpp"):
                reader.info.require_mpp()
        with open_slide(path, Mpp.square(0.499)) as reader:
            assert reader.info.require_mpp() == Mpp.square(0.499)


class TestScale:
    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({"resolution": (20000, 40000), "resolutionunit": "CENTIMETER"}, (0.5, 0.25)),
            ({"resolution": (50800, 50800), "resolutionunit": "INCH"}, (0.5, 0.5)),
            ({"resolution": (4, 4), "imagej": True, "metadata": {"unit": "um"}}, (0.25, 0.25)),
            ({"resolution": (4, 4), "imagej": True, "metadata": {"unit": "\\u00B5m"}}, (0.25, 0.25)),
            ({"resolution": (72, 72), "resolutionunit": "INCH"}, None),
            ({"resolution": (1, 1), "resolutionunit": "NONE"}, None),
            ({"resolution": (0, 1), "resolutionunit": "CENTIMETER"}, None),
            ({}, None),
        ],
    )
    def test_of_tiff(self, tmp_path: Path, options: dict, expected: tuple | None) -> None:
        tifffile.imwrite(tmp_path / "a.tif", np.zeros((32, 32), np.uint8), **options)
        with open_slide(tmp_path / "a.tif") as reader:
            mpp = reader.info.mpp
        assert mpp is None if expected is None else (mpp.x, mpp.y) == pytest.approx(expected)

    def test_of_ome_in_its_units(self, made) -> None:
        with open_slide(made("subifd.ome.tif")) as reader:
            assert reader.info.require_mpp() == Mpp.square(0.25)

    def test_a_printing_resolution_is_said_to_be_one(self, tmp_path: Path) -> None:
        Pillow.new("RGB", (8, 8)).save(tmp_path / "a.png", dpi=(72, 72))
        with open_slide(tmp_path / "a.png") as reader, pytest.raises(ScaleError, match="printing resolution"):
            reader.info.require_mpp()

    def test_the_users_word_counts(self, made) -> None:
        with open_slide(made("subifd.ome.tif"), Mpp.square(0.3)) as reader:
            assert reader.info.mpp == Mpp.square(0.3)


def _png_claiming(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


def _tiff_claiming(width: int, height: int, tile: int | None) -> bytes:
    """One directory, little endian, with a single strip or tile of 100 bytes."""
    fields = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (277, 3, 1)]
    piece = [(273, 4, 8), (278, 4, height), (279, 4, 100)]
    if tile:
        piece = [(322, 4, tile), (323, 4, tile), (324, 4, 8), (325, 4, 100)]
    entries = b"".join(struct.pack("<2HII", code, kind, 1, value) for code, kind, value in fields + piece)
    return b"II*\0" + struct.pack("<I", 108) + bytes(100) + struct.pack("<H", len(fields + piece)) + entries + bytes(4)


class TestErrors:
    def check(self, path: Path, match: str | None = None) -> None:
        tracemalloc.start()
        try:
            with pytest.raises(SlideError, match=match) as caught:
                everything(path)
            assert tracemalloc.get_traced_memory()[1] < 20e6  # nothing of the claimed size is allocated
        finally:
            tracemalloc.stop()
        assert str(path) in str(caught.value)
        assert str(caught.value).endswith(".")

    def test_missing(self, tmp_path: Path) -> None:
        self.check(tmp_path / "none.svs", "does not exist: check the path")

    def test_folder(self, tmp_path: Path) -> None:
        self.check(tmp_path, "is a folder: name one file in it")

    def test_empty(self, tmp_path: Path) -> None:
        (tmp_path / "a.svs").touch()
        self.check(tmp_path / "a.svs", "is empty")

    def test_text_called_svs(self, tmp_path: Path) -> None:
        (tmp_path / "a.svs").write_text("not a slide at all")
        self.check(tmp_path / "a.svs", r"is not a slide or an image.*it starts with b'not a sl'")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_forbidden(self, tmp_path: Path) -> None:
        (tmp_path / "a.svs").write_bytes(b"II*\0")
        (tmp_path / "a.svs").chmod(0)
        self.check(tmp_path / "a.svs", "check its permissions")

    def test_forbidden_as_told_by_the_system(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_arguments: object, **_options: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", refuse)
        self.check(tmp_path / "a.svs", r"cannot be read \(Permission denied\): check its permissions")

    @pytest.mark.parametrize(
        "name", ["image.png", "image.jpg", "flat.tif", "own-jpeg.ome.tif", "strips.tif", "grey.png"]
    )
    @pytest.mark.parametrize("kept", [0.5, 0.02])
    def test_truncated(self, made, tmp_path: Path, name: str, kept: float) -> None:
        path = tmp_path / name
        data = made(name).read_bytes()
        path.write_bytes(data[: int(len(data) * kept)])
        self.check(path)

    def test_truncated_scanner_files(self, shared_data: Path, tmp_path: Path) -> None:
        for name in ("CMU-1-Small-Region.svs", "fluor_dapi.ndpi", "small_vectra.qptiff"):
            path = tmp_path / name
            path.write_bytes((shared_data / "wsi" / name).read_bytes()[:100_000])
            self.check(path)

    def test_a_damaged_tile(self, made, tmp_path: Path) -> None:
        path = tmp_path / "a.tif"
        data = bytearray(made("own-jpeg.ome.tif").read_bytes())
        data[16:400] = bytes(384)
        path.write_bytes(data)
        self.check(path, r"tile \d, \d cannot be decoded.*damaged")

    def test_gigantic_png(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(_png_claiming(10**6, 10**6))
        self.check(tmp_path / "a.png", "claims more pixels than.*convert it to a tiled TIFF")

    @pytest.mark.parametrize("tile", [None, 10**6 // 16 * 16, 256])
    def test_gigantic_tiff(self, tmp_path: Path, tile: int | None) -> None:
        (tmp_path / "a.tif").write_bytes(_tiff_claiming(10**6, 10**6, tile))
        self.check(tmp_path / "a.tif")

    def test_zero_size(self, tmp_path: Path) -> None:
        (tmp_path / "a.tif").write_bytes(_tiff_claiming(0, 0, None))
        self.check(tmp_path / "a.tif")
        (tmp_path / "a.png").write_bytes(_png_claiming(0, 0))
        self.check(tmp_path / "a.png")

    def test_alpha_only(self, tmp_path: Path, picture) -> None:
        image = np.zeros((*picture(1, np.uint8).shape[:2], 4), np.uint8)
        image[..., 3] = picture(1, np.uint8)[..., 0]
        Pillow.fromarray(image).save(tmp_path / "a.png")
        self.check(tmp_path / "a.png", "holds its picture in the transparency alone")
        image[..., :3], image[..., 3] = picture(3, np.uint8), 0
        Pillow.fromarray(image).save(tmp_path / "b.png")
        self.check(tmp_path / "b.png", "transparency")

    def test_floating_point(self, tmp_path: Path) -> None:
        tifffile.imwrite(tmp_path / "a.tif", np.zeros((32, 32), np.float32))
        self.check(tmp_path / "a.tif", "float32: convert it to 8 or 16 bits")

    def test_depth(self, tmp_path: Path) -> None:
        tifffile.imwrite(tmp_path / "a.ome.tif", np.zeros((4, 32, 32), np.uint8), metadata={"axes": "ZYX"})
        self.check(tmp_path / "a.ome.tif", "4 planes of depth or time")

    def test_closed(self, made) -> None:
        reader = open_slide(made("flat.tif"))
        reader.close()
        with pytest.raises(SlideError, match="is closed"):
            reader.read(Region(0, 0, 8, 8))
