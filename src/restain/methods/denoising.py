"""What every diffusion model trains on: the error of its prediction at random noise levels."""

from typing import Literal

import torch
from torch import Tensor

from restain.diffusion import Network, VariancePreserving, denoising_loss, min_snr_weight, target

Predicted = Literal["eps", "x0", "v"]
"""What networks of discrete schedules may predict."""


def denoising_error(
    network: Network,
    x_0: Tensor,
    source: Tensor | None,
    schedule: VariancePreserving,
    prediction: Predicted,
    min_snr: float | None,
    generator: torch.Generator,
    t: Tensor | None = None,
) -> Tensor:
    """Return the mean of w_t || network(x_t, t) - p ||^2 over images, each at a t of its own.

    Sources: Ho et al. (2020), eq. 14; Hang et al., "Efficient diffusion training via min-SNR weighting" (2023).

    Args:
        network: see ``Network``.
        x_0: clean images (B, C, H, W).
        source: what the network is conditioned on.
        schedule: noise levels t = 1 .. T.
        prediction: p, one of eps, x_0 and v.
        min_snr: gamma of the weights w_t; None weighs all levels equally.
        generator: of t and eps, on the device of the images.
        t: (B,) integers; None draws them by ``random_times``.
    """
    t = random_times(x_0, schedule, generator) if t is None else t
    eps = torch.randn(x_0.shape, generator=generator, device=x_0.device)
    alpha_t, sigma_t = schedule(t)
    x_t = schedule.add_noise(x_0, eps, t)  # x_t = alpha_t x_0 + sigma_t eps
    p = network(x_t, t / schedule.steps, source)
    weight = torch.ones_like(alpha_t)
    if min_snr is not None:
        weight = min_snr_weight(prediction, alpha_t, sigma_t, min_snr)
    return denoising_loss(p, target(prediction, x_0, eps, alpha_t, sigma_t), weight).mean()


def random_times(x_0: Tensor, schedule: VariancePreserving, generator: torch.Generator) -> Tensor:
    """Return a t for each image, (B,), all of 1 .. T equally likely."""
    return torch.randint(1, schedule.steps + 1, (len(x_0),), generator=generator, device=x_0.device)
