"""Kernels that learn from earlier steps: second order at one call of the network per step, for 15 to 50 steps.

Both integrate in lambda = log(alpha / sigma), where the flow is x_s = sigma_s / sigma_t x_t + alpha_s int e^-l x0 dl,
and differ in how they guess the course of x0. The first step, which has no past, is DDIM.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from restain.diffusion.kernels import Kernel, Moment, Predict, Transition
from restain.diffusion.schedules import Level


@final
@dataclass(frozen=True, slots=True)
class DPMSolverMultistep(Kernel):
    """DPM-Solver++(2M) (Lu et al. 2022, algorithm 2) and its stochastic form, SDE-DPM-Solver++(2M).

    Args:
        stochastic: the stochastic form, which forgives the errors of earlier steps and needs about twice the steps.
    """

    memory: ClassVar[int] = 1

    stochastic: bool = False

    def _transition(self, now: Moment, s: Level, past: tuple[Moment, ...], predict: Predict) -> Transition:
        t, x0 = now.t, now.x0
        h = s.lam - t.lam
        if past:
            # D = x0_t + (x0_t - x0_u) / 2r with r = (lambda_t - lambda_u) / h, u the time before t
            x0 = x0 + h / (2 * (t.lam - past[0].t.lam)) * (x0 - past[0].x0)
        if self.stochastic:
            # x_s = sigma_s / sigma_t e^-h x_t + alpha_s (1 - e^-2h) D + sigma_s sqrt(1 - e^-2h) z
            gain = -math.expm1(-2 * h)
            mean = s.sigma / t.sigma * math.exp(-h) * now.x_t + s.alpha * gain * x0
            return Transition(mean, s.sigma * math.sqrt(gain), now)
        # x_s = sigma_s / sigma_t x_t - alpha_s (e^-h - 1) D
        return Transition(s.sigma / t.sigma * now.x_t - s.alpha * math.expm1(-h) * x0, 0.0, now)


@final
@dataclass(frozen=True, slots=True)
class UniPC(Kernel):
    """UniPC of order 2 in x0 with B(h) = e^h - 1, "bh2" (Zhao et al. 2023, algorithms 1 and 2).

    The denoiser's answer at t first corrects the step that led to t, at no extra call, then predicts the step to s. The
    correction forgets what guides did to the mean or the sample; guide it through x0.
    """

    memory: ClassVar[int] = 2

    def _transition(self, now: Moment, s: Level, past: tuple[Moment, ...], predict: Predict) -> Transition:
        if past:
            now = Moment(now.t, _corrected(now, past[0], past[1:]), now.x0)
        x_s = _first_order(now, s)
        if past:
            # The predictor of order 2 is explicit: rho_1 = 1/2.
            x_s = x_s - s.alpha * math.expm1(now.t.lam - s.lam) * 0.5 * _slope(now, past[0], s)
        return Transition(x_s, 0.0, now)


def _first_order(now: Moment, s: Level) -> Tensor:
    """Return sigma_s / sigma_t x_t - alpha_s (e^-h - 1) x0."""
    return s.sigma / now.t.sigma * now.x_t - s.alpha * math.expm1(now.t.lam - s.lam) * now.x0


def _slope(now: Moment, before: Moment, s: Level) -> Tensor:
    """Return D_1 / r_1 = (x0_u - x0_t) / r_1 with r_1 = (lambda_u - lambda_t) / h, u the time before t."""
    return (s.lam - now.t.lam) / (before.t.lam - now.t.lam) * (before.x0 - now.x0)


def _corrected(now: Moment, start: Moment, before: tuple[Moment, ...]) -> Tensor:
    """Return x_t, reached from ``start``, once more, now that x0 at t is known (UniC)."""
    h = now.t.lam - start.t.lam
    b_h = math.expm1(-h)
    change = now.x0 - start.x0
    if not before:
        return _first_order(start, now.t) - now.t.alpha * b_h * 0.5 * change
    # rho_1 + rho_2 = b_1 and r_1 rho_1 + rho_2 = b_2 with b_n = n! phi_n / B(h), phi_n = phi_{n-1} / -h - 1 / n!
    phi_1 = b_h / -h - 1
    phi_2 = phi_1 / -h - 0.5
    b_1, b_2 = phi_1 / b_h, 2 * phi_2 / b_h
    rho_1 = (b_1 - b_2) / (1 - (before[0].t.lam - start.t.lam) / h)
    change = (b_1 - rho_1) * change + rho_1 * _slope(start, before[0], now.t)
    return _first_order(start, now.t) - now.t.alpha * b_h * change
