"""What is read of which marker: where its stain is sought, and from which density on a cell is weak or strong."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

from pydantic import Field, field_validator

from restain.config import Config
from restain.errors import ConfigError
from restain.reports.marker_rules import HER2_POSITIVE, RING
from restain.reports.phantom_cells import POSITIVE
from restain.tissue import FinderName, MembraneRule

ReadoutMarker = Literal["ki67", "er", "pr", "cd3", "cd8", "cd20", "ck818", "her2"]
"""Markers of nuclei (Ki67, receptors of oestrogen and progesterone), of membranes and cytoplasm around nuclei
(lymphocytes, CK8/18), and HER2."""

Place = Literal["nucleus", "ring", "membrane"]
"""Where the stain of a cell is sought."""


@final
@dataclass(frozen=True, slots=True)
class ReadoutRule:
    """How cells are read.

    Attributes:
        place: in the nucleus (mean density), in a ring around it (upper quartile), or on the membrane (in sectors).
        marks: dyes that show nuclei; brown rings and brown cytoplasm are no nuclei.
        cut_offs: densities above which a cell is weak, moderate and strong; of membranes ``MembraneRule`` decides.
        positive: least grade of a positive cell.
    """

    place: Place
    marks: tuple[str, ...]
    cut_offs: tuple[float, float, float]
    positive: int = 1


STEPS = (0.4, 0.6)
"""Density above which a cell is moderate, and strong: QuPath's (Bankhead et al. 2017), whose first step, 0.2, is also
what parts positive from negative nuclei of the phantom."""

_NUCLEUS = ReadoutRule("nucleus", ("hematoxylin", "dab"), (POSITIVE, *STEPS))
_RING = ReadoutRule("ring", ("hematoxylin",), (RING.threshold, *STEPS))

READOUT_RULES: Mapping[str, ReadoutRule] = {
    "ki67": _NUCLEUS,
    "er": _NUCLEUS,
    "pr": _NUCLEUS,
    "cd3": _RING,
    "cd8": _RING,
    "cd20": _RING,
    "ck818": _RING,
    "her2": ReadoutRule("membrane", ("hematoxylin",), (POSITIVE, *STEPS), HER2_POSITIVE),
}
"""The rule of every marker."""


def find_rule(marker: str) -> ReadoutRule:
    """Return how a marker is read.

    Raises:
        ConfigError: no rule is known for it.
    """
    if marker not in READOUT_RULES:
        raise ConfigError(
            f"nobody has said how {marker!r} is read", fix=f"choose the marker among {', '.join(READOUT_RULES)}"
        )
    return READOUT_RULES[marker]


@final
class ReadoutOptions(Config):
    """How images are read and compared."""

    marker: ReadoutMarker
    """What is stained."""
    nuclei: FinderName = "watershed"
    """Who finds the nuclei; ours needs nothing and is the same everywhere, so it is the default."""
    scale: float = Field(default=0.5, gt=0)
    """Micrometres per pixel at which images are read; finer ones are shrunk, so that numbers do not depend on the
    objective. 0.5 is where all thresholds were found."""
    cut_offs: tuple[float, float, float] | None = None
    """Densities of DAB for weak, moderate and strong; by default those of the marker. They depend on antibody and
    scanner, so choose them on real images, and use the same for virtual ones."""
    membrane: MembraneRule = Field(default_factory=MembraneRule)
    """The same for membranes."""
    reach: float = Field(default=5.0, gt=0)
    """How far the membrane may be from the nucleus, in micrometres; 5 is how far QuPath grows nuclei to cells."""
    resamples: int = Field(default=2000, ge=0)
    """Resamples behind the intervals of agreement."""
    shuffles: int = Field(default=200, ge=1)
    """Mismatched pairings of the control."""
    seed: int = Field(default=0, ge=0)
    """Of resamples and shuffles."""

    @field_validator("cut_offs")
    @classmethod
    def _increase(cls, cut_offs: tuple[float, float, float] | None) -> tuple[float, float, float] | None:
        if cut_offs is not None and not cut_offs[0] < cut_offs[1] < cut_offs[2]:
            raise ValueError("cut-offs do not increase")
        return cut_offs

    @property
    def rule(self) -> ReadoutRule:
        """How the marker is read."""
        return READOUT_RULES[self.marker]
