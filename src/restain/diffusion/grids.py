"""Time grids: the times t_max = t_0 > t_1 > ... > t_n = 0 that a sampler visits in n steps.

Where variance is preserved, few steps must be spent evenly in the logarithm of the signal-to-noise ratio: 20 steps even
in t lose 70 % of the contrast of fine texture. Times need not be integers.
"""

import numpy as np
from numpy.typing import NDArray

from restain.diffusion.schedules import Schedule
from restain.errors import ConfigError

Times = tuple[float, ...]
"""Descending times, the last of them 0."""

HIGHEST_RATIO = 160.0
"""Where a ladder starts below a ``t_max`` without any signal: sigma / alpha at the end of the linear schedule. Higher
rungs would be spent where the image is not yet decided."""


def every_step(start: int) -> Times:
    """Return all integer times from ``start`` to 0: one step per beta of the schedule."""
    return tuple(float(t) for t in range(start, -1, -1))


def trailing(schedule: Schedule, steps: int) -> Times:
    """Return times even in t, from ``t_max`` on (Lin et al. 2023): for straight lines, or for many steps."""
    _check(steps)
    return tuple(schedule.t_max * (1 - i / steps) for i in range(steps + 1))


def lu(schedule: Schedule, steps: int) -> Times:
    """Return times even in log(alpha / sigma) from ``t_max`` to ``t_min``, then 0 (Lu et al. 2022): for few steps."""
    _check(steps)
    first, last = _ends(schedule)
    return _times(schedule, np.geomspace(first, last, steps))


def karras(schedule: Schedule, steps: int, rho: float = 7.0) -> Times:
    """Return times even in (sigma / alpha)^(1 / rho) from ``t_max`` to ``t_min``, then 0 (Karras et al. 2022)."""
    _check(steps)
    first, last = _ends(schedule)
    return _times(schedule, np.linspace(first ** (1 / rho), last ** (1 / rho), steps) ** rho)


def _check(steps: int) -> None:
    if steps < 1:
        raise ConfigError(f"a sampler of {steps} steps goes nowhere", fix="use --steps 1 or more")


def _ends(schedule: Schedule) -> tuple[float, float]:
    """Return sigma / alpha at ``t_max`` and ``t_min``."""
    noisy, clean = schedule.level(schedule.t_max), schedule.level(schedule.t_min)
    return noisy.sigma / noisy.alpha if noisy.alpha > 0 else HIGHEST_RATIO, clean.sigma / clean.alpha


def _times(schedule: Schedule, ratios: NDArray[np.float64]) -> Times:
    """Return the times of a ladder of sigma / alpha; the first is ``t_max`` itself."""
    return (schedule.t_max, *(schedule.time(float(ratio)) for ratio in ratios[1:]), 0.0)
