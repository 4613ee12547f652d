"""The slow fields of the tissue: depth in glands, fibre direction, lymphocyte density, looseness, the section's edge.

They vary over many micrometres, so images take them from a lattice of ``PITCH`` and interpolate; cells take them at
their centres.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from restain.phantom.glands import Depth, gland_depth
from restain.phantom.lattice import key_of, noise_at, uniform
from restain.phantom.micrometres import Extent
from restain.phantom.morphology import Morphology
from restain.phantom.retake import Retake

Floats = NDArray[np.float64]

PITCH = 4.0
"""Spacing of the lattice on which images take the slow fields, in micrometres."""

GLASS_MARGIN = 60.0
"""Distances to the edge of the tissue are clipped here, in micrometres."""


@final
@dataclass(frozen=True, slots=True)
class Tissue:
    """The tissue before it is cut: fields at any position, in micrometres of the block.

    Args:
        seed: everything is drawn from it.
        shape: knobs.
        extent: of the slide, or None for tissue without end.
        retake: what of it is drawn anew; None for nothing.
    """

    seed: int
    shape: Morphology
    extent: Extent | None
    retake: Retake | None = None

    def depth(self, y: Floats, x: Floats) -> Depth:
        """Return the depth of points in the glands."""
        return gland_depth(self.seed, self.shape, y, x)

    def fibres(self, y: Floats, x: Floats, depth: Floats) -> tuple[Floats, Floats]:
        """Return two potentials of the stroma in micrometres: fibres follow the lines on which the first is constant.

        Args:
            y: micrometres.
            x: micrometres.
            depth: in the glands, from ``depth``: fibres wrap around glands.
        """
        turn = 2 * np.pi * float(uniform(key_of(self.seed, "fibre direction"), 0)[0])
        cosine, sine = np.cos(turn), np.sin(turn)

        def noise(name: str, pitch: float) -> Floats:
            return noise_at(key_of(self.seed, "fibre", name), y, x, pitch)

        across = cosine * x + sine * y + 330 * noise("far", 520) + 55 * noise("middle", 150) + 9 * noise("near", 38)
        along = cosine * y - sine * x + 60 * noise("along", 200)
        return across + 55 * np.exp(np.minimum(depth, 0) / 18), along

    def lymphoid(self, y: Floats, x: Floats) -> Floats:
        """Return the share of lymphocyte places that are filled, in [0, 1]: near one in aggregates."""
        patch = noise_at(key_of(self.seed, "lymphoid"), y, x, 170)
        infiltrate = noise_at(key_of(self.seed, "infiltrate"), y, x, 60)
        aggregate = 0.85 / (1 + np.exp(-(patch - 1.55) * 7))
        return np.clip(self.shape.lymphocyte_density * np.exp(0.9 * infiltrate) + aggregate, 0, 1)

    def loose(self, y: Floats, x: Floats) -> Floats:
        """Return how loose the stroma is: zero mean, unit variance; above about one it shows clefts."""
        return 0.7 * noise_at(key_of(self.seed, "loose"), y, x, 110) + 0.7 * noise_at(
            key_of(self.seed, "looser"), y, x, 30
        )

    def inside(self, y: Floats, x: Floats) -> Floats:
        """Return the distance inside the tissue's edge in micrometres, clipped to ``GLASS_MARGIN`` either way."""
        if self.extent is None:
            return np.full(np.shape(y), GLASS_MARGIN)
        half_width, half_height = self.extent.width / 2, self.extent.height / 2
        u, v = (x - half_width) / half_width, (y - half_height) / half_height
        scale = min(half_width, half_height)
        # Between an ellipse and a superellipse of order four, dented on three scales.
        round_ = 0.87 - 0.5 * (np.sqrt(u**2 + v**2) + np.sqrt(np.sqrt(u**4 + v**4)))
        dents = (
            0.07 * noise_at(key_of(self.seed, "edge"), v, u, 0.6)
            + 0.025 * noise_at(key_of(self.seed, "edge of edge"), v, u, 0.15)
        ) * scale + 7 * noise_at(key_of(self.seed, "rough edge"), y, x, 25)
        return np.clip(round_ * scale + dents, -GLASS_MARGIN, GLASS_MARGIN)
