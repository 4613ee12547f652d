"""Numbers and pictures about results."""

from restain.reports.distributions import FeatureDistance, compare_folders
from restain.reports.evaluate import evaluate
from restain.reports.evaluation import Evaluation, ImageScores, write_evaluation
from restain.reports.marker_rules import Marker
from restain.reports.phantom_cells import CellReading, read_ki67
from restain.reports.phantom_fields import PhantomReading, read_field
from restain.reports.picture import LIMIT, comparison, difference, visible
from restain.reports.profiles import NUMBERS, PROFILES, Profile, find_profile
from restain.reports.readout import Readout, read_image
from restain.reports.readout_draws import DrawnReadouts, read_drawn, read_draws
from restain.reports.readout_files import write_readouts
from restain.reports.readout_regions import RegionReader, parse_region
from restain.reports.readout_rules import READOUT_RULES, ReadoutMarker, ReadoutOptions, ReadoutRule, find_rule
from restain.reports.readouts import (
    Comparison,
    ImageReadout,
    Negative,
    Readouts,
    compare_readouts,
    read_images,
    read_negative,
)
from restain.reports.scale import colour_scale

__all__ = [
    "LIMIT",
    "NUMBERS",
    "PROFILES",
    "READOUT_RULES",
    "CellReading",
    "Comparison",
    "DrawnReadouts",
    "Evaluation",
    "FeatureDistance",
    "ImageReadout",
    "ImageScores",
    "Marker",
    "Negative",
    "PhantomReading",
    "Profile",
    "Readout",
    "ReadoutMarker",
    "ReadoutOptions",
    "ReadoutRule",
    "Readouts",
    "RegionReader",
    "colour_scale",
    "compare_folders",
    "compare_readouts",
    "comparison",
    "difference",
    "evaluate",
    "find_profile",
    "find_rule",
    "parse_region",
    "read_drawn",
    "read_draws",
    "read_field",
    "read_image",
    "read_images",
    "read_ki67",
    "read_negative",
    "visible",
    "write_evaluation",
    "write_readouts",
]
