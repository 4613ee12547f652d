"""The laws that tie a cell's markers to what can be seen of it in H&E.

Every law has the same form. A visible score ``v`` is a weighted sum of the cell's standardised chromatin and radius,
and the marker is present with probability::

    p = noise + (1 - 2 noise) / (1 + exp(-steepness (v - threshold)))

with a threshold per kind of cell. ``noise`` is the part that no image can tell: even the clearest cell is labelled
against its look with that probability. What is the best any method can do follows from these probabilities alone, see
``bayes.py``.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from restain.phantom.kinds import EPITHELIUM, LYMPHOCYTE, STROMA

Floats = NDArray[np.float64]

NEVER = np.inf
"""The threshold of a kind of cell that never has the marker (not even by noise)."""


@final
@dataclass(frozen=True, slots=True)
class Law:
    """Probability of a marker given the look of a cell.

    Args:
        chromatin: weight of the standardised chromatin.
        radius: weight of the standardised radius.
        steepness: of the logistic; infinite would be a sharp rule.
        noise: share of labels that contradict the look, in [0, 1/2).
        epithelium: threshold for epithelial cells.
        lymphocyte: threshold for lymphocytes.
        stroma: threshold for stromal cells.
    """

    chromatin: float
    radius: float
    steepness: float
    noise: float
    epithelium: float
    lymphocyte: float
    stroma: float

    def probability(self, kind: NDArray[np.int8], chromatin: Floats, radius: Floats) -> Floats:
        """Return the probability of the marker.

        Args:
            kind: (n,) kinds of cells.
            chromatin: (n,) standardised chromatin.
            radius: (n,) standardised radius.

        Returns:
            (n,) in [0, 1].
        """
        threshold = np.zeros(3)
        threshold[[EPITHELIUM, LYMPHOCYTE, STROMA]] = self.epithelium, self.lymphocyte, self.stroma
        visible = self.chromatin * chromatin + self.radius * radius
        logistic = 0.5 * (1 + np.tanh(0.5 * self.steepness * (visible - threshold[kind])))
        # p = noise + (1 - 2 noise) sigmoid(steepness (v - threshold))
        p: Floats = self.noise + (1 - 2 * self.noise) * logistic
        return np.where(np.isinf(threshold[kind]), 0.0, p)


KI67 = Law(0.8, 0.6, steepness=9.0, noise=0.015, epithelium=0.62, lymphocyte=1.0, stroma=1.0)
"""Nuclear; large, dark nuclei proliferate. About 30 % of epithelial and 5 % of other cells."""

CD3 = Law(0.5, -0.6, steepness=2.5, noise=0.05, epithelium=NEVER, lymphocyte=-0.15, stroma=NEVER)
"""Membrane of T cells, about 60 % of lymphocytes; which of them is hardly visible."""

CK818 = Law(0.0, 0.0, steepness=1.0, noise=0.0, epithelium=-8.0, lymphocyte=NEVER, stroma=NEVER)
"""Cytoplasm of nearly all epithelium: whoever sees a gland knows."""

HER2_STEPS = (
    Law(0.45, 0.35, steepness=4.0, noise=0.01, epithelium=-0.35, lymphocyte=NEVER, stroma=NEVER),
    Law(0.45, 0.35, steepness=4.0, noise=0.01, epithelium=0.30, lymphocyte=NEVER, stroma=NEVER),
    Law(0.45, 0.35, steepness=4.0, noise=0.01, epithelium=0.85, lymphocyte=NEVER, stroma=NEVER),
)
"""Probability that the membrane score is at least 1+, 2+, 3+; one draw decides all three, so they are nested."""
