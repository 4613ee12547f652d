"""What a pathologist reads of one region in one stain: which cells are positive, and how strongly."""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from restain.errors import DataError
from restain.geometry import Mpp
from restain.metrics import cell_density, h_score_of_counts, her2_score, stain_grades
from restain.reports.marker_rules import RING, ring_density
from restain.reports.readout_rules import ReadoutOptions
from restain.tissue import Mask, NucleusFinder, centres, nucleus_finder, read_membranes


@final
@dataclass(frozen=True, slots=True)
class Readout:
    """The cells of one region.

    Attributes:
        cells: nuclei that were found, all kinds alike, or those in the tumour where that was given.
        grades: how many of them are of grade 0, 1, 2 and 3: negative, weak, moderate, strong; of HER2 not stained,
            incomplete, complete, complete and intense.
        positive: how many are positive: grade 1 and above, of HER2 grade 2 and above.
        area: of the region, or of the tumour in it, in square millimetres.
        her2: score of the region, 0 to 3; None for other markers, and without cells.
        completeness: of HER2, mean share of the membrane that is stained; NaN for other markers.
        intensity: of HER2, mean over the cells of the median density of the membrane; NaN for other markers.
    """

    cells: int
    grades: tuple[int, int, int, int]
    positive: int
    area: float
    her2: int | None = None
    completeness: float = math.nan
    intensity: float = math.nan

    @property
    def percent_positive(self) -> float:
        """100 positive / cells, of Ki67 the index; NaN without cells."""
        return 100 * self.positive / self.cells if self.cells else math.nan

    @property
    def h_score(self) -> float:
        """100 (weak + 2 moderate + 3 strong) / cells, 0 to 300; NaN without cells."""
        return h_score_of_counts(*self.grades[1:], self.cells) if self.cells else math.nan

    @property
    def per_mm2(self) -> float:
        """Positive cells per square millimetre, as infiltrating lymphocytes are counted; NaN without area."""
        return self.positive / self.area if self.area else math.nan


def read_image(
    image: NDArray[np.uint8],
    mpp: Mpp,
    options: ReadoutOptions,
    *,
    finder: NucleusFinder | None = None,
    tumour: Mask | None = None,
) -> Readout:
    """Read a region in one stain.

    Args:
        image: (H, W, 3) uint8, hematoxylin and DAB.
        mpp: its scale.
        options: what is stained, and from which density on.
        finder: of nuclei; None for the one that the options name. Pass it where many images are read.
        tumour: (H, W), True where cells count, by their centres; None where all do.

    Returns:
        The counts; no cells, where none were found.

    Raises:
        DataError: an image that is not 8-bit colour or too coarse, or a mask of another size.
        MissingExtraError: the finder is not installed.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise DataError(
            f"an image of shape {image.shape} and type {image.dtype} has no colour to see DAB by",
            fix="give 8-bit images in red, green and blue",
        )
    if tumour is not None and tumour.shape != image.shape[:2]:
        raise DataError(
            f"a tumour mask of {tumour.shape} does not fit an image of {image.shape}", fix="give one of its size"
        )
    rule = options.rule
    nuclei = (finder or nucleus_finder(options.nuclei, rule.marks))(image, mpp)
    completeness, intensity = math.nan, math.nan
    counts = _is_counted(nuclei, mpp, tumour)
    if rule.place == "membrane":
        membranes = read_membranes(image, nuclei, mpp, options.reach)
        grades = membranes.grades(options.membrane)[counts]
        if counts.any():
            completeness = float(membranes.completeness(options.membrane.faint)[counts].mean())
            intensity = float(membranes.intensity[counts].mean())
    else:
        inside = rule.place == "nucleus"
        density = cell_density(image, nuclei).density if inside else ring_density(image, nuclei, mpp, RING.width)
        grades = stain_grades(density, options.cut_offs or rule.cut_offs)[counts]
    none, weak, moderate, strong = np.bincount(grades, minlength=4).tolist()
    pixels = nuclei.size if tumour is None else int(tumour.sum())
    return Readout(
        cells=len(grades),
        grades=(none, weak, moderate, strong),
        positive=int((grades >= rule.positive).sum()),
        area=pixels * mpp.x * mpp.y / 1e6,
        her2=her2_score(grades) if rule.place == "membrane" and len(grades) else None,
        completeness=completeness,
        intensity=intensity,
    )


def _is_counted(nuclei: NDArray[np.int32], mpp: Mpp, tumour: Mask | None) -> NDArray[np.bool_]:
    """Return which nuclei count, (n,): those whose centre lies in the tumour."""
    if tumour is None:
        return np.ones(int(nuclei.max(initial=0)), np.bool_)
    middle = centres(nuclei, mpp)
    row, column = (np.floor(middle[:, axis] / step).astype(int) for axis, step in ((0, mpp.y), (1, mpp.x)))
    counted: NDArray[np.bool_] = tumour[row, column]
    return counted
