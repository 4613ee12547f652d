"""How large a mean may really be, of which n independent values in [0, 1] were seen."""

import math
from itertools import count
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import bdtr, rel_entr

from restain.errors import DataError

Bound = Literal["hoeffding_bentkus", "betting"]
"""Which upper confidence bound of a mean."""


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


def betting_wealth(losses: ArrayLike, mu: float, delta: float) -> NDArray[np.float64]:
    """Return what bets against a mean of mu or more have won at best, having started with 1.

    Waudby-Smith & Ramdas 2024, J. R. Stat. Soc. B 86, 1, in the form of Bates et al. 2021 (arXiv 2101.02703, section
    3.1.3)::

        K_i = prod over j <= i of ( 1 - nu_j (L_j - mu) ),
        nu_i = min( 1, sqrt( 2 ln(1 / delta) / (n s_(i-1)^2) ) ),
        m_i = (1/2 + sum over j <= i of L_j) / (i + 1),  s_i^2 = (1/4 + sum over j <= i of (L_j - m_j)^2) / (i + 1)

    If the mean is mu or more, the chance that the wealth ever reaches 1 / delta is at most delta (Ville's inequality).
    It uses that losses vary little, which Hoeffding and Bentkus do not: shares of pixels outside do vary little.

    Args:
        losses: (n, ...) independent values in [0, 1], in an order that has nothing to do with them: sorted by kind, the
            easy first, the gambler is rich before the hard ones come, and the bound says nothing.
        mu: the mean that is bet against.
        delta: by which the stakes are set.

    Returns:
        (...) the largest wealth, at least 1. It rises with mu, so the upper confidence bound of level delta is at most
        mu exactly where this is at least 1 / delta.
    """
    values = np.asarray(losses, np.float64)
    n = len(values)
    total, squares = np.full(values.shape[1:], 0.5), np.full(values.shape[1:], 0.25)
    wealth = np.ones(values.shape[1:])
    best, variance = wealth.copy(), squares.copy()
    for i, loss in enumerate(values, start=1):
        stake = np.minimum(1, np.sqrt(-2 * math.log(delta) / (n * variance)))  # nu_i, from losses before this one
        wealth *= 1 - stake * (loss - mu)
        np.maximum(best, wealth, out=best)
        total += loss
        squares += (loss - total / (i + 1)) ** 2
        variance = squares / (i + 1)
    return best


def betting_bound(losses: ArrayLike, delta: float) -> float:
    """Return the upper confidence bound by betting: the mu of which ``betting_wealth`` is 1 / delta.

    Args:
        losses: (n,) independent values in [0, 1], in an order that has nothing to do with them.
        delta: the chance that the true mean is above.

    Returns:
        In [0, 1]; 1 where the losses say nothing.

    Raises:
        DataError: numbers out of range.
    """
    values = np.asarray(losses, np.float64)
    _refuse_odd(float(values.mean()) if values.size else -1, values.size, delta)

    def excess(mu: float) -> float:
        return float(betting_wealth(values, mu, delta)) - 1 / delta

    if excess(1) < 0:
        return 1.0
    return float(brentq(excess, 0, 1, xtol=1e-12))


def images_needed(alpha: float, delta: float, bound: Bound = "hoeffding_bentkus") -> int:
    """Return the least n for which a bound can be as low as alpha at all: when no pixel of any image lies outside.

    Of R = 0 the bound of Hoeffding and Bentkus is that of Hoeffding, (1 - alpha)^n = delta. A bet wins at most
    (1 + alpha)^n. Any real risk needs more images.

    >>> images_needed(0.1, 0.1), images_needed(0.1, 0.1, "betting")
    (22, 25)
    """
    if bound == "betting":
        least = math.ceil(-math.log(delta) / math.log1p(alpha))
        return next(n for n in count(least) if betting_wealth(np.zeros(n), alpha, delta) >= 1 / delta)
    return math.ceil(math.log(delta) / math.log1p(-alpha))


def _refuse_odd(risk: float, n: int, delta: float) -> None:
    if not (0 <= risk <= 1 and n >= 1 and 0 < delta < 1):
        raise DataError(
            f"a mean of {risk} over {n} values with delta {delta} has no bound",
            fix="pass a mean in [0, 1], at least one value, and a delta between 0 and 1",
        )
