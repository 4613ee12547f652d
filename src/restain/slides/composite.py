"""Transparency, laid on white."""

import numpy as np

from restain.pixels import Image


def on_white(image: Image, *, premultiplied: bool) -> Image:
    """Composite an image whose last channel is alpha on white.

    Args:
        image: (H, W, C + 1), uint8 or uint16.
        premultiplied: whether the colours are stored times alpha.

    Returns:
        (H, W, C) of the same type, rounded: out = alpha colour + (1 - alpha) white.
    """
    white = np.iinfo(image.dtype).max
    colour, alpha = image[..., :-1], image[..., -1:].astype(np.float32) / np.float32(white)
    own = colour if premultiplied else alpha * colour
    return np.rint(own + (1 - alpha) * np.float32(white)).clip(0, white).astype(image.dtype)
