import json

import numpy as np
import pytest
from PIL import Image

from restain.calibration.result import CalibrationResult, TestResult
from restain.calibration.trial import Coverage, LevelCoverage
from restain.errors import DataError
from restain.reports.report import ReportOptions, write_report
from restain.slides import save_image
from restain.uncertainty import (
    Calibration,
    CalibrationRecord,
    IntervalRule,
    ReliabilityPoint,
    ReliabilitySummary,
    image_digest,
)

from .conftest import Page

CALIBRATION = Calibration(
    lambda_=1.3, form="centred", interval=IntervalRule(samples=8), alpha=0.1, delta=0.2, n=30, risk=0.05, bound=0.09
)


def surround(case, below: int, above: int) -> None:
    """Write intervals around the real image into the folders where staining leaves them."""
    for path in (case.root / "real").iterdir():
        real = np.asarray(Image.open(path)).astype(int)
        virtual = case.root / "virtual"
        save_image(virtual / "lower" / path.name, (real - below).clip(0, 255).astype(np.uint8))
        save_image(virtual / "upper" / path.name, (real + above).clip(0, 255).astype(np.uint8))
        save_image(virtual / "uncertainty" / path.name, np.full((*real.shape[:2], 1), below + above, np.uint8))


def summarise(case, calibration: Calibration | None) -> None:
    """Write the part of a summary that a report reads."""
    tree = {"calibration": None if calibration is None else calibration.model_dump(mode="json")}
    (case.root / "virtual" / "uncertainty" / "summary.json").write_text(json.dumps(tree))


def calibration_file(case, images: dict[str, str]) -> None:
    record = CalibrationRecord(
        calibration=CALIBRATION, weights="0", sampler="ddim", steps=5, source="H&E", target="Ki67", mpp=0.5,
        data="elsewhere", images=images, groups={},
    )  # fmt: skip
    before, after = (
        Coverage(9, inside, 0.01, 0.7, ReliabilitySummary(inside, 0.1, (0.2, 0.1, 0.1, 0.1), (0.1, 0.2, 0.3), 0.4, 100))
        for inside in (0.8125, 0.9375)
    )
    points = (ReliabilityPoint(0.5, 0.375), ReliabilityPoint(0.9, 0.8125))
    levels = (LevelCoverage(0.9, 1.3, 0.9375),)
    test = TestResult("there", "image", before, after, points, levels, {}, ())
    CalibrationResult("m", record, "image", 0, ((1.0, 0.1),), test).write(case.scores)


def test_intervals_beside_images_are_held_against_the_truth(small, undrawn):
    surround(small, 10, 10)
    page = Page(write_report(small.scores))
    inside, width, *quarters, _, n = page.rows["beside these images"]
    assert float(inside[1]) == 1.0
    assert float(width[1]) == pytest.approx(20, abs=1.5)  # less where white ends it
    assert [float(full) for _, full in quarters] == [0, 0, 0, 0]
    assert n[0] == "3"
    assert [alt.partition(",")[0] for alt, _ in page.pictures].count("uncertainty") == 3
    surround(small, -3, 9)
    assert float(Page(write_report(small.scores)).rows["beside these images"][0][1]) < 0.1  # all that is not white


def test_uncalibrated_intervals_are_told_and_calibrated_ones_are_not(small, undrawn):
    def said() -> str:
        return " ".join(Page(write_report(small.scores)).doubts)

    assert "calibrated" not in said()
    surround(small, 10, 10)
    assert "is not calibrated" in said()
    summarise(small, None)
    assert "is not calibrated" in said()
    summarise(small, CALIBRATION)
    assert "calibrated" not in said()
    assert (
        "chance of 80% over the choice of the 30 calibration images, at most 10%"
        in (small.scores / "report" / "report.html").read_text()
    )
    surround(small, -3, 9)
    assert "90 % was promised" in said()


def test_the_test_of_a_calibration_is_shown(small):
    calibration_file(small, {})
    page = Page(write_report(small.scores))
    for name, inside in (("uncalibrated", "0.8125"), ("calibrated", "0.9375")):
        cells = page.rows[f"test of the calibration, {name}"]
        assert cells[0][1] == inside
        assert [full for _, full in cells[2:6]] == ["0.2", "0.1", "0.1", "0.1"]
        assert cells[-1][0] == "9"
    assert (small.scores / "report" / "reliability.png").is_file()


def test_images_of_the_calibration_are_told(small, undrawn):
    calibration_file(small, {"other": "0123456789ab"})
    assert "were calibrated on" not in " ".join(Page(write_report(small.scores)).doubts)
    source = np.asarray(Image.open(small.root / "he" / "tile01.png"))
    calibration_file(small, {"other": image_digest(source)[:12]})
    assert "calibrated on 1 of the images that are looked at here (tile01)" in " ".join(
        Page(write_report(small.scores)).doubts
    )


def test_files_that_are_missing_or_damaged_are_refused(small, undrawn):
    with pytest.raises(DataError, match=r"gone.json is not there"):
        write_report(small.scores, options=ReportOptions(calibration="gone.json"))
    (small.scores / "calibration.json").write_text('{"alpha": 1}')
    with pytest.raises(DataError, match=r"calibration.json is damaged.*KeyError.*run `restain calibrate` again"):
        write_report(small.scores)
