"""How much the mean of a metric would change with other images, or with other patients."""

import csv
import math
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from restain.errors import DataError, SmallSampleWarning
from restain.metrics import Agreement, Resampled, agreement, resampled
from restain.reports.matching import listed

RESAMPLES = 2000
"""Of the bootstrap: enough for two digits of a 95 % interval."""


def mean_interval(values: Sequence[float], units: Sequence[str], seed: int) -> Resampled:
    """Return a mean with its interval by the percentile bootstrap over images, or over patients with all their images.

    Args:
        values: one per image; those that are NaN have no value and are left out.
        units: of every image its patient, or its own name where nothing is known.
        seed: of the resampling.

    Returns:
        Without interval where a value is infinite, or where there are fewer than four patients or images.
    """
    kept = [(value, unit) for value, unit in zip(values, units, strict=True) if not math.isnan(value)]
    x = np.array([value for value, _ in kept])
    groups = codes_of([unit for _, unit in kept])
    if not len(x) or not np.isfinite(x).all() or groups.max() == 0:
        return Resampled(float(x.mean()) if len(x) else math.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SmallSampleWarning)  # the page says so itself, once
        (found,) = resampled(
            lambda rows: (float(x[rows].mean()),),
            groups,
            len(x),
            generator=np.random.default_rng(seed),
            resamples=RESAMPLES,
        )
    return found


def agreement_of(pairs: Sequence[tuple[float, float]], units: Sequence[str], seed: int) -> Agreement:
    """Return how virtual and real readings agree, with intervals as in ``mean_interval``.

    Args:
        pairs: two and more, (virtual, real) each.
        units: of every pair its patient or image; two different ones at least.
        seed: of the resampling.
    """
    virtual, real = np.array(pairs).T
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SmallSampleWarning)
        return agreement(
            virtual, real, generator=np.random.default_rng(seed), patients=codes_of(units), resamples=RESAMPLES
        )


def codes_of(units: Sequence[str]) -> NDArray[np.intp]:
    """Return names as whole numbers, equal for equal ones."""
    numbers = {unit: number for number, unit in enumerate(dict.fromkeys(units))}
    return np.array([numbers[unit] for unit in units], np.intp)


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
