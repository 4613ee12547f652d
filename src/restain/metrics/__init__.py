"""Metrics: pure functions of two images with their facts beside them, or of sets of images. NumPy and SciPy only."""

from restain.metrics.agreement import (
    Agreement,
    BlandAltman,
    ClassAgreement,
    Intraclass,
    Weighting,
    agreement,
    bland_altman,
    class_agreement,
    intraclass,
    weighted_kappa,
)
from restain.metrics.base import Metric, Tally, add, reach
from restain.metrics.catalogue import METRICS, SOURCE_METRICS
from restain.metrics.controls import Shuffled, mismatches, share_with_interval, shuffled_agreement
from restain.metrics.correlation import pearson
from restain.metrics.detection import Detection, Matches, match_points
from restain.metrics.distribution import Distribution, Estimate, KidSubsets, compare_distributions
from restain.metrics.frechet import FeatureMoments, frechet_distance
from restain.metrics.h_score import h_score, h_score_of_counts, stain_grades
from restain.metrics.her2 import HER2_CLASSES, her2_score
from restain.metrics.histogram import HistBhattacharyya, HistCorrelation, HistCorrelationJoint
from restain.metrics.iod import IodDab, IodDeviation, IodWhole, dab_grey, dab_mask, iod
from restain.metrics.kernel_distance import SubsetDistance, kernel_distance, kernel_distance_of_subsets
from restain.metrics.l1 import L1
from restain.metrics.l2 import L2
from restain.metrics.manifold import PrecisionRecall, precision_recall
from restain.metrics.positive_area import AreaRule, positive_area, positive_share
from restain.metrics.positivity import CellDensity, balanced_accuracy, cell_density, percent_positive
from restain.metrics.psnr import Psnr
from restain.metrics.resampling import Resampled, resampled
from restain.metrics.scores import Scores, Summary
from restain.metrics.ssim import SsimGaussian, SsimUniform
from restain.metrics.stain_area import StainDice, StainFpr, StainIou, StainTpr
from restain.metrics.vif import VifChannels, VifChannelsSource, VifLuma, VifLumaSource

__all__ = [
    "HER2_CLASSES",
    "L1",
    "L2",
    "METRICS",
    "SOURCE_METRICS",
    "Agreement",
    "AreaRule",
    "BlandAltman",
    "CellDensity",
    "ClassAgreement",
    "Detection",
    "Distribution",
    "Estimate",
    "FeatureMoments",
    "HistBhattacharyya",
    "HistCorrelation",
    "HistCorrelationJoint",
    "Intraclass",
    "IodDab",
    "IodDeviation",
    "IodWhole",
    "KidSubsets",
    "Matches",
    "Metric",
    "PrecisionRecall",
    "Psnr",
    "Resampled",
    "Scores",
    "Shuffled",
    "SsimGaussian",
    "SsimUniform",
    "StainDice",
    "StainFpr",
    "StainIou",
    "StainTpr",
    "SubsetDistance",
    "Summary",
    "Tally",
    "VifChannels",
    "VifChannelsSource",
    "VifLuma",
    "VifLumaSource",
    "Weighting",
    "add",
    "agreement",
    "balanced_accuracy",
    "bland_altman",
    "cell_density",
    "class_agreement",
    "compare_distributions",
    "dab_grey",
    "dab_mask",
    "frechet_distance",
    "h_score",
    "h_score_of_counts",
    "her2_score",
    "intraclass",
    "iod",
    "kernel_distance",
    "kernel_distance_of_subsets",
    "match_points",
    "mismatches",
    "pearson",
    "percent_positive",
    "positive_area",
    "positive_share",
    "precision_recall",
    "reach",
    "resampled",
    "share_with_interval",
    "shuffled_agreement",
    "stain_grades",
    "weighted_kappa",
]
