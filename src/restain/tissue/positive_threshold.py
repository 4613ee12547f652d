"""From which density of DAB on a pixel is positive: rules on a histogram, and the choice among them by prevalence.

``musigma``, mu + 2 sigma, is that of StainDiffuser for CD3 (Kataria et al., 2024). It suits sparse markers only: the
positives themselves raise mu and sigma, so that of positives N(0.6, 0.1^2) among negatives N(0.1, 0.05^2) it finds all
at a prevalence of 1 %, 90 % at 10 %, 42 % at 20 %, and 0.3 % at 50 %.

``otsu`` is N. Otsu, A threshold selection method from gray-level histograms, IEEE Transactions on Systems, Man, and
Cybernetics 9(1), 1979. It needs two classes: where one is below a few percent it cuts the other into halves.

``mixture`` fits two Gaussians by expectation maximisation (Dempster et al., 1977) and cuts where a pixel is equally
likely of both. It is the best of all where densities are Gaussian, and worse than Otsu where they are skewed, as on
tissue, where every border is a blend.

``auto`` looks at what Otsu finds. If it parts classes that differ by a visible step, of which the denser is not rare,
its threshold stands; else the marker is sparse or absent, and mu + 2 sigma, kept clear of the background, is taken.
"""

import math
from dataclasses import dataclass
from typing import Literal, final, get_args

import numpy as np
from numpy.typing import NDArray

from restain.errors import ConfigError, DataError
from restain.tissue.dab_histogram import DabHistogram

ThresholdRule = Literal["auto", "musigma", "otsu", "mixture"]
"""The rules by name."""

SPARSE = 0.05
"""Prevalence below which a marker is sparse: up to there mu + 2 sigma finds 99 % of the positives, at 10 % only 90."""

STEP = 0.15
"""Least difference of the mean densities of two classes that are negative and positive. Halves of a background alone
differed by at most 0.13 on real tissue, weakly positive and negative by at least 0.19."""

CLEAR = 4.0
"""Deviations above the middle of the background at which almost nothing of it is left, 0.003 % were it Gaussian."""

FAINT = 0.1
"""Density of DAB that is never positive: 21 % absorbed, no more than what unspecific staining leaves in stroma."""

ROUNDS, CONVERGED, LEAST_DEVIATION = 1000, 1e-8, 0.005
"""Of expectation maximisation: rounds at most, the change of a share that ends it, and the narrowest Gaussian."""

Floats = NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True)
class PositiveThreshold:
    """A threshold and how it came about.

    Attributes:
        density: of DAB, base 10; what is denser is positive.
        rule: ``musigma``, ``otsu``, ``mixture`` or ``given``: what ``auto`` has decided on, never ``auto`` itself.
        prevalence: share of the counted pixels that are positive by it.
        reason: one sentence with the numbers, without a full stop.
    """

    density: float
    rule: str
    prevalence: float
    reason: str


def parse_rule(text: str) -> ThresholdRule | float:
    """Return the rule, or the optical density, that a word stands for.

    Raises:
        ConfigError: it is neither.
    """
    for rule in get_args(ThresholdRule):
        if text == rule:
            return rule  # type: ignore[no-any-return]
    try:
        density = float(text)
    except ValueError:
        density = math.nan
    if not math.isfinite(density):
        raise ConfigError(
            f"{text!r} is no rule for the threshold and no optical density",
            fix=f"choose one of {', '.join(get_args(ThresholdRule))}, or a density such as 0.3",
        )
    return density


def choose_threshold(histogram: DabHistogram, rule: ThresholdRule | float = "auto") -> PositiveThreshold:
    """Return from which density of DAB on a pixel is positive.

    Args:
        histogram: of all images that the threshold is for.
        rule: how to find it, or the density itself.

    Raises:
        DataError: nothing was counted, though the rule needs it.
    """
    if not isinstance(rule, str):
        prevalence = histogram.share_above(rule)
        return PositiveThreshold(float(rule), "given", prevalence, f"threshold {rule:.3f} as given")
    if not histogram.pixels:
        raise DataError(
            "there is no tissue to find a threshold on", fix="give images with tissue, or the density itself"
        )
    if rule == "auto":
        return _auto(histogram)
    density = {"musigma": _musigma, "otsu": _otsu, "mixture": _mixture}[rule](histogram)
    prevalence = histogram.share_above(density)
    return PositiveThreshold(
        density,
        rule,
        prevalence,
        f"threshold {density:.3f} by {rule} as asked: {prevalence:.1%} of pixels are positive",
    )


def _auto(histogram: DabHistogram) -> PositiveThreshold:
    split = _otsu(histogram)
    prevalence, step = histogram.share_above(split), _step(histogram, split)
    if step >= STEP and prevalence >= SPARSE:
        reason = (
            f"threshold {split:.3f} by otsu: {prevalence:.1%} of pixels are positive, {step:.2f} denser than the others"
        )
        return PositiveThreshold(split, "otsu", prevalence, reason)
    why = (
        f"only {prevalence:.1%} of pixels are clearly denser, a sparse marker"
        if step >= STEP
        else f"no two classes differ by {STEP:.2f}, a sparse or absent marker"
    )
    middle = histogram.quantile(0.5)
    spread = middle - histogram.quantile(0.1587)  # one deviation of a Gaussian; below the middle nothing is positive
    density = max(_musigma(histogram), middle + CLEAR * spread, FAINT)
    positive = histogram.share_above(density)
    reason = f"threshold {density:.3f} by musigma: {why}; {positive:.1%} of pixels are positive"
    return PositiveThreshold(density, "musigma", positive, reason)


def _musigma(histogram: DabHistogram) -> float:
    return histogram.mean + 2 * histogram.deviation  # T = mu + 2 sigma


def _otsu(histogram: DabHistogram) -> float:
    """Return the density that parts the histogram best; in the middle of the gap, where there is one."""
    counts, centres = histogram.counts.astype(np.float64), histogram.centres
    below, sum_below = np.cumsum(counts)[:-1], np.cumsum(counts * centres)[:-1]
    above, sum_above = counts.sum() - below, (counts * centres).sum() - sum_below
    # sigma_B^2 = w0 w1 (mu0 - mu1)^2, scaled; where one class is empty the numerator is 0 too
    between = (sum_below * above - sum_above * below) ** 2 / np.maximum(below * above, 1)
    edges = (centres[1:] + centres[:-1]) / 2
    return float(edges[between >= between.max() * (1 - 1e-9)].mean())


def _step(histogram: DabHistogram, split: float) -> float:
    """Return by how much the mean of what is above the split exceeds that of what is below."""
    counts, centres = histogram.counts, histogram.centres
    above = centres > split
    if not counts[above].any() or not counts[~above].any():
        return 0.0
    return float(
        np.average(centres[above], weights=counts[above]) - np.average(centres[~above], weights=counts[~above])
    )


def _mixture(histogram: DabHistogram) -> float:
    """Return the density between the means of two Gaussians at which both are equally likely."""
    weights = histogram.counts / histogram.pixels
    centres = histogram.centres
    upper = (centres > _otsu(histogram)).astype(np.float64)  # (BINS,) posterior of the denser class
    for _ in range(ROUNDS):
        before = upper
        low, high = (_component(share * weights, centres) for share in (1 - upper, upper))
        # r_k = p_k N(x; mu_k, s_k^2) / sum_j p_j N(x; mu_j, s_j^2)
        upper = 0.5 * (1 + np.tanh(0.5 * (_log_density(centres, *high) - _log_density(centres, *low))))
        if np.abs((upper - before) * weights).max() < CONVERGED:
            break
    between = (centres >= low[1]) & (centres <= high[1]) & (upper >= 0.5)
    return float(centres[between].min()) if between.any() else float((low[1] + high[1]) / 2)


def _component(weights: Floats, centres: Floats) -> tuple[float, float, float]:
    """Return share, mean and deviation of one Gaussian."""
    share = max(float(weights.sum()), 1e-12)
    mean = float((weights * centres).sum() / share)
    variance = float((weights * (centres - mean) ** 2).sum() / share)
    return share, mean, max(variance**0.5, LEAST_DEVIATION)


def _log_density(x: Floats, share: float, mean: float, deviation: float) -> Floats:
    density: Floats = np.log(share / deviation) - 0.5 * ((x - mean) / deviation) ** 2
    return density
