"""Time grids: the times t_max = t_0 > t_1 > ... > t_n = 0 that a sampler visits in n steps.

Few steps must be spent evenly in the logarithm of the signal-to-noise ratio: a grid even in t erases fine texture.
"""

import math

import numpy as np

from restain.diffusion.schedules import Schedule

Times = tuple[float, ...]
"""Descending times, the last of them 0."""


def every_step(start: int) -> Times:
    """Return all integer times from ``start`` to 0: one step per beta of the schedule."""
    return tuple(float(t) for t in range(start, -1, -1))


def trailing(schedule: Schedule, steps: int) -> Times:
    """Return times even in t, from ``t_max`` on (Lin et al. 2023); for straight lines or many steps."""
    return tuple(schedule.t_max * (1 - i / steps) for i in range(steps + 1))


def lu(schedule: Schedule, steps: int) -> Times:
    """Return times even in log-SNR from ``t_max`` to ``t_min``, then 0 (Lu et al. 2022): the grid for few steps."""
    first, last = _ratio(schedule, schedule.t_max), _ratio(schedule, schedule.t_min)
    return _from_ratios(schedule, np.exp(np.linspace(math.log(first), math.log(last), steps)))


def karras(schedule: Schedule, steps: int, rho: float = 7.0) -> Times:
    """Return times even in (sigma / alpha)^(1 / rho) from ``t_max`` to ``t_min``, then 0 (Karras et al. 2022)."""
    first, last = _ratio(schedule, schedule.t_max), _ratio(schedule, schedule.t_min)
    return _from_ratios(schedule, np.linspace(first ** (1 / rho), last ** (1 / rho), steps) ** rho)


HIGHEST_RATIO = 160.0
"""Where a grid starts its ladder if there is no signal at ``t_max``: sigma / alpha where the linear schedule ends."""


def _ratio(schedule: Schedule, t: float) -> float:
    level = schedule.level(t)
    return min(math.exp(-level.lam), HIGHEST_RATIO) if level.alpha == 0 else level.sigma / level.alpha


def _from_ratios(schedule: Schedule, ratios: np.ndarray) -> Times:
    inner = tuple(schedule.time(float(ratio)) for ratio in ratios[1:])
    return (schedule.t_max, *inner, 0.0)
