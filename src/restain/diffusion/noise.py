"""Noise as an argument: standard normal images that depend on what they are for, not on when they are asked for."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restain.errors import ConfigError
from restain.geometry import Point


class Noise(ABC):
    """A source of standard normal noise."""

    @abstractmethod
    def __call__(self, like: Tensor, draw: int) -> Tensor:
        """Return noise of the shape, type and device of ``like``.

        Args:
            like: (B, C, H, W).
            draw: 0 for the image a sampler starts from, k for its k-th step.
        """


@final
class RandomNoise(Noise):
    """Noise that depends on the seed, the draw and the number of the image, not on the batch it is in.

    Args:
        seed: any integer from 0 to 2^64 - 1.
        images: the number of each image of the batch; None counts from 0.
    """

    def __init__(self, seed: int, images: Sequence[int] | None = None) -> None:
        self.seed, self.images = seed, images

    def __call__(self, like: Tensor, draw: int) -> Tensor:
        """Return the noise of each image by its number."""
        images = range(len(like)) if self.images is None else self.images
        if len(images) != len(like):
            raise ConfigError(f"noise for {len(images)} images was asked for {len(like)}", fix="number every image")
        count = like[0].numel()
        rows = [_normals(self.seed, draw, (image, 0), count + count % 2)[:count] for image in images]
        return torch.from_numpy(np.stack(rows)).reshape(like.shape).to(like)


BLOCK = 64
"""Side of the squares in which the plane of a slide is filled with noise, in pixels."""


@final
class SlideNoise(Noise):
    """Noise that depends on the seed, the draw, the channel and the position on the slide alone.

    Where two tiles overlap they see the same noise, whatever the batch, the order, the number of workers or a restart.

    Args:
        seed: any integer from 0 to 2^64 - 1.
        positions: the top left corner of each tile of the batch on the slide; may be negative.
    """

    def __init__(self, seed: int, positions: Sequence[Point]) -> None:
        self.seed, self.positions = seed, positions

    def __call__(self, like: Tensor, draw: int) -> Tensor:
        """Return the noise under each tile."""
        if len(self.positions) != len(like):
            raise ConfigError(
                f"noise for {len(self.positions)} tiles was asked for {len(like)}", fix="give a position per tile"
            )
        tiles = np.empty(like.shape, dtype=np.float32)
        for tile, at in zip(tiles, self.positions, strict=True):
            _fill(tile, at, self.seed, draw)
        return torch.from_numpy(tiles).to(like)


def _fill(tile: NDArray[np.float32], at: Point, seed: int, draw: int) -> None:
    channels, height, width = tile.shape
    for row in range(at.y // BLOCK, -(-(at.y + height) // BLOCK)):
        for column in range(at.x // BLOCK, -(-(at.x + width) // BLOCK)):
            block = _normals(seed, draw, (column, row), channels * BLOCK * BLOCK).reshape(channels, BLOCK, BLOCK)
            top, left = row * BLOCK - at.y, column * BLOCK - at.x
            y, x = max(top, 0), max(left, 0)
            bottom, right = min(top + BLOCK, height), min(left + BLOCK, width)
            tile[:, y:bottom, x:right] = block[:, y - top : bottom - top, x - left : right - left]


def _normals(seed: int, draw: int, place: tuple[int, int], count: int) -> NDArray[np.float32]:
    """Return an even number of normals by Box and Muller (1958) from the raw bits of a counter-based generator.

    Philox (Salmon et al. 2011) keyed with seed and draw, counting from the place: streams never meet.
    """
    mask = (1 << 64) - 1
    key = np.array([seed & mask, draw & mask], dtype=np.uint64)
    counter = np.array([0, 0, place[0] & mask, place[1] & mask], dtype=np.uint64)
    bits = np.random.Philox(key=key, counter=counter).random_raw(count // 2).astype("<u8", copy=False).view("<u4")
    pairs = bits.reshape(-1, 2).astype(np.float32)
    radius = np.sqrt(-2 * np.log((pairs[:, 0] + np.float32(0.5)) * np.float32(2**-32)))
    angle = pairs[:, 1] * np.float32(2 * np.pi * 2**-32)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)
