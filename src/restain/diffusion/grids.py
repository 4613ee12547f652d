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

RHO = 7.0
"""Exponent of Karras et al. (2022): the higher, the more steps at little noise."""

HIGHEST_RATIO = 160.0
"""Where a ladder starts below a ``t_max`` without any signal: sigma / alpha at the end of the linear schedule. Higher
rungs would be spent where the image is not yet decided."""


def every_step(start: int) -> Times:
    """Return all integer times from ``start`` to 0: one step per beta of the schedule."""
    return tuple(float(t) for t in range(start, -1, -1))


def trailing(schedule: Schedule, steps: int, start: float | None = None) -> Times:
    """Return times even in t, from ``start`` on (Lin et al. 2023): for straight lines, or for many steps.

    Args:
        schedule: any.
        steps: how many.
        start: the first time; None starts from pure noise, at ``schedule.t_max``.
    """
    first = _first(schedule, steps, start)
    return tuple(first * left / steps for left in range(steps, -1, -1))


def to_the_last(schedule: Schedule, steps: int, start: float | None = None) -> Times:
    """Return times even in t from ``start`` to ``t_min``, then 0 (Li et al. 2023): for levels that noise leaves slowly.

    Args: as for ``trailing``, which asks the network at ``start / steps`` last.
    """
    first = _first(schedule, steps, start)
    return (*(float(t) for t in np.linspace(first, schedule.t_min, steps)), 0.0)


def lu(schedule: Schedule, steps: int, start: float | None = None) -> Times:
    """Return times even in log(alpha / sigma) from ``start`` to ``t_min``, then 0 (Lu et al. 2022): for few steps.

    Args: as for ``trailing``.
    """
    first = _first(schedule, steps, start)
    return _ladder(schedule, first, np.geomspace(*_ends(schedule, first), steps))


def karras(schedule: Schedule, steps: int, start: float | None = None) -> Times:
    """Return times even in (sigma / alpha)^(1 / 7) from ``start`` to ``t_min``, then 0 (Karras et al. 2022, eq. 5).

    Args: as for ``trailing``.
    """
    first = _first(schedule, steps, start)
    noisy, clean = _ends(schedule, first)
    return _ladder(schedule, first, np.linspace(noisy ** (1 / RHO), clean ** (1 / RHO), steps) ** RHO)


def _first(schedule: Schedule, steps: int, start: float | None) -> float:
    if steps < 1:
        raise ConfigError(f"a sampler of {steps} steps goes nowhere", fix="use --steps 1 or more")
    first = schedule.t_max if start is None else start
    if not schedule.t_min <= first <= schedule.t_max:
        raise ConfigError(
            f"a sampler cannot start at time {first:g}", fix=f"use {schedule.t_min:g} to {schedule.t_max:g}"
        )
    return first


def _ends(schedule: Schedule, first: float) -> tuple[float, float]:
    """Return sigma / alpha at the first time and at ``t_min``."""
    noisy, clean = schedule.level(first), schedule.level(schedule.t_min)
    return noisy.sigma / noisy.alpha if noisy.alpha > 0 else HIGHEST_RATIO, clean.sigma / clean.alpha


def _ladder(schedule: Schedule, first: float, ratios: NDArray[np.float64]) -> Times:
    """Return the times of descending sigma / alpha, the first of which is known."""
    return (first, *(schedule.time(float(ratio)) for ratio in ratios[1:]), 0.0)
