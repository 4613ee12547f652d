"""Single images: what is written is read back, by us and by others, and appears whole or not at all."""

import errno
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from restain.errors import OutputError
from restain.geometry import Mpp, Region
from restain.slides import open_slide, save_image

NOTES = {"model": "ki67 µ", "seed": "7"}


@pytest.mark.parametrize("suffix", [".png", ".tif", ".ome.tiff"])
@pytest.mark.parametrize(("channels", "dtype"), [(3, np.uint8), (1, np.uint8), (1, np.uint16)])
def test_lossless_formats_give_it_back(tmp_path: Path, picture, suffix: str, channels: int, dtype: type) -> None:
    image = picture(channels, dtype)
    save_image(tmp_path / f"a{suffix}", image, Mpp.square(0.25), provenance=NOTES)
    with open_slide(tmp_path / f"a{suffix}") as reader:
        np.testing.assert_array_equal(reader.read(Region.of(reader.info.size)), image)
        assert reader.info.mpp is not None
        assert reader.info.mpp.x == pytest.approx(0.25)


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg(tmp_path: Path, picture, channels: int) -> None:
    image = picture(channels, np.uint8)
    save_image(tmp_path / "a.jpg", image, Mpp.square(0.5), provenance=NOTES)
    with open_slide(tmp_path / "a.jpg") as reader:
        assert np.abs(reader.read(Region.of(reader.info.size)).astype(int) - image).mean() < 1
        assert reader.info.mpp == Mpp.square(0.5)
    with Pillow.open(tmp_path / "a.jpg") as file:
        assert b"ki67" in file.info["comment"]


def test_a_jpeg_has_no_room_for_the_finest_scales(tmp_path: Path, picture) -> None:
    save_image(tmp_path / "a.jpg", picture(3, np.uint8), Mpp.square(0.25))
    with open_slide(tmp_path / "a.jpg") as reader:
        assert reader.info.mpp is None


def test_many_channels_keep_their_names(tmp_path: Path, picture) -> None:
    image = picture(26, np.uint16)
    names = tuple(f"{400 + 10 * k} nm" for k in range(26))
    save_image(tmp_path / "a.tif", image, channels=names)
    with open_slide(tmp_path / "a.tif") as reader:
        assert reader.info.channels == names
        assert reader.info.mpp is None
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), np.moveaxis(image, -1, 0))


def test_provenance_is_png_text(tmp_path: Path, picture) -> None:
    save_image(tmp_path / "new" / "a.png", picture(3, np.uint8), provenance=NOTES)
    with Pillow.open(tmp_path / "new" / "a.png") as file:
        assert {key: str(file.text[key]) for key in NOTES} == NOTES


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
def test_a_full_disk_leaves_the_old_file(tmp_path: Path, picture, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / name).write_text("older")

    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match="the disk is full"):
        save_image(tmp_path / name, picture(3, np.uint8))
    assert (tmp_path / name).read_text() == "older"
    assert not list(tmp_path.glob("*.partial*.png"))


@pytest.mark.parametrize(
    ("name", "shape", "dtype"),
    [
        ("a.png", (4, 4, 4), np.uint8),
        ("a.png", (4, 4, 3), np.uint16),
        ("a.jpg", (4, 4, 1), np.uint16),
        ("a.bmp", (4, 4, 3), np.uint8),
        ("a.png", (4, 4), np.uint8),
        ("a.png", (0, 4, 3), np.uint8),
        ("a.tif", (4, 4, 3), np.float32),
    ],
)
def test_what_a_format_cannot_hold_is_refused(tmp_path: Path, name: str, shape: tuple, dtype: type) -> None:
    with pytest.raises(OutputError):
        save_image(tmp_path / name, np.zeros(shape, dtype))
    assert not list(tmp_path.iterdir())
