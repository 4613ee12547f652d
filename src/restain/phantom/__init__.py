"""Synthetic tissue with known truth: pictures, masks and a table of cells for any region at any scale."""

from restain.phantom.cells import CellTable
from restain.phantom.kinds import CLASS_NAMES, KIND_NAMES
from restain.phantom.morphology import Morphology
from restain.phantom.phantom import Phantom, Scene, Stain
from restain.phantom.tissue import Extent

__all__ = ["CLASS_NAMES", "KIND_NAMES", "CellTable", "Extent", "Morphology", "Phantom", "Scene", "Stain"]
