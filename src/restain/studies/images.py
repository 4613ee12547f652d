"""The test images of a data set: written once, so that all cells stain and are judged by the same files."""

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from restain.data import make_pairs
from restain.errors import DataError
from restain.geometry import Mpp
from restain.inference import Progress
from restain.pixels import Image
from restain.slides import images_in, save_image
from restain.slides.failures import writing
from restain.studies.config import DatasetConfig, StudyConfig
from restain.studies.definition import Definition, read_definition, write_definition
from restain.studies.names import slug


@final
@dataclass(frozen=True)
class Images:
    """Test images on disk.

    Attributes:
        source: what is to be stained, by name.
        target: the truth, by name.
        mpp: their scale, if known.
        aligned: whether a pixel of both shows the same tissue.
        content: SHA-256 of all files.
    """

    source: dict[str, Path]
    target: dict[str, Path]
    mpp: Mpp | None
    aligned: bool
    content: str


def find_images(study: StudyConfig, dataset: str) -> Images | None:
    """Return the images, or None where they are not there or of another definition."""
    folder, config = _folder(study, dataset), study.datasets[dataset]
    found = read_definition(folder)
    if found is None or found["from"] != _definition(config):
        return None
    mpp = None if config.data.mpp is None else Mpp.square(config.data.mpp)
    source, target = images_in(folder / "source"), images_in(folder / "target")
    return Images(source, target, mpp, found["aligned"], found["content"])


def prepare(study: StudyConfig, dataset: str) -> Iterator[Progress]:
    """Write the images where ``find_images`` does not find them.

    Raises:
        DataError: part test is empty or smaller than asked for, or an image is smaller than its cut.
        OutputError: the disk does not take them.
    """
    if find_images(study, dataset) is not None:
        return
    folder, config = _folder(study, dataset), study.datasets[dataset]
    with writing(folder):
        if folder.exists():
            shutil.rmtree(folder)
    pairs = make_pairs(config.data, "test")
    count = config.test_images or len(pairs)
    if count > len(pairs):
        raise DataError(
            f"data set {dataset!r} has {len(pairs)} test images, and the study takes {count}",
            fix=f"lower datasets.{dataset}.test_images or add images to part test",
        )
    mpp = None if config.data.mpp is None else Mpp.square(config.data.mpp)
    content = hashlib.sha256()
    for number in range(count):
        yield Progress(f"test images, {dataset}", number, count)
        index = number * len(pairs) // count
        name = pairs.name(index)
        for side, image in zip(("source", "target"), pairs.read(index), strict=True):
            cut = _cut(image, config.side, f"{side} of {name}")
            save_image(folder / side / f"{name}{_suffix(cut)}", cut, mpp)
            content.update(f"{side}/{name}{cut.shape}{cut.dtype}".encode())
            content.update(np.ascontiguousarray(cut).tobytes())
    record = {"from": _definition(config), "aligned": pairs.aligned, "content": content.hexdigest()}
    write_definition(folder, record)
    yield Progress(f"test images, {dataset}", count, count)


def _folder(study: StudyConfig, dataset: str) -> Path:
    return study.out / "images" / slug(dataset)


def _definition(config: DatasetConfig) -> Definition:
    return config.model_dump(mode="json", include={"data", "test_images", "side"})


def _cut(image: Image, side: int | None, what: str) -> Image:
    if side is None:
        return image
    if min(image.shape[:2]) < side:
        raise DataError(
            f"{what} has {image.shape[1]} x {image.shape[0]} px, less than the {side} px that are to be cut from it",
            fix="lower side of this data set",
        )
    return image[:side, :side]


def _suffix(image: Image) -> str:
    return ".png" if image.dtype == np.uint8 and image.shape[2] in (1, 3) else ".ome.tiff"
