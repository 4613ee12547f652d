"""What tables can show of a cell: metrics, readings of the phantom's cells, numbers of sets, time and memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

from restain.metrics import METRICS, SOURCE_METRICS


@final
@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        name: as in configurations.
        unit: or an empty string for a pure number.
        better: which value is the better one.
        source: what it is.
        middle: how the values of images become one.
    """

    name: str
    unit: str
    better: Literal["higher", "lower", "nearer 0"]
    source: str
    middle: Literal["mean", "median"] = "mean"


TARGET = tuple(metric.name for metric in METRICS)
"""Metrics against the truth."""
SOURCE = tuple(metric.name for metric in SOURCE_METRICS)
"""Metrics against the image that was stained."""
READINGS = (
    Column(
        "nuclei_f1", "", "higher", "F1 of the places of nuclei against those of the source: whether structure is kept"
    ),
    Column(
        "positive_f1", "", "higher", "F1 of positive cells, each read at its true place: whether the stain is right"
    ),
    Column("balanced_accuracy", "", "higher", "mean of sensitivity and specificity of the same cells; a guess has 0.5"),
    Column(
        "share_of_best",
        "",
        "higher",
        "the same as a share of the highest that the look of the cells allows; luck on few cells can lift it above 1",
    ),
    Column("positive_detection_f1", "", "higher", "F1 of the places of positive nuclei: whether both are right"),
    Column("percent_error", "points", "lower", "how far the percentage of positive cells of an image is off"),
)
"""Readings of cells on fields of the phantom, by their names in ``restain.reports.PhantomReading``."""
COSTS = (
    Column("seconds", "s", "lower", "time to stain one image, its median over images, without loading", "median"),
    Column("memory", "GiB", "lower", "most memory of the GPU while staining; nothing on a CPU"),
)
"""What staining costs."""

DISTRIBUTION = (
    Column(
        "fid", "", "lower", "Frechet distance of the features of tiles to those of real ones; compare with its floor"
    ),
    Column("kid", "", "lower", "kernel distance of the features of tiles to those of real ones, over all pairs"),
    *(
        Column(f"{name}_{k}", "", "higher", f"share of {whose}, by the {k} nearest neighbours of each")
        for k in (3, 5)
        for name, whose in (
            ("precision", "tiles that look like real ones"),
            ("recall", "real tiles that the answers cover"),
        )
    ),
)
"""Numbers of two sets of images, by their names in ``restain.reports.NUMBERS``."""
FSD = Column(
    "fsd",
    "",
    "lower",
    "Frechet distance of the features of a StainNet; only values of the same classifier compare, beside their floor",
)
"""The same distance as ``fid``, by other features."""
SETS = (*DISTRIBUTION, FSD)
"""All numbers of two sets of images."""
POSITIVITY = Column(
    "positivity_pearson",
    "",
    "higher",
    "correlation over tiles of the share of positive pixels with that of the truth",
)
"""Whether what is positive in truth is positive in the answers, as far as a tile tells."""

COLUMNS: Mapping[str, Column] = {
    column.name: column
    for column in (
        *(Column(metric.name, metric.unit, metric.better, metric.source) for metric in (*METRICS, *SOURCE_METRICS)),
        *READINGS,
        *SETS,
        POSITIVITY,
        *COSTS,
    )
}
"""Every column by its name."""
