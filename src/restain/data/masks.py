"""What the auxiliary task of a method learns from: a plane for every pair, out of a mask of the marker."""

from pathlib import Path
from typing import Annotated, Literal, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from restain.colour import HE
from restain.config import Config
from restain.data.pairs import Pairs
from restain.errors import DataError
from restain.geometry import Mpp, Region
from restain.pixels import Image
from restain.slides import images_in, open_slide
from restain.tissue import (
    CoarseMaskConfig,
    DabHistogram,
    Mask,
    PlaneKind,
    PositiveThreshold,
    ThresholdRule,
    choose_threshold,
    coarse_mask,
    find_nuclei,
    plane_of,
)

Plane = NDArray[np.float32]
"""(H, W) in [-1, 1]."""


@final
class CoarseMasksConfig(Config):
    """Masks by threshold and morphology of the target images, which must be stained with DAB."""

    kind: Literal["coarse"] = "coarse"
    """Tells the sources of masks apart."""
    threshold: ThresholdRule | float = "auto"
    """How the threshold on all training images together is found, or an optical density; `auto` asks how many pixels
    are positive, because no rule serves sparse and abundant markers."""
    steps: CoarseMaskConfig = CoarseMaskConfig()
    """The morphology; `fill: 250` and `closing: 5` make glands of a marker of cytoplasm."""
    plane: PlaneKind = "mask"
    """What is learnt of the mask; a mask did better than a distance in the paper."""


@final
class NucleiMasksConfig(Config):
    """Masks of the nuclei that are found in the target images, for H&E and other stains without DAB."""

    kind: Literal["nuclei"] = "nuclei"
    """Tells the sources of masks apart."""
    assumed_mpp: float = Field(default=0.5, gt=0)
    """Micrometres per pixel where nobody knows the scale; 0.5 is what 20x objectives give."""
    plane: PlaneKind = "mask"
    """What is learnt of the mask; a mask did better than a distance in the paper."""


@final
class FolderMasksConfig(Config):
    """Masks in files, for example those of `restain mask`, cleaned by a network."""

    kind: Literal["folder"] = "folder"
    """Tells the sources of masks apart."""
    path: Path
    """Folder of pictures with one channel, named as the pairs; white is positive."""
    plane: PlaneKind = "mask"
    """What is learnt of the mask; a mask did better than a distance in the paper."""


MasksConfig = Annotated[CoarseMasksConfig | NucleiMasksConfig | FolderMasksConfig, Field(discriminator="kind")]
"""Where masks come from."""


@final
class MaskedPairs(Pairs):
    """Pairs with a plane each, whose mask is found when first asked for and then kept (a bit per pixel).

    Args:
        pairs: the images.
        config: where masks come from.
        threshold: from which density of DAB on a pixel is positive, for coarse masks; see ``threshold_of``.
        mpp: scale of the images; None where nobody knows it.
    """

    def __init__(
        self, pairs: Pairs, config: MasksConfig, threshold: PositiveThreshold | None, mpp: float | None
    ) -> None:
        self.aligned = pairs.aligned
        self._pairs, self._config, self._threshold = pairs, config, threshold
        self._mpp = None if mpp is None else Mpp.square(mpp)
        self._files = images_in(config.path) if isinstance(config, FolderMasksConfig) else {}
        self._kept: dict[int, tuple[tuple[int, int], NDArray[np.uint8]]] = {}

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self._pairs)

    def name(self, index: int) -> str:
        """Return the name of one pair."""
        return self._pairs.name(index)

    def read(self, index: int) -> tuple[Image, Image]:
        """Return source and target of one pair."""
        return self._pairs.read(index)

    def stain(self, index: int) -> int | None:
        """Return which of several target stains one pair shows."""
        return self._pairs.stain(index)

    def auxiliary(self, index: int) -> Plane:
        """Return the plane of one pair.

        Raises:
            DataError: a mask that is missing, or of another size than its image.
        """
        if index not in self._kept:
            mask = self._mask(index)
            self._kept[index] = (mask.shape[0], mask.shape[1]), np.packbits(mask)
        (height, width), bits = self._kept[index]
        mask = np.unpackbits(bits, count=height * width).reshape(height, width).astype(np.bool_)
        return plane_of(mask, self._config.plane)

    def _mask(self, index: int) -> Mask:
        target = self.read(index)[1]
        match self._config:
            case CoarseMasksConfig():
                assert self._threshold is not None
                return coarse_mask(target, self._threshold.density, self._mpp, self._config.steps)
            case NucleiMasksConfig():
                nuclei: Mask = find_nuclei(target, self._mpp or Mpp.square(self._config.assumed_mpp), HE) > 0
                return nuclei
            case FolderMasksConfig():
                return self._read(self.name(index), target, self._config.path)

    def _read(self, name: str, target: Image, folder: Path) -> Mask:
        if name not in self._files:
            raise DataError(f"{name} has no mask in {folder}", fix="give masks the names of the pairs")
        with open_slide(self._files[name]) as reader:
            image = reader.read(Region.of(reader.info.size))
        if image.shape[:2] != target.shape[:2]:
            raise DataError(
                f"mask {self._files[name]} has {image.shape[1]} x {image.shape[0]} px, its image "
                f"{target.shape[1]} x {target.shape[0]} px",
                fix="make masks of the images as they are",
            )
        half = np.iinfo(image.dtype).max // 2
        if 0 < image.max() <= half:
            raise DataError(
                f"mask {self._files[name]} has no value above {image.max()}",
                fix=f"store masks as 0 and {np.iinfo(image.dtype).max}",
            )
        positive: Mask = image[..., 0] > half
        return positive


def threshold_of(pairs: Pairs, config: MasksConfig) -> PositiveThreshold | None:
    """Return the threshold of coarse masks, found on the tissue of all target images; None for other masks.

    Raises:
        DataError: images that show no tissue, or are no 8-bit colour.
    """
    if not isinstance(config, CoarseMasksConfig):
        return None
    histogram = DabHistogram()
    if not isinstance(config.threshold, str):  # it needs no pixels
        return choose_threshold(histogram, config.threshold)
    for index in range(len(pairs)):
        histogram.add(pairs.read(index)[1])
    return choose_threshold(histogram, config.threshold)


def check_masks(pairs: MaskedPairs, count: int = 64) -> None:
    """Refuse masks that teach nothing; at most ``count`` of them are looked at, evenly spread.

    Raises:
        DataError: all are empty, or all are full.
    """
    chosen = np.unique(np.linspace(0, len(pairs) - 1, min(count, len(pairs))).round().astype(int))
    means = [float(pairs.auxiliary(int(index)).mean()) for index in chosen]
    for extreme, word in ((-1, "empty"), (1, "full")):
        if all(mean == extreme for mean in means):
            raise DataError(
                f"the masks of all {len(means)} training images looked at are {word}",
                fix="mend masks.threshold or masks.path, or leave masks out",
            )
