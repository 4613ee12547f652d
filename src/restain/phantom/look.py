"""How one slide differs from the next: strength and hue of its stains, thickness, focus, camera."""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from restain.colour import StainVectors, unit_vector
from restain.phantom.lattice import key_of, normal, uniform
from restain.phantom.optics import Optics
from restain.phantom.retake import Retake, renamed


@final
@dataclass(frozen=True, slots=True)
class Look:
    """Appearance of one stained slide.

    Args:
        stains: vectors, turned a little away from the published ones.
        strength: factor of each stain's amount; thickness of the section included.
        optics: microscope and camera.
    """

    stains: StainVectors
    strength: tuple[float, ...]
    optics: Optics


SPREAD = 0.10
"""Standard deviation of the natural logarithm of a stain's strength from slide to slide."""


def look_of(seed: int, stain: str, stains: StainVectors, retake: Retake | None = None) -> Look:
    """Return the appearance of the slide that one stain gives.

    Args:
        seed: of the phantom.
        stain: name of the stain; every stain is another glass slide with its own staining run.
        stains: published vectors.
        retake: gives the slide another look; not that of its source.
    """
    again = None if retake is not None and retake.source == stain else retake

    def key(*names: str) -> np.uint64:
        return key_of(seed, *renamed(again, *names))

    count = len(stains.names)
    thickness = float(np.exp(0.05 * normal(key("thickness"), 0, limit=2)[0]))
    strength = thickness * np.exp(SPREAD * normal(key(stain, "strength"), np.arange(count), limit=2))
    turn = 0.028 * normal(key(stain, "hue"), np.arange(count)[:, None], np.arange(3), limit=2)
    vectors = tuple(unit_vector(np.asarray(v) + t) for v, t in zip(stains.vectors, turn, strict=True))
    draw: NDArray[np.float64] = uniform(key(stain, "camera"), np.arange(5))
    white = 0.945 + 0.03 * draw[0]
    return Look(
        StainVectors(stains.names, vectors),
        tuple(float(value) for value in strength),
        Optics(
            blur=0.34 + 0.14 * float(draw[1]),
            white=(white, white - 0.006 * float(draw[2]), white - 0.012 * float(draw[3])),
            read_noise=0.003,
            shot_noise=0.004 + 0.004 * float(draw[4]),
        ),
    )
