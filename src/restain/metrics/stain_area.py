"""Whether the right pixels are brown: overlap of the positive areas of two images.

Positive is a pixel that is dark in the DAB image of Fiji's H DAB (``restain.metrics.dab_mask``: a density of at least
0.41) in each image by itself; TP, FP, FN and TN count pixels. Sources: Dice, Measures of the amount of ecologic
association between species, 1945; Jaccard, The distribution of the flora in the alpine zone, 1912.

An image without any positive pixel on either side has neither Dice nor IoU, because 0 / 0 is no number: neither 0, as
in some evaluations, which makes empty tiles failures, nor 1, which would make them successes. Its value is NaN, and
``Scores`` leaves it out of the mean and counts it. The same holds for rates whose class is missing in target.
"""

import math
from typing import final

import numpy as np

from restain.geometry import Size
from restain.metrics.base import Metric, Tally
from restain.metrics.iod import dab_mask
from restain.pixels import Image


class _StainArea(Metric):
    """A share of pixels. The tally is (TP, FP, FN, TN)."""

    unit = ""
    bounds = (0.0, 1.0)
    rgb = True

    @final
    def _tally_block(self, pred: Image, target: Image, own: Size) -> Tally:
        # 2 * target + pred: 0 is TN, 1 FP, 2 FN, 3 TP.
        tn, fp, fn, tp = np.bincount((2 * dab_mask(target) + dab_mask(pred)).ravel(), minlength=4).tolist()
        return tp, fp, fn, tn


@final
class StainDice(_StainArea):
    """2 TP / (2 TP + FP + FN); NaN where neither image is positive anywhere."""

    name = "stain_dice"
    better = "higher"
    source = "2 TP / (2 TP + FP + FN) of pixels with g <= 100, g the 8-bit DAB image after Fiji's H DAB"

    def value(self, tally: Tally) -> float:
        """Return Dice's coefficient from (TP, FP, FN, TN)."""
        tp, fp, fn, _ = tally
        return _share(2 * tp, 2 * tp + fp + fn)


@final
class StainIou(_StainArea):
    """TP / (TP + FP + FN); NaN where neither image is positive anywhere."""

    name = "stain_iou"
    better = "higher"
    source = "TP / (TP + FP + FN) of the same pixels; Dice / (2 - Dice)"

    def value(self, tally: Tally) -> float:
        """Return the intersection over the union from (TP, FP, FN, TN)."""
        tp, fp, fn, _ = tally
        return _share(tp, tp + fp + fn)


@final
class StainTpr(_StainArea):
    """TP / (TP + FN), the share of what is positive that was stained; NaN where target is positive nowhere."""

    name = "stain_tpr"
    better = "higher"
    source = "TP / (TP + FN) of the same pixels"

    def value(self, tally: Tally) -> float:
        """Return the true positive rate from (TP, FP, FN, TN)."""
        tp, _, fn, _ = tally
        return _share(tp, tp + fn)


@final
class StainFpr(_StainArea):
    """FP / (FP + TN), the share of what is negative that was stained; NaN where target is positive everywhere."""

    name = "stain_fpr"
    better = "lower"
    source = "FP / (FP + TN) of the same pixels"

    def value(self, tally: Tally) -> float:
        """Return the false positive rate from (TP, FP, FN, TN)."""
        _, fp, _, tn = tally
        return _share(fp, fp + tn)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
