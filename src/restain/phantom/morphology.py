"""The knobs of the tissue: how large and how dense things are. All lengths in micrometres."""

from dataclasses import dataclass
from typing import final

from restain.errors import DataError


@final
@dataclass(frozen=True, slots=True)
class Morphology:
    """Shape and density of the tissue; the defaults resemble a moderately inflamed glandular mucosa.

    Args:
        gland_pitch: mean distance between the centres of neighbouring glands.
        gland_fraction: share of gland places that hold a gland, averaged over the tissue.
        solid_fraction: share of glands filled with cells instead of a lumen.
        nucleus_spacing: distance between neighbouring epithelial nuclei along the gland's wall.
        stroma_spacing: distance between neighbouring places for spindle cells of the stroma.
        lymphocyte_spacing: distance between neighbouring places for lymphocytes.
        lymphocyte_density: share of those places that hold one in the stroma outside aggregates.

    Raises:
        DataError: a length so small that things could not but overlap, or a share outside [0, 1].
    """

    gland_pitch: float = 130.0
    gland_fraction: float = 0.92
    solid_fraction: float = 0.15
    nucleus_spacing: float = 6.8
    stroma_spacing: float = 16.0
    lymphocyte_spacing: float = 8.5
    lymphocyte_density: float = 0.06

    def __post_init__(self) -> None:
        """Refuse what cannot be laid out."""
        least = {"gland_pitch": 80, "nucleus_spacing": 5, "stroma_spacing": 6, "lymphocyte_spacing": 5}
        for name, smallest in least.items():
            if not getattr(self, name) >= smallest:
                raise DataError(
                    f"{name} of {getattr(self, name)} um leaves no room", fix=f"choose at least {smallest} um"
                )
        for name in ("gland_fraction", "solid_fraction", "lymphocyte_density"):
            if not 0 <= getattr(self, name) <= 1:
                raise DataError(f"{name} of {getattr(self, name)} is not a share", fix="choose from 0 to 1")
