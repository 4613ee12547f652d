"""The energy of MIU-Diff, as the force it exerts on a noisy image.

Source: Liu et al., "Score-based diffusion model for unpaired virtual histology staining" (2025), equations 2 and 3.

Equations, with lambda_t = t / S, H the entropy of y_t and I the mutual information of source and y_t::

    U = H - I                                             staining information
    M = -lambda_t E[U] - (1 - lambda_t) E[I]              energy; E over the noise of the source
    -M = lambda_t H + (1 - 2 lambda_t) I                  so structure is pushed away while lambda_t > 1/2
    -M = lambda_t H + (1 - lambda_t) I                    the decoupled form
    shift of a step = kappa sqrt(beta_t) [lambda_t grad U / c_U + (1 - lambda_t) grad I / c_I]

The paper states no scale; the bare gradients fall as 1 / pixels and move an image by less than a grey level. c_U and
c_I are the usual sizes of the gradients at low noise, measured once after the training of the critic.
"""

import math
from typing import final

import torch
from torch import Tensor

from restain.diffusion import Denoiser, Level, Noise, forward_step
from restain.errors import GuidanceError
from restain.methods.miu_diff.config import MIUDiffConfig
from restain.methods.miu_diff.entropy import ENTROPIES
from restain.nn import Mine, structure_map

SOURCE_DRAWS = 10_000_000
"""First number of the draws that perturb the source, far above those of any sampler."""

LARGEST = 0.5
"""Largest shift of a pixel relative to the noise of the step; off where nothing is normalised."""


@final
class Information:
    """I(x; y_t) in nats: how much of the source's structure the noisy image shares.

    Args:
        config: which inputs the critic takes.
        critic: the trained estimator.
        denoiser: of the prior; asked in ``tweedie`` mode only.
        source: x, (B, C, H, W) in [-1, 1].
        noise: where the noise of the source comes from.
    """

    def __init__(self, config: MIUDiffConfig, critic: Mine, denoiser: Denoiser, source: Tensor, noise: Noise) -> None:
        self.config, self.critic, self.denoiser, self.source, self.noise = config, critic, denoiser, source, noise

    def __call__(self, y_t: Tensor, t: Level) -> Tensor:
        """Return (B,), differentiable in y_t."""
        config, x = self.config, self.source
        if config.critic_input == "tweedie":
            y = self._clean(y_t, t)
        else:
            draw = 0 if config.source_noise == "shared" else SOURCE_DRAWS + round(1000 * t.t)
            x = t.alpha * x + t.sigma * self.noise(x, draw)  # x_t ~ q(x_t | x), one sample for the expectation
            y = y_t
        known = 0.0 if config.critic_input == "clean_literal" else t.sigma
        with torch.autocast(y_t.device.type, enabled=False):  # slopes of near neighbours drown in bfloat16
            structure = structure_map(x.float(), config.proxy, blur=config.blur)
        rows, columns = self._offset(t, min(y.shape[2:]))
        inside = (..., slice(rows, None), slice(columns, None))
        information: Tensor = self.critic(structure[inside], y[inside], y.new_full((len(y),), known))
        return information

    def _offset(self, t: Level, side: int) -> tuple[int, int]:
        """Return where the grid of patches begins: elsewhere at every t, or nuclei would settle in its meshes."""
        patch = self.config.critic.patch
        if side < 3 * patch:  # too small to lose a row of patches
            return 0, 0
        # Roberts' sequence: multiples of 1/p and 1/p^2 with p^3 = p + 1 fill the square evenly.
        return int(patch * (0.7548776662 * t.t % 1)), int(patch * (0.5698402910 * t.t % 1))

    def _clean(self, y_t: Tensor, t: Level) -> Tensor:
        """Return E[y_0 | y_t], through which the gradient flows as the configuration says."""
        if t.sigma == 0:
            return y_t
        time = torch.tensor(t.t, dtype=torch.float64)
        if self.config.jacobian == "full":
            return self.denoiser(y_t, time)
        with torch.no_grad():
            y_0 = self.denoiser(y_t, time)
        return y_0 + (y_t - y_t.detach()) / t.alpha


@final
class Guidance:
    """-grad M_t, a ``Force``.

    Args:
        config: terms, weights, normalisation.
        information: I(x; y_t).
        sizes: (3,) usual root mean squares of grad H, grad U and grad I, each times the number of pixels.
        ahead: whether it is asked at the mean of a step, with the level the step leads to, not at the state it starts
            from.
    """

    def __init__(self, config: MIUDiffConfig, information: Information, sizes: Tensor, *, ahead: bool) -> None:
        self.config, self.information, self.sizes, self.ahead = config, information, sizes.tolist(), ahead

    def weight(self, t: float) -> float:
        """Return lambda_t."""
        config = self.config
        return min(1.0, t / config.start_step) if config.lambda_course == "linear" else config.lambda_value

    def __call__(self, y_t: Tensor, t: Level) -> Tensor:
        """Return the force (B, C, H, W).

        Raises:
            GuidanceError: it is not finite.
        """
        config, lambda_t = self.config, self.weight(t.t)
        last = config.start_step - config.guided_steps
        if config.terms == "none" or (t.t < last if self.ahead else t.t <= last):
            return torch.zeros_like(y_t)
        grad_h, grad_i = gradients(config, self.information, y_t, t)
        grad_u = grad_h - grad_i if config.lambda_form == "paper" else grad_h
        size_h, size_u, size_i = self.sizes
        direction = torch.zeros_like(y_t)
        if config.terms in ("both", "U"):
            size = size_u if config.lambda_form == "paper" else size_h
            direction = direction + lambda_t * config.weight_u * self._scaled(grad_u, size)
        if config.terms in ("both", "I"):
            direction = direction + (1 - lambda_t) * config.weight_i * self._scaled(grad_i, size_i)
        if not bool(torch.isfinite(direction).all()):
            raise GuidanceError(
                f"the gradient of the energy is not finite at t = {t.t:g}",
                fix="run with precision fp32, another entropy, or a critic trained at a lower rate",
            )
        if config.normalize == "none":
            return direction
        shift = (config.kappa * direction).clamp(-LARGEST, LARGEST)
        return shift / math.sqrt(self.beta(t))

    def _scaled(self, gradient: Tensor, size: float) -> Tensor:
        """Bring a gradient to the unit that the normalisation asks for."""
        match self.config.normalize:
            case "none":
                return gradient
            case "per_step":
                return gradient / root_mean_square(gradient)[:, None, None, None].clamp(min=1e-20)
            case "calibrated":
                return gradient * (gradient.shape[2] * gradient.shape[3] / size)

    def beta(self, t: Level) -> float:
        """Return beta_t of the step of the schedule that leads to this level, or starts from it."""
        schedule = self.information.denoiser.schedule
        upper = min(schedule.t_max, max(1.0, t.t + self.ahead))
        _, beta = forward_step(schedule.level(upper - 1), schedule.level(upper))
        return beta


def gradients(config: MIUDiffConfig, information: Information, y_t: Tensor, t: Level) -> tuple[Tensor, Tensor]:
    """Return grad H and grad I at y_t, (B, C, H, W) each; zeros for what no term of the energy needs."""
    needs_i = config.terms in ("both", "I") or (config.terms == "U" and config.lambda_form == "paper")
    with torch.enable_grad():
        y_t = y_t.detach().requires_grad_()
        grad_h = grad_i = torch.zeros_like(y_t)
        if config.terms in ("both", "U"):
            with torch.autocast(y_t.device.type, enabled=False):
                (grad_h,) = torch.autograd.grad(ENTROPIES[config.entropy](y_t.float()).sum(), y_t)
        if needs_i:
            (grad_i,) = torch.autograd.grad(information(y_t, t).sum(), y_t)
    return grad_h, grad_i


def root_mean_square(gradient: Tensor) -> Tensor:
    """Return (B,), over channels and pixels."""
    return gradient.square().mean((1, 2, 3)).sqrt()
