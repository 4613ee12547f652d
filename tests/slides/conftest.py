"""Slides and images made on the spot, one per way of storing pixels, beside the real ones."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from restain.geometry import Mpp, Point, Size
from restain.slides import create_slide

SIZE = Size(331, 270)
"""Odd, and no multiple of any tile."""


def paint(channels: int, dtype: type, size: Size = SIZE) -> np.ndarray:
    """Smooth, so that JPEG keeps it, and different in every channel and at every place."""
    y, x = np.mgrid[: size.height, : size.width]
    top = np.iinfo(dtype).max
    waves = [0.5 + 0.25 * np.sin(x / (30 + 5 * k) + k) + 0.25 * np.cos(y / (40 - 3 * (k % 5))) for k in range(channels)]
    return np.rint(np.stack(waves, axis=-1) * top).astype(dtype)


def halved(image: np.ndarray) -> np.ndarray:
    """A lower level, its extent rounded down as vendors do."""
    height, width = image.shape[0] // 2, image.shape[1] // 2
    blocks = image[: 2 * height, : 2 * width].astype(float).reshape(height, 2, width, 2, -1)
    return np.rint(blocks.mean((1, 3))).astype(image.dtype)


def write_flat_pyramid(path: Path, *, ome: bool = False) -> None:
    image = paint(3, np.uint8, Size(700, 520))
    with tifffile.TiffWriter(path, bigtiff=True, ome=ome) as file:
        for level in range(3):
            file.write(
                image,
                tile=(128, 128),
                compression="jpeg",
                subfiletype=1 if level else 0,
                resolution=(20000 / 2**level, 20000 / 2**level),
                resolutionunit="CENTIMETER",
                metadata={"axes": "YXS"} if ome and level == 0 else None,
            )
            image = halved(image)


def write_subifd_pyramid(path: Path) -> None:
    image = paint(3, np.uint8, Size(700, 520))
    metadata = {"axes": "YXS", "PhysicalSizeX": 0.25, "PhysicalSizeY": 250, "PhysicalSizeYUnit": "nm"}
    with tifffile.TiffWriter(path, ome=True) as file:
        file.write(image, tile=(128, 128), compression="zlib", subifds=1, metadata=metadata)
        file.write(halved(image), tile=(128, 128), compression="zlib", subfiletype=1)


def write_fluorescence(path: Path) -> None:
    image = np.moveaxis(paint(5, np.uint16), -1, 0)
    names = {"Name": ["DAPI", "CD3", "CD8", "Ki67", "PanCK"]}
    metadata = {"axes": "CYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "Channel": names}
    with tifffile.TiffWriter(path, ome=True) as file:
        file.write(image, tile=(64, 64), compression="zstd", subifds=1, metadata=metadata, photometric="minisblack")
        lower = np.moveaxis(halved(np.moveaxis(image, 0, -1)), -1, 0)
        file.write(lower, tile=(64, 64), compression="zstd", subfiletype=1, photometric="minisblack")


def write_own(path: Path, channels: tuple[str, ...], dtype: type, compression: str) -> None:
    image = paint(len(channels), dtype)
    with create_slide(path, SIZE, Mpp.square(0.5), channels, dtype, compression, tile=64) as slide:
        slide.write(image, Point(0, 0))


def write_rgba_tiff(path: Path) -> None:
    image = paint(4, np.uint8)
    tifffile.imwrite(path, image, photometric="rgb", extrasamples=["unassalpha"], tile=(64, 64))


def _save(path: Path, image: np.ndarray, **options) -> None:
    Pillow.fromarray(image).save(path, **options)


MADE: dict[str, Callable[[Path], None]] = {
    "flat.tif": write_flat_pyramid,
    "flat.ome.tif": lambda path: write_flat_pyramid(path, ome=True),
    "subifd.ome.tif": write_subifd_pyramid,
    "fluorescence.ome.tif": write_fluorescence,
    "own-jpeg.ome.tif": lambda path: write_own(path, ("red", "green", "blue"), np.uint8, "jpeg"),
    "own-af26.ome.tif": lambda path: write_own(path, tuple(f"band {k}" for k in range(26)), np.uint16, "zstd"),
    "planar.tif": lambda path: tifffile.imwrite(
        path, np.moveaxis(paint(3, np.uint8), -1, 0), photometric="rgb", planarconfig="separate", tile=(64, 64)
    ),
    "strips.tif": lambda path: tifffile.imwrite(path, paint(3, np.uint16), photometric="rgb", rowsperstrip=20),
    "rgba.tif": write_rgba_tiff,
    "grey.tif": lambda path: tifffile.imwrite(path, paint(1, np.uint16)[..., 0]),
    "inverted.tif": lambda path: tifffile.imwrite(path, 255 - paint(1, np.uint8)[..., 0], photometric="miniswhite"),
    "webp.tif": lambda path: tifffile.imwrite(
        path, paint(3, np.uint8), photometric="rgb", tile=(64, 64), compression="webp"
    ),
    "stack.tif": lambda path: tifffile.imwrite(path, np.moveaxis(paint(4, np.uint8), -1, 0), imagej=True),
    "palette.tif": lambda path: Pillow.fromarray(paint(3, np.uint8)).quantize(16).save(path),
    "image.png": lambda path: _save(path, paint(3, np.uint8)),
    "image.jpg": lambda path: _save(path, paint(3, np.uint8), quality=95),
    "grey.png": lambda path: _save(path, paint(1, np.uint16)[..., 0]),
    "rgba.png": lambda path: _save(path, paint(4, np.uint8)),
}

REAL = (
    "wsi/CMU-1-Small-Region.svs",
    "wsi/cmu1_dicom/level-0-frames-0-30.dcm",
    "wsi/cmu1_tiled_jpeg.tiff",
    "wsi/cmu1_tiled_webp.tiff",
    "wsi/xyc_grid.png",
    "wsi/xyc_pyramid_zlib.ome.tiff",
    "wsi/xyc_pyramid_jpeg.ome.tiff",
    "wsi/fluor_dapi.ndpi",
    "wsi/small_vectra.qptiff",
)


@pytest.fixture(scope="session")
def picture() -> Callable[..., np.ndarray]:
    """Return the function that makes the pixels of the made slides."""
    return paint


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the path of a made slide, writing it at the first call."""
    folder = tmp_path_factory.mktemp("made")

    def make(name: str) -> Path:
        path = folder / name
        if not path.exists():
            MADE[name](path)
        return path

    return make


@pytest.fixture(params=[*MADE, *REAL], scope="module")
def every_slide(request: pytest.FixtureRequest) -> Path:
    """Return the path of each made and each real slide in turn."""
    if request.param in MADE:
        return request.getfixturevalue("made")(request.param)
    return request.getfixturevalue("shared_data") / request.param
