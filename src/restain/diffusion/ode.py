"""Kernels that follow the probability flow, one step at a time: DDIM, which may also draw noise, and Heun."""

import math
from dataclasses import dataclass
from typing import final

from restain.diffusion.kernels import Kernel, Moment, Predict, Transition, forward_step
from restain.diffusion.schedules import Level


@final
@dataclass(frozen=True, slots=True)
class DDIM(Kernel):
    """Denoising diffusion implicit models (Song et al. 2021, equation 12) on any schedule.

    x_s = alpha_s x0 + sqrt(sigma_s^2 - std^2) eps + std z. With eta = 0 it also runs backwards, from image to noise,
    and is Euler's method on straight lines (rectified flow) and under exploding variance.

    Args:
        eta: 0 is deterministic, 1 is ancestral sampling with the small variance.
    """

    eta: float = 0.0

    def _transition(self, now: Moment, s: Level, past: tuple[Moment, ...], predict: Predict) -> Transition:
        variance = 0.0
        if self.eta > 0:
            _, beta = forward_step(s, now.t)
            variance = self.eta**2 * beta * s.sigma**2 / now.t.sigma**2
        # With eps = (x_t - alpha_t x0) / sigma_t written out, nothing is ever divided by a small alpha_t.
        keep = math.sqrt(s.sigma**2 - variance) / now.t.sigma
        mean = keep * now.x_t + (s.alpha - keep * now.t.alpha) * now.x0
        return Transition(mean, math.sqrt(variance), now)


@final
@dataclass(frozen=True, slots=True)
class Heun(Kernel):
    """Heun's method for dx = x0 d alpha + eps d sigma: the mean of the increments at both ends; two calls per step.

    Of second order. On schedules linear in t (rectified flow, exploding variance) it is Heun's method in t, as in
    Karras et al. (2022), algorithm 1.
    """

    def _transition(self, now: Moment, s: Level, past: tuple[Moment, ...], predict: Predict) -> Transition:
        d_alpha, d_sigma = s.alpha - now.t.alpha, s.sigma - now.t.sigma
        x_s = now.x_t + d_alpha * now.x0 + d_sigma * now.eps
        then = Moment(s, x_s, predict(x_s, s))
        mean = now.x_t + d_alpha / 2 * (now.x0 + then.x0) + d_sigma / 2 * (now.eps + then.eps)
        return Transition(mean, 0.0, now)
