"""Randomness that depends on position only: counter-based hashing and value noise on unbounded lattices.

Every number is a function of a key (from the seed and a name) and integer coordinates, so any part of the plane can be
drawn without the rest, in any order, always with the same result: to the bit on one machine, and on another up to the
last digits in which its exponentials differ. The finaliser is that of SplitMix64 (Steele, Lea and
Flood, Fast splittable pseudorandom number generators, 2014; constants: Stafford's variant 13).
"""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def key_of(seed: int, *names: str | int) -> np.uint64:
    """Return the key of a named stream of random numbers.

    >>> len({int(key_of(seed, "glands")) for seed in (1, 1, 2)})
    2
    """
    text = "/".join(str(part) for part in (seed, *names))
    return np.uint64(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little"))


def hashed(key: np.uint64, *coordinates: NDArray[Any] | int) -> NDArray[np.uint64]:
    """Return 64 random bits per position.

    Args:
        key: from ``key_of``.
        coordinates: integer arrays that broadcast; give the one with fewer values first, as each is mixed in turn.

    Returns:
        uint64 of the broadcast shape (at least one axis).
    """
    bits: NDArray[np.uint64] = np.full(1, key, np.uint64)
    for coordinate in coordinates:
        count = np.atleast_1d(np.asarray(coordinate, np.int64)).view(np.uint64)
        bits = bits ^ (count * _GOLDEN)
        bits ^= bits >> np.uint64(30)
        bits *= _FIRST
        bits ^= bits >> np.uint64(27)
        bits *= _SECOND
        bits ^= bits >> np.uint64(31)
    return bits


def uniform(key: np.uint64, *coordinates: NDArray[Any] | int) -> NDArray[np.float64]:
    """Return uniform numbers in the open interval (0, 1); see ``hashed``."""
    return ((hashed(key, *coordinates) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def normal(key: np.uint64, *coordinates: NDArray[Any] | int, limit: float = 8.0) -> NDArray[np.float64]:
    """Return standard normal numbers, truncated to [-limit, limit]; see ``hashed``."""
    low = ndtr(-limit)
    values: NDArray[np.float64] = ndtri(low + (1 - 2 * low) * uniform(key, *coordinates))
    return values


class Taps:
    """Where the values of one axis take theirs from on a lattice: indices and weights.

    Args:
        first: first lattice index needed.
        index: (T, n) indices relative to ``first``.
        weight: (T, n) float32 weights that add to one.
    """

    __slots__ = ("count", "first", "index", "weight")

    def __init__(self, lowest: NDArray[np.int64], weight: NDArray[np.float32]) -> None:
        self.first = int(lowest[0])
        self.index = (lowest - self.first) + np.arange(len(weight))[:, None]
        self.weight = weight
        self.count = int(self.index[-1, -1]) + 1

    @property
    def lattice(self) -> NDArray[np.int64]:
        """The lattice indices needed."""
        return np.arange(self.first, self.first + self.count)


def linear_taps(positions: NDArray[np.float64], pitch: float) -> Taps:
    """Return taps of linear interpolation at ascending positions on the lattice ``index * pitch``."""
    steps = positions / pitch
    below = np.floor(steps)
    part = (steps - below).astype(np.float32)
    return Taps(below.astype(np.int64), np.stack([1 - part, part]))


def spline_taps(positions: NDArray[np.float64], pitch: float) -> Taps:
    """Return taps of the quadratic B-spline at ascending positions on the lattice ``index * pitch``."""
    steps = positions / pitch
    nearest = np.floor(steps + 0.5)
    part = (steps - nearest).astype(np.float32)  # in [-1/2, 1/2)
    half = np.float32(0.5)
    weight = np.stack([half * (half - part) ** 2, np.float32(0.75) - part**2, half * (half + part) ** 2])
    return Taps(nearest.astype(np.int64) - 1, weight)


def spread(values: NDArray[np.float32], rows: Taps, columns: Taps) -> NDArray[np.float32]:
    """Return lattice values interpolated to all positions: the separable sum of weighted taps.

    Plain sums in a fixed order, not a matrix product, so that a position's value does not depend on its neighbours.

    Args:
        values: (rows.count, columns.count) float32.
        rows: taps of the vertical axis, n positions.
        columns: taps of the horizontal axis, m positions.

    Returns:
        (n, m) float32.
    """
    across = _weighted(values.T, columns)
    return _weighted(np.ascontiguousarray(across.T), rows)


def _weighted(values: NDArray[np.float32], taps: Taps) -> NDArray[np.float32]:
    total: NDArray[np.float32] = values[taps.index[0]]
    total *= taps.weight[0][:, None]
    for index, weight in zip(taps.index[1:], taps.weight[1:], strict=True):
        part = values[index]
        part *= weight[:, None]
        total += part
    return total


def value_noise(key: np.uint64, y: NDArray[np.float64], x: NDArray[np.float64], pitch: float) -> NDArray[np.float32]:
    """Return smooth noise of zero mean and unit variance whose grains are about ``pitch`` across.

    Quadratic B-splines on independent uniform lattice values. The mean square of the spline's weights is 11/20 per
    axis, which is divided out.

    Args:
        key: from ``key_of``.
        y: (n,) ascending positions in micrometres.
        x: (m,) ascending positions in micrometres.
        pitch: lattice spacing in micrometres.

    Returns:
        (n, m) float32.
    """
    rows, columns = spline_taps(y, pitch), spline_taps(x, pitch)
    bits = hashed(key, rows.lattice[:, None], columns.lattice[None, :])
    lattice = (bits >> np.uint64(40)).astype(np.float32)
    lattice *= np.float32(12**0.5 / 2**24 / 0.55)
    lattice -= np.float32(12**0.5 / 2 / 0.55)
    return spread(lattice, rows, columns)


def noise_at(key: np.uint64, y: NDArray[np.float64], x: NDArray[np.float64], pitch: float) -> NDArray[np.float64]:
    """Return ``value_noise`` at scattered positions.

    Args:
        key: from ``key_of``.
        y: any shape, micrometres.
        x: the same shape.
        pitch: lattice spacing in micrometres.
    """
    v, u = y / pitch, x / pitch
    row, column = np.floor(v + 0.5), np.floor(u + 0.5)
    q, p = v - row, u - column
    rows, columns = row.astype(np.int64), column.astype(np.int64)
    if not rows.size:
        return np.zeros(rows.shape)
    top, left = rows.min() - 1, columns.min() - 1
    lattice = (
        uniform(key, np.arange(top, rows.max() + 2)[:, None], np.arange(left, columns.max() + 2)[None, :]) - 0.5
    ) * (12**0.5 / 0.55)
    rows, columns = rows - top, columns - left
    total = np.zeros(rows.shape)
    for dy, wy in zip((-1, 0, 1), (0.5 * (0.5 - q) ** 2, 0.75 - q**2, 0.5 * (0.5 + q) ** 2), strict=True):
        for dx, wx in zip((-1, 0, 1), (0.5 * (0.5 - p) ** 2, 0.75 - p**2, 0.5 * (0.5 + p) ** 2), strict=True):
            total += wy * wx * lattice[rows + dy, columns + dx]
    return total
