"""Where the tissue is, how a slide is cut into tiles, and how tile results become one image. NumPy and SciPy only."""

from restain.tissue.blend import Blender
from restain.tissue.mask import tissue_mask
from restain.tissue.plan import Axis, Mask, Tile, TilePlan

__all__ = ["Axis", "Blender", "Mask", "Tile", "TilePlan", "tissue_mask"]
