"""Numbers and pictures about results."""

from restain.reports.evaluate import evaluate
from restain.reports.evaluation import Evaluation, ImageScores, write_evaluation
from restain.reports.picture import comparison, difference, visible
from restain.reports.scale import colour_scale

__all__ = [
    "Evaluation",
    "ImageScores",
    "colour_scale",
    "comparison",
    "difference",
    "evaluate",
    "visible",
    "write_evaluation",
]
