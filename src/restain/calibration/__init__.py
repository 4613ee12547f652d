"""Calibrating a model on images with known truth, and testing whether it keeps what it promises."""

from restain.calibration.images import ImageSet, Unit, images_of_config, images_of_folders, with_table
from restain.calibration.measure import Laboratory, Measurement, tissue_of
from restain.calibration.options import CalibrateOptions
from restain.calibration.result import CalibrationResult, TestResult
from restain.calibration.run import calibrate_model
from restain.calibration.trial import Books, Coverage, ImageCoverage, LevelCoverage

__all__ = [
    "Books",
    "CalibrateOptions",
    "CalibrationResult",
    "Coverage",
    "ImageCoverage",
    "ImageSet",
    "Laboratory",
    "LevelCoverage",
    "Measurement",
    "TestResult",
    "Unit",
    "calibrate_model",
    "images_of_config",
    "images_of_folders",
    "tissue_of",
    "with_table",
]
