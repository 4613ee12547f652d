"""How the phantom's markers are read: which cells are called, where their stain is sought, from what on it is positive.

All thresholds were found on real stains of seeds 100 to 131, fields of 512 pixels at 0.5 um/px.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import expand_labels

from restain.colour import H_DAB_FIJI, od_from_rgb, separate
from restain.geometry import Mpp
from restain.metrics import cell_density
from restain.phantom import KIND_NAMES, CellTable, Scene
from restain.reports.phantom_cells import POSITIVE

Marker = Literal["ki67", "her2", "cd3", "ck818"]
"""A marker of nuclei, of membranes of epithelium, of membranes of lymphocytes, and of cytoplasm."""

Flags = NDArray[np.bool_]
Labels = NDArray[np.int32]
Image = NDArray[np.uint8]

Reader = Callable[[Image, Labels, Mpp], Flags]
"""(H, W, 3) uint8 image, (H, W) labels and scale -> (largest label,) whether the cell of each label is positive."""

HER2_POSITIVE = 2
"""Least score of a positive cell: moderate or strong, what a pathologist sees as brown at low power, and what leads to
treatment (3+) or to a further test (2+). A score of 1+ counts as negative."""


@final
@dataclass(frozen=True, slots=True)
class Inside:
    """Positive is what has a mean optical density of DAB above ``threshold``."""

    threshold: float

    def __call__(self, image: Image, labels: Labels, mpp: Mpp) -> Flags:
        """Read every label; those without a pixel are negative."""
        read = cell_density(image, labels)
        positive = np.zeros(labels.max(), np.bool_)
        positive[read.labels - 1] = read.is_positive(self.threshold)
        return positive


@final
@dataclass(frozen=True, slots=True)
class Around:
    """Positive is a nucleus around which the upper quartile of the optical density of DAB exceeds ``threshold``.

    The upper quartile, since membranes and cytoplasm do not reach all around: neighbours, lumen and stroma lie there.

    Args:
        width: of the ring in micrometres.
        threshold: optical density.
    """

    width: float
    threshold: float

    def __call__(self, image: Image, labels: Labels, mpp: Mpp) -> Flags:
        """Read every label; nuclei with others on all sides have nothing around them, and are negative."""
        positive: Flags = ring_density(image, labels, mpp, self.width) > self.threshold
        return positive


def ring_density(image: Image, labels: Labels, mpp: Mpp, width: float) -> NDArray[np.float64]:
    """Return the upper quartile of the density of DAB in the ring around every nucleus, (largest label,).

    It is 0 for a nucleus with others on all sides. ``width`` is in micrometres.
    """
    if not labels.any():
        return np.zeros(0)
    ring = expand_labels(labels, width, spacing=(mpp.y, mpp.x))  # type: ignore[no-untyped-call]  # no types
    ring[labels > 0] = 0
    dab = separate(od_from_rgb(image), H_DAB_FIJI)[..., H_DAB_FIJI.names.index("dab")]
    each = np.arange(1, labels.max() + 1)
    density: NDArray[np.float64] = ndimage.labeled_comprehension(dab, ring, each, _upper_quartile, np.float64, 0.0)
    return density


def _upper_quartile(values: NDArray[np.float32]) -> float:
    return float(np.quantile(values, 0.75))


@final
@dataclass(frozen=True, slots=True)
class MarkerRule:
    """How one marker is read.

    Attributes:
        truth: which cells of a table are positive, (n,).
        probability: of being positive, given the look, (n,) in [0, 1].
        kinds: names of the kinds of cells that are called at their true places.
        places: mask of the true cells, of which each is read where its number stands.
        at_places: how they are read there.
        at_found: how nuclei are read that were found in the image.
        marks: dyes that show nuclei; brown rings and brown cytoplasm are no nuclei.
    """

    truth: Callable[[CellTable], Flags]
    probability: Callable[[CellTable], NDArray[np.float64]]
    kinds: tuple[str, ...]
    places: Callable[[Scene], Labels]
    at_places: Reader
    at_found: Reader
    marks: tuple[str, ...] = ("hematoxylin",)


RING = Around(1.0, 0.23)
"""One micrometre around nuclei lie the membrane of a lymphocyte and the cytoplasm of an epithelial cell. At true places
balanced accuracy is above 0.998 with thresholds from 0.09 to 0.37 for CD3, from 0.10 to 0.39 for CK8/18; this is about
the middle. Wider rings leave less room."""

RULES: Mapping[Marker, MarkerRule] = {
    "ki67": MarkerRule(
        truth=lambda cells: cells.ki67,
        probability=lambda cells: cells.ki67_probability,
        kinds=KIND_NAMES,
        places=lambda scene: scene.instances,
        at_places=Inside(POSITIVE),
        at_found=Inside(POSITIVE),
        marks=("hematoxylin", "dab"),
    ),
    # Only epithelial cells have membranes here. On them 0.165 parts scores of 2 and more from the others best, with a
    # balanced accuracy of 0.98, and calls as many as it should. What is left are slides stained more or less strongly.
    # Around nuclei that were found, 0.145 within 3 um gives the highest F1 and, on average, the true percentage; it is
    # coarse, since a nucleus does not tell where the membrane of its cell runs.
    "her2": MarkerRule(
        truth=lambda cells: cells.her2 >= HER2_POSITIVE,
        probability=lambda cells: cells.her2_probability[:, HER2_POSITIVE - 1],
        kinds=("epithelium",),
        places=lambda scene: scene.membranes,
        at_places=Inside(0.165),
        at_found=Around(3.0, 0.145),
    ),
    # Lymphocytes alone: which of them are T cells is what the stain is asked. Over all cells, calling every lymphocyte
    # reaches the best balanced accuracy there is, 0.96. Brown on other cells is held against a method all the same, in
    # ``positive_detection_f1`` and ``percent_error``, which go through all nuclei found.
    "cd3": MarkerRule(
        truth=lambda cells: cells.cd3,
        probability=lambda cells: cells.cd3_probability,
        kinds=("lymphocyte",),
        places=lambda scene: scene.instances,
        at_places=RING,
        at_found=RING,
    ),
    # All cells: nearly every epithelial cell is positive and no other, so that epithelium is known from the rest is
    # all there is to know, and all of it can be known.
    "ck818": MarkerRule(
        truth=lambda cells: cells.ck818,
        probability=lambda cells: cells.ck818_probability,
        kinds=KIND_NAMES,
        places=lambda scene: scene.instances,
        at_places=RING,
        at_found=RING,
    ),
}
"""The rule of every marker."""
