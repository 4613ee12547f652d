"""Between stain amounts and optical density: Beer-Lambert, and its inverse.

Source: Ruifrok and Johnston, Quantification of histochemical staining by color deconvolution, 2001, equations 1 to 4.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from restain.colour.vectors import StainVectors
from restain.errors import DataError


def compose(amounts: NDArray[Any], stains: StainVectors) -> NDArray[Any]:
    """Return the optical density that amounts of stain give.

    Args:
        amounts: (..., S) float, S either the number of stains, or 3 with the residual of two stains in the last place.
        stains: the stains' vectors.

    Returns:
        (..., 3) optical density of red, green and blue, base 10, in the type of ``amounts``.

    Raises:
        DataError: the number of amounts does not fit the stains.
    """
    count = amounts.shape[-1]
    if count not in (len(stains.names), 3):
        raise DataError(
            f"{count} amounts per pixel do not fit {len(stains.names)} stains", fix="give one amount per stain"
        )
    density: NDArray[Any] = amounts @ stains.matrix()[:count].astype(amounts.dtype)  # OD = a M
    return density


def separate(density: NDArray[Any], stains: StainVectors) -> NDArray[Any]:
    """Return the amounts of stain behind an optical density; unclipped, so noise around zero stays unbiased.

    Args:
        density: (..., 3) float, optical density of red, green and blue, base 10.
        stains: the stains' vectors.

    Returns:
        (..., 3) amounts, in the type of ``density``; of two stains the last is the residual.

    Raises:
        DataError: the density has not three channels.
    """
    if density.shape[-1] != 3:
        raise DataError(
            f"a density of shape {density.shape} has not three channels",
            fix="pass red, green and blue in the last axis",
        )
    amounts: NDArray[Any] = density @ np.linalg.inv(stains.matrix()).astype(density.dtype)  # a = OD M^-1
    return amounts
