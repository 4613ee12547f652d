"""From what the section does to light to stored pixels: blur, pixels of finite size, sensor noise."""

from dataclasses import dataclass
from functools import cache
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from restain.colour import StainVectors
from restain.phantom.grid import Frame
from restain.phantom.lattice import hashed

Singles = NDArray[np.float32]

LARGEST_BLUR = 0.48
"""No slide's blur is larger, in micrometres."""

BLURS = 3.0
"""How far the blur reaches, in standard deviations."""

MARGIN = BLURS * LARGEST_BLUR
"""What a picture needs around it, in micrometres."""


@final
@dataclass(frozen=True, slots=True)
class Optics:
    """Microscope and camera of one slide.

    Args:
        blur: standard deviation of the point spread function in micrometres, at most ``LARGEST_BLUR``.
        white: level of clear glass for red, green and blue, in 0 to 1.
        read_noise: standard deviation of the noise in the dark, in 0 to 1.
        shot_noise: standard deviation of the additional noise at full light, in 0 to 1; it grows as the root of light.
    """

    blur: float
    white: tuple[float, float, float]
    read_noise: float
    shot_noise: float


def brightfield(
    amounts: tuple[Singles, ...], stains: StainVectors, optics: Optics, frame: Frame, noise: np.uint64
) -> NDArray[np.uint8]:
    """Return the picture of a stained section in transmitted light.

    Args:
        amounts: one plane per stain on the frame's grid, as optical density.
        stains: their vectors.
        optics: microscope and camera.
        frame: of the picture.
        noise: key of the sensor noise.

    Returns:
        (H, W, 3) uint8.
    """
    words = sensor_words(frame, noise)
    # Only what the blur reaches is worth an exponential.
    halo_y, halo_x = halo(optics.blur, frame)
    cut = [frame.cut(plane, halo_y, halo_x) for plane in amounts]
    image = np.empty((frame.region.height, frame.region.width, 3), np.uint8)
    for channel in range(3):
        # Beer-Lambert: I = 10^-OD, OD = sum of amount times vector
        density = cut[0] * np.float32(-np.log(10) * stains.vectors[0][channel])
        for plane, vector in zip(cut[1:], stains.vectors[1:], strict=True):
            density += plane * np.float32(-np.log(10) * vector[channel])
        light = exposed(np.exp(density, out=density), optics.blur, frame)
        light *= np.float32(255 * optics.white[channel])
        deviation = np.sqrt(light)
        deviation *= np.float32(255**0.5 * optics.shot_noise)
        deviation += np.float32(255 * optics.read_noise)
        deviation *= quantiles()[words[..., channel]]
        light += deviation
        light += np.float32(0.5)
        np.clip(light, 0, 255.5, out=light)
        image[..., channel] = light  # truncation after adding a half rounds
    return image


def halo(blur: float, frame: Frame) -> tuple[int, int]:
    """Return how many samples the blur reaches, vertically and horizontally."""
    grid = frame.grid
    return len(gaussian_taps(blur / grid.step_y)) // 2, len(gaussian_taps(blur / grid.step_x)) // 2


def exposed(plane: Singles, blur: float, frame: Frame) -> Singles:
    """Return what pixels see of a plane of samples: blurred, then averaged over each pixel.

    Args:
        plane: the region's samples with the blur's ``halo`` around them.
        blur: standard deviation in micrometres.
        frame: of the picture.
    """
    grid = frame.grid
    sharp = blurred(plane, gaussian_taps(blur / grid.step_y), 0)
    return pooled(blurred(sharp, gaussian_taps(blur / grid.step_x), 1), frame.samples)


def gaussian_taps(sigma: float) -> Singles:
    """Return the odd number of weights of a Gaussian, ``sigma`` in samples, that add to one."""
    half = int(np.ceil(BLURS * sigma))
    weights = np.exp(-0.5 * (np.arange(-half, half + 1) / sigma) ** 2)
    taps: Singles = (weights / weights.sum()).astype(np.float32)
    return taps


def blurred(plane: Singles, taps: Singles, axis: int) -> Singles:
    """Return the plane convolved with symmetric taps along an axis, less the border that the taps cannot reach.

    Sums run over whole planes in a fixed order, so a sample's value does not depend on where the plane was cut.
    """
    half = len(taps) // 2
    size = plane.shape[axis] - 2 * half

    def part(start: int) -> Singles:
        return plane[start : start + size] if axis == 0 else plane[:, start : start + size]

    total: Singles = part(half) * taps[half]
    for k in range(half):
        pair = part(k) + part(2 * half - k)
        pair *= taps[k]
        total += pair
    return total


def pooled(plane: Singles, samples: tuple[int, int]) -> Singles:
    """Return the means of blocks of samples, which are the pixels."""
    rows, columns = samples
    total = plane
    if rows > 1:
        total = sum((plane[k::rows] for k in range(1, rows)), plane[::rows]) * np.float32(1 / rows)
    if columns > 1:
        total = sum((total[:, k::columns] for k in range(1, columns)), total[:, ::columns]) * np.float32(1 / columns)
    return np.ascontiguousarray(total)


def sensor_words(frame: Frame, key: np.uint64) -> NDArray[np.uint16]:
    """Return four random 16-bit words per pixel, (H, W, 4), indices into ``quantiles``."""
    region = frame.region
    bits = hashed(key, np.arange(region.y, region.bottom)[:, None], np.arange(region.x, region.right)[None, :])
    return bits.view(np.uint16).reshape(region.height, region.width, 4)


@cache
def quantiles() -> Singles:
    """Return 65536 quantiles of the standard normal distribution; not to be written to."""
    table = np.asarray(ndtri((np.arange(1 << 16) + 0.5) / (1 << 16)), np.float32)
    table.setflags(write=False)
    return table
