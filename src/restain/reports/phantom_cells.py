"""Reading a nuclear marker on pictures of the phantom, cell by cell, against the known truth."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from restain.geometry import Region
from restain.metrics import balanced_accuracy, cell_density, percent_positive
from restain.phantom import Phantom, bounds
from restain.slides import SlideReader

POSITIVE = 0.2
"""Mean optical density of DAB above which a nucleus counts as positive: on real stains of the phantom, positive nuclei
have 0.4 and more, negative ones less than 0.1."""

SIDE = 1024
"""Edge in pixels of the parts in which slides are read; bounds memory."""

REACH = 15.0
"""No nucleus reaches further from its centre, in micrometres."""


@final
@dataclass(frozen=True)
class CellReading:
    """Ki67 of the phantom's cells.

    Attributes:
        truth: (n,) whether the cell is positive.
        probability: (n,) of being positive, given the look of the cell.
        density: for each slide that was read, (n,) mean optical density of DAB in the nucleus.
    """

    truth: NDArray[np.bool_]
    probability: NDArray[np.float64]
    density: Mapping[str, NDArray[np.float64]]

    @property
    def percent_true(self) -> float:
        """Percentage of truly positive cells."""
        return percent_positive(self.truth)

    @property
    def best_accuracy(self) -> float:
        """Balanced accuracy that nothing can exceed, because the look of a cell does not decide everything."""
        return bounds(self.probability).balanced_accuracy

    def percent(self, slide: str) -> float:
        """Return the percentage of cells read as positive on a slide."""
        return percent_positive(self.density[slide] > POSITIVE)

    def accuracy(self, slide: str) -> float:
        """Return the balanced accuracy of the reading of a slide."""
        return balanced_accuracy(self.density[slide] > POSITIVE, self.truth)


def read_ki67(slides: Mapping[str, SlideReader], phantom: Phantom) -> CellReading:
    """Read Ki67 in the phantom's own nuclei on one or more aligned slides of it.

    Args:
        slides: by name; all of one size and scale, hematoxylin and DAB.
        phantom: what they show.
    """
    info = next(iter(slides.values())).info
    mpp, whole = info.require_mpp(), Region.of(info.size)
    truth: list[NDArray[Any]] = []
    probability: list[NDArray[Any]] = []
    density: dict[str, list[NDArray[Any]]] = {name: [] for name in slides}
    for part in whole.tiles(SIDE):
        # A cell belongs to the part that holds its centre, and is read with all its pixels.
        around = part.grow(ceil(REACH / min(mpp.x, mpp.y))).clip(whole)
        scene = phantom.scene(around, mpp)
        cells, nuclei = scene.cells, scene.instances
        column, row = cells.x / mpp.x, cells.y / mpp.y
        own = (column >= part.x) & (column < part.right) & (row >= part.y) & (row < part.bottom)
        visible = np.unique(nuclei)
        rows = visible[visible > 0] - 1
        kept = own[rows]
        truth.append(cells.ki67[rows[kept]])
        probability.append(cells.ki67_probability[rows[kept]])
        for name, slide in slides.items():
            density[name].append(cell_density(slide.read(around), nuclei).density[kept])
    joined = {name: np.concatenate(parts) for name, parts in density.items()}
    return CellReading(np.concatenate(truth), np.concatenate(probability), joined)
