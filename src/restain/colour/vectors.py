"""Published stain vectors: the density of red, green and blue that one unit of a stain adds.

Publications print them rounded, so their length is only about one (0.998, 0.9985 and 1.003 for the first three below);
here each is brought to length one explicitly.

Sources:
    Ruifrok and Johnston, Quantification of histochemical staining by color deconvolution, 2001, Table 1 (rounded to two
    decimals, as in scikit-image's ``rgb_from_hed``): hematoxylin, eosin, DAB.
    Landini, Colour Deconvolution plugin of Fiji: its vectors "H DAB" and "H&E".
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from restain.errors import DataError

Vector = tuple[float, float, float]


def unit_vector(vector: ArrayLike) -> Vector:
    """Return the vector of length one in this direction.

    Args:
        vector: three numbers: density of red, green and blue.

    Raises:
        DataError: not three finite numbers, or all zero.
    """
    values = np.asarray(vector, np.float64)
    if values.shape != (3,) or not np.isfinite(values).all() or not values.any():
        raise DataError(
            f"{values.tolist()} is not the direction of a stain", fix="give three numbers that are not all zero"
        )
    red, green, blue = values / np.sqrt((values**2).sum())
    return float(red), float(green), float(blue)


@final
@dataclass(frozen=True, slots=True)
class StainVectors:
    """Two or three stains that are told apart by their colour.

    Args:
        names: one per stain.
        vectors: one unit vector per stain.

    Raises:
        DataError: another number of stains, a vector not of length one, or directions too alike to be told apart.
    """

    names: tuple[str, ...]
    vectors: tuple[Vector, ...]

    def __post_init__(self) -> None:
        """Refuse what cannot be inverted."""
        matrix = np.asarray(self.vectors, np.float64)
        if not 2 <= len(self.vectors) <= 3 or len(self.names) != len(self.vectors):
            raise DataError(
                f"{len(self.names)} names and {len(self.vectors)} vectors are not two or three stains",
                fix="name every stain; red, green and blue separate three at most",
            )
        if np.abs((matrix**2).sum(axis=1) - 1).max() > 1e-6:
            raise DataError(f"stain vectors {self.vectors} are not of length one", fix="pass them through unit_vector")
        if np.linalg.svd(matrix, compute_uv=False)[-1] < 1e-3:
            raise DataError(f"the stains {', '.join(self.names)} have the same colour", fix="choose other vectors")

    def matrix(self) -> NDArray[np.float64]:
        """Return the invertible (3, 3) matrix with one stain per row.

        Two stains are completed by the residual: the unit cross product of their vectors.
        """
        rows = [np.asarray(vector, np.float64) for vector in self.vectors]
        if len(rows) == 2:
            rows.append(np.asarray(unit_vector(np.cross(rows[0], rows[1]))))
        return np.stack(rows)


HEMATOXYLIN = unit_vector((0.65, 0.70, 0.29))
"""Ruifrok and Johnston 2001."""

EOSIN = unit_vector((0.07, 0.99, 0.11))
"""Ruifrok and Johnston 2001."""

DAB = unit_vector((0.27, 0.57, 0.78))
"""Diaminobenzidine, Ruifrok and Johnston 2001."""

HEMATOXYLIN_FIJI = unit_vector((0.650, 0.704, 0.286))
"""Fiji, Colour Deconvolution, "H DAB"."""

DAB_FIJI = unit_vector((0.268, 0.570, 0.776))
"""Fiji, Colour Deconvolution, "H DAB"."""

HEMATOXYLIN_FIJI_HE = unit_vector((0.644211, 0.716556, 0.266844))
"""Fiji, Colour Deconvolution, "H&E"."""

EOSIN_FIJI = unit_vector((0.092789, 0.954111, 0.283111))
"""Fiji, Colour Deconvolution, "H&E"."""

HED = StainVectors(("hematoxylin", "eosin", "dab"), (HEMATOXYLIN, EOSIN, DAB))
"""Three stains of Ruifrok and Johnston 2001."""

HE = StainVectors(("hematoxylin", "eosin"), (HEMATOXYLIN, EOSIN))
"""Hematoxylin and eosin of Ruifrok and Johnston 2001, completed by the residual."""

H_DAB_FIJI = StainVectors(("hematoxylin", "dab"), (HEMATOXYLIN_FIJI, DAB_FIJI))
"""Fiji's "H DAB", completed by the residual."""

HE_FIJI = StainVectors(("hematoxylin", "eosin"), (HEMATOXYLIN_FIJI_HE, EOSIN_FIJI))
"""Fiji's "H&E", completed by the residual."""
