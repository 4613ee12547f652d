"""What a calibration found, and the file that keeps it."""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

from restain import __version__
from restain.calibration.images import Unit
from restain.calibration.trial import Coverage, ImageCoverage, LevelCoverage
from restain.errors import OutputError
from restain.uncertainty import CalibrationRecord, ReliabilityPoint

FILE = "calibration.json"
"""Name of the file of results."""


@final
@dataclass(frozen=True, slots=True)
class TestResult:
    """A calibration on images that took no part in it.

    Args:
        data: where they are from.
        unit: what counts as one.
        uncalibrated: coverage of intervals as they come from samples.
        calibrated: coverage of widened ones.
        levels_uncalibrated: reliability curve of intervals as they come from samples.
        levels_calibrated: reliability curve after calibrations for several alphas.
        by: label -> uncalibrated and calibrated coverage of the images that have it.
        images: every image.
    """

    __test__ = False

    data: str
    unit: Unit
    uncalibrated: Coverage
    calibrated: Coverage
    levels_uncalibrated: tuple[ReliabilityPoint, ...]
    levels_calibrated: tuple[LevelCoverage, ...]
    by: Mapping[str, tuple[Coverage, Coverage]]
    images: tuple[ImageCoverage, ...]


@final
@dataclass(frozen=True, slots=True)
class CalibrationResult:
    """A calibration, and its test.

    Args:
        model: name in the card.
        record: as it goes into the card.
        unit: what n counts.
        seed: of the samples.
        risk_by_lambda: (lambda, share outside) on the calibration images, thinned to be drawn.
        test: None where no test images were given.
    """

    model: str
    record: CalibrationRecord
    unit: Unit
    seed: int
    risk_by_lambda: tuple[tuple[float, float], ...]
    test: TestResult | None

    def write(self, folder: Path) -> Path:
        """Write ``calibration.json`` and return its path; numbers without value become null.

        Raises:
            OutputError: it cannot be written.
        """
        path = folder / FILE
        partial = path.with_name(f".{FILE}.{os.getpid()}.partial")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(_plain(self._tree()), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            partial.replace(path)
        except OSError as error:
            raise OutputError(f"{path} cannot be written ({error.strerror})", fix="choose another --out") from error
        return path

    def _tree(self) -> dict[str, Any]:
        record = self.record.model_dump(mode="json")
        return {
            "restain": __version__,
            "model": self.model,
            "calibration": _spelt(record.pop("calibration")),
            "unit": self.unit,
            "seed": self.seed,
            **record,
            "risk_by_lambda": [{"lambda": at, "risk": risk} for at, risk in self.risk_by_lambda],
            "test": None if self.test is None else _test_tree(self.test),
        }


def _test_tree(test: TestResult) -> dict[str, Any]:
    tree = asdict(test)
    tree["levels_calibrated"] = [_spelt(point) for point in tree["levels_calibrated"]]
    tree["by"] = {label: {"uncalibrated": before, "calibrated": after} for label, (before, after) in tree["by"].items()}
    return tree


def _spelt(tree: dict[str, Any]) -> dict[str, Any]:
    """Return a tree in which lambda is no longer ``lambda_``, as Python has to write it."""
    return {"lambda" if key == "lambda_" else key: value for key, value in tree.items()}


def _plain(value: Any) -> Any:
    """Return a tree in which NaN, which JSON does not know, is null."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value
