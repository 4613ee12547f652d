"""Whether a virtual stain of the phantom keeps the structure of its source, and whether the stain is right.

No real stain of the same cells is needed: the phantom's table of cells is the truth. So methods that learn from
unpaired images are judged by what they are for. A table says little without a ceiling, the real stain read in the same
way, what is possible, and a floor. On seeds 200 to 207 (512 pixels at 0.5 um/px; no constant was tuned on them) these
are, with the cells that are called:

=====================================================  =====  ==========  ===========  ======
reading                                                Ki67   HER2        CD3          CK8/18
                                                       all    epithelium  lymphocytes  all
=====================================================  =====  ==========  ===========  ======
nuclei, F1                                             0.977  0.971       0.968        0.933
- real stain of another tissue                         0.16   0.15        0.16         0.15
positive cells at their place, F1                      1.000  0.957       1.000        1.000
- best from H&E                                        0.93   0.79        0.76         1.00
- best from H&E, with the right share of positive      0.87   0.70        0.65         1.00
- all called positive                                  0.27   0.47        0.74         0.73
- calls by lot                                         0.16   0.30        0.58         0.57
the same, balanced accuracy (all, or by lot: 0.5)      1.000  0.971       1.000        1.000
- best from H&E                                        0.947  0.848       0.675        1.000
- best from H&E, with the right share of positive      0.924  0.788       0.583        1.000
positive nuclei found, F1                              0.975  0.839       0.989        0.900
- real stain of another tissue                         0.03   0.03        0.02         0.09
percent positive, error of a field in points           1.1    3.2         0.4          1.9
- real stain of another tissue                         6      7           6            13
the same at the true cells                             0.0    2.9         0.0          0.0
- real stain of another tissue                         10     29          53           18
=====================================================  =====  ==========  ===========  ======

Of CD3, F1 hardly tells the best from a method that calls every lymphocyte: look at the balanced accuracy. CK8/18 loses
nuclei on slides stained so strongly that brown cytoplasm looks blue to published stain vectors: of the eight, one with
an F1 of 0.73; the others have 0.94 and more. Random dots instead of nuclei reach an F1 of 0.15, more where they are
denser: within ``RADIUS`` of a dot lies a nucleus by chance. See ``PhantomReading.best`` for what is possible.
"""

from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import NDArray

from restain.colour import H_DAB_FIJI
from restain.errors import DataError
from restain.geometry import Mpp, Region
from restain.metrics import Detection, match_points
from restain.phantom import KIND_NAMES, Bounds, Phantom, Scene, bounds
from restain.reports.marker_rules import RULES, Flags, Image, Marker
from restain.tissue import centres, find_nuclei

RADIUS = 3.0
"""A nucleus found within this many micrometres of a true one is that one. It is the mean radius of the phantom's
nuclei, so the place that was found lies inside the true nucleus. Wider radii add little but chance: from 3 to 5 um, F1
rises by 0.005 on real stains, and from 0.16 to 0.35 on those of another tissue."""

BORDER = 5.0
"""Cells whose centre lies within this many micrometres of the field's border are cut, and counted for nobody."""


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
    def balanced_accuracy(self) -> float:
        """Mean of sensitivity and specificity of the calls: 0.5 is a guess, however many cells are positive.

        Raises:
            DataError: no cell that was called is truly positive, or all are.
        """
        there = self.called.true_positives + self.called.false_negatives
        absent = len(self.probability) - there
        if not there or not absent:
            raise DataError(
                f"{there} of {len(self.probability)} cells are positive, and balanced accuracy needs both kinds",
                fix="choose a larger region",
            )
        return (self.called.true_positives / there + 1 - self.called.false_positives / absent) / 2

    @property
    def share_of_best(self) -> float:
        """Balanced accuracy as a share of the highest that is possible, ``best.balanced_accuracy``.

        A guess has a share of 0.5 over that, not of 0. On few cells luck can lift it above 1.

        Raises:
            DataError: as ``balanced_accuracy``.
        """
        return self.balanced_accuracy / self.best.balanced_accuracy

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

        Of the cells that are called: of HER2 epithelium, of CD3 lymphocytes. It also grows with whatever breaks
        structure.

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
        marker: what is stained. Of HER2 only epithelial cells are called, of CD3 only lymphocytes, of Ki67 and CK8/18
            all; ``marker_rules.py`` says why.

    Raises:
        DataError: the image is not of that size, or not 8-bit colour.
    """
    if image.shape != (region.height, region.width, 3):
        raise DataError(f"an image of shape {image.shape} does not show {region}", fix="pass all of the region")
    scene = phantom.scene(region, mpp)
    cells, rule = scene.cells, RULES[marker]
    truth, places = rule.truth(cells), rule.places(scene)

    rows = np.unique(scene.instances[scene.instances > 0]) - 1
    there = _centres(scene)[rows]
    nuclei = find_nuclei(image, mpp, H_DAB_FIJI, rule.marks)
    found = centres(nuclei, mpp)
    count_there, count_found = _is_inside(there, scene), _is_inside(found, scene)

    callable_rows = rows[count_there & np.isin(cells.kind[rows], [KIND_NAMES.index(kind) for kind in rule.kinds])]
    called = np.intersect1d(callable_rows, places[places > 0] - 1)  # of a few, no membrane is seen
    calls = rule.at_places(image, places, mpp)[called]

    positive = rule.at_found(image, nuclei, mpp)
    is_true = truth[rows]
    return PhantomReading(
        Detection.of_matches(match_points(found, there, RADIUS), count_found, count_there),
        Detection.of_calls(calls, truth[called]),
        Detection.of_matches(
            match_points(found[positive], there[is_true], RADIUS), count_found[positive], count_there[is_true]
        ),
        int(count_found.sum()),
        int((count_found & positive).sum()),
        rule.probability(cells)[called],
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
