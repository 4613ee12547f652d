"""All metrics that compare an image with the truth, in the order of tables. A new one is a file and a line here."""

from restain.metrics.base import Metric
from restain.metrics.l1 import L1
from restain.metrics.l2 import L2
from restain.metrics.psnr import Psnr
from restain.metrics.ssim import SsimGaussian, SsimUniform

METRICS: tuple[Metric, ...] = (
    Psnr(),
    SsimGaussian(),
    SsimUniform(),
    L1(),
    L2(),
)
"""Every metric once."""
