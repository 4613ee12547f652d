"""The best that any method can do on a marker, given that only the look of a cell tells about it.

A method sees a cell's look and hence at best its probability ``p`` of the marker. Bounds follow from the ``p`` of
all cells alone, for the accuracy, the balanced accuracy and F1:

* Accuracy is highest when a cell is called positive where p > 1/2; its expectation is E[max(p, 1 - p)].
* Balanced accuracy, (TPR + TNR) / 2, is highest where p > prevalence (the likelihood ratio exceeds one), with
  TPR = E[p c] / E[p], TNR = E[(1 - p)(1 - c)] / E[1 - p] for the calls c.
* F1 = 2 TP / (2 TP + FP + FN) of many cells is 2 E[p c] / (E[c] + E[p]). It is highest where the cells of highest p are
  called, up to some number.
* A generative model that is perfect draws each cell positive with probability p: TPR = E[p^2] / E[p],
  TNR = E[(1 - p)^2] / E[1 - p], F1 = E[p^2] / E[p]. It is worse than the best call, and it should be: its share of
  positives is right.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from restain.errors import DataError


@final
@dataclass(frozen=True, slots=True)
class Bounds:
    """What is possible on a set of cells, each in [0, 1].

    Args:
        prevalence: expected share of positive cells.
        accuracy: highest expected accuracy.
        balanced_accuracy: highest balanced accuracy.
        sampler_balanced_accuracy: balanced accuracy of drawing every cell from its true probability.
        f1: highest F1 of positive cells.
        sampler_f1: F1 of drawing every cell from its true probability.
    """

    prevalence: float
    accuracy: float
    balanced_accuracy: float
    sampler_balanced_accuracy: float
    f1: float
    sampler_f1: float


def bounds(probability: NDArray[np.float64]) -> Bounds:
    """Return what is possible on cells with these probabilities of being positive.

    Args:
        probability: (n,) in [0, 1].

    Raises:
        DataError: no cells, or all of them certain of the same label, for which balanced accuracy has no meaning.
    """
    p = np.asarray(probability, np.float64)
    if not p.size or not 0 < p.mean() < 1:
        raise DataError(
            f"{p.size} cells hold no two labels to tell apart", fix="take a larger region, or a marker that varies"
        )
    prevalence = p.mean()
    call = p > prevalence
    sensitivity = (p * call).mean() / prevalence  # TPR = E[p c] / E[p]
    specificity = ((1 - p) * ~call).mean() / (1 - prevalence)  # TNR = E[(1 - p)(1 - c)] / E[1 - p]
    drawn_sensitivity = (p**2).mean() / prevalence  # TPR = E[p^2] / E[p]
    drawn_specificity = ((1 - p) ** 2).mean() / (1 - prevalence)  # TNR = E[(1 - p)^2] / E[1 - p]
    f1 = 2 * np.cumsum(np.sort(p)[::-1]) / (np.arange(1, p.size + 1) + p.sum())  # F1 = 2 E[p c] / (E[c] + E[p])
    return Bounds(
        prevalence=float(prevalence),
        accuracy=float(np.maximum(p, 1 - p).mean()),
        balanced_accuracy=float((sensitivity + specificity) / 2),
        sampler_balanced_accuracy=float((drawn_sensitivity + drawn_specificity) / 2),
        f1=float(f1.max()),
        sampler_f1=float(drawn_sensitivity),  # F1 = E[p^2] / E[p]
    )
