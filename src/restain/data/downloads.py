"""Public data sets in the folders they are downloaded in: pairs of patches with equal names in two folders."""

from abc import ABC
from collections import Counter
from pathlib import Path

from pydantic import Field

from restain.config import Config
from restain.data.files import FilePair, FilePairs
from restain.data.pairs import Part
from restain.data.splits import Parts, images_of
from restain.errors import DataError
from restain.slides import images_in

SIDE = 1024
"""Edge of the patches of BCI and MIST, in pixels."""


class DownloadConfig(Config, ABC):
    """What the data sets have in common."""

    root: Path
    """Folder of the data set as it was downloaded."""
    split_seed: int = 0
    """Draws who is held out; a constant, so that every run has the same parts."""
    aligned: bool = False
    """Whether crops of both sides are cut at one place, for paired methods. The patches are serial sections registered
    to some tens of pixels, so they are only nearly aligned: other cells, shifted, and a paired method blurs them."""
    size: int | None = Field(default=256, ge=1)
    """Side that patches of 1024 px are shrunk to by the mean over areas, as the papers do; null takes them as they are
    and decodes them at every visit, since they would not fit in memory."""


def partners(sources: Path, targets: Path, fix: str) -> list[FilePair]:
    """Return the pairs of two folders whose names must be the same.

    Args:
        sources: folder of H&E.
        targets: folder of the other stain.
        fix: what mends a folder that is not there.

    Raises:
        DataError: a missing or empty folder, or an image without partner.
    """
    for folder in (sources, targets):
        if not folder.is_dir():
            raise DataError(f"there is no folder {folder}", fix=fix)
    one, other = images_in(sources), images_in(targets)
    if lonely := sorted(one.keys() ^ other.keys()):
        raise DataError(
            f"{len(lonely)} images, {lonely[0]} first, are in only one of {sources} and {targets}",
            fix="download what is missing, or take the lone images away",
        )
    return [FilePair(name, one[name], other[name]) for name in one]


def pairs_of(config: DownloadConfig, parts: Parts, part: Part) -> FilePairs:
    """Return one part of a split data set.

    Raises:
        DataError: the part is empty, or an image is in several.
    """
    counts = Counter(file.name for files in parts.values() for file in files)
    if twice := sorted(name for name, count in counts.items() if count > 1):
        raise DataError(
            f"{len(twice)} images of {config.root}, {twice[0]} first, are in two parts",
            fix="keep each in one folder",
        )
    files = images_of(parts, part, str(config.root))
    return FilePairs(files, aligned=config.aligned, side=config.size, keep=config.size is not None)
