"""Two folders of images compared as distributions; nothing has to have a partner."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

import numpy as np

from restain.errors import DataError, SmallSampleWarning
from restain.metrics import Distribution, Estimate, KidSubsets, compare_distributions
from restain.pixels import Image
from restain.slides import images_in

if TYPE_CHECKING:
    from restain.features import Extractor

SEED = 0
"""Of resamples, halves and subsets."""


@final
@dataclass(frozen=True, slots=True)
class FeatureDistance:
    """How far two sets of images are apart, and by which features.

    Args:
        features: name of the extractor.
        dimension: numbers per image.
        digest: SHA-256 of the extractor's weights; only numbers of the same weights compare.
        side: of the tiles that larger images were cut into, in pixels; None where images were taken whole.
        frechet: how the Frechet distance of these features is called, ``fid`` or ``fsd``.
        numbers: those of ``distribution`` that were asked for, by name.
        distribution: the numbers; ``n_pred`` and ``n_target`` count tiles, their groups are images.
    """

    features: str
    dimension: int
    digest: str
    side: int | None
    frechet: str
    numbers: tuple[str, ...]
    distribution: Distribution

    @property
    def told(self) -> dict[str, Estimate]:
        """The numbers that were asked for, by the names they have with these features."""
        return {self.frechet if name == "fid" else name: getattr(self.distribution, name) for name in self.numbers}


def compare_folders(
    pred: Path,
    target: Path,
    extractor: "Extractor",
    *,
    numbers: Sequence[str],
    whole: bool = False,
    subsets: KidSubsets | None = None,
    progress: Callable[[float], None] | None = None,
) -> FeatureDistance:
    """Compare the images of two folders, or two files, by their features.

    Args:
        pred: images to judge: a folder, an image or a slide.
        target: real images; their number and names may differ.
        extractor: takes the features.
        numbers: which are to be told, of ``profiles.NUMBERS``.
        whole: whether images are taken whole, instead of cut into tiles of the extractor's side.
        subsets: to tell KID over subsets as well; left out, with a warning, where there are fewer images.
        progress: called with the fraction done, from 0 to 1.

    Raises:
        DataError: no images, too few, or some that the extractor does not take.
        SlideError: an image that cannot be read.

    Warns:
        SmallSampleWarning: fewer images than FID, or the subsets, need.
    """
    from restain.features import features_of  # here, because torch takes a second to load

    sets = [_paths(folder) for folder in (pred, target)]
    counted = _counted([path for paths in sets for path in paths], progress)
    side = None if whole else extractor.side
    origins: tuple[list[int], list[int]] = ([], [])
    x, y = (
        features_of(_tiles((next(counted) for _ in paths), side, origin), extractor)
        for paths, origin in zip(sets, origins, strict=True)
    )
    least = min(len(x), len(y))
    if subsets is not None and subsets.size > least:
        warnings.warn(
            f"KID over subsets of {subsets.size} images is left out, as there are only {least}.",
            SmallSampleWarning,
            stacklevel=3,
        )
        subsets = None
    if progress is not None:
        progress(1.0)
    distribution = compare_distributions(
        x,
        y,
        generator=np.random.default_rng(SEED),
        groups_pred=np.array(origins[0]),
        groups_target=np.array(origins[1]),
        kid_subsets=subsets,
    )
    return FeatureDistance(
        extractor.name,
        extractor.dimension,
        extractor.digest,
        side=side,
        frechet=extractor.frechet,
        numbers=tuple(numbers),
        distribution=distribution,
    )


def _paths(place: Path) -> list[Path]:
    if not place.exists():
        raise DataError(f"{place} does not exist", fix="check the path")
    return list(images_in(place).values()) if place.is_dir() else [place]


def _tiles(paths: Iterable[Path], side: int | None, origin: list[int]) -> Iterator[Image]:
    """Yield the tiles of images, and note of each the number of its image in ``origin``."""
    from restain.features import tiles_in

    for number, path in enumerate(paths):
        for tile in tiles_in([path], side):
            origin.append(number)
            yield tile


def _counted(paths: Sequence[Path], progress: Callable[[float], None] | None) -> Iterator[Path]:
    for number, path in enumerate(paths):
        if progress is not None:
            progress(number / len(paths))
        yield path
