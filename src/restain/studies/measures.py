"""The numbers behind tables: for every image of a cell, every column that tables ask for."""

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import cast, get_args

from restain.data import PhantomField, PhantomPairs, PhantomPairsConfig
from restain.errors import DataError
from restain.geometry import Region
from restain.phantom import Phantom
from restain.reports import Marker, PhantomReading, evaluate, read_field
from restain.slides import open_slide
from restain.studies.columns import READINGS, SOURCE, TARGET
from restain.studies.config import DatasetConfig
from restain.studies.images import Images


def measurable(config: DatasetConfig, columns: Collection[str]) -> tuple[str, ...]:
    """Return those columns that are measured on images of this data set; only the phantom knows its cells."""
    data = config.data
    known = isinstance(data, PhantomPairsConfig) and data.source == "he" and data.target in get_args(Marker)
    readings = tuple(column.name for column in READINGS) if known else ()
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
    readings = [column.name for column in READINGS if column.name in columns]
    if readings and isinstance(config.data, PhantomPairsConfig):
        pairs = PhantomPairs(config.data, "test")
        fields = {pairs.name(index): pairs.field(index) for index in range(len(pairs))}
        for name, path in pred.items():
            reading = _read(path, fields[name], cast(Marker, config.data.target))
            values[name] |= {each: _value(reading, each) for each in readings}
    return values


def _value(reading: PhantomReading, column: str) -> float:
    """Return a value of one field, not a number where its cells allow none."""
    if not len(reading.probability):
        return math.nan  # without cells nothing is right or wrong
    try:
        return float(getattr(reading, column))
    except DataError:
        return math.nan  # a small field may hold cells of one kind only, which nothing can tell apart


def _read(path: Path, field: PhantomField, marker: Marker) -> PhantomReading:
    with open_slide(path) as slide:
        image = slide.read(Region.of(slide.info.size))
    shown = Region(field.region.x, field.region.y, image.shape[1], image.shape[0])  # the upper left part that was kept
    return read_field(image, Phantom(field.seed), shown, field.mpp, marker)
