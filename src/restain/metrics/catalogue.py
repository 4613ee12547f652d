"""All metrics that compare an image with another, in the order of tables. A new one is a file and a line here."""

from restain.metrics.base import Metric
from restain.metrics.histogram import HistBhattacharyya, HistCorrelation, HistCorrelationJoint
from restain.metrics.iod import IodDab, IodWhole
from restain.metrics.l1 import L1
from restain.metrics.l2 import L2
from restain.metrics.psnr import Psnr
from restain.metrics.ssim import SsimGaussian, SsimUniform
from restain.metrics.stain_area import StainDice, StainFpr, StainIou, StainTpr
from restain.metrics.vif import VifChannels, VifChannelsSource, VifLuma, VifLumaSource

METRICS: tuple[Metric, ...] = (
    Psnr(),
    SsimGaussian(),
    SsimUniform(),
    VifLuma(),
    VifChannels(),
    L1(),
    L2(),
    HistCorrelation(),
    HistCorrelationJoint(),
    HistBhattacharyya(),
    IodWhole(),
    IodDab(),
    StainDice(),
    StainIou(),
    StainTpr(),
    StainFpr(),
)
"""Every metric against the truth once. Not all have a value for all images: ask ``misfit``."""

SOURCE_METRICS: tuple[Metric, ...] = (VifLumaSource(), VifChannelsSource())
"""Metrics against the image that was stained, which is passed as ``target``: how much of it is still to be seen."""
