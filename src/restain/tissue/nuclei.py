"""Nuclei in a bright-field image, by the dyes that mark them.

A pixel is nuclear where a dye that marks nuclei is denser than its threshold: that of N. Otsu, A threshold selection
method from gray-level histograms, IEEE Transactions on Systems, Man, and Cybernetics 9(1), 1979, on the logarithm of
the density in tissue. Each dye has a threshold of its own: one for hematoxylin and DAB together would part positive
nuclei from negative ones. What is nuclear is then cut by a watershed that floods a landscape from its peaks:

    response to the Laplacian of a Gaussian + depth in the nuclear area

The first (T. Lindeberg, Feature detection with automatic scale selection, International Journal of Computer Vision
30(2), 1998) sees pale gaps between nuclei, but splits large ones; the second, the distance from the outline, sees
waists, but not the gaps that a threshold closes. Together they do better than either: F1 is 0.97 against 0.95 and 0.93.
Density counts up to twice the threshold, so that a dark nucleus does not outshine its pale neighbours, and chromatin
does not make one nucleus into many.

Nothing is learned, so the images of all methods and real ones are read alike. On real stains of the phantom (seeds 200
to 207, of which nothing was tuned; 512 pixels each; nuclei within 3 um are the same) F1 is 0.96 on H&E, 0.98 on Ki67,
0.97 on HER2 at 0.5 um/px, and 0.97 to 0.98 at 0.25. What it misses are mostly small nuclei that touch large ones.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from restain.colour import StainVectors, od_from_rgb, separate
from restain.errors import DataError
from restain.geometry import Mpp

Labels = NDArray[np.int32]
"""(H, W), 0 outside of nuclei, else the number of the nucleus."""

Singles = NDArray[np.float32]
"""(H, W) float32."""

SMOOTH = 0.5
"""Deviation in micrometres of the Gaussian before thresholds: noise of single pixels goes, the outline stays."""

SCALE = 2.2
"""Deviation in micrometres of the Laplacian of a Gaussian. It answers strongest to discs of sqrt(2) times this radius,
3.1 um, that of an average nucleus. A smaller one splits large nuclei, a larger one joins lymphocytes."""

DEPTH = 0.2
"""What one micrometre of distance from the outline is worth beside the response: in the middle of an average nucleus
the two then weigh about the same, 0.6 and 0.7."""

ROUNDING = 0.7
"""Deviation in micrometres of the Gaussian over these distances, so that a rough outline makes no ridges."""

APART = 2.0
"""Two peaks closer than this in micrometres are one nucleus: nuclei have at least this radius."""

CONTRAST = 0.1
"""The least response of a nucleus. A disc of that radius whose density is over its surroundings by one threshold has
2 / e = 0.74; noise that is left after such smoothing has less than this."""

AREA = (9.0, 250.0)
"""Square micrometres of a nucleus: discs of radius 1.7 um and 8.9 um. Less is debris, more is no single nucleus."""

TISSUE = 0.05
"""Optical density below which a pixel is glass and says nothing about thresholds (11 % absorbed)."""

OFFSET = 0.05
"""Added to densities before their logarithm, so that noise around zero does not spread over the histogram."""

BORDERS = {"hematoxylin": (0.03, 0.4), "dab": (0.15, 0.4)}
"""Per dye, optical density that is never nuclear below, being background, and always nuclear above. Thresholds lie
between, also where there are no nuclei to be parted from the rest. Pale counterstains, as of HER2 in BCI, have nuclei
of 0.05."""

BROWN = 0.25
"""Optical density of DAB above which a pixel has no say in the threshold of hematoxylin: to published vectors dark
brown looks blue as well, and pale nuclei would be lost beside it."""


def find_nuclei(
    image: NDArray[np.uint8], mpp: Mpp, stains: StainVectors, marks: tuple[str, ...] = ("hematoxylin",)
) -> Labels:
    """Return the nuclei of an image.

    Args:
        image: (H, W, 3) uint8, bright field.
        mpp: its scale.
        stains: in the image.
        marks: those of the stains that mark nuclei, ``"hematoxylin"``, ``"dab"`` or both: hematoxylin in H&E and beside
            membrane markers, both for nuclear markers such as Ki67.

    Returns:
        (H, W) int32, 0 outside of nuclei, else their numbers 1, 2, 3, ... without gaps. All zero if there are none.

    Raises:
        DataError: an image of another shape or type, or marks that are not among the stains or not among the two dyes.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise DataError(f"an image of shape {image.shape} is not (H, W, 3)", fix="pass a bright-field image in colour")
    if max(mpp.x, mpp.y) > APART:
        raise DataError(
            f"pixels of {mpp} are too coarse to tell nuclei apart", fix=f"find nuclei at {APART / 2:g} um/px or finer"
        )
    if not marks or not set(marks) <= set(stains.names) & set(BORDERS):
        raise DataError(
            f"nuclei cannot be found by {', '.join(marks) or 'no dye'} in {', '.join(stains.names)}",
            fix=f"name one or both of {', '.join(BORDERS)}, and vectors that have them",
        )
    density = od_from_rgb(image)
    amounts = separate(density, stains)
    is_tissue = _smooth(density.max(axis=2), mpp) > TISSUE
    strength = np.zeros(image.shape[:2], np.float32)  # 1 is the threshold
    for mark in marks:
        amount = _smooth(amounts[..., stains.names.index(mark)], mpp).clip(0)
        counts = is_tissue
        if mark == "hematoxylin" and "dab" in stains.names:
            counts = is_tissue & (_smooth(amounts[..., stains.names.index("dab")], mpp) <= BROWN)
        np.maximum(strength, amount / _threshold(amount[counts], BORDERS[mark]), out=strength)
    is_nuclear = strength > 1
    response = _response(strength.clip(max=2), mpp)
    landscape = response + np.float32(DEPTH) * _depth(is_nuclear, mpp)
    is_seed = _is_peak(landscape, mpp) & is_nuclear & (response > CONTRAST)
    seeds, _ = ndimage.label(is_seed, np.ones((3, 3)))
    cut = watershed(-landscape, seeds, mask=is_nuclear)  # type: ignore[no-untyped-call]  # scikit-image has no types
    return _of_area(cut, mpp)


def centres(labels: Labels, mpp: Mpp) -> NDArray[np.float64]:
    """Return where nuclei are.

    Args:
        labels: (H, W), 0 outside of nuclei, else numbers 1, 2, 3, ... without gaps.
        mpp: scale.

    Returns:
        (n, 2) their centres of mass in order of their numbers, y then x in micrometres from the upper left corner of
        the image; the centre of its first pixel lies at half a pixel.
    """
    row, column = np.nonzero(labels)
    number = labels[row, column] - 1
    pixels = np.bincount(number)
    y, x = (np.bincount(number, place) / pixels for place in (row, column))
    return np.stack([(y + 0.5) * mpp.y, (x + 0.5) * mpp.x], axis=-1)


def _smooth(plane: Singles, mpp: Mpp) -> Singles:
    smooth: Singles = ndimage.gaussian_filter(plane, (SMOOTH / mpp.y, SMOOTH / mpp.x))
    return smooth


def _threshold(amounts: NDArray[Any], border: tuple[float, float]) -> float:
    """Return the threshold that parts the logarithms of amounts best, but not outside the border."""
    low, high = border
    if not amounts.size:
        return high
    counts, edges = np.histogram(np.log(amounts + OFFSET), bins=256)
    middles = (edges[:-1] + edges[1:]) / 2
    below, sum_below = np.cumsum(counts)[:-1], np.cumsum(counts * middles)[:-1]
    above, sum_above = counts.sum() - below, (counts * middles).sum() - sum_below
    between = (sum_below * above - sum_above * below) ** 2 / np.maximum(below * above, 1)  # Otsu's sigma_B^2, scaled
    best = edges[1:-1][between >= between.max() * (1 - 1e-9)].mean()  # the middle of the gap, where there is one
    return float(np.clip(np.exp(best) - OFFSET, low, high))


def _response(plane: Singles, mpp: Mpp) -> Singles:
    """Return the Laplacian of a Gaussian, of no unit (Lindeberg's normalisation), positive on what is denser."""
    sigma = (SCALE / mpp.y, SCALE / mpp.x)
    curvature = (
        ndimage.gaussian_filter(plane, sigma, order=order) * width**2  # sigma^2 d^2/dx^2
        for order, width in (((2, 0), sigma[0]), ((0, 2), sigma[1]))
    )
    response: Singles = -sum(curvature)
    return response


def _depth(is_nuclear: NDArray[np.bool_], mpp: Mpp) -> Singles:
    """Return the distance from the nearest pixel that is not nuclear, in micrometres."""
    distance = ndimage.distance_transform_edt(is_nuclear, sampling=(mpp.y, mpp.x)).astype(np.float32)
    rounded: Singles = ndimage.gaussian_filter(distance, (ROUNDING / mpp.y, ROUNDING / mpp.x))
    return rounded


def _is_peak(landscape: Singles, mpp: Mpp) -> NDArray[np.bool_]:
    """Return the pixels that nothing nearby exceeds."""
    high, wide = int(APART / mpp.y), int(APART / mpp.x)
    y, x = np.ogrid[-high : high + 1, -wide : wide + 1]
    disc = (y * mpp.y) ** 2 + (x * mpp.x) ** 2 <= APART**2
    peak: NDArray[np.bool_] = landscape == ndimage.maximum_filter(landscape, footprint=disc)
    return peak


def _of_area(labels: NDArray[Any], mpp: Mpp) -> Labels:
    """Drop what is too small or too large, and number the rest."""
    low, high = AREA
    area = np.bincount(labels.ravel()) * mpp.x * mpp.y
    is_kept = (area >= low) & (area <= high)
    is_kept[0] = False
    number = np.where(is_kept, np.cumsum(is_kept), 0).astype(np.int32)
    kept: Labels = number[labels]
    return kept
