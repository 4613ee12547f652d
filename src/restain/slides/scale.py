"""What files say of their scale, and whether it can be believed."""

import math
from dataclasses import dataclass
from typing import final

from restain.geometry import MPP_RANGE, Mpp

MICROMETRES = {
    "m": 1e6,
    "cm": 1e4,
    "mm": 1e3,
    "µm": 1.0,
    "μm": 1.0,
    "um": 1.0,
    "micron": 1.0,
    "\\u00b5m": 1.0,
    "nm": 1e-3,
    "inch": 25400.0,
}
"""Micrometres per unit of length, under the names that OME-XML and ImageJ use (both signs of micro)."""


@final
@dataclass(frozen=True)
class Scale:
    """A scale, or the reason why there is none, as the rest of a sentence that starts with the path."""

    mpp: Mpp | None
    reason: str


UNKNOWN = Scale(None, "does not say how many micrometres a pixel covers")


def believe(x: float | None, y: float | None) -> Scale:
    """Judge what a file says of its scale.

    Coarser values than any microscope gives come from software that writes its printing resolution (72 per inch is
    353 micrometres per pixel), and say nothing. Finer ones are a mistake somebody made (a unit off by 100, for example)
    and are named as such. Neither is used.

    Args:
        x: micrometres per pixel along a row, or None.
        y: the same along a column.
    """
    if x is None or y is None or not (math.isfinite(x) and math.isfinite(y)) or min(x, y) <= 0:
        return UNKNOWN
    low, high = MPP_RANGE
    if max(x, y) > high:
        return Scale(None, f"gives {x:g} micrometres per pixel, which is a printing resolution, not a microscope's")
    if min(x, y) < low:
        return Scale(None, f"claims {x:g} micrometres per pixel, finer than any microscope")
    return Scale(Mpp(x, y), "")


def per_pixel(pixels_per_unit: float, unit: str) -> float | None:
    """Turn a resolution into micrometres per pixel; None where it is zero or the unit is unknown."""
    length = MICROMETRES.get(unit.lower())
    return None if length is None or pixels_per_unit <= 0 else length / pixels_per_unit
