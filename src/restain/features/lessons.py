"""What the phantom's extractor is taught: pictures of synthetic tissue, and the facts that are known of them.

Facts of the tissue come from the phantom (how many cells of which kind, what they look like, how many are positive,
what covers the area), those of colour from the picture as it is shown. Half of the pictures are changed first, in
colour, sharpness and noise; the colours that result, and how much blur and noise there is, are facts to be told as
well. So nothing is learned to be overlooked: features that are blind to colour or blur would make a metric that is.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from restain.geometry import Mpp, Region
from restain.phantom import CLASS_NAMES, KIND_NAMES, CellTable, Extent, Morphology, Phantom, Scene, Stain
from restain.pixels import Image

STAINS: tuple[Stain, ...] = ("he", "ki67", "her2", "cd3", "ck818")
"""What pictures show, in the order of their numbers."""

LOOKS = ("radius", "aspect", "chromatin", "clumps", "nucleolus")
"""Columns of the table of cells whose means are facts."""

COLOURS = ("red", "green", "blue")

FACTS = (
    *(f"{kind} cells" for kind in KIND_NAMES),
    "positive",
    *(f"area of {name}" for name in CLASS_NAMES),
    *LOOKS,
    *(f"density in {colour}" for colour in COLOURS),
    *(f"spread of density in {colour}" for colour in COLOURS),
    "blur",
    "noise",
)
"""Names of the facts, in order: cells per 10,000 um2, share of positive cells in the stain that is shown, shares of
the area, means over cells, mean and standard deviation of the optical density, and the changes: the standard deviation
of the blur in pixels, and of the noise in grey levels."""

SIDE = 128
"""Side of a picture in pixels."""

MPP = Mpp.square(0.5)
"""Scale of the pictures."""

FIELD = 512
"""Side of a field in pixels, out of which pictures are cut."""

EDGE = 200.0
"""Side in micrometres of the slides that end within the field."""

Floats = NDArray[np.float32]


@final
class Lesson:
    """A field of a phantom of its own, in all stains.

    Args:
        seed: of the phantom and of its morphology, which is drawn so that tissue differs more than the phantom's own.
    """

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng([seed, 1])
        shape = Morphology(
            gland_pitch=rng.uniform(90, 180),
            gland_fraction=rng.uniform(0.4, 1),
            solid_fraction=rng.uniform(0, 0.5),
            nucleus_spacing=rng.uniform(5.5, 9),
            stroma_spacing=rng.uniform(10, 24),
            lymphocyte_density=rng.uniform(0, 0.25),
        )
        extent = Extent(EDGE, EDGE) if rng.integers(4) == 0 else None  # glass in one field of four
        scene: Scene = Phantom(seed, extent, shape).scene(Region(0, 0, FIELD, FIELD), MPP)
        self.images: dict[Stain, Image] = {stain: scene.image(stain) for stain in STAINS}
        self.classes = scene.classes
        self.cells = scene.cells

    def facts(self, part: Region, stain: Stain) -> Floats:
        """Return the facts of the tissue in a part of the field, those before colour in ``FACTS``.

        What cannot be seen there is NaN: markers in H&E, and the look of cells where there are none.
        """
        x, y = self.cells.x / MPP.x, self.cells.y / MPP.y
        inside = (x >= part.x) & (x < part.right) & (y >= part.y) & (y < part.bottom)
        cells = self.cells.take(inside)
        area = part.size.area * MPP.x * MPP.y / 1e4
        counts = np.bincount(cells.kind, minlength=len(KIND_NAMES)) / area
        shares = np.bincount(self.classes[part.slices].ravel(), minlength=len(CLASS_NAMES)) / part.size.area
        looks = [getattr(cells, name).mean() if len(cells) else np.nan for name in LOOKS]
        return np.array([*counts, _positive(cells, stain), *shares, *looks], np.float32)


def _positive(cells: CellTable, stain: Stain) -> float:
    if stain == "he" or not len(cells):
        return np.nan
    return float(cells.her2.mean() / 3 if stain == "her2" else getattr(cells, stain).mean())


@final
@dataclass(frozen=True)
class Example:
    """A picture and what is known of it.

    Attributes:
        image: (SIDE, SIDE, 3) uint8.
        stain: number in ``STAINS``.
        facts: in the order of ``FACTS``; NaN where unknown.
    """

    image: Image
    stain: int
    facts: Floats


def draw(lesson: Lesson, rng: np.random.Generator) -> Example:
    """Cut a picture out of a field, in one of its stains, turn it, and change it in one case of two."""
    stain = int(rng.integers(len(STAINS)))
    x, y = rng.integers(0, FIELD - SIDE + 1, 2)
    part = Region(int(x), int(y), SIDE, SIDE)
    image = np.rot90(lesson.images[STAINS[stain]][part.slices], int(rng.integers(4)))
    image = image[:, ::-1] if rng.integers(2) else image
    blur, noise = 0.0, 0.0
    if rng.integers(2):
        blur, noise = rng.uniform(0, 3) * rng.integers(2), rng.uniform(0, 20) * rng.integers(2)
        image = recoloured(image, turn=rng.normal(0, 15), contrast=float(np.exp(rng.normal(0, 0.25))))
        image = noisy(blurred(image, blur), noise, rng)
    facts = np.concatenate([lesson.facts(part, STAINS[stain]), colour_facts(image), np.array([blur, noise])])
    return Example(np.ascontiguousarray(image), stain, facts.astype(np.float32))


def colour_facts(image: Image) -> Floats:
    """Return mean and standard deviation of the optical density of each channel."""
    density = -np.log10((image.astype(np.float32) + 1) / 256)
    return np.concatenate([density.mean((0, 1)), density.std((0, 1))])


def blurred(image: Image, sigma: float) -> Image:
    """Return an image out of focus.

    Args:
        image: (H, W, 3) uint8.
        sigma: standard deviation of the Gaussian, in pixels; 0 changes nothing.
    """
    return _stored(gaussian_filter(image.astype(np.float32), (sigma, sigma, 0))) if sigma else image


def noisy(image: Image, spread: float, rng: np.random.Generator) -> Image:
    """Return an image with white noise of this standard deviation, in grey levels, in every channel of its own."""
    return _stored(image + rng.normal(0, spread, image.shape)) if spread else image


def recoloured(image: Image, *, turn: float = 0.0, contrast: float = 1.0) -> Image:
    """Return an image in other colours.

    Args:
        image: (H, W, 3) uint8.
        turn: angle in degrees by which colours are turned about the grey axis, from red towards green.
        contrast: factor of the distance from white.
    """
    # Rodrigues' rotation by the angle about the axis k = (1, 1, 1) / sqrt(3): cos I + sin [k]x + (1 - cos) k k^T.
    cosine, sine = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    rotation = cosine * np.eye(3) + sine * cross + (1 - cosine) / 3
    return _stored(255 - contrast * (255 - image.astype(np.float32)) @ rotation.T)


def _stored(levels: NDArray[np.floating]) -> Image:
    stored: Image = np.rint(levels).clip(0, 255).astype(np.uint8)
    return stored
