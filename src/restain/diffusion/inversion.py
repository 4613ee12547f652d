"""From images to the noise that a sampler would have made them of: along the flow, or by the draws of a random path.

Sources: Song et al., "Denoising diffusion implicit models" (2021), section 4.3; Wu and De la Torre, "A latent space of
stochastic diffusion models for zero-shot image editing and guidance" (2023), the DPM-encoder.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import final

import torch
from torch import Tensor

from restain.diffusion.denoiser import Denoiser
from restain.diffusion.kernels import Kernel, Moment
from restain.diffusion.noise import Noise
from restain.diffusion.ode import DDIM
from restain.diffusion.sample import sample
from restain.diffusion.schedules import Level
from restain.errors import ConfigError


def invert(
    denoiser: Denoiser, x_t: Tensor, times: Sequence[float], kernel: Kernel, source: Tensor | None = None
) -> Tensor:
    """Return the noise at ``times[0]`` from which ``sample`` would make the images: the same steps, taken upwards.

    Args:
        denoiser: what knows the images, and the schedule.
        x_t: the images at ``times[-1]``, (B, C, H, W). Where that is 0, where a step upwards would divide by sigma = 0,
            they are taken for images at the time before it: in schedules of images, less than two grey levels of noise.
        times: as for ``sample``: descending.
        kernel: one that draws no noise.
        source: what the denoiser is conditioned on.

    Raises:
        ConfigError: fewer than two times above 0, or a kernel that draws.
    """
    upwards = [t for t in reversed(times) if t > 0]
    if len(upwards) < 2:
        raise ConfigError("an image cannot be inverted in a single step", fix="use more steps")
    return sample(denoiser, x_t, upwards, kernel, _Unasked(), source)


@final
class _Unasked(Noise):
    """The noise of kernels that draw none."""

    def __call__(self, like: Tensor, draw: int) -> Tensor:
        """Refuse."""
        raise ConfigError("a sampler that draws noise cannot run backwards", fix="use ddim, dpmpp_2m or unipc")

    def of(self, image: int) -> Noise:
        """Return itself."""
        return self


@final
class PathNoise(Noise):
    """The draws by which a sampler would have gone a random path to given images (the DPM-encoder).

    A path x_S, .., x_0 to the images is drawn from the forward process, and draw k is what step k must have drawn to
    follow it. The same draws under another denoiser make another image of the same path::

        x_S = alpha_S x_0 + sigma_S eps                        where the sampler must start
        q(x_s | x_t, x_0) = N(alpha_s x_0 + sqrt(sigma_s^2 - v) (x_t - alpha_t x_0) / sigma_t, v)
        v = eta^2 beta_ts sigma_s^2 / sigma_t^2                of one step of the path (Song et al., equation 7)
        z = (x_s - mean(x_t)) / std                            mean and std of the sampler's step

    The path is walked along with the sampler, one step for each draw, so nothing is kept but the present x_t. Draws are
    asked for in their order, each once.

    Args:
        denoiser: what the images are taken to be made by.
        x0: clean images, (B, C, H, W).
        times: those of the sampler that will ask.
        kernel: that of the sampler; one that draws noise and remembers nothing.
        eta: of the path; 1 for ancestral kernels, its own for DDIM.
        noise: where the path comes from; of it the draws 0 .. n, as many as the sampler makes.
    """

    def __init__(
        self, denoiser: Denoiser, x0: Tensor, times: Sequence[float], kernel: Kernel, eta: float, noise: Noise
    ) -> None:
        self.denoiser, self.x0, self.times, self.kernel, self.eta, self.noise = denoiser, x0, times, kernel, eta, noise
        levels = [denoiser.schedule.level(t) for t in times]
        self._steps = enumerate(pairwise(levels), start=1)
        self.x_t = levels[0].alpha * x0 + levels[0].sigma * noise(x0, 0)
        """Where the path is; before the first draw, where the sampler must start."""

    def __call__(self, like: Tensor, draw: int) -> Tensor:
        """Go the next step of the path and return the draw that leads there.

        Raises:
            ConfigError: the sampler does not draw once in every step but the last.
        """
        expected, (t, s) = next(self._steps)
        if draw != expected:
            raise ConfigError(
                f"draw {draw} of a path was asked for in place of draw {expected}",
                fix="use a sampler that draws once in every step but the last",
            )
        known = DDIM(self.eta)(Moment(t, self.x_t, self.x0), s, (), self._predict)
        guess = self.kernel(Moment(t, self.x_t, self._predict(self.x_t, t)), s, (), self._predict)
        self.x_t = known.mean + known.std * self.noise(self.x_t, draw)  # x_s ~ q(x_s | x_t, x_0)
        return (self.x_t - guess.mean) / guess.std  # z = (x_s - mean(x_t)) / std

    def of(self, image: int) -> Noise:
        """Return the draws of one image, from the start of its path."""
        return PathNoise(self.denoiser, self.x0[[image]], self.times, self.kernel, self.eta, self.noise.of(image))

    def _predict(self, x_t: Tensor, t: Level) -> Tensor:
        return self.denoiser(x_t, torch.tensor(t.t, dtype=torch.float64))
