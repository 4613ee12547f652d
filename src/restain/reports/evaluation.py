"""The result of an evaluation, and its two files."""

import contextlib
import csv
import io
import json
import math
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import scipy

from restain import __version__
from restain.errors import OutputError
from restain.geometry import Size
from restain.metrics import Estimate, Metric, SubsetDistance, Summary
from restain.reports.distributions import FeatureDistance


@final
@dataclass(frozen=True, slots=True)
class ImageScores:
    """What was measured of one image.

    Args:
        name: without suffix.
        size: in pixels.
        values: by name of the metric.
    """

    name: str
    size: Size
    values: Mapping[str, float]


@final
@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured of a set of images.

    Args:
        pred: the images, a folder or a file.
        target: the truth.
        source: the images that were stained, if given.
        metrics: what was measured, in the order of tables; those that have no value for the images are not among them.
        images: one entry per image, in the order of names; none where images have no partners.
        summaries: over all images, by name of the metric.
        profile: name of the profile, if one was asked for.
        distance: of the two sets of images as distributions, if it was asked for.
    """

    pred: Path
    target: Path
    source: Path | None
    metrics: tuple[Metric, ...]
    images: tuple[ImageScores, ...]
    summaries: Mapping[str, Summary]
    profile: str | None = None
    distance: FeatureDistance | None = None


def write_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Write ``evaluation.csv`` and ``evaluation.json`` into a folder, each whole or not at all.

    Where distributions were compared, ``distribution.csv`` tells their numbers, one per line, with all one must know to
    compare them with others; without, one that was there is removed.

    Numbers are written in full. Infinity is ``inf`` in the table; JSON knows neither infinity nor NaN and has the
    string ``"inf"`` and null.

    Raises:
        OutputError: the disk does not take them.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / "evaluation.csv", _table(evaluation))
        if evaluation.distance is not None:
            _write(folder / "distribution.csv", _distance_table(evaluation.distance))
        else:
            (folder / "distribution.csv").unlink(missing_ok=True)
        _write(folder / "evaluation.json", json.dumps(_record(evaluation), indent=2, allow_nan=False) + "\n")
    except OSError as error:
        raise OutputError(
            f"the evaluation cannot be written to {folder} ({error.strerror})", fix="choose another folder with --out"
        ) from error


def _table(evaluation: Evaluation) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", "width", "height", *evaluation.summaries])
    for image in evaluation.images:
        writer.writerow([image.name, image.size.width, image.size.height, *image.values.values()])
    return text.getvalue()


def _distance_table(distance: FeatureDistance) -> str:
    found, text = distance.distribution, io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    sizes = {"n_pred": found.n_pred, "n_target": found.n_target, "n_floor": found.n_floor}
    facts = {**sizes, "features": distance.features, "sha256": distance.digest}
    writer.writerow(["number", "value", "low", "high", "floor", *facts])
    for name, each in distance.told.items():
        writer.writerow([name, each.value, each.low, each.high, each.floor, *facts.values()])
    return text.getvalue()


def _record(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "pred": str(evaluation.pred),
        "target": str(evaluation.target),
        "source": None if evaluation.source is None else str(evaluation.source),
        "images": len(evaluation.images),
        "metrics": {
            metric.name: {
                **{key: _json_number(value) for key, value in asdict(evaluation.summaries[metric.name]).items()},
                "unit": metric.unit,
                "better": metric.better,
                "bounds": [_json_number(bound) for bound in metric.bounds],
                "source": metric.source,
            }
            for metric in evaluation.metrics
        },
        "profile": evaluation.profile,
        "distribution": None if evaluation.distance is None else _distance_record(evaluation.distance),
        "versions": {
            "restain": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
        },
    }


def _distance_record(distance: FeatureDistance) -> dict[str, Any]:
    found = distance.distribution
    subsets = found.kid_of_subsets
    return {
        "features": {"name": distance.features, "dimension": distance.dimension, "sha256": distance.digest},
        "tile": distance.side,
        "pred": found.n_pred,
        "pred_images": found.groups_pred,
        "target": found.n_target,
        "target_images": found.groups_target,
        "floor": found.n_floor,
        "resamples": found.resamples,
        "numbers": {name: _json_numbers(each) for name, each in distance.told.items()},
        "kid_of_subsets": None if subsets is None else _json_numbers(subsets),
    }


def _json_numbers(numbers: Estimate | SubsetDistance) -> dict[str, float | str | None]:
    return {key: _json_number(value) for key, value in asdict(numbers).items()}


def _json_number(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else str(value)


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
