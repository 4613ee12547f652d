"""Which cut through the block a slide shows: the same section for all stains, or one of the next.

The next section is never the same tissue in the same place. It is shifted, turned and stretched a little on the
glass, and it lies deeper, so that some nuclei have ended and others begun.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from restain.errors import DataError
from restain.phantom.lattice import key_of, noise_at, normal, uniform

Floats = NDArray[np.float64]

THICKNESS = 4.0
"""Distance from one section to the next in micrometres."""

PERSISTENCE = 6.0
"""Depth over which the share of nuclei that are still the same falls to 1/e, in micrometres."""

LAST = 7
"""The highest number of a section."""

SHIFT = 9.0
"""Standard deviation of the shift of a section along each axis in micrometres."""

TURN = 0.0015
"""Standard deviation of the turn of a section about the origin in radians: 15 micrometres at a distance of 10 mm."""

WAVES = ((12.0, 900.0), (4.0, 170.0))
"""Standard deviation and grain of the smooth parts of the deformation in micrometres."""


@final
@dataclass(frozen=True, slots=True)
class Section:
    """One cut; number 0 is the reference, which is neither deformed nor redrawn.

    Args:
        number: 0 to 7; the depth is ``number`` times ``THICKNESS``.

    Raises:
        DataError: another number.
    """

    number: int = 0

    def __post_init__(self) -> None:
        """Refuse numbers that the ids of cells have no room for."""
        if not 0 <= self.number <= LAST:
            raise DataError(f"there is no section {self.number}", fix=f"choose a number from 0 to {LAST}")

    @property
    def depth(self) -> float:
        """Distance from the reference section in micrometres."""
        return self.number * THICKNESS

    @property
    def persistence(self) -> float:
        """Share of the reference section's nuclei that this one shows too."""
        return float(np.exp(-self.depth / PERSISTENCE))

    def lasts(self, seed: int, place: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which nuclei of the reference section reach this one; what ends stays ended in deeper sections."""
        return uniform(key_of(seed, "lasts"), place) < self.persistence

    def displacement(self, seed: int, y: Floats, x: Floats) -> tuple[Floats, Floats]:
        """Return where the tissue seen at positions of this section came from, less the positions themselves.

        Args:
            seed: of the phantom.
            y: any shape, micrometres on the section.
            x: the same shape.

        Returns:
            Vertical and horizontal displacement in micrometres: block = section + displacement. Zero for section 0.
        """
        if self.number == 0:
            return np.zeros(np.shape(y)), np.zeros(np.shape(x))
        shift_y, shift_x, turn = normal(key_of(seed, "mounted", self.number), np.arange(3), limit=2)
        dy = SHIFT * shift_y + TURN * turn * x
        dx = SHIFT * shift_x - TURN * turn * y
        for k, (size, pitch) in enumerate(WAVES):
            dy = dy + size * noise_at(key_of(seed, "stretched y", self.number, k), y, x, pitch)
            dx = dx + size * noise_at(key_of(seed, "stretched x", self.number, k), y, x, pitch)
        return dy, dx

    def block_of(self, seed: int, y: Floats, x: Floats) -> tuple[Floats, Floats]:
        """Return positions in the block of positions on this section, in micrometres."""
        if self.number == 0:
            return y, x
        dy, dx = self.displacement(seed, y, x)
        return y + dy, x + dx

    def section_of(self, seed: int, block_y: Floats, block_x: Floats) -> tuple[Floats, Floats]:
        """Return positions on this section of positions in the block: the inverse of ``block_of``.

        Fixed-point steps; the deformation's slope is about 0.05, so eight leave nothing to see.
        """
        y, x = block_y, block_x
        if self.number == 0:
            return y, x
        for _ in range(8):
            there_y, there_x = self.block_of(seed, y, x)
            y, x = y + block_y - there_y, x + block_x - there_x
        return y, x

    def names(self, name: str) -> tuple[str | int, ...]:
        """Return the name of a stream of random numbers that is drawn anew in every section."""
        return (name, self.number) if self.number else (name,)


REFERENCE = Section(0)
"""The section that all stains show unless another is asked for."""
