"""The two files of read-outs: a table with a line per image or draw, and what follows from all of them."""

import csv
import io
import json
import math
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import scipy

from restain import __version__
from restain.errors import OutputError
from restain.reports.readout import Readout
from restain.reports.readout_draws import DrawnReadouts
from restain.reports.readout_regions import RegionReader
from restain.reports.readout_rules import ReadoutOptions
from restain.reports.readouts import ImageReadout, Readouts

PURPOSE = "for research, not a diagnosis"
"""What the numbers are for."""

NUMBERS = (
    "cells",
    "positive",
    "percent_positive",
    "h_score",
    "weak",
    "moderate",
    "strong",
    "positive_per_mm2",
    "her2",
    "completeness",
    "intensity",
)
"""Columns of the table, for every read-out."""


def write_readouts(
    found: Readouts | DrawnReadouts, options: ReadoutOptions, regions: RegionReader, pred: Path, folder: Path
) -> None:
    """Write ``readout.csv`` and ``readout.json`` into a folder, each whole or not at all.

    Args:
        found: what was read.
        options: how; written down with it.
        regions: where and at which scale.
        pred: the images.
        folder: made if it is not there.

    Raises:
        OutputError: the disk does not take them.
    """
    texts = {
        "readout.csv": _table(found),
        "readout.json": json.dumps(_plain(_record(found, options, regions, pred)), indent=2, allow_nan=False) + "\n",
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            partial = folder / f".{name}.partial"
            partial.write_text(text, encoding="utf-8")
            partial.replace(folder / name)
    except OSError as error:
        raise OutputError(
            f"read-outs cannot be written to {folder} ({error.strerror})", fix="choose another folder with --out"
        ) from error


def numbers_of(readout: Readout) -> dict[str, float | int | None]:
    """Return the numbers of a read-out by name, in the order of tables."""
    _, weak, moderate, strong = readout.grades
    values = (
        readout.cells,
        readout.positive,
        readout.percent_positive,
        readout.h_score,
        weak,
        moderate,
        strong,
        readout.per_mm2,
        readout.her2,
        readout.completeness,
        readout.intensity,
    )
    return dict(zip(NUMBERS, values, strict=True))


def _table(found: Readouts | DrawnReadouts) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if isinstance(found, DrawnReadouts):
        writer.writerow(["name", "draw", *NUMBERS])
        for number, draw in enumerate(found.draws):
            writer.writerow([found.name, number, *_cells(draw)])
        return text.getvalue()
    has_target = any(image.target for image in found.images)
    writer.writerow(["name", "patient", *NUMBERS, *(f"target_{name}" for name in NUMBERS if has_target)])
    for image in found.images:
        target = _cells(image.target) if image.target else []
        writer.writerow([image.name, image.patient, *_cells(image.pred), *target])
    return text.getvalue()


def _cells(readout: Readout) -> list[object]:
    return ["" if value is None or value != value else value for value in numbers_of(readout).values()]


def _record(
    found: Readouts | DrawnReadouts, options: ReadoutOptions, regions: RegionReader, pred: Path
) -> dict[str, Any]:
    result: dict[str, Any]
    if isinstance(found, DrawnReadouts):
        result = {
            "draws": len(found.draws),
            "interval": {"kind": "uncalibrated sampling interval", **found.rule.model_dump(mode="json")},
            "percent_positive": asdict(found.percent),
            "h_score": asdict(found.h_score),
        }
    else:
        result = {
            "images": [_image(image) for image in found.images],
            "agreement": None if found.comparison is None else asdict(found.comparison),
            "negative": None if found.negative is None else asdict(found.negative),
        }
    return {
        "purpose": PURPOSE,
        "pred": str(pred),
        **result,
        "options": options.model_dump(mode="json"),
        "rule": asdict(options.rule),
        "region": None if regions.region is None else asdict(regions.region),
        "mpp": None if regions.mpp is None else asdict(regions.mpp),
        "versions": {
            "restain": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
        },
    }


def _image(image: ImageReadout) -> dict[str, Any]:
    return {
        "name": image.name,
        "patient": image.patient,
        "pred": numbers_of(image.pred),
        "target": None if image.target is None else numbers_of(image.target),
    }


def _plain(value: Any) -> Any:
    """Return what JSON can hold: it knows no NaN."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
