"""From amounts of stain to 8-bit pixels: Beer-Lambert, blur, pixels of finite size, sensor noise."""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from restain.colour import StainVectors
from restain.phantom.grid import Grid
from restain.phantom.lattice import hashed

Singles = NDArray[np.float32]


@final
@dataclass(frozen=True, slots=True)
class Optics:
    """Microscope and camera of one slide.

    Args:
        blur: standard deviation of the point spread function in micrometres.
        white: level of clear glass for red, green and blue, in 0 to 1.
        read_noise: standard deviation of the noise in the dark, in 0 to 1.
        shot_noise: standard deviation of the additional noise at full light, in 0 to 1; it grows as the root of light.
    """

    blur: float
    white: tuple[float, float, float]
    read_noise: float
    shot_noise: float


MARGIN_IN_BLURS = 3.0
"""How far the blur reaches, in standard deviations."""


def gaussian_taps(sigma: float) -> Singles:
    """Return the odd number of weights of a Gaussian, ``sigma`` in samples, that add to one."""
    half = int(np.ceil(MARGIN_IN_BLURS * sigma))
    weights = np.exp(-0.5 * (np.arange(-half, half + 1) / sigma) ** 2)
    return (weights / weights.sum()).astype(np.float32)


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


def margin_of(optics: Optics, grid_step: float) -> float:
    """Return the micrometres that an image needs around it."""
    return (np.ceil(MARGIN_IN_BLURS * optics.blur / grid_step)) * grid_step


def develop(
    amounts: tuple[Singles, ...],
    stains: StainVectors,
    optics: Optics,
    grid: Grid,
    samples: tuple[int, int],
    trim: tuple[int, int, int, int],
    key: np.uint64,
) -> NDArray[np.uint8]:
    """Return the picture of a stained section.

    Args:
        amounts: one plane per stain on the grid.
        stains: their vectors.
        optics: microscope and camera.
        grid: of the samples.
        samples: per pixel, vertically and horizontally.
        trim: x, y, width and height of the wanted pixels: x and y in the whole plane, the margin above and to the left.
        key: of the sensor noise.

    Returns:
        (height, width, 3) uint8.
    """
    from_left, from_top, width, height = trim
    taps_y, taps_x = gaussian_taps(optics.blur / grid.step_y), gaussian_taps(optics.blur / grid.step_x)
    top, left = grid.region.y // samples[0] + from_top, grid.region.x // samples[1] + from_left
    bits = hashed(key, np.arange(top, top + height)[:, None], np.arange(left, left + width)[None, :])
    noise = bits.view(np.uint16).reshape(height, width, 4)
    cut_y = slice(from_top * samples[0] - len(taps_y) // 2, (from_top + height) * samples[0] + len(taps_y) // 2)
    cut_x = slice(from_left * samples[1] - len(taps_x) // 2, (from_left + width) * samples[1] + len(taps_x) // 2)
    cut = [np.ascontiguousarray(plane[cut_y, cut_x]) for plane in amounts]
    quantiles = _quantiles()
    image = np.empty((height, width, 3), np.uint8)
    for channel in range(3):
        # I = 10^-OD, OD = sum of amount times vector
        density = cut[0] * np.float32(-np.log(10) * stains.vectors[0][channel])
        for plane, vector in zip(cut[1:], stains.vectors[1:], strict=True):
            density += plane * np.float32(-np.log(10) * vector[channel])
        light = np.exp(density, out=density)
        light = blurred(blurred(light, taps_y, 0), taps_x, 1)
        light = pooled(light, samples)
        light *= np.float32(255 * optics.white[channel])
        spread = np.sqrt(light)
        spread *= np.float32(255**0.5 * optics.shot_noise)
        spread += np.float32(255 * optics.read_noise)
        spread *= quantiles[noise[..., channel]]
        light += spread
        light += np.float32(0.5)
        np.clip(light, 0, 255.5, out=light)
        image[..., channel] = light  # truncation after adding a half rounds
    return image


def pooled(plane: Singles, samples: tuple[int, int]) -> Singles:
    """Return the means of blocks of samples, which are the pixels."""
    rows, columns = samples
    total = plane
    if rows > 1:
        total = sum((plane[k::rows] for k in range(1, rows)), plane[::rows]) * np.float32(1 / rows)
    if columns > 1:
        total = sum((total[:, k::columns] for k in range(1, columns)), total[:, ::columns]) * np.float32(1 / columns)
    return np.ascontiguousarray(total)


def _quantiles() -> Singles:
    """Return 65536 quantiles of the standard normal distribution."""
    return np.asarray(ndtri((np.arange(1 << 16) + 0.5) / (1 << 16)), np.float32)
