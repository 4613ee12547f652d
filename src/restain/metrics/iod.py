"""Integrated optical density (IOD) of DAB: how much brown there is, wherever it lies.

The recipe is that of ImageJ, which studies of virtual immunostaining follow: Colour Deconvolution with the vectors
"H DAB", the image of DAB as 8-bit grey g, "Uncalibrated OD" = log10(255 / g), sum. Three masks are in use: the whole
image; ``dab``, the pixels with g <= 100, which is the threshold of the recipe; and cells, a mask that the caller gives,
best found in the truth and used for both images.

The recipe knows two stains, so it reads a third as a mixture of them: eosin counts as DAB.

Where this differs from the plugin: vectors are brought to length one first and the third is their cross product, and a
level of 0 counts as 1 where the plugin adds 1 to every level, which shifts densities by a few thousandths.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from restain.colour import H_DAB_FIJI, od_from_rgb
from restain.errors import DataError
from restain.geometry import Size
from restain.metrics.base import Metric, Tally
from restain.metrics.correlation import pearson
from restain.pixels import Image

DAB_LIMIT = 100
"""The darkest grey levels of the DAB image, up to this one, are the mask ``dab``: a density of 0.41 and more."""

STANDARD = 1024**2
"""Pixels per image of the sums in papers."""

ODS = tuple(math.log10(255 / max(grey, 0.5)) for grey in range(256))
"""OD = log10(255 / g), ImageJ's "Uncalibrated OD": g = 0 counts as one half."""

_LEVELS = od_from_rgb(np.arange(256, dtype=np.uint8)).astype(np.float64)
_TRANSMITTED = [10 ** (-weight * _LEVELS) for weight in np.linalg.inv(H_DAB_FIJI.matrix())[:, 1]]
"""For red, green and blue: 10^-(contribution of a level to the amount of DAB)."""


def dab_grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the 8-bit image of DAB: 255 without DAB, darker with more.

    Args:
        image: (..., 3) uint8.

    Raises:
        DataError: the image is not 8-bit colour.
    """
    if image.dtype != np.uint8 or image.shape[-1] != 3:
        raise DataError(
            f"an image of shape {image.shape} and type {image.dtype} is not 8-bit colour", fix="convert it to 8-bit RGB"
        )
    # g = 255 * 10^-a with a = OD M^-1, as a product of tables: the same bits in whatever parts an image is read.
    red, green, blue = (table[image[..., c]] for c, table in enumerate(_TRANSMITTED))
    grey: NDArray[np.uint8] = np.rint((255 * red * green * blue).clip(0, 255)).astype(np.uint8)
    return grey


def dab_mask(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return where there is much DAB, g <= 100; (H, W) from (H, W, 3) uint8."""
    return dab_grey(image) <= DAB_LIMIT


def iod(image: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None) -> float:
    """Return the sum of the optical density of DAB over the pixels of a mask, or over the whole image.

    Args:
        image: (H, W, 3) uint8, a stain with DAB.
        mask: (H, W), True where pixels count.

    Raises:
        DataError: the image is not 8-bit colour, or the mask is not boolean or of another size.
    """
    grey = dab_grey(image)
    if mask is None:
        mask = np.ones(grey.shape, bool)
    if mask.shape != grey.shape or mask.dtype != bool:
        raise DataError(
            f"a mask of shape {mask.shape} and type {mask.dtype} does not fit an image of {grey.shape}",
            fix="pass a boolean mask of the size of the image",
        )
    return _weighted(np.bincount(grey[mask], minlength=256).tolist())


def _weighted(counts: Sequence[int]) -> float:
    """Return the IOD of pixels of which the first levels occur so often."""
    return math.fsum(count * od for count, od in zip(counts, ODS, strict=False))


class _Iod(Metric):
    """The signed difference of IOD per pixel of the image. The tally is the histograms of both DAB images."""

    unit = "OD per pixel"
    better = "nearer 0"
    bounds = (-ODS[0], ODS[0])
    rgb = True
    last: int
    """The brightest grey level that counts."""

    @final
    def _tally_block(self, pred: Image, target: Image, own: Size) -> Tally:
        counts = (np.bincount(dab_grey(image).ravel(), minlength=256) for image in (pred, target))
        return tuple(count for side in counts for count in side.tolist())

    @final
    def value(self, tally: Tally) -> float:
        """Return pred minus target."""
        more = [a - b for a, b in zip(tally[:256], tally[256:], strict=True)]
        return _weighted(more[: self.last + 1]) / sum(tally[:256])


@final
class IodWhole(_Iod):
    """The mean optical density of DAB of pred, minus that of target; negative where too little is stained."""

    name = "iod_whole"
    source = "mean of log10(255 / g), g the 8-bit DAB image after Fiji's H DAB; pred minus target"
    last = 255


@final
class IodDab(_Iod):
    """The same sum only over the pixels that are dark in the DAB image, in each image its own; over all pixels."""

    name = "iod_dab"
    source = "sum of log10(255 / g) over the pixels with g <= 100, per pixel of the image; pred minus target"
    last = DAB_LIMIT


@final
@dataclass(frozen=True, slots=True)
class IodDeviation:
    """How far the IOD of images is from that of the truth.

    Args:
        n: number of images.
        total: sum over the images of pred minus target, each brought to 1024 x 1024 pixels, in 10^7: what papers print.
            It grows with the number of images, and over- and understained images cancel in it.
        per_pixel: sum of pred minus target over the number of all pixels, in OD.
        relative: sum of pred minus target over the sum of target; NaN if there is no DAB in target.
        absolute: mean over the images of the absolute difference per pixel, in OD; nothing cancels.
        correlation: ``pearson`` of the IOD per pixel of the images; NaN for fewer than three or equal ones.
    """

    n: int
    total: float
    per_pixel: float
    relative: float
    absolute: float
    correlation: float

    @classmethod
    def of(cls, pred: Iterable[float], target: Iterable[float], pixels: Iterable[int]) -> "IodDeviation":
        """Compare the IOD of images, in the same order.

        Args:
            pred: ``iod`` of every image.
            target: ``iod`` of its truth, with the same mask or each with its own, as the question is.
            pixels: number of pixels of every image, whatever the mask.

        Raises:
            DataError: no images, or not as many of each.
        """
        x, y, area = (np.array(list(numbers), np.float64) for numbers in (pred, target, pixels))
        if not len(x) == len(y) == len(area) > 0:
            raise DataError(
                f"{len(x)}, {len(y)} and {len(area)} images cannot be compared", fix="give three numbers per image"
            )
        deviation = x - y
        return cls(
            n=len(x),
            total=float((deviation / area).sum()) * STANDARD / 1e7,
            per_pixel=float(deviation.sum() / area.sum()),
            relative=float(deviation.sum() / y.sum()) if y.sum() else math.nan,
            absolute=float(np.abs(deviation / area).mean()),
            correlation=pearson(x / area, y / area),
        )
