"""What a sampler step is: one transition from time t to time s, as a pure function of what is known at t.

A kernel sees noise levels, not schedules, so each works on every schedule. It keeps no state: multistep kernels are
handed the past.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from restain.diffusion.schedules import Level

Predict = Callable[[Tensor, Level], Tensor]
"""(x_t, level) -> x0, the denoiser as the sampler calls it, guidance included."""


@final
@dataclass(frozen=True, slots=True)
class Moment:
    """What is known at one time: the noisy images and the clean images they point to, (B, C, H, W) each."""

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
    """One transition t -> s, with sigma_t > 0. To the clean image, sigma_s = 0, the answer of every kernel is x0."""

    memory: ClassVar[int] = 0
    """How many earlier moments the kernel reads."""
    from_mean: ClassVar[bool] = False
    """Whether a step is a draw around a mean and nothing else, so that guides may shift the mean; the others would lose
    the shift, or carry it on twice, and are guided through x0."""

    def __call__(self, now: Moment, s: Level, past: tuple[Moment, ...], predict: Predict) -> Transition:
        """Return the law of x_s.

        Args:
            now: what is known at time t.
            s: where to go.
            past: up to ``memory`` earlier moments, the latest first.
            predict: the denoiser, for kernels that look twice.
        """
        return Transition(now.x0, 0.0, now) if s.sigma == 0 else self._transition(now, s, past, predict)

    @abstractmethod
    def _transition(self, now: Moment, s: Level, past: tuple[Moment, ...], predict: Predict) -> Transition:
        """Return the law of x_s where sigma_s > 0."""


def forward_step(s: Level, t: Level) -> tuple[float, float]:
    """Return alpha_ts and the variance of the noising step q(x_t | x_s) = N(alpha_ts x_s, variance), s before t.

    alpha_ts = alpha_t / alpha_s and variance = sigma_t^2 - alpha_ts^2 sigma_s^2: sqrt(1 - beta_t) and beta_t of Ho et
    al. (2020) where s = t - 1.
    """
    alpha_ts = t.alpha / s.alpha
    return alpha_ts, t.sigma**2 - alpha_ts**2 * s.sigma**2
