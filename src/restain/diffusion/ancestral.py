"""Kernels that draw noise at every step: they follow the reverse process itself and need many small steps."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, final

from restain.diffusion.kernels import Kernel, Moment, Predict, Transition, forward_step
from restain.diffusion.schedules import Level
from restain.errors import ConfigError


@final
@dataclass(frozen=True, slots=True)
class Ancestral(Kernel):
    """Ancestral sampling (Ho et al. 2020, equations 6 and 7).

    Args:
        variance: "large" is beta_t, exact for data of unit variance, and keeps fine texture at fewer steps; "small" is
            the variance of q(x_s | x_t, x0), exact for a single image, and what SDEdit, ILVR and EGSDE used.
    """

    from_mean: ClassVar[bool] = True

    variance: Literal["small", "large"] = "large"

    def _transition(self, now: Moment, s: Level, past: tuple[Moment, ...], predict: Predict) -> Transition:
        alpha_ts, beta = forward_step(s, now.t)
        # mu = (alpha_s beta_t x0 + alpha_ts sigma_s^2 x_t) / sigma_t^2
        mean = (s.alpha * beta / now.t.sigma**2) * now.x0 + (alpha_ts * s.sigma**2 / now.t.sigma**2) * now.x_t
        variance = beta if self.variance == "large" else beta * s.sigma**2 / now.t.sigma**2
        return Transition(mean, math.sqrt(variance), now)


@final
@dataclass(frozen=True, slots=True)
class EulerMaruyama(Kernel):
    """The reverse stochastic differential equation (Song et al. 2021, equation 6) in Euler-Maruyama steps.

    x_s = x_t + b x_t / 2 + g2 score + sqrt(g2) z with score = -eps / sigma_t. The rates are those at t of a process
    whose alpha^2 and sigma^2 are straight between s and t: b = alpha_s^2 / alpha_t^2 - 1 (beta / (1 - beta) for one
    step of Ho et al.) and g2 = sigma_t^2 - sigma_s^2 + b sigma_t^2, which is b where variance is preserved.
    """

    from_mean: ClassVar[bool] = True

    def _transition(self, now: Moment, s: Level, past: tuple[Moment, ...], predict: Predict) -> Transition:
        t = now.t
        if t.alpha == 0:
            raise ConfigError(
                "Euler-Maruyama cannot start where the schedule holds only noise: the equation is infinite there",
                fix="use the ancestral sampler, or a schedule without zero terminal SNR",
            )
        b = (s.alpha / t.alpha) ** 2 - 1
        g2 = t.sigma**2 - s.sigma**2 + b * t.sigma**2
        return Transition((1 + b / 2) * now.x_t - g2 / t.sigma * now.eps, math.sqrt(g2), now)
