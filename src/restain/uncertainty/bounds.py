"""How large a mean may really be, of which n independent values in [0, 1] were seen."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import bdtr, rel_entr

from restain.errors import DataError


def hoeffding_bound(risk: float, n: int, delta: float) -> float:
    """Return Hoeffding's upper confidence bound, R + sqrt(ln(1 / delta) / 2n) (Hoeffding 1963, theorem 1).

    Here to compare: ``hoeffding_bentkus_bound`` is never larger.

    Args:
        risk: R, the mean of n independent values in [0, 1].
        n: how many.
        delta: the chance that the true mean is above.

    Returns:
        At most 1.

    Raises:
        DataError: numbers out of range.
    """
    _refuse_odd(risk, n, delta)
    return min(1.0, risk + math.sqrt(-math.log(delta) / (2 * n)))


def hoeffding_bentkus_bound(risk: float, n: int, delta: float) -> float:
    """Return the upper confidence bound of Hoeffding and Bentkus: the mu of which ``p_value`` is delta.

    It falls with n as long as n R is whole. Between whole numbers the binomial sum has to be rounded up, so that one
    image more can raise it a little.

    Args:
        risk: R, the mean of n independent values in [0, 1].
        n: how many.
        delta: the chance that the true mean is above.

    Returns:
        In [risk, 1].

    Raises:
        DataError: numbers out of range.
    """
    _refuse_odd(risk, n, delta)
    top = float(np.nextafter(1, 0))
    if risk == 1 or p_value(risk, n, top) > delta:
        return 1.0
    return float(brentq(lambda mu: float(p_value(risk, n, mu)) - delta, risk, top, xtol=1e-12))


def p_value(risk: ArrayLike, n: int, mu: float) -> NDArray[np.float64]:
    """Return how unlikely such a small mean is, if the true one is mu or more.

    Bates et al. 2021, J. ACM 68, 43 (arXiv 2101.02703), the Hoeffding-Bentkus bound::

        min( exp(-n h1(min(R, mu), mu)), e P[Bin(n, mu) <= ceil(n R)] ),
        h1(a, b) = a ln(a / b) + (1 - a) ln((1 - a) / (1 - b))

    The published programs round n R down, which no theorem allows.

    Args:
        risk: (...) R, means of n independent values in [0, 1].
        n: how many.
        mu: the true mean, in (0, 1).

    Returns:
        (...) in [0, 1]. It falls with mu, so the upper confidence bound of level delta is at most mu exactly where this
        is at most delta.
    """
    r = np.asarray(risk, np.float64)
    a = np.minimum(r, mu)
    hoeffding = np.exp(-n * (rel_entr(a, mu) + rel_entr(1 - a, 1 - mu)))
    count = np.ceil(n * r * (1 - 1e-12))  # 100 x 0.07 is 7.000000000000001 to a computer, and means 7
    bentkus = math.e * bdtr(count, n, mu)
    p: NDArray[np.float64] = np.minimum(hoeffding, bentkus)
    return p


def images_needed(alpha: float, delta: float) -> int:
    """Return the least n for which a bound can be as low as alpha at all: when no pixel of any image lies outside.

    Of R = 0 the bound is that of Hoeffding, (1 - alpha)^n = delta; any real risk needs more images.

    >>> images_needed(0.1, 0.1)
    22
    """
    return math.ceil(math.log(delta) / math.log1p(-alpha))


def _refuse_odd(risk: float, n: int, delta: float) -> None:
    if not (0 <= risk <= 1 and n >= 1 and 0 < delta < 1):
        raise DataError(
            f"a mean of {risk} over {n} values with delta {delta} has no bound",
            fix="pass a mean in [0, 1], at least one value, and a delta between 0 and 1",
        )
