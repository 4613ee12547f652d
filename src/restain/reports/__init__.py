"""Numbers and pictures about results."""

from restain.reports.distributions import FeatureDistance, compare_folders
from restain.reports.evaluate import evaluate
from restain.reports.evaluation import Evaluation, ImageScores, write_evaluation
from restain.reports.marker_rules import Marker
from restain.reports.phantom_cells import CellReading, read_ki67
from restain.reports.phantom_fields import PhantomReading, read_field
from restain.reports.picture import LIMIT, comparison, difference, visible
from restain.reports.profiles import NUMBERS, PROFILES, Profile, find_profile
from restain.reports.scale import colour_scale

__all__ = [
    "LIMIT",
    "NUMBERS",
    "PROFILES",
    "CellReading",
    "Evaluation",
    "FeatureDistance",
    "ImageScores",
    "Marker",
    "PhantomReading",
    "Profile",
    "colour_scale",
    "compare_folders",
    "comparison",
    "difference",
    "evaluate",
    "find_profile",
    "read_field",
    "read_ki67",
    "visible",
    "write_evaluation",
]
