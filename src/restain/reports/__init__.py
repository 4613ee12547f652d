"""Numbers and pictures about results."""

from restain.reports.evaluate import evaluate
from restain.reports.evaluation import Evaluation, ImageScores, write_evaluation
from restain.reports.phantom_cells import CellReading, read_ki67
from restain.reports.phantom_fields import Marker, PhantomReading, read_field
from restain.reports.picture import LIMIT, comparison, difference, visible
from restain.reports.scale import colour_scale

__all__ = [
    "LIMIT",
    "CellReading",
    "Evaluation",
    "ImageScores",
    "Marker",
    "PhantomReading",
    "colour_scale",
    "comparison",
    "difference",
    "evaluate",
    "read_field",
    "read_ki67",
    "visible",
    "write_evaluation",
]
