"""The stains a phantom can show, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray

from restain.colour import StainVectors
from restain.phantom.hematoxylin_eosin import HE_STAINS, hematoxylin_eosin
from restain.phantom.immuno import IHC_STAINS, cd3, ck818, her2, ki67
from restain.phantom.specimen import Specimen

Stain = Literal["he", "ki67", "her2", "cd3", "ck818", "autofluorescence"]
"""Everything a section can be seen in: H&E, four markers in immunohistochemistry, and no stain at all."""

Singles = NDArray[np.float32]


@final
@dataclass(frozen=True, slots=True)
class Brightfield:
    """A stain seen in transmitted light.

    Args:
        vectors: of its dyes on an average slide.
        amounts: gives the amount of each dye on the samples of a specimen.
    """

    vectors: StainVectors
    amounts: Callable[[Specimen], tuple[Singles, Singles]]


BRIGHTFIELD = {
    "he": Brightfield(HE_STAINS, hematoxylin_eosin),
    "ki67": Brightfield(IHC_STAINS, ki67),
    "her2": Brightfield(IHC_STAINS, her2),
    "cd3": Brightfield(IHC_STAINS, cd3),
    "ck818": Brightfield(IHC_STAINS, ck818),
}
"""All stains but autofluorescence, by name."""
