"""Noise schedules: how much signal and how much noise an image holds at a time t, x_t = alpha_t x0 + sigma_t eps.

Times and coefficients are bookkeeping, not pixels: they live on the CPU in float64, whatever device holds the images,
and are rounded once, where they meet a batch.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restain.diffusion.broadcast import expand
from restain.errors import ConfigError


@final
@dataclass(frozen=True, slots=True)
class Level:
    """A time and its noise level: x_t = alpha x0 + sigma eps."""

    t: float
    alpha: float
    sigma: float

    @property
    def lam(self) -> float:
        """Half the logarithm of the signal-to-noise ratio, log(alpha / sigma); infinite at either end."""
        if self.sigma == 0:
            return math.inf
        return math.log(self.alpha / self.sigma) if self.alpha > 0 else -math.inf


class Schedule(ABC):
    """Signal and noise as functions of time; t = 0 is the clean image, t = ``t_max`` is where sampling starts."""

    t_min: float
    """The smallest time a network is asked about; below it there is only the clean image at 0."""
    t_max: float
    """The largest time."""

    @abstractmethod
    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Return alpha_t and sigma_t.

        Args:
            t: times in [0, ``t_max``], any shape, any device and type.

        Returns:
            Two float64 tensors of the shape of t, on the CPU.
        """

    @abstractmethod
    def time(self, ratio: float) -> float:
        """Return the time whose noise-to-signal ratio sigma_t / alpha_t is ``ratio`` (the inverse of the schedule)."""

    def level(self, t: float) -> Level:
        """Return the noise level at one time."""
        alpha, sigma = self(torch.tensor(t, dtype=torch.float64))
        return Level(t, float(alpha), float(sigma))

    def add_noise(self, x0: Tensor, eps: Tensor, t: Tensor) -> Tensor:
        """Return x_t = alpha_t x0 + sigma_t eps.

        Args:
            x0: (B, C, H, W).
            eps: standard normal noise, (B, C, H, W).
            t: () or (B,).
        """
        alpha_t, sigma_t = self(t)
        return expand(alpha_t, x0) * x0 + expand(sigma_t, x0) * eps


@final
class VariancePreserving(Schedule):
    """The discrete schedule of Ho et al. (2020), alpha_t^2 = abar_t = prod_{s <= t} (1 - beta_s) = 1 - sigma_t^2.

    t counts 1 .. T and abar_0 = 1. Between the integers abar is linear in t: one rule that stays finite and invertible
    at both ends (the signal-to-noise ratio, usually interpolated, is infinite at 0, and 0 at T with zero terminal SNR).

    Args:
        beta: beta_1 .. beta_T, each in (0, 1]; kept in float64.

    Raises:
        ConfigError: a beta outside (0, 1].
    """

    def __init__(self, beta: Tensor) -> None:
        self.beta = beta.detach().to("cpu", torch.float64)
        if self.beta.ndim != 1 or not bool(((self.beta > 0) & (self.beta <= 1)).all()):
            raise ConfigError("a beta of the noise schedule is outside (0, 1]", fix="use fewer or more steps")
        self.abar = torch.cat([torch.ones(1, dtype=torch.float64), torch.cumprod(1 - self.beta, 0)])
        self.steps = len(self.beta)
        self.t_min, self.t_max = 1.0, float(self.steps)

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Interpolate abar, then take roots."""
        t = t.detach().to("cpu", torch.float64)
        if bool(((t < 0) | (t > self.steps)).any()):
            raise ConfigError(
                f"a time outside 0 .. {self.steps} was asked of a noise schedule of {self.steps} steps",
                fix="start the sampler at a smaller time",
            )
        below = t.floor().clamp(max=self.steps - 1).long()
        abar_t = torch.lerp(self.abar[below], self.abar[below + 1], t - below)
        return abar_t.sqrt(), (1 - abar_t).sqrt()

    def time(self, ratio: float) -> float:
        """Interpolate abar backwards."""
        abar_t = 1 / (1 + ratio**2)
        descending = self.abar.numpy()
        return float(np.interp(-abar_t, -descending, np.arange(self.steps + 1.0)))


@final
class RectifiedFlow(Schedule):
    """Straight lines from image to noise (Liu et al. 2022; Lipman et al. 2022): alpha_t = 1 - t, sigma_t = t."""

    def __init__(self) -> None:
        self.t_min, self.t_max = 1e-3, 1.0

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Return 1 - t and t."""
        t = t.detach().to("cpu", torch.float64)
        return 1 - t, t.clone()

    def time(self, ratio: float) -> float:
        """Return ratio / (1 + ratio)."""
        return 1.0 if math.isinf(ratio) else ratio / (1 + ratio)


@final
class VarianceExploding(Schedule):
    """Noise on top of the image, in the time of Karras et al. (2022): alpha_t = 1, sigma_t = t, t in [0, 80].

    Args:
        sigma_min: smallest noise a network is asked about.
        sigma_max: noise at the start; must drown the images, whose standard deviation is about 0.5.
    """

    def __init__(self, sigma_min: float = 0.002, sigma_max: float = 80.0) -> None:
        self.t_min, self.t_max = sigma_min, sigma_max

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Return 1 and t."""
        t = t.detach().to("cpu", torch.float64)
        return torch.ones_like(t), t.clone()

    def time(self, ratio: float) -> float:
        """Return the ratio itself."""
        return ratio


BETA_RANGE = (1e-4, 0.02)
"""First and last beta of Ho et al. (2020) at T = 1000."""


def linear(steps: int = 1000) -> VariancePreserving:
    """Return the linear schedule of Ho et al. (2020), its ends times 1000 / T: abar_T hardly depends on T.

    The betas are rounded to float32, as everywhere since: published weights meet the levels they know.
    """
    first, last = _scaled_range(steps)
    return VariancePreserving(torch.linspace(first, last, steps, dtype=torch.float32))


def half_cosine(steps: int = 1000) -> VariancePreserving:
    """Return the schedule whose beta rises along half a cosine, beta_1 + (beta_T - beta_1) (1 - cos(pi u)) / 2.

    u = (t - 1) / (T - 1). The one reading of "beta increases following a cosine function from 1e-4 to 0.02" (Sridhar et
    al.) that meets both ends and drowns the image at T as the linear schedule does (abar_T = 4.0e-5).
    """
    return _from_ramp(steps, (1 - np.cos(np.pi * np.linspace(0, 1, steps))) / 2)


def quarter_cosine(steps: int = 1000) -> VariancePreserving:
    """Return the schedule whose beta rises along a quarter cosine, beta_1 + (beta_T - beta_1) (1 - cos(pi u / 2))."""
    return _from_ramp(steps, 1 - np.cos(np.pi / 2 * np.linspace(0, 1, steps)))


def nichol_dhariwal(steps: int = 1000, cap: float = 0.999) -> VariancePreserving:
    """Return the cosine schedule of Nichol and Dhariwal (2021), equation 17: abar(u) ~ cos^2((u + s) / (1 + s) pi / 2).

    s = 0.008, u = t / T, beta_t = min(1 - abar_t / abar_{t-1}, cap).
    """
    f = [math.cos((t / steps + 0.008) / 1.008 * math.pi / 2) ** 2 for t in range(steps + 1)]
    beta = [min(1 - f[t] / f[t - 1], cap) for t in range(1, steps + 1)]
    return VariancePreserving(torch.tensor(beta, dtype=torch.float64))


def zero_terminal_snr(schedule: VariancePreserving) -> VariancePreserving:
    """Return the schedule shifted and scaled so that nothing is left of the image at T (Lin et al. 2023, algorithm 1).

    r_t <- (r_t - r_T) r_1 / (r_1 - r_T) with r_t = sqrt(abar_t): abar_1 stays, abar_T becomes 0.
    A network that predicts eps learns nothing at T; predict v or x0.
    """
    root = schedule.abar[1:].sqrt()
    root = (root - root[-1]) * (root[0] / (root[0] - root[-1]))
    abar = torch.cat([torch.ones(1, dtype=torch.float64), root**2])
    return VariancePreserving(1 - abar[1:] / abar[:-1])


def _scaled_range(steps: int) -> tuple[float, float]:
    first, last = BETA_RANGE
    return first * 1000 / steps, last * 1000 / steps


def _from_ramp(steps: int, ramp: NDArray[np.float64]) -> VariancePreserving:
    first, last = _scaled_range(steps)
    return VariancePreserving(torch.from_numpy(first + (last - first) * ramp))
