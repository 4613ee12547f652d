"""Masks as planes for networks: the mask itself, or how far the border is.

A distance tells a network more than a mask: it changes everywhere near a border, and says how thick things are.
StainDiffuser (Kataria et al., 2024) uses the terms signed distance and distance transform for one target; both are
here, and the signed one, which tells inside from outside, is the usual choice.
"""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from restain.errors import ConfigError, DataError

PlaneKind = Literal["mask", "signed_distance", "inside_distance"]
"""What a plane shows of a mask."""

REACH = 16.0
"""Distance in pixels that becomes 1: about the radius of a cell at 40x. What is farther is all the same."""


def signed_distance(mask: NDArray[np.bool_], reach: float = REACH) -> NDArray[np.float32]:
    """Return the distance to the border, positive inside and negative outside, in units of the reach.

    A pixel beside the border is at distance 1, not 0: inside it is +1 pixel, outside -1.

    Args:
        mask: (H, W) bool.
        reach: pixels that become 1.

    Returns:
        (H, W) float32 in [-1, 1]; -1 everywhere for an empty mask, +1 for a full one, since the border is nowhere near.

    Raises:
        DataError: not a mask, or a reach that is not positive.
    """
    _check(mask, reach)
    if mask.all() or not mask.any():
        return np.full(mask.shape, 1.0 if mask.all() else -1.0, np.float32)
    distance = ndimage.distance_transform_edt(mask) - ndimage.distance_transform_edt(~mask)
    scaled: NDArray[np.float32] = (distance / reach).clip(-1, 1).astype(np.float32)  # clip(d, -r, r) / r
    return scaled


def inside_distance(mask: NDArray[np.bool_], reach: float = REACH) -> NDArray[np.float32]:
    """Return the distance to the border inside, and 0 outside, brought from [0, reach] to [-1, 1].

    Args:
        mask: (H, W) bool.
        reach: pixels that become 1.

    Returns:
        (H, W) float32 in [-1, 1]; -1 outside, and everywhere for an empty mask; +1 everywhere for a full one.

    Raises:
        DataError: not a mask, or a reach that is not positive.
    """
    inside: NDArray[np.float32] = 2 * signed_distance(mask, reach).clip(0, 1) - 1  # 2 min(d, r) / r - 1
    return inside


def plane_of(mask: NDArray[np.bool_], kind: PlaneKind) -> NDArray[np.float32]:
    """Return a mask as a plane for a network.

    Args:
        mask: (H, W) bool.
        kind: ``mask`` is -1 outside and +1 inside; for the others see ``signed_distance`` and ``inside_distance``.

    Returns:
        (H, W) float32 in [-1, 1].

    Raises:
        ConfigError: no such kind.
        DataError: not a mask.
    """
    match kind:
        case "mask":
            _check(mask, REACH)
            return 2 * mask.astype(np.float32) - 1
        case "signed_distance":
            return signed_distance(mask)
        case "inside_distance":
            return inside_distance(mask)
        case _:
            raise ConfigError(f"a mask has no {kind!r}", fix=f"choose one of {', '.join(get_args(PlaneKind))}")


def _check(mask: NDArray[np.bool_], reach: float) -> None:
    if mask.ndim != 2 or mask.dtype != np.bool_ or not mask.size:
        raise DataError(
            f"a mask of shape {mask.shape} and type {mask.dtype} is not (H, W) of bool", fix="compare first"
        )
    if not reach > 0:
        raise DataError(f"a reach of {reach} pixels is not positive", fix=f"use for example {REACH:g}")
