"""What each channel of fluorescence images holds: whether the camera was at its limit, and whether there is anything.

A network cannot tell a saturated channel from a bright one, and learns from an empty one what the next slide, where the
lamp was on, will contradict. Neither stops the work, so both are warnings.
"""

import warnings
from collections.abc import Iterable, Sequence

import numpy as np

from restain.errors import EmptyChannelWarning, SaturationWarning
from restain.pixels import Image

LOOKED_AT = 16
"""Images, or tiles of a slide, that are looked at."""

LIMITS = tuple(2**bits - 1 for bits in (8, 10, 12, 14, 16))
"""Largest values of cameras: those of 10 to 14 bits write 16-bit files, and saturate far below 65535."""

SHARE = 0.01
"""Share of pixels at the limit above which a channel counts as saturated; single bright grains stay below."""


def check_values(images: Iterable[Image], channels: Sequence[str], what: str) -> None:
    """Warn of channels that are saturated or the same everywhere.

    Args:
        images: some of one kind, each (H, W, C) of uint8 or uint16, showing tissue.
        channels: the names of the C channels.
        what: where the images are from, for the message.

    Warns:
        SaturationWarning: at least ``SHARE`` of the pixels of a channel are at its largest value, which is a camera's.
        EmptyChannelWarning: all pixels of a channel are equal.
    """
    low = np.full(len(channels), np.iinfo(np.int64).max)
    high, at_high, pixels = np.full(len(channels), -1), np.zeros(len(channels), np.int64), 0
    for image in images:
        of_image = image.max(axis=(0, 1)).astype(np.int64)
        low = np.minimum(low, image.min(axis=(0, 1)))
        at_high[of_image > high] = 0
        high = np.maximum(high, of_image)
        at_high += (image == high).sum(axis=(0, 1))
        pixels += image.shape[0] * image.shape[1]
    if not pixels:
        return
    empty, share = low == high, at_high / pixels
    saturated = ~empty & np.isin(high, LIMITS) & (share >= SHARE)
    if saturated.any():
        listed = _listed([f"{channels[k]} ({share[k]:.1%} at {high[k]})" for k in np.flatnonzero(saturated).tolist()])
        warnings.warn(
            f"{what}: the camera was at its limit in {listed}; what is brighter than that is lost: expose these "
            "channels for a shorter time",
            SaturationWarning,
            stacklevel=2,
        )
    if empty.any():
        listed = _listed([f"{channels[k]} (always {low[k]})" for k in np.flatnonzero(empty).tolist()])
        warnings.warn(
            f"{what}: nothing was recorded in {listed}: look whether the lamp was on, and the right filter in",
            EmptyChannelWarning,
            stacklevel=2,
        )


def _listed(found: Sequence[str]) -> str:
    more = f" and {len(found) - 4} more" if len(found) > 4 else ""
    return ", ".join(found[:4]) + more
