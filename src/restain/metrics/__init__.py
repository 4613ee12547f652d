"""Metrics: each a pure function of two images, with its facts beside it. NumPy and SciPy only."""

from restain.metrics.base import Metric, Tally, add, block_of, blocks
from restain.metrics.catalogue import METRICS
from restain.metrics.l1 import L1
from restain.metrics.l2 import L2
from restain.metrics.positivity import CellDensity, balanced_accuracy, cell_density, percent_positive
from restain.metrics.psnr import Psnr
from restain.metrics.scores import Scores, Summary
from restain.metrics.ssim import SsimGaussian, SsimUniform

__all__ = [
    "L1",
    "L2",
    "METRICS",
    "CellDensity",
    "Metric",
    "Psnr",
    "Scores",
    "SsimGaussian",
    "SsimUniform",
    "Summary",
    "Tally",
    "add",
    "balanced_accuracy",
    "block_of",
    "blocks",
    "cell_density",
    "percent_positive",
]
