"""The HER2 score of a field of invasive breast cancer, from the grades of its cells.

====== ===========================================================================================
score  membranes of tumour cells
====== ===========================================================================================
0      none stained, or incomplete and faint in at most 10 %
1+     incomplete and faint in more than 10 %
2+     complete and weak to moderate in more than 10 %, or complete and intense in at most 10 %
3+     complete and intense in more than 10 %
====== ===========================================================================================

Sources: A. C. Wolff et al., Human epidermal growth factor receptor 2 testing in breast cancer: ASCO/CAP clinical
practice guideline focused update, Journal of Clinical Oncology 36, 2018; affirmed by Wolff et al., ASCO-College of
American Pathologists guideline update, Journal of Clinical Oncology 41, 2023, which changes none of it.

A cell counts towards all lower scores too: the shares are those of "at least so". What the guideline leaves to the
pathologist is not here: whether cells are invasive tumour, whether the controls worked, whether staining is unusual
(moderate to intense but incomplete is equivocal there). This is a reading for research, not a diagnosis.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from restain.errors import DataError

SHARE = 0.10
"""Share of tumour cells that must be exceeded for a score, the guideline's."""

HER2_CLASSES = 4
"""Scores 0, 1+, 2+ and 3+."""

FEW = 0.01
"""Least share of intense and complete cells that makes 2+ of a field by itself. The guideline has no lower limit, but
counts no misread cells either, and single ones lie next to brown that is not theirs."""


def her2_score(grades: NDArray[np.integer[Any]], few: float = FEW) -> int:
    """Return the score of a field, 0 to 3.

    Args:
        grades: (n,) of its tumour cells: 0 not stained, 1 incomplete and faint, 2 complete and weak to moderate,
            3 complete and intense.
        few: least share of cells of grade 3 that makes 2+.

    Raises:
        DataError: no cells, or other grades.
    """
    if grades.ndim != 1 or not len(grades) or not np.isin(grades, range(HER2_CLASSES)).all():
        raise DataError("a HER2 score needs cells with grades from 0 to 3", fix="choose a region with tumour cells")
    faint, weak, intense = (float((grades >= grade).mean()) for grade in (1, 2, 3))
    if intense > SHARE:
        return 3
    if weak > SHARE or intense >= few:
        return 2
    return 1 if faint > SHARE else 0
