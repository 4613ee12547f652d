"""The Brownian bridge: an image turns into another one, not into noise.

Source: Li et al., "BBDM: Image-to-image translation with Brownian bridge diffusion models" (2023), equations 3 to 15.

Between the clean image x_0 and the source y::

    x_t = (1 - m_t) x_0 + m_t y + sqrt(delta_t) eps,    delta_t = 2 s (m_t - m_t^2)

What is left without the known drift, u_t = x_t - m_t y, is an ordinary noisy image::

    u_t = alpha_t x_0 + sigma_t eps,    alpha_t = 1 - m_t,    sigma_t^2 = delta_t

So a bridge is a schedule and a denoiser that adds m_t y before it asks its network, and every kernel and guide of this
package works on it. The sampling step of the paper (eta = 1), with delta_ts = delta_t - delta_s (1-m_t)^2 / (1-m_s)^2,

    x_s = (1-m_s) x_0 + m_s y + sqrt((delta_s - v) / delta_t) (x_t - (1-m_t) x_0 - m_t y) + sqrt(v) z,
    v = delta_ts delta_s / delta_t,

is ``Ancestral("small")`` of u_t.
"""

import math
from typing import Literal, final

import numpy as np
import torch
from torch import Tensor

from restain.diffusion.broadcast import expand
from restain.diffusion.denoiser import Denoiser, Network, time_for
from restain.diffusion.schedules import Schedule
from restain.errors import ConfigError

BridgeObjective = Literal["grad", "noise", "ysubx"]
"""What the network of a bridge predicts: x_t - x_0, eps, or y - x_0 (names of the official code)."""

FIRST, LAST = 0.001, 0.999
"""m_1 and m_T of the official code."""


@final
class BrownianBridge(Schedule):
    """The noise levels of u_t; t counts 1 .. T and m_t rises evenly from 0.001 to 0.999, with m_0 = 0.

    Args:
        steps: T.
        variance: s, which scales delta_t; 1 makes it 1/2 at most.
    """

    def __init__(self, steps: int = 1000, variance: float = 1.0) -> None:
        if steps < 2 or variance <= 0:
            raise ConfigError(
                f"a bridge of {steps} steps and variance {variance:g} leads nowhere",
                fix="use at least 2 steps and a positive variance",
            )
        self.steps, self.variance = steps, variance
        self.t_min, self.t_max = 1.0, float(steps)
        self._m = torch.cat([torch.zeros(1), torch.linspace(FIRST, LAST, steps, dtype=torch.float64)])

    def m(self, t: Tensor) -> Tensor:
        """Return m_t, the share of the source, between the integers on straight lines; float64, on the CPU."""
        t = t.detach().to("cpu", torch.float64)
        if bool(((t < 0) | (t > self.steps)).any()):
            raise ConfigError(
                f"a time outside 0 .. {self.steps} was asked of a bridge of {self.steps} steps",
                fix="start the sampler at a smaller time",
            )
        below = t.floor().clamp(max=self.steps - 1).long()
        return torch.lerp(self._m[below], self._m[below + 1], t - below)

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Return 1 - m_t and sqrt(delta_t)."""
        m_t = self.m(t)
        return 1 - m_t, (2 * self.variance * (m_t - m_t**2)).sqrt()

    def add_drift(self, u_t: Tensor, y: Tensor, t: Tensor) -> Tensor:
        """Return x_t = u_t + m_t y.

        Args:
            u_t: see the head of this file, (B, C, H, W).
            y: sources, (B, C, H, W).
            t: () or (B,).
        """
        return u_t + expand(self.m(t), y) * y

    def time(self, ratio: float) -> float:
        """Invert delta_t / (1 - m_t)^2 = 2 s m_t / (1 - m_t)."""
        m_t = 1.0 if math.isinf(ratio) else ratio**2 / (2 * self.variance + ratio**2)
        return float(np.interp(m_t, self._m.numpy(), np.arange(self.steps + 1.0)))


@final
class BridgeDenoiser(Denoiser):
    """A network that knows x_t, as a denoiser of u_t = x_t - m_t y; its source is y.

    Args:
        network: see ``Network``; asked with x_t, t / T and y.
        schedule: what it was trained on.
        objective: what it was trained to predict.
        clip: hold the clean image in [-1, 1], where images live; latents live elsewhere.
    """

    def __init__(self, network: Network, schedule: BrownianBridge, objective: BridgeObjective, *, clip: bool) -> None:
        self.network, self.bridge, self.objective, self.clip = network, schedule, objective, clip
        self.schedule = schedule

    def __call__(self, x_t: Tensor, t: Tensor, source: Tensor | None = None) -> Tensor:
        """Add the drift, ask the network and convert what it predicts; ``x_t`` is u_t here."""
        assert source is not None, "a bridge is never asked without its other end"
        u_t, y = x_t, source
        x_t = self.bridge.add_drift(u_t, y, t)
        p = self.network(x_t, time_for(x_t, t / self.schedule.t_max), y).to(u_t.dtype)
        match self.objective:
            case "grad":
                x0 = x_t - p
            case "ysubx":
                x0 = y - p
            case "noise":
                alpha_t, sigma_t = (expand(coefficient, u_t) for coefficient in self.schedule(t))
                x0 = (u_t - sigma_t * p) / alpha_t
        return x0.clamp(-1, 1) if self.clip else x0


def bridge_target(objective: BridgeObjective, x0: Tensor, y: Tensor, eps: Tensor, x_t: Tensor) -> Tensor:
    """Return what the network of a bridge should have said, (B, C, H, W).

    In the paper "grad" is written m_t (y - x_0) + sqrt(delta_t) eps, which is x_t - x_0.

    Args:
        objective: what it predicts.
        x0: clean images.
        y: sources.
        eps: the noise in x_t.
        x_t: where the bridge is.
    """
    return {"grad": x_t - x0, "ysubx": y - x0, "noise": eps}[objective]
