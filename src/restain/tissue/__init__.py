"""Where the tissue is, how a slide is cut into tiles, and how tile results become one image; and where nuclei are.

NumPy, SciPy and scikit-image only.
"""

from restain.tissue.blend import Blender
from restain.tissue.mask import tissue_mask
from restain.tissue.nuclei import centres, find_nuclei
from restain.tissue.plan import Axis, Mask, Tile, TilePlan

__all__ = ["Axis", "Blender", "Mask", "Tile", "TilePlan", "centres", "find_nuclei", "tissue_mask"]
