"""Synthetic tissue with known truth: pictures, masks and a table of cells for any region at any scale.

``Phantom(seed)`` is tissue without end; ``Phantom(seed).scene(region, mpp)`` draws a region of it: ``image(stain)``,
``instances``, ``classes``, ``cells``. What every module holds, from the ground up:

* ``lattice`` randomness that depends on position only; ``micrometres`` and ``grid`` rectangles, pixels and samples;
* ``morphology`` knobs; ``glands``, ``tissue`` slow fields of the block; ``section`` which cut of it is seen;
  ``retake`` what of it is drawn anew;
* ``places``, ``population``, ``cells``, ``markers`` the cells and their markers' laws; ``bayes`` what is possible;
* ``matrix``, ``nuclei``, ``territories``, joined in ``specimen``: planes on the samples;
* ``hematoxylin_eosin``, ``immuno``, ``autofluorescence``, listed in ``stains``: what binds or shines where;
* ``look``, ``optics``: one slide's staining, microscope and camera; ``overview`` for large
  pixels; ``scene``, ``phantom``, ``slide``: the way in.
"""

from restain.phantom.autofluorescence import CHANNEL_NAMES
from restain.phantom.bayes import Bounds, bounds
from restain.phantom.cells import CellTable
from restain.phantom.kinds import CLASS_NAMES, KIND_NAMES
from restain.phantom.micrometres import Extent
from restain.phantom.morphology import Morphology
from restain.phantom.phantom import Phantom
from restain.phantom.retake import Retake
from restain.phantom.scene import Scene
from restain.phantom.section import REFERENCE, Section
from restain.phantom.slide import PhantomSlide, write_phantom
from restain.phantom.stains import Stain

__all__ = [
    "CHANNEL_NAMES",
    "CLASS_NAMES",
    "KIND_NAMES",
    "REFERENCE",
    "Bounds",
    "CellTable",
    "Extent",
    "Morphology",
    "Phantom",
    "PhantomSlide",
    "Retake",
    "Scene",
    "Section",
    "Stain",
    "bounds",
    "write_phantom",
]
