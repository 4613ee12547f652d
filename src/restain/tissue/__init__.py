"""Where tissue, nuclei and markers are; how a slide is cut into tiles, and how tile results become one image.

NumPy, SciPy and scikit-image only.
"""

from restain.tissue.blend import Blender
from restain.tissue.coarse_mask import GLANDS, GLANDS_OF_CDX2, CoarseMaskConfig, coarse_mask
from restain.tissue.dab_histogram import DabHistogram, dab_density
from restain.tissue.distance import PlaneKind, inside_distance, plane_of, signed_distance
from restain.tissue.finders import FinderName, NucleusFinder, nucleus_finder
from restain.tissue.mask import tissue_mask
from restain.tissue.membranes import MembraneRule, Membranes, read_membranes
from restain.tissue.nuclei import centres, find_nuclei
from restain.tissue.plan import Axis, Mask, Tile, TilePlan
from restain.tissue.positive_threshold import PositiveThreshold, ThresholdRule, choose_threshold, parse_rule

__all__ = [
    "GLANDS",
    "GLANDS_OF_CDX2",
    "Axis",
    "Blender",
    "CoarseMaskConfig",
    "DabHistogram",
    "FinderName",
    "Mask",
    "MembraneRule",
    "Membranes",
    "NucleusFinder",
    "PlaneKind",
    "PositiveThreshold",
    "ThresholdRule",
    "Tile",
    "TilePlan",
    "centres",
    "choose_threshold",
    "coarse_mask",
    "dab_density",
    "find_nuclei",
    "inside_distance",
    "nucleus_finder",
    "parse_rule",
    "plane_of",
    "read_membranes",
    "signed_distance",
    "tissue_mask",
]
