"""How much the mean of a metric would change with other images, or with other patients."""

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from restain.errors import DataError
from restain.metrics.groups import as_groups, resampled_counts
from restain.reports.matching import listed

RESAMPLES = 2000
"""Of the bootstrap: enough for two digits of a 95 % interval."""


@final
@dataclass(frozen=True, slots=True)
class MeanInterval:
    """The 95 % interval of a mean.

    Args:
        low: its lower end; NaN with fewer than two independent values, or where a value is infinite.
        high: its upper end.
        units: independent values behind it: images, or patients where they are known.
    """

    low: float
    high: float
    units: int


def mean_interval(values: Sequence[float], units: Sequence[str], seed: int) -> MeanInterval:
    """Return the interval of a mean by the percentile bootstrap over images, or over patients with all their images.

    Images of one patient are alike, so chance takes or leaves them together (Davison and Hinkley 1997, section 3.8).

    Args:
        values: one per image; those that are NaN have no value and are left out.
        units: of every image its patient, or its own name where nothing is known.
        seed: of the resampling.
    """
    kept = [(value, unit) for value, unit in zip(values, units, strict=True) if not math.isnan(value)]
    x = np.array([value for value, _ in kept])
    numbers = {unit: number for number, unit in enumerate(dict.fromkeys(unit for _, unit in kept))}
    if len(numbers) < 2 or not np.isfinite(x).all():
        return MeanInterval(math.nan, math.nan, len(numbers))
    groups = as_groups(np.array([numbers[unit] for _, unit in kept]), len(x))
    counts = resampled_counts(groups, RESAMPLES, np.random.default_rng(seed))[:, 1:]
    low, high = np.percentile(x @ counts / counts.sum(axis=0), [2.5, 97.5])
    return MeanInterval(float(low), float(high), len(numbers))


def read_patients(path: Path) -> dict[str, str]:
    """Return the patient of every image from a CSV with the columns ``image`` (without suffix) and ``patient``.

    Raises:
        DataError: a file that cannot be read, lacks a column, or gives one image two patients.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file)
            lacking = {"image", "patient"} - set(table.fieldnames or ())
            rows = [] if lacking else [(row["image"], row["patient"]) for row in table]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read ({error})", fix="pass a CSV in UTF-8") from error
    if lacking:
        raise DataError(f"{path} has no column {listed(sorted(lacking))}", fix="name its columns image,patient")
    patients = dict(rows)
    if torn := sorted({name for name, patient in rows if patients[name] != patient}):
        raise DataError(f"{path} gives {listed(torn)} two patients", fix="keep one line per image")
    return patients


def units_of(names: Iterable[str], patients: dict[str, str] | None, path: Path | None) -> list[str]:
    """Return the patient of every image, or its own name where patients are not known.

    Raises:
        DataError: an image whose patient is not told.
    """
    if patients is None:
        return list(names)
    names = list(names)
    if unknown := [name for name in names if not patients.get(name)]:
        raise DataError(f"{path} does not tell the patient of {listed(unknown)}", fix="add a line for every image")
    return [patients[name] for name in names]
