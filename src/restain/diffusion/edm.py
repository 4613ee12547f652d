"""Preconditioning of Karras et al. (2022), table 1: a network that sees and says unit variance at every noise level.

D(x, sigma) = c_skip x + c_out F(c_in x, c_noise), on the schedule ``VarianceExploding``.
"""

from dataclasses import dataclass
from typing import final

from torch import Tensor

from restain.diffusion.broadcast import expand
from restain.diffusion.denoiser import Denoiser, Network, time_for
from restain.diffusion.schedules import VarianceExploding


@final
@dataclass(frozen=True, slots=True)
class Preconditioning:
    """The coefficients as functions of sigma, () or (B,), float64.

    Args:
        sigma_data: standard deviation of the images; 0.5 fits photographs in [-1, 1].
    """

    sigma_data: float = 0.5

    def c_skip(self, sigma: Tensor) -> Tensor:
        """Return sigma_data^2 / (sigma^2 + sigma_data^2)."""
        return self.sigma_data**2 / (sigma**2 + self.sigma_data**2)

    def c_out(self, sigma: Tensor) -> Tensor:
        """Return sigma sigma_data / sqrt(sigma^2 + sigma_data^2)."""
        return sigma * self.sigma_data * self.c_in(sigma)

    def c_in(self, sigma: Tensor) -> Tensor:
        """Return 1 / sqrt(sigma^2 + sigma_data^2)."""
        return (sigma**2 + self.sigma_data**2).rsqrt()

    def c_noise(self, sigma: Tensor) -> Tensor:
        """Return ln(sigma) / 4."""
        return sigma.log() / 4

    def weight(self, sigma: Tensor) -> Tensor:
        """Return the loss weight on the error in x0, (sigma^2 + sigma_data^2) / (sigma sigma_data)^2 = 1 / c_out^2."""
        return (sigma**2 + self.sigma_data**2) / (sigma * self.sigma_data) ** 2

    def target(self, x0: Tensor, x_t: Tensor, sigma: Tensor) -> Tensor:
        """Return what the network should have said, (x0 - c_skip x_t) / c_out."""
        return (x0 - expand(self.c_skip(sigma), x_t) * x_t) / expand(self.c_out(sigma), x_t)


@final
class PreconditionedDenoiser(Denoiser):
    """A network trained on ``Preconditioning.target``, as a denoiser.

    Args:
        network: see ``Network``; it is given c_in x_t, and its time is c_noise, which lies between -2 and 1.1.
        schedule: the noise levels it was trained on.
        preconditioning: the one it was trained with.
    """

    def __init__(self, network: Network, schedule: VarianceExploding, preconditioning: Preconditioning) -> None:
        self.network, self.schedule, self.preconditioning = network, schedule, preconditioning

    def __call__(self, x_t: Tensor, t: Tensor, source: Tensor | None = None) -> Tensor:
        """Scale, ask the network, scale back."""
        c, (_, sigma) = self.preconditioning, self.schedule(t)
        f = self.network(expand(c.c_in(sigma), x_t) * x_t, time_for(x_t, c.c_noise(sigma)), source)
        return expand(c.c_skip(sigma), x_t) * x_t + expand(c.c_out(sigma), x_t) * f.to(x_t.dtype)
