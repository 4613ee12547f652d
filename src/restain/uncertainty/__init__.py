"""Calibrated uncertainty from samples: intervals, how far to widen them, and how well they do. NumPy and SciPy only."""

from restain.uncertainty.bounds import Bound, betting_bound, hoeffding_bentkus_bound, hoeffding_bound, images_needed
from restain.uncertainty.calibration import Calibration, Form, widen
from restain.uncertainty.intervals import Interval, IntervalRule, OrderRanks, interval_of, order_ranks
from restain.uncertainty.rcps import ImageRisk, calibrate
from restain.uncertainty.record import CalibrationRecord, image_digest
from restain.uncertainty.reliability import (
    Reliability,
    ReliabilityCurve,
    ReliabilityPoint,
    ReliabilitySummary,
)

__all__ = [
    "Bound",
    "Calibration",
    "CalibrationRecord",
    "Form",
    "ImageRisk",
    "Interval",
    "IntervalRule",
    "OrderRanks",
    "Reliability",
    "ReliabilityCurve",
    "ReliabilityPoint",
    "ReliabilitySummary",
    "betting_bound",
    "calibrate",
    "hoeffding_bentkus_bound",
    "hoeffding_bound",
    "image_digest",
    "images_needed",
    "interval_of",
    "order_ranks",
    "widen",
]
