"""Pairs of images that resemble a stain and its imitation."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

MakePair = Callable[..., tuple[NDArray, NDArray]]


@pytest.fixture
def make_pair() -> MakePair:
    """Smooth colour texture, and the same with noise and a shift of level."""

    def make(height: int = 90, width: int = 120, channels: int = 3, dtype: type = np.uint8, seed: int = 0):
        rng = np.random.default_rng(seed)
        white = np.iinfo(dtype).max
        texture = gaussian_filter(rng.normal(size=(height, width, channels)), (3, 3, 0))
        target = 0.6 + 0.15 * texture / texture.std()
        pred = target + rng.normal(0.02, 0.05, size=target.shape)
        return tuple(np.rint(image.clip(0, 1) * white).astype(dtype) for image in (pred, target))

    return make
