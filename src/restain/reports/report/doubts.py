"""What speaks against the numbers of a report, each in a sentence with its reason."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from restain.metrics.distribution import RELIABLE
from restain.metrics.resampling import FEW
from restain.reports.matching import listed
from restain.reports.report.leakage import Leakage
from restain.reports.report.record import DistanceRecord, Record

EXACT = {"psnr": math.inf, "l1": 0.0, "l2": 0.0}
"""The value of metrics that only an image has that is the truth, pixel by pixel."""


def doubts_of_values(record: Record, units: Sequence[str], *, patients: bool) -> Iterator[str]:
    """Yield what is to be said of the values of single images."""
    names = [row.name for row in record.rows]
    if twice := sorted(name for name, count in Counter(names).items() if count > 1):
        yield (
            f"{listed(twice)} {_is(twice)} in the table more than once: means count such images as often, and panels "
            "show the first of each name."
        )
    if names and (count := len(set(units))) < FEW:
        noun = "patient" if patients else "image"
        yield (
            f"Intervals of means are over {count} {noun}{'s' if count > 1 else ''}: below {FEW} they are too narrow "
            "and tell little of others, and below 4 there is none."
        )
    infinite = [
        metric.name for metric in record.metrics if any(math.isinf(row.values[metric.name]) for row in record.rows)
    ]
    if infinite:
        yield (
            f"{listed(infinite)} {_is(infinite)} infinite for some images, so the mean is infinite too and tells "
            "nothing of the others: read the pooled value."
        )


def doubts_of_identity(record: Record, seen: Sequence[str]) -> Iterator[str]:
    """Yield whether virtual images are the real ones.

    Args:
        record: whose values may tell.
        seen: names of images, or regions, that were read and found the same.
    """
    exact = {name: value for name, value in EXACT.items() if name in {metric.name for metric in record.metrics}}
    by_value = {row.name for row in record.rows if any(row.values[name] == value for name, value in exact.items())}
    if same := sorted(by_value.union(seen)):
        yield (
            f"{listed(same)}: the virtual image is the real one, pixel by pixel; no model does that, so the "
            "folders may have been mixed up."
        )


def doubts_of_distance(distance: DistanceRecord | None) -> Iterator[str]:
    """Yield what is to be said of two sets as distributions."""
    if distance is None:
        return
    noun = "images" if distance.tile is None else "tiles"
    if min(distance.pred, distance.target) < RELIABLE:
        yield (
            f"Distances are of {distance.pred} against {distance.target} {noun}: below {RELIABLE} they are biased "
            f"upwards, so compare them only with numbers of equally many {noun}."
        )
    if not distance.floor:
        yield (
            "Distances have no floor, because there are too few real images to compare with each other: how near to 0 "
            "a perfect model would come is not known."
        )


def doubts_of_leakage(leakage: Leakage) -> Iterator[str]:
    """Yield whether the model had seen what it is judged by."""
    if leakage.images:
        yield (
            f"The model was trained on {len(leakage.images)} of the images it is judged by ({listed(leakage.images)}): "
            "the numbers flatter it."
        )
    if leakage.patients:
        yield (
            f"The model was trained on images of {len(leakage.patients)} of the patients it is judged by "
            f"({listed(leakage.patients)}): the numbers may flatter it."
        )


def _is(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"
