"""Guides: hooks that steer the sampler loop. A guide overrides the hooks it needs; the rest do nothing."""

from torch import Tensor

from restain.diffusion.kernels import Moment
from restain.diffusion.schedules import Level


class Guide:
    """Steers a sampler; every hook does nothing unless overridden, and no other class is meant to be subclassed."""

    def on_x0(self, x0: Tensor, x_t: Tensor, t: Level) -> Tensor:
        """Edit the predicted clean image; eps' = eps + d is x0' = x0 - (sigma_t / alpha_t) d."""
        return x0

    def on_mean(self, mean: Tensor, variance: float, now: Moment, s: Level) -> Tensor:
        """Edit the mean of x_s before the noise is drawn."""
        return mean

    def on_sample(self, x_s: Tensor, s: Level) -> Tensor:
        """Edit the sample."""
        return x_s

    def on_step_end(self, now: Moment, s: Level) -> None:
        """Act between two steps, for example on the weights of the network."""
