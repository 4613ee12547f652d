"""How far two readings of the same images agree."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np


@final
@dataclass(frozen=True, slots=True)
class Agreement:
    """Bland and Altman's comparison (Lancet 1986; 327: 307).

    Args:
        pairs: of every image the virtual and the real reading.
        bias: mean of virtual minus real.
        low: lower limit of agreement, bias - 1.96 s.
        high: upper limit, bias + 1.96 s: 95 % of normal differences lie between.
    """

    pairs: tuple[tuple[float, float], ...]
    bias: float
    low: float
    high: float


def agreement_of(pairs: Sequence[tuple[float, float]]) -> Agreement:
    """Return the agreement of at least two pairs of readings."""
    differences = np.array([virtual - real for virtual, real in pairs])
    bias, spread = float(differences.mean()), float(differences.std(ddof=1))
    if math.isnan(spread):
        spread = 0.0
    return Agreement(tuple(pairs), bias, bias - 1.96 * spread, bias + 1.96 * spread)
