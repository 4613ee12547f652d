"""Where the tissue is, from an overview of the slide.

The signal is how far a pixel is from empty background: in bright field the optical density of the channel that absorbs
most, relative to the glass; in dark field and fluorescence the intensity above black. Density is preferred to
saturation because it sees every stain, also black and grey ones, and is not noisy where it is dark.

The border between background and tissue is that of N. Otsu, A threshold selection method from gray-level histograms,
IEEE Transactions on Systems, Man, and Cybernetics 9(1), 1979, on the logarithm of the signal, because the signal of
tissue spans a decade. Alone it would split the noise of an empty slide, and nuclei from stroma on a full one. So it
decides only within the range where both glass and tissue occur; below is never tissue, above is never glass. And
the level of the glass is read from the slide only if there is glass on it: something flat, bright and neutral.

In doubt a pixel is tissue: to stain glass costs time, to lose tissue costs a diagnosis.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from restain.errors import DataError
from restain.pixels import Image
from restain.tissue.plan import Mask

BRIGHT_FIELD = 0.38
"""An image is bright field if the median of its brightest channel is above this fraction of white. Dark-field tissue
reaches 0.53 and bright-field tissue without glass goes down to 0.47; where the two cross there is no background, and
either reading finds the tissue."""

FLAT = 0.006
"""Glass changes by less than this fraction of white from pixel to pixel, at a scale of one pixel; tissue by more."""

SHARE = 0.02
"""Background that covers less than this fraction of the image is not looked for: single flat spots occur in tissue."""

NEUTRAL = 0.94
"""The darkest channel of glass has at least this fraction of the brightest; the palest tissue measured had 0.93."""

GLASS = 0.6
"""Glass has at least this fraction of white; the greyest measured had 0.68, from a microscope camera."""

BLACK = 0.1
"""The background of a dark image has at most this fraction of full scale."""

DENSITY = (0.03, 0.05)
"""Optical density that is never tissue below and never glass above, relative to the glass (7 % and 11 % absorbed)."""

SIGNAL = (0.01, 0.03)
"""The same for the intensity of a dark image, as a fraction of full scale above black."""


def tissue_mask(overview: Image, *, speck: int = 12, margin: int = 2) -> Mask:
    """Return where there is tissue.

    Args:
        overview: (H, W, C) uint8 or uint16, best at 8 to 16 micrometres per pixel. Three channels may be bright field
            or dark; any other number is dark (fluorescence).
        speck: dust: what covers fewer pixels than this is dropped.
        margin: by how many pixels the rest is grown, so that no edge is lost.

    Returns:
        (H, W), True where there is tissue; its holes are filled.

    Raises:
        DataError: another shape or type.
    """
    if overview.ndim != 3 or overview.dtype not in (np.uint8, np.uint16) or overview.size == 0:
        raise DataError(
            f"an overview of shape {overview.shape} and type {overview.dtype} is not (H, W, C) of uint8 or uint16",
            fix="pass an image with a channel axis at the end",
        )
    if _is_bright_field(overview):
        signal, border = _density(overview), DENSITY
    else:
        signal, border = _intensity(overview), SIGNAL
    mask: Mask = ndimage.binary_fill_holes(signal > _otsu(signal, border))
    mask = _without_specks(mask, speck)
    if margin > 0:
        mask = ndimage.binary_dilation(mask, iterations=margin)
    return mask


def _is_bright_field(overview: Image) -> bool:
    white = np.iinfo(overview.dtype).max
    return overview.shape[2] == 3 and bool(np.median(overview.max(axis=2)) >= BRIGHT_FIELD * white)


def _density(overview: Image) -> NDArray[np.float32]:
    """Return the optical density, relative to the glass, of the channel that absorbs most; (H, W)."""
    white = np.iinfo(overview.dtype).max
    low, high = overview.min(axis=2), overview.max(axis=2)
    is_glass = _is_flat(overview, white) & (low >= NEUTRAL * high) & (high >= GLASS * white)
    glass = np.percentile(overview[is_glass], 90, axis=0) if is_glass.mean() >= SHARE else np.array(white)
    density: NDArray[np.float32] = np.log10(glass.astype(np.float32) / np.maximum(_smooth(overview), 1)).max(axis=2)
    return density.clip(0)  # OD = log10(I_glass / I)


def _intensity(overview: Image) -> NDArray[np.float32]:
    """Return the intensity above black of the brightest channel, as a fraction of full scale; (H, W)."""
    full = _full_scale(overview)
    is_black = _is_flat(overview, full) & (overview.max(axis=2) <= BLACK * full)
    black = np.median(overview[is_black], axis=0) if is_black.mean() >= SHARE else np.array(0)
    intensity: NDArray[np.float32] = (_smooth(overview) - black.astype(np.float32)).max(axis=2) / np.float32(full)
    return intensity.clip(0)


def _full_scale(overview: Image) -> int:
    """Return the largest value of the camera: those of 12 to 16 bits all write 16-bit files."""
    if overview.dtype == np.uint8:
        return 255
    bits = max(12, int(overview.max()).bit_length())
    return (1 << bits) - 1


def _smooth(overview: Image) -> NDArray[np.float32]:
    smooth: NDArray[np.float32] = ndimage.gaussian_filter(overview.astype(np.float32), (1, 1, 0))
    return smooth


def _is_flat(overview: Image, white: int) -> Mask:
    """Return the pixels around which no channel changes."""
    planes = overview.transpose(2, 0, 1).astype(np.float32)
    steepest = np.max([ndimage.gaussian_gradient_magnitude(plane, 1) for plane in planes], axis=0)
    flat: Mask = ndimage.maximum_filter(steepest, 3) < FLAT * white
    return flat


def _otsu(signal: NDArray[Any], border: tuple[float, float]) -> float:
    """Return the threshold that parts the logarithms of a signal best, but not outside the border."""
    low, high = border
    counts, edges = np.histogram(np.log(signal + low), bins=256)  # the offset keeps zeros finite
    centres = (edges[:-1] + edges[1:]) / 2
    below, sum_below = np.cumsum(counts)[:-1], np.cumsum(counts * centres)[:-1]
    above, sum_above = counts.sum() - below, (counts * centres).sum() - sum_below
    weights = np.maximum(below * above, 1)  # where one class is empty, the numerator is 0 too
    between = (sum_below * above - sum_above * below) ** 2 / weights  # proportional to the variance between the classes
    return float(np.clip(np.exp(edges[1:-1][between.argmax()]) - low, low, high))


def _without_specks(mask: Mask, speck: int) -> Mask:
    """Return the mask without its parts of fewer pixels than ``speck``."""
    parts, count = ndimage.label(mask)
    is_large = np.bincount(parts.ravel(), minlength=count + 1) >= speck
    is_large[0] = False
    large: Mask = is_large[parts]
    return large
