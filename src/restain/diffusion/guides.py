"""Guides: hooks that steer the sampler loop.

An energy M_t(x_t) turns the density p_t into p_t exp(-M_t) (Zhao et al. 2022), that is, it adds the
force -grad M_t to the score. ``ScoreGuide`` puts the force into the prediction, which suits every kernel; ``MeanGuide``
shifts the mean of a step that draws noise. To first order in the step they agree.
"""

from abc import ABC
from collections.abc import Callable
from typing import Literal, final

import torch
from torch import Tensor

from restain.diffusion.kernels import Kernel, Moment, forward_step
from restain.diffusion.schedules import Level
from restain.errors import GuidanceError

Energy = Callable[[Tensor, Level], Tensor]
"""(x_t (B, C, H, W), level) -> one energy per image (B,), differentiable in x_t."""

Force = Callable[[Tensor, Level], Tensor]
"""(x_t (B, C, H, W), level) -> -grad M_t(x_t), of the shape of x_t: where guidance pulls the images."""


class Guide(ABC):  # noqa: B024 (no hook is compulsory)
    """Steers a sampler: a guide overrides the hooks it needs, the others change nothing."""

    def on_x0(self, x0: Tensor, x_t: Tensor, t: Level) -> Tensor:
        """Edit the predicted clean image; eps' = eps + d is x0' = x0 - sigma_t / alpha_t d."""
        return x0

    def on_mean(self, mean: Tensor, variance: float, now: Moment, s: Level) -> Tensor:
        """Edit the mean of x_s before noise of this variance is drawn."""
        return mean

    def on_sample(self, x_s: Tensor, s: Level) -> Tensor:
        """Edit the sample."""
        return x_s

    def on_step_end(self, x_s: Tensor, s: Level) -> None:  # noqa: B027 (no hook is compulsory)
        """Act between two steps, for example on the weights of the network; x_s is where the next step starts."""


@final
class ScoreGuide(Guide):
    """Guides through the prediction: x0' = x0 + sigma_t^2 / alpha_t force, that is eps' = eps - sigma_t force.

    Where a level holds only noise (alpha_t = 0) there is nothing to steer, and it does nothing.

    Args:
        force: -grad M_t; ``force_of`` makes it of an energy.
    """

    def __init__(self, force: Force) -> None:
        self.force = force

    def on_x0(self, x0: Tensor, x_t: Tensor, t: Level) -> Tensor:
        """Shift the clean image."""
        if t.alpha == 0:
            return x0
        return x0 + t.sigma**2 / t.alpha * self.force(x_t, t)


@final
class MeanGuide(Guide):
    """Guides through the mean: mu' = mu + beta force, with beta the variance of the noising step from s to t.

    beta is used even where the kernel draws with the smaller variance of the posterior, which would guide too little.

    Args:
        force: -grad M_t; ``force_of`` makes it of an energy.
        at: where it is taken: at the mean, with the level s, or at the state x_t, with the level t.
    """

    def __init__(self, force: Force, at: Literal["mean", "state"]) -> None:
        self.force, self.at = force, at

    def on_mean(self, mean: Tensor, variance: float, now: Moment, s: Level) -> Tensor:
        """Shift the mean."""
        x, level = (mean, s) if self.at == "mean" else (now.x_t, now.t)
        _, beta = forward_step(s, now.t)
        return mean + beta * self.force(x, level)


def guide_for(kernel: Kernel, force: Force, at: Literal["mean", "state"]) -> Guide:
    """Return the guide that suits a kernel: through the mean where it draws around one, through x0 elsewhere.

    Args:
        kernel: what makes the steps.
        force: -grad M_t.
        at: as for ``MeanGuide``; guidance through x0 takes the force at the state.
    """
    return MeanGuide(force, at) if kernel.from_mean else ScoreGuide(force)


def force_of(energy: Energy) -> Force:
    """Return -grad M_t of an energy by automatic differentiation, also where gradients are switched off around it.

    The force raises GuidanceError where it is not finite.
    """

    def force(x_t: Tensor, t: Level) -> Tensor:
        with torch.enable_grad():
            x_t = x_t.detach().requires_grad_()
            (g,) = torch.autograd.grad(energy(x_t, t).sum(), x_t)
        if not bool(torch.isfinite(g).all()):
            raise GuidanceError(
                f"the gradient of an energy is not finite at t = {t.t:g}", fix="run with precision fp32"
            )
        return -g

    return force
