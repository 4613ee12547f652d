"""Noise as an argument: standard normal images that depend on what they are for, not on when they are asked for."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restain.errors import DataError
from restain.geometry import Point, Region


class Noise(ABC):
    """A source of standard normal noise. The same seed gives the same noise on every device.

    It is made on the CPU, in float32: to the last bit the same on one machine, to the last digits on all.
    """

    @abstractmethod
    def __call__(self, like: Tensor, draw: int) -> Tensor:
        """Return noise of the shape, type and device of ``like``.

        Args:
            like: (B, C, H, W).
            draw: 0 for the image a sampler starts from, k for its k-th step.
        """

    @abstractmethod
    def of(self, image: int) -> "Noise":
        """Return the noise of one image of the batch, for methods that treat images one by one."""


@final
class RandomNoise(Noise):
    """Noise that depends on the seed, the sample, the draw and the number of the image, not on the batch it is in.

    Args:
        seed: any integer.
        images: the number of each image of the batch; None counts from 0.
        sample: which of several answers to the same images it is for, from 0 on; each has noise of its own.
    """

    def __init__(self, seed: int, images: Sequence[int] | None = None, sample: int = 0) -> None:
        self.seed, self.images, self.sample = seed, images, sample

    def __call__(self, like: Tensor, draw: int) -> Tensor:
        """Return the noise of each image by its number.

        Raises:
            DataError: as many images as numbers.
        """
        images = range(len(like)) if self.images is None else self.images
        _check(len(images), len(like))
        count = like[0].numel()
        stream = _stream(self.sample, draw)
        rows = [_normals(self.seed, stream, (image, 0), count + count % 2)[:count] for image in images]
        return torch.from_numpy(np.stack(rows)).reshape(like.shape).to(like)

    def of(self, image: int) -> Noise:
        """Return the noise of one image."""
        return RandomNoise(self.seed, [image if self.images is None else self.images[image]], self.sample)


BLOCK = 64
"""Side of the squares of the slide, in pixels, that are filled with noise at once; changing it changes all noise."""


@final
class SlideNoise(Noise):
    """Noise that depends on the seed, the sample, the draw, the channel and the position on the slide alone.

    Where two tiles overlap they see the same noise, whatever the batch, the order, the number of workers or a restart.
    The plane is filled in blocks of 64 x 64 pixels, each with a stream of its own.

    Args:
        seed: any integer.
        positions: the top left corner of each tile of the batch on the slide; may be negative.
        sample: which of several answers to the same slide it is for, from 0 on; each has noise of its own.
    """

    def __init__(self, seed: int, positions: Sequence[Point], sample: int = 0) -> None:
        self.seed, self.positions, self.sample = seed, positions, sample

    def __call__(self, like: Tensor, draw: int) -> Tensor:
        """Return the noise under each tile.

        Raises:
            DataError: not as many positions as tiles.
        """
        _check(len(self.positions), len(like))
        tiles = np.empty(like.shape, dtype=np.float32)
        for tile, at in zip(tiles, self.positions, strict=True):
            _fill(tile, at, self.seed, _stream(self.sample, draw))
        return torch.from_numpy(tiles).to(like)

    def of(self, image: int) -> Noise:
        """Return the noise under one tile."""
        return SlideNoise(self.seed, [self.positions[image]], self.sample)


@final
class JoinedNoise(Noise):
    """The noise of a batch that is several batches one after another, such as several answers to the same images.

    Args:
        parts: the noise of each of these batches.
        images: how many images each of them has.
    """

    def __init__(self, parts: Sequence[Noise], images: int) -> None:
        self.parts, self.images = parts, images

    def __call__(self, like: Tensor, draw: int) -> Tensor:
        """Return the noise of every part.

        Raises:
            DataError: another number of images than the parts have together.
        """
        _check(len(self.parts) * self.images, len(like))
        return torch.cat([part(like[: self.images], draw) for part in self.parts])

    def of(self, image: int) -> Noise:
        """Return the noise of one image, which is that of its part."""
        return self.parts[image // self.images].of(image % self.images)


def _check(expected: int, found: int) -> None:
    if expected != found:
        raise DataError(
            f"noise for {expected} images was asked for a batch of {found}", fix="give one number or position per image"
        )


def _stream(sample: int, draw: int) -> int:
    """Return the number of the stream of a draw; those of sample 0 are the draws themselves."""
    return (sample << 32) + draw  # no sampler makes 2^32 steps


def _fill(tile: NDArray[np.float32], at: Point, seed: int, stream: int) -> None:
    """Fill a tile (C, H, W) with the blocks it meets."""
    channels, height, width = tile.shape
    region = Region(at.x, at.y, width, height)
    for row in range(region.y // BLOCK, -(-region.bottom // BLOCK)):
        for column in range(region.x // BLOCK, -(-region.right // BLOCK)):
            # The channels follow each other in the stream: a channel's noise does not depend on how many come after.
            block = _normals(seed, stream, (column, row), channels * BLOCK**2).reshape(channels, BLOCK, BLOCK)
            square = Region(column * BLOCK, row * BLOCK, BLOCK, BLOCK)
            met = square.clip(region)
            in_tile, in_block = met.shift(Point(-at.x, -at.y)), met.shift(Point(-square.x, -square.y))
            tile[:, *in_tile.slices] = block[:, *in_block.slices]


def _normals(seed: int, stream: int, place: tuple[int, int], count: int) -> NDArray[np.float32]:
    """Return an even number of standard normals, by Box and Muller (1958).

    z_1, z_2 = sqrt(-2 ln u_1) (cos, sin)(2 pi u_2), with u_1 in (0, 1] and u_2 in [0, 1] from 32 bits each: |z| < 6.7.
    The bits are those of Philox (Salmon et al. 2011), whose key is (seed, stream) and whose counter starts at the
    place: streams never meet, and NumPy keeps raw bits stable for ever.
    """
    key = np.array([_word(seed), _word(stream)], dtype=np.uint64)
    counter = np.array([0, 0, _word(place[0]), _word(place[1])], dtype=np.uint64)
    bits = np.random.Philox(key=key, counter=counter).random_raw(count // 2).astype("<u8", copy=False).view("<u4")
    u = bits.reshape(-1, 2).astype(np.float32)
    radius = np.sqrt(-2 * np.log((u[:, 0] + np.float32(0.5)) * np.float32(2**-32)))
    angle = u[:, 1] * np.float32(2 * np.pi * 2**-32)
    z = np.empty_like(u)
    np.multiply(radius, np.cos(angle), out=z[:, 0])
    np.multiply(radius, np.sin(angle), out=z[:, 1])
    return z.reshape(-1)


def _word(number: int) -> int:
    """Return an integer as 64 bits, negative ones in two's complement."""
    return number % 2**64
