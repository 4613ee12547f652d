"""The low-pass filter of ILVR and EGSDE: an image made smaller by a factor, then as large as before."""

from typing import Literal

from torch import Tensor
from torch.nn import functional

from restain.errors import DataError

LowPass = Literal["bicubic", "box"]
"""How images are made smaller and larger."""


def low_pass(image: Tensor, factor: int, kind: LowPass) -> Tensor:
    """Return phi(image): down by the factor, then up by it; linear in the image.

    ``bicubic`` is Keys' cubic with a = -1/2, antialiased on the way down (Keys 1981; as in MATLAB and Pillow). It is no
    projection: phi(phi(image)) differs from phi(image), for white noise by a quarter of its size. ``box`` takes the
    mean of each square and repeats it, which is the orthogonal projection onto images of constant squares.

    Args:
        image: (B, C, H, W).
        factor: N, by which the sides shrink.
        kind: how.

    Raises:
        DataError: the factor does not divide a side.
    """
    height, width = image.shape[2:]
    if height % factor or width % factor:
        raise DataError(
            f"an image of {width} x {height} px cannot be made smaller by {factor}",
            fix=f"use tiles with sides that are multiples of {factor}",
        )
    if kind == "box":
        small = functional.avg_pool2d(image, factor)
        return small.repeat_interleave(factor, 2).repeat_interleave(factor, 3)
    small = functional.interpolate(image, (height // factor, width // factor), mode="bicubic", antialias=True)
    # Antialiasing does nothing on the way up, but selects Keys' a = -1/2; without it torch takes a = -3/4.
    return functional.interpolate(small, (height, width), mode="bicubic", antialias=True)
