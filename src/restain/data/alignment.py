"""Whether pairs show the same tissue in the same place, as methods that compare pixel by pixel need.

Edges stay where they are when a section is stained again, whatever their colour, and bright ones on a dark field too.
So the magnitude of the gradient of lightness, less its mean over about a nucleus, is compared at every shift of up to
an eighth of the side. Without that mean the outlines of glands would do, which serial sections share.

Correlation at the best shift, its median and range over pairs, and the median length of that shift:

=========================================================  ======================  ==================================
pairs                                                      correlation             shift in px
=========================================================  ======================  ==================================
phantom, the same section, H&E against four markers        0.64 to 0.83, >= 0.53   0, or exactly the shift put in
phantom, the next section                                  0.11, 0.04 to 0.23      46
same section, unstained dark field and H&E, real           0.26, 0.16 to 0.34      1
same section, unstained spectra and H&E, real              0.30                    3.6
same section, Ki67 and later hematoxylin or DAPI, real     0.62, 0.63              7, 11
adjacent sections, autofluorescence and H&E, real          0.12                    7
serial sections, H&E and HER2 of BCI, real                 0.03, <= 0.08           none is right
serial sections, H&E and HER2 of MIST, real                0.04, <= 0.05           none is right
other places, dark field and H&E (256 px), real            0.07, <= 0.08           none is right
other tissue, phantom (512 px)                             0.04, <= 0.04           none is right
=========================================================  ======================  ==================================
"""

import warnings
from dataclasses import dataclass
from math import hypot
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from restain.data.pairs import Pairs
from restain.errors import AlignmentWarning, DataError
from restain.pixels import Image

Singles = NDArray[np.float32]

SMOOTH = 1.5
"""Standard deviation in pixels of the smoothing before the gradient: noise goes, nuclear outlines stay."""

CELL = 25
"""Side in pixels of the square whose mean is taken off: about a nucleus at 0.25 to 0.5 um/px."""

LEAST_SIDE = 128
"""Images with a shorter side hold too few cells to tell a match from chance. Below 256 px chance reaches ``RELATED``
(0.12 at 192 px, 0.17 at 128 px): other tissue is then told as shifted, at random."""

MOST_SIDE = 512
"""Larger images are read at their centre, at half their scale: it is enough, and memory and time stay bounded."""

RELATED = 0.1
"""Score from which two images show the same cells; tiles of other places stay below 0.08, see above."""

FEW = 3
"""Median shift in pixels above which pairs are not aligned: a fifth of a nucleus at 0.5 um/px, and more than same
sections that were registered with care, which are off by 1 to 2."""

SHARE = 0.25
"""Least share of pairs that must match at some shift; the others may be glass, on which nothing can be matched."""


@final
@dataclass(frozen=True, slots=True)
class Shift:
    """How two images of the same tissue lie to each other.

    Attributes:
        dx: pixels by which what the source shows lies further right in the target.
        dy: the same, further down.
        score_at_zero: correlation of their edges where they are, in [-1, 1].
        score_at_best: the same after the shift, which makes it highest.
    """

    dx: int
    dy: int
    score_at_zero: float
    score_at_best: float

    @property
    def length(self) -> float:
        """Distance in pixels."""
        return hypot(self.dx, self.dy)

    @property
    def related(self) -> bool:
        """Whether the images show the same cells, at whatever shift."""
        return self.score_at_best >= RELATED


def measure_shift(source: Image, target: Image) -> Shift:
    """Find how far one image is shifted against another, whatever their stains.

    Shifts of up to an eighth of the shorter side are found, to the pixel; above ``MOST_SIDE`` to two.

    Args:
        source: (H, W, C), uint8 or uint16.
        target: (H, W, C'), as large.

    Raises:
        DataError: sizes that differ, or a side below ``LEAST_SIDE``.
    """
    if source.shape[:2] != target.shape[:2] or min(source.shape[:2]) < LEAST_SIDE:
        raise DataError(
            f"no shift can be measured between images of {source.shape[:2]} and {target.shape[:2]} px",
            fix=f"pass images of one size of at least {LEAST_SIDE} px",
        )
    (a, step), (b, _) = _edges(source), _edges(target)
    reach = min(a.shape) // 8
    scores = _correlation(a[reach:-reach, reach:-reach], b)
    y, x = np.unravel_index(scores.argmax(), scores.shape)
    return Shift(step * (int(x) - reach), step * (int(y) - reach), float(scores[reach, reach]), float(scores.max()))


def check_alignment(pairs: Pairs, count: int = 16) -> tuple[Shift, ...]:
    """Warn where pairs that should show the same tissue at the same pixel do not.

    Args:
        pairs: what a paired method is to learn from.
        count: at most so many pairs are measured, evenly spread; 16 of 512 px take a second.

    Returns:
        what was measured; nothing of images too small for it, or of different sizes.

    Warns:
        AlignmentWarning: no shift makes enough of them match, or those that match are shifted.
    """
    chosen = np.unique(np.linspace(0, len(pairs) - 1, min(count, len(pairs))).round().astype(int))
    images = (pairs.read(int(index)) for index in chosen)
    shifts = tuple(
        measure_shift(source, target)
        for source, target in images
        if source.shape[:2] == target.shape[:2] and min(source.shape[:2]) >= LEAST_SIDE
    )
    if not shifts:
        return shifts
    fix = "register them, or use an unpaired method"
    lengths = [shift.length for shift in shifts if shift.related]
    if len(lengths) < SHARE * len(shifts):
        score = np.median([shift.score_at_best for shift in shifts])
        warnings.warn(
            f"source and target do not show the same cells: in {len(lengths)} of {len(shifts)} pairs do their edges "
            f"match at any shift (median correlation {score:.2f}, {RELATED} is needed): {fix}",
            AlignmentWarning,
            stacklevel=2,
        )
    elif np.median(lengths) > FEW:
        warnings.warn(
            f"source and target are not aligned: over {len(lengths)} pairs the median shift is "
            f"{np.median(lengths):.0f} px, the largest {max(lengths):.0f} px: {fix}",
            AlignmentWarning,
            stacklevel=2,
        )
    return shifts


def _edges(image: Image) -> tuple[Singles, int]:
    """Return where the edges of cells are, and how many pixels one step in it is."""
    height, width = (min(side, 2 * MOST_SIDE) for side in image.shape[:2])
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    light = image[top : top + height, left : left + width].mean(axis=2, dtype=np.float32)
    step = 2 if max(height, width) > MOST_SIDE else 1
    if step == 2:
        light = light[: height // 2 * 2, : width // 2 * 2].reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))
    edges = ndimage.gaussian_gradient_magnitude(light, SMOOTH)
    edges -= ndimage.uniform_filter(edges, CELL)
    return edges, step


def _correlation(part: Singles, whole: Singles) -> NDArray[Any]:
    """Return the normalised cross-correlation of a part with every window of its size, 0 where either is constant."""
    height, width = part.shape
    rows, columns = whole.shape[0] - height + 1, whole.shape[1] - width + 1
    part = part - part.mean()
    # Windows that lie inside the whole never wrap round, so its own size is enough for the transform.
    spectrum = fft.rfft2(whole) * fft.rfft2(part, whole.shape).conj()
    product = fft.irfft2(spectrum, whole.shape)[:rows, :columns]
    total, square = (
        _window_sums(plane, height, width) for plane in (whole.astype(np.float64), whole.astype(float) ** 2)
    )
    energy = (square - total**2 / part.size).clip(0) * float((part.astype(np.float64) ** 2).sum())
    scores: NDArray[Any] = np.divide(product, np.sqrt(energy), out=np.zeros((rows, columns)), where=energy > 1e-6)
    return scores


def _window_sums(plane: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """Return the sums over all windows of a size."""
    table = np.pad(plane.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    sums: NDArray[np.float64] = (
        table[height:, width:] - table[:-height, width:] - table[height:, :-width] + table[:-height, :-width]
    )
    return sums
