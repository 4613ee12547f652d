"""Denoisers: (x_t, t, source) -> E[x0 | x_t, source], whatever a network predicts. Samplers know nothing else."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import final

import torch
from torch import Tensor

from restain.diffusion.broadcast import expand
from restain.diffusion.predictions import Prediction, x0_from
from restain.diffusion.schedules import Schedule
from restain.errors import ConfigError

Network = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""(x_t (B, C, H, W), time (B,) in [0, 1], source) -> prediction (B, C, H, W); how the source enters is its business."""


class Denoiser(ABC):
    """The best guess of the clean image behind a noisy one."""

    schedule: Schedule
    """What x_t means."""

    @abstractmethod
    def __call__(self, x_t: Tensor, t: Tensor, source: Tensor | None = None) -> Tensor:
        """Return E[x0 | x_t, source].

        Args:
            x_t: (B, C, H, W).
            t: time on the schedule, () or (B,); in (0, ``schedule.t_max``].
            source: what the image is conditioned on, (B, ...); None for none.

        Returns:
            (B, C, H, W), of the type of x_t.
        """


@final
class NetworkDenoiser(Denoiser):
    """A network that predicts eps, x0, v or the flow, as a denoiser.

    Args:
        network: see ``Network``; its time is t / ``schedule.t_max``.
        schedule: what it was trained on.
        prediction: what it was trained to predict.
        clip: hold the clean image in [-1, 1], where images live; it hides the errors of few-step samplers.

    Raises:
        ConfigError: the network predicts eps although the schedule has zero terminal SNR.
    """

    def __init__(self, network: Network, schedule: Schedule, prediction: Prediction, *, clip: bool = False) -> None:
        if prediction == "eps" and schedule.level(schedule.t_max).alpha == 0:
            raise ConfigError(
                "a network that predicts eps says nothing about the image where the schedule holds only noise",
                fix="predict v, or use a schedule without zero terminal SNR",
            )
        self.network, self.schedule, self.prediction, self.clip = network, schedule, prediction, clip

    def __call__(self, x_t: Tensor, t: Tensor, source: Tensor | None = None) -> Tensor:
        """Ask the network and convert what it predicts."""
        alpha_t, sigma_t = self.schedule(t)
        p = self.network(x_t, time_for(x_t, t / self.schedule.t_max), source).to(x_t.dtype)
        x0 = x0_from(self.prediction, p, x_t, alpha_t, sigma_t)
        return x0.clamp(-1, 1) if self.clip else x0


@final
class GaussianDenoiser(Denoiser):
    """The exact denoiser of images whose pixels are independent, N(mean, std^2): the truth that samplers are held to.

    E[x0 | x_t] = mean + alpha_t std^2 / (alpha_t^2 std^2 + sigma_t^2) (x_t - alpha_t mean).

    Args:
        schedule: any.
        mean: broadcastable to an image (C, H, W).
        std: likewise.
    """

    def __init__(self, schedule: Schedule, mean: Tensor, std: Tensor) -> None:
        self.schedule, self.mean, self.std = schedule, mean, std

    def __call__(self, x_t: Tensor, t: Tensor, source: Tensor | None = None) -> Tensor:
        """Return the exact expectation; the source plays no part."""
        alpha_t, sigma_t = (expand(coefficient, x_t) for coefficient in self.schedule(t))
        mean, variance = self.mean.to(x_t), self.std.to(x_t) ** 2
        return mean + alpha_t * variance / (alpha_t**2 * variance + sigma_t**2) * (x_t - alpha_t * mean)


@final
class ClassifierFree(Denoiser):
    """Classifier-free guidance (Ho and Salimans 2022): x0_u + weight (x0_c - x0_u), the same in eps, x0 and v.

    Weight 1 is the conditional denoiser, 0 the unconditional one, bit for bit and at the cost of one call.

    Args:
        denoiser: trained with its source dropped now and then; source None asks it without one.
        weight: above 1 follows the source more than the data do.
    """

    def __init__(self, denoiser: Denoiser, weight: float) -> None:
        self.denoiser, self.weight, self.schedule = denoiser, weight, denoiser.schedule

    def __call__(self, x_t: Tensor, t: Tensor, source: Tensor | None = None) -> Tensor:
        """Ask with the source, without it, or both."""
        if self.weight == 1:
            return self.denoiser(x_t, t, source)
        unconditional = self.denoiser(x_t, t, None)
        if self.weight == 0:
            return unconditional
        return unconditional + self.weight * (self.denoiser(x_t, t, source) - unconditional)


def time_for(x_t: Tensor, time: Tensor) -> Tensor:
    """Return a time as the (B,) float32 that networks take; one time for all never makes the device wait."""
    if time.ndim == 0:
        return torch.full((len(x_t),), float(time), device=x_t.device)
    return time.to(x_t.device, torch.float32, non_blocking=True)
