"""Metrics: each a pure function of two images, with its facts beside it. NumPy and SciPy only."""

from restain.metrics.base import Metric, Tally, add, reach
from restain.metrics.catalogue import METRICS, SOURCE_METRICS
from restain.metrics.detection import Detection, Matches, match_points
from restain.metrics.histogram import HistBhattacharyya, HistCorrelation, HistCorrelationJoint
from restain.metrics.iod import IodDab, IodDeviation, IodWhole, dab_grey, dab_mask, iod
from restain.metrics.l1 import L1
from restain.metrics.l2 import L2
from restain.metrics.positivity import CellDensity, balanced_accuracy, cell_density, percent_positive
from restain.metrics.psnr import Psnr
from restain.metrics.scores import Scores, Summary
from restain.metrics.ssim import SsimGaussian, SsimUniform
from restain.metrics.vif import VifChannels, VifChannelsSource, VifLuma, VifLumaSource

__all__ = [
    "L1",
    "L2",
    "METRICS",
    "SOURCE_METRICS",
    "CellDensity",
    "Detection",
    "HistBhattacharyya",
    "HistCorrelation",
    "HistCorrelationJoint",
    "IodDab",
    "IodDeviation",
    "IodWhole",
    "Matches",
    "Metric",
    "Psnr",
    "Scores",
    "SsimGaussian",
    "SsimUniform",
    "Summary",
    "Tally",
    "VifChannels",
    "VifChannelsSource",
    "VifLuma",
    "VifLumaSource",
    "add",
    "balanced_accuracy",
    "cell_density",
    "dab_grey",
    "dab_mask",
    "iod",
    "match_points",
    "percent_positive",
    "reach",
]
