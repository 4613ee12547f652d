"""Kernels: one transition from time t to time s, as a pure function of what is known at t.

A kernel sees noise levels, not schedules, so each works on every schedule. It keeps no state: multistep kernels are
handed the past.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, final

from torch import Tensor

from restain.diffusion.schedules import Level

Predict = Callable[[Tensor, Level], Tensor]
"""(x_t, level) -> x0, the denoiser as the sampler calls it, guidance included."""


@final
@dataclass(frozen=True, slots=True)
class Moment:
    """What is known at one time: the noisy images and the clean images they point to."""

    t: Level
    x_t: Tensor
    x0: Tensor

    @property
    def eps(self) -> Tensor:
        """The noise that x_t and x0 imply, (x_t - alpha_t x0) / sigma_t."""
        return (self.x_t - self.t.alpha * self.x0) / self.t.sigma


@final
@dataclass(frozen=True, slots=True)
class Transition:
    """The law of x_s, N(mean, std^2), and the moment it starts from (which a corrector may have mended)."""

    mean: Tensor
    std: float
    now: Moment


class Kernel(ABC):
    """One transition t -> s. At the last one, to sigma_s = 0, the answer is x0 whatever the kernel."""

    memory: ClassVar[int] = 0
    """How many earlier moments the kernel reads."""

    def __call__(self, now: Moment, s: Level, past: tuple[Moment, ...], predict: Predict) -> Transition:
        """Return the law of x_s.

        Args:
            now: time t.
            s: where to go.
            past: up to ``memory`` earlier moments, the latest first.
            predict: for kernels that look twice.
        """
        return Transition(now.x0, 0.0, now) if s.sigma == 0 else self._transition(now, s, past, predict)

    @abstractmethod
    def _transition(self, now: Moment, s: Level, past: tuple[Moment, ...], predict: Predict) -> Transition:
        """Return the law of x_s for sigma_s > 0."""


def forward_step(s: Level, t: Level) -> tuple[float, float]:
    """Return alpha_ts and its variance of the noising step q(x_t | x_s) = N(alpha_ts x_s, variance), s before t.

    alpha_ts = alpha_t / alpha_s and variance = sigma_t^2 - alpha_ts^2 sigma_s^2: sqrt(1 - beta_t) and beta_t of Ho et
    al. (2020) where s = t - 1.
    """
    alpha_ts = t.alpha / s.alpha
    return alpha_ts, t.sigma**2 - alpha_ts**2 * s.sigma**2


@final
@dataclass(frozen=True, slots=True)
class Ancestral(Kernel):
    """Ancestral sampling, Ho et al. (2020), equations 6 and 7.

    Args:
        variance: "large" is beta_t, right for data of unit variance and the better choice at few steps; "small" is the
            variance of the posterior q(x_s | x_t, x0), right for a single image.
    """

    variance: Literal["small", "large"] = "large"

    def _transition(self, now: Moment, s: Level, past: tuple[Moment, ...], predict: Predict) -> Transition:
        alpha_ts, beta = forward_step(s, now.t)
        sigma_t = now.t.sigma
        # mu = (alpha_s beta_t x0 + alpha_ts sigma_s^2 x_t) / sigma_t^2
        mean = s.alpha * beta / sigma_t**2 * now.x0 + alpha_ts * s.sigma**2 / sigma_t**2 * now.x_t
        variance = beta if self.variance == "large" else beta * s.sigma**2 / sigma_t**2
        return Transition(mean, math.sqrt(variance), now)


@final
@dataclass(frozen=True, slots=True)
class EulerMaruyama(Kernel):
    """The reverse stochastic differential equation (Song et al. 2021) in Euler-Maruyama steps.

    x_s = x_t + beta x_t / 2 + beta score + sqrt(beta) z with score = -eps / sigma_t, where variance is preserved.
    """

    def _transition(self, now: Moment, s: Level, past: tuple[Moment, ...], predict: Predict) -> Transition:
        alpha_ts, beta = forward_step(s, now.t)
        drift = (1 - alpha_ts**2) / 2  # beta / 2 where variance is preserved, 0 where it explodes
        return Transition((1 + drift) * now.x_t - beta / now.t.sigma * now.eps, math.sqrt(beta), now)


@final
@dataclass(frozen=True, slots=True)
class DDIM(Kernel):
    """Denoising diffusion implicit models, Song et al. (2021), equation 12, on any schedule.

    x_s = alpha_s x0 + sqrt(sigma_s^2 - std^2) eps + std z. With eta = 0 this is Euler's method on straight lines
    (rectified flow) and under exploding variance.

    Args:
        eta: 0 is deterministic, 1 is ancestral sampling with the small variance.
    """

    eta: float = 0.0

    def _transition(self, now: Moment, s: Level, past: tuple[Moment, ...], predict: Predict) -> Transition:
        variance = 0.0
        if self.eta > 0:
            _, beta = forward_step(s, now.t)
            variance = self.eta**2 * beta * s.sigma**2 / now.t.sigma**2
        keep = math.sqrt(s.sigma**2 - variance) / now.t.sigma
        mean = keep * now.x_t + (s.alpha - keep * now.t.alpha) * now.x0
        return Transition(mean, math.sqrt(variance), now)


@final
@dataclass(frozen=True, slots=True)
class DPMSolverMultistep(Kernel):
    """DPM-Solver++(2M), Lu et al. (2022), algorithm 2, and its stochastic form, SDE-DPM-Solver++(2M), equation 18.

    Args:
        stochastic: the stochastic form, which forgets the errors of earlier steps.
    """

    memory: ClassVar[int] = 1

    stochastic: bool = False

    def _transition(self, now: Moment, s: Level, past: tuple[Moment, ...], predict: Predict) -> Transition:
        h = s.lam - now.t.lam
        x0 = now.x0
        if past:
            # D = (1 + 1 / 2r) x0_t - 1 / 2r x0_u with r = (lambda_t - lambda_u) / h, u the time before t
            x0 = x0 + h / (2 * (now.t.lam - past[0].t.lam)) * (x0 - past[0].x0)
        if not self.stochastic:
            # x_s = sigma_s / sigma_t x_t - alpha_s (e^-h - 1) D
            return Transition(s.sigma / now.t.sigma * now.x_t - s.alpha * math.expm1(-h) * x0, 0.0, now)
        # x_s = sigma_s / sigma_t e^-h x_t + alpha_s (1 - e^-2h) D + sigma_s sqrt(1 - e^-2h) z
        gain = -math.expm1(-2 * h)
        mean = s.sigma / now.t.sigma * math.exp(-h) * now.x_t + s.alpha * gain * x0
        return Transition(mean, s.sigma * math.sqrt(gain), now)
