"""The numbers behind tables: for every image of a cell, every column that tables ask for."""

from collections.abc import Collection, Mapping
from pathlib import Path

from restain.data import PhantomPairsConfig
from restain.reports import evaluate
from restain.studies.columns import READINGS, SOURCE, TARGET
from restain.studies.config import DatasetConfig
from restain.studies.images import Images


def measurable(config: DatasetConfig, columns: Collection[str]) -> tuple[str, ...]:
    """Return those columns that are measured on images of this data set; only the phantom knows its cells."""
    readings = tuple(column.name for column in READINGS) if isinstance(config.data, PhantomPairsConfig) else ()
    return tuple(name for name in (*TARGET, *SOURCE, *readings) if name in columns)


def measure(
    config: DatasetConfig, pred: Mapping[str, Path], images: Images, columns: Collection[str]
) -> dict[str, dict[str, float]]:
    """Return for every image the values of the columns.

    Args:
        config: the data set.
        pred: the answers, by name of the image.
        images: what they answer.
        columns: of ``measurable``.

    Raises:
        DataError: an image for which a metric has no value.
        SlideError: an image that cannot be read.
    """
    values: dict[str, dict[str, float]] = {name: {} for name in pred}
    metrics = [name for name in columns if name in TARGET + SOURCE]
    if metrics:
        source = next(iter(images.source.values())).parent if set(metrics) & set(SOURCE) else None
        target = next(iter(images.target.values())).parent
        evaluation = evaluate(next(iter(pred.values())).parent, target, source=source, metrics=metrics)
        for image in evaluation.images:
            values[image.name] |= image.values
    return values
