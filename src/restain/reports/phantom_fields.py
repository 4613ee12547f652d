"""Whether a virtual stain of the phantom keeps the structure of its source, and whether the stain is right.

No real stain of the same cells is needed: the phantom's table of cells is the truth. So methods that learn from
unpaired images are judged by what they are for. A table says little without a ceiling, the real stain read in the same
way, and a floor. On seeds 200 to 207 (512 pixels at 0.5 um/px; no constant was tuned on them) these are:

======================================  =====  =====  =====================================================
reading                                 Ki67   HER2   floor
======================================  =====  =====  =====================================================
nuclei, F1                              0.977  0.971  0.16, real stain of another tissue; 0.15, random dots
positive cells at their place, F1       1.000  0.957  0.16 and 0.30, calls by lot; 0.27 and 0.47, all called
positive nuclei found, F1               0.975  0.839  0.03, real stain of another tissue
percent positive, error of a field      1.1    3.2    6 and 7, real stain of another tissue
the same at the true cells              0.0    2.9    10 and 29, real stain of another tissue
======================================  =====  =====  =====================================================

The floor of random dots depends on how dense they are: within ``RADIUS`` of a dot lies a nucleus by chance. No method
that sees only H&E reaches the real stain at positive cells, see ``PhantomReading.best``: F1 of 0.93 for Ki67 and 0.79
for HER2, 0.87 and 0.70 if the share of positive cells is right as well.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import expand_labels

from restain.colour import H_DAB_FIJI, od_from_rgb, separate
from restain.errors import DataError
from restain.geometry import Mpp, Region
from restain.metrics import Detection, cell_density, match_points
from restain.phantom import Bounds, Phantom, Scene, bounds
from restain.reports.phantom_cells import POSITIVE
from restain.tissue import centres, find_nuclei

Marker = Literal["ki67", "her2"]
"""A nuclear marker, and one of membranes."""

Flags = NDArray[np.bool_]
Labels = NDArray[np.int32]
Image = NDArray[np.uint8]

RADIUS = 3.0
"""A nucleus found within this many micrometres of a true one is that one. It is the mean radius of the phantom's
nuclei, so the place that was found lies inside the true nucleus. Wider radii add little but chance: from 3 to 5 um, F1
rises by 0.005 on real stains, and from 0.16 to 0.35 on those of another tissue."""

BORDER = 5.0
"""Cells whose centre lies within this many micrometres of the field's border are cut, and counted for nobody."""

HER2_POSITIVE = 2
"""Least score of a positive cell: moderate or strong, what a pathologist sees as brown at low power, and what leads to
treatment (3+) or to a further test (2+). A score of 1+ counts as negative."""

MEMBRANE_POSITIVE = 0.165
"""Mean optical density of DAB above which the membrane of a cell is positive. On real HER2 of seeds 100 to 131 it parts
scores of 2 and more from the others best, with a balanced accuracy of 0.98, and calls as many cells as it should. What
is left are slides that are stained more or less strongly than others."""

AROUND = 3.0
"""Membranes of a nucleus that was found are sought within this many micrometres around it."""

AROUND_POSITIVE = 0.145
"""Upper quartile of the optical density of DAB around a nucleus that was found, above which its cell is positive. On
real HER2 of seeds 100 to 131 it gives the highest F1 of positive nuclei and, on average, the true percentage. It is
coarse, since a nucleus does not tell where the membrane of its cell runs."""


@final
@dataclass(frozen=True, eq=False, slots=True)
class PhantomReading:
    """What was read on virtual fields of the phantom; the readings of fields add up.

    Attributes:
        nuclei: nuclei found in the virtual image, against those that are there in the source, whatever their kind.
        called: calls on the true cells, each read at its true place, whatever was found there.
        positive: nuclei found and positive in the virtual image, against those that are there and positive: both
            place and stain must be right.
        found: number of nuclei found.
        found_positive: number of nuclei found and positive.
        probability: (n,) of being positive given its look, of every cell that was called.
    """

    nuclei: Detection = field(default_factory=Detection)
    called: Detection = field(default_factory=Detection)
    positive: Detection = field(default_factory=Detection)
    found: int = 0
    found_positive: int = 0
    probability: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    def __add__(self, other: "PhantomReading") -> "PhantomReading":
        """Return the reading of two sets of fields."""
        return PhantomReading(
            self.nuclei + other.nuclei,
            self.called + other.called,
            self.positive + other.positive,
            self.found + other.found,
            self.found_positive + other.found_positive,
            np.concatenate([self.probability, other.probability]),
        )

    @property
    def nuclei_f1(self) -> float:
        """Whether structure is kept: F1 of the places of nuclei."""
        return self.nuclei.f1

    @property
    def positive_f1(self) -> float:
        """Whether the stain is right: F1 of positive cells, each read at its true place. ``best`` bounds it."""
        return self.called.f1

    @property
    def positive_detection_f1(self) -> float:
        """Whether both are right: F1 of the places of positive nuclei."""
        return self.positive.f1

    @property
    def percent_read(self) -> float:
        """Percentage of the nuclei found that are positive, as a laboratory counts them: it knows no true places.

        0 if no nuclei were found.
        """
        return 100 * self.found_positive / max(self.found, 1)

    @property
    def percent_true(self) -> float:
        """Percentage of the nuclei there that are positive.

        Raises:
            DataError: there are none.
        """
        there = self.nuclei.true_positives + self.nuclei.false_negatives
        if not there:
            raise DataError("there is no cell to count", fix="choose a region with cells")
        return 100 * (self.positive.true_positives + self.positive.false_negatives) / there

    @property
    def percent_error(self) -> float:
        """How far the percentage is off, in points, never negative; errors as in ``percent_true``.

        It is small where as many cells are stained as should be, wherever they are. Over many fields, too many in one
        make up for too few in another: for the error of a field, average over the readings of fields.
        """
        return abs(self.percent_read - self.percent_true)

    @property
    def percent_error_at_cells(self) -> float:
        """The same error where every cell is read at its true place, in points.

        For HER2 of epithelial cells only. It also grows with whatever breaks structure.

        Raises:
            DataError: there are no cells.
        """
        if not len(self.probability):
            raise DataError("no cell was called", fix="choose a region with cells")
        return 100 * abs(self.called.false_positives - self.called.false_negatives) / len(self.probability)

    @property
    def best(self) -> Bounds:
        """What is possible on the cells that were called, since their look does not decide everything.

        Raises:
            DataError: there are no cells, or none can be positive.
        """
        return bounds(self.probability)


def read_field(image: Image, phantom: Phantom, region: Region, mpp: Mpp, marker: Marker) -> PhantomReading:
    """Read a virtual stain of a region of the phantom.

    The cells are those of the reference section, which the source shows. For the ceiling, pass the real stain:
    ``phantom.render(marker, region, mpp)``.

    Args:
        image: (H, W, 3) uint8, hematoxylin and DAB: what a method made of the H&E of this region.
        phantom: what it shows.
        region: in pixels, of the size of the image.
        mpp: scale of the image.
        marker: what is stained. Of HER2 only epithelial cells are called, of Ki67 all.

    Raises:
        DataError: the image is not of that size, or not 8-bit colour.
    """
    if image.shape != (region.height, region.width, 3):
        raise DataError(f"an image of shape {image.shape} does not show {region}", fix="pass all of the region")
    scene = phantom.scene(region, mpp)
    cells = scene.cells
    marks: tuple[str, ...]
    if marker == "ki67":
        truth, probability = cells.ki67, cells.ki67_probability
        places, threshold, marks = scene.instances, POSITIVE, ("hematoxylin", "dab")
    else:
        truth, probability = cells.her2 >= HER2_POSITIVE, cells.her2_probability[:, HER2_POSITIVE - 1]
        places, threshold, marks = scene.membranes, MEMBRANE_POSITIVE, ("hematoxylin",)  # brown rings are no nuclei

    rows = np.unique(scene.instances[scene.instances > 0]) - 1
    there = _centres(scene)[rows]
    nuclei = find_nuclei(image, mpp, H_DAB_FIJI, marks)
    found = centres(nuclei, mpp)
    count_there, count_found = _is_inside(there, scene), _is_inside(found, scene)

    read = cell_density(image, places)
    is_called = np.isin(read.labels - 1, rows[count_there])
    called, calls = read.labels[is_called] - 1, read.is_positive(threshold)[is_called]

    positive = _is_positive(image, nuclei, mpp, marker)
    is_true = truth[rows]
    return PhantomReading(
        Detection.of_matches(match_points(found, there, RADIUS), count_found, count_there),
        Detection.of_calls(calls, truth[called]),
        Detection.of_matches(
            match_points(found[positive], there[is_true], RADIUS), count_found[positive], count_there[is_true]
        ),
        int(count_found.sum()),
        int((count_found & positive).sum()),
        probability[called],
    )


def _centres(scene: Scene) -> NDArray[np.float64]:
    """Return the centres of all cells, (n, 2), y then x in micrometres from the upper left corner of the region."""
    corner = np.array([scene.region.y * scene.mpp.y, scene.region.x * scene.mpp.x])
    centre: NDArray[np.float64] = np.stack([scene.cells.y, scene.cells.x], axis=-1) - corner
    return centre


def _is_inside(points: NDArray[np.float64], scene: Scene) -> Flags:
    """Return which points lie inside the field and not at its border."""
    edge = np.array([scene.region.height * scene.mpp.y, scene.region.width * scene.mpp.x])
    inside: Flags = np.all((points >= BORDER) & (points < edge - BORDER), axis=1)
    return inside


def _is_positive(image: Image, nuclei: Labels, mpp: Mpp, marker: Marker) -> Flags:
    """Return which nuclei that were found are positive, (n,)."""
    if marker == "ki67":
        return cell_density(image, nuclei).is_positive(POSITIVE)
    if not nuclei.any():
        return np.zeros(0, np.bool_)
    around = expand_labels(nuclei, AROUND, spacing=(mpp.y, mpp.x))  # type: ignore[no-untyped-call]  # has no types
    around[nuclei > 0] = 0
    dab = separate(od_from_rgb(image), H_DAB_FIJI)[..., H_DAB_FIJI.names.index("dab")]
    quartile = partial(np.quantile, q=0.75)
    # A nucleus with others on all sides has nothing around it, and is negative.
    density = ndimage.labeled_comprehension(dab, around, np.arange(1, nuclei.max() + 1), quartile, np.float64, 0.0)
    positive: Flags = density > AROUND_POSITIVE
    return positive
