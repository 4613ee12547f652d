"""CycleDiffusion: the draws by which the source's prior would have made the source make an image under the target's.

Source: Wu and De la Torre, "A latent space of stochastic diffusion models for zero-shot image editing and guidance"
(2023), algorithm 1 (the DPM-encoder).

Equations, of one step from t to s::

    x_S = alpha_S x + sigma_S eps
    x_s ~ q(x_s | x_t, x)                                  a random path that ends at the source
    z_t = (x_s - mu_source(x_t)) / std_t                   the draw that would have led there
    y_S = x_S,  y_s = mu_target(y_t) + std_t z_t           the same draws under the target's prior
    y <- SDEdit(y) from R                                  a last polish that forgets the source's finest marks

The last step draws nothing. With the same prior on both sides y_s = x_s: what the source has and both priors agree on
stays.

Path and image go step by step together, so besides the two states nothing is kept; the official code keeps z_t of all
steps (850 images). Defaults are the official ones: S = 850 (``es_steps``), R = 100 (``refine_steps``), eta = 0.1 of
DDIM, which is what ``sampler: ddim`` means here, at 850 steps. The ancestral samplers stand for eta = 1; samplers that
draw nothing have no z_t, and `dpmpp_2m_sde` has a memory that would have to be carried along: they are refused.

Deviations: few DDIM steps are even in log-SNR, not in t; the predicted clean image is held in [-1, 1].
"""

import math
from typing import ClassVar, Self, final

import torch
from pydantic import Field, model_validator
from torch import Tensor

from restain.config import Config
from restain.diffusion import DDIM, Kernel, LaterNoise, Noise, PathNoise, Sampling, Times, sample
from restain.errors import ConfigError
from restain.methods.base import Batch, Method, Part
from restain.methods.checks import check_channels, check_start
from restain.methods.prior import Prior, PriorConfig


@final
class CycleDiffusionConfig(Config):
    """Options of CycleDiffusion."""

    prior: PriorConfig = PriorConfig()
    """The diffusion model of the target stain, a part."""
    source_prior: PriorConfig = PriorConfig()
    """The diffusion model of the source stain, a part, on the same schedule."""
    start_step: int = 850
    """S, in steps of the schedule: where the path begins; 850 of 1000 is official."""
    eta: float = Field(default=0.1, gt=0, le=1)
    """How much noise the sampler `ddim` draws here: 0.1 is official, 1 is that of ancestral sampling."""
    refine_step: int = Field(default=100, ge=0)
    """R: the result is noised up to here and denoised once more; 100 is official, 0 leaves it out."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        check_start(self.start_step, self.prior.schedule)
        if self.refine_step > self.start_step:
            raise ValueError(f"refine_step is {self.refine_step}, past start_step {self.start_step}")
        if self.prior.schedule != self.source_prior.schedule:
            raise ValueError("prior and source_prior have different schedules, so that a step is not the same in both")
        return self


@final
class CycleDiffusion(Method):
    """y by the draws of x."""

    config_type: ClassVar[type[Config]] = CycleDiffusionConfig
    summary: ClassVar[str] = "Unpaired: the draws that make the source, under the target's prior (CycleDiffusion)."
    citation: ClassVar[str] = """@inproceedings{wu2023latent,
  title     = {A Latent Space of Stochastic Diffusion Models for Zero-Shot Image Editing and Guidance},
  author    = {Wu, Chen Henry and De la Torre, Fernando},
  booktitle = {IEEE/CVF International Conference on Computer Vision},
  year      = {2023}
}"""
    samples: ClassVar[bool] = True
    paired: ClassVar[bool] = False
    config: CycleDiffusionConfig
    parts: ClassVar[dict[str, Part]] = {"prior": Part("target"), "source_prior": Part("source")}

    def __init__(self, config: CycleDiffusionConfig, *, source_channels: int, target_channels: int) -> None:
        super().__init__(config, source_channels=source_channels, target_channels=target_channels)
        check_channels("CycleDiffusion", source_channels, target_channels)
        self.prior = Prior(config.prior, source_channels=source_channels, target_channels=target_channels)
        self.source_prior = Prior(config.source_prior, source_channels=source_channels, target_channels=source_channels)
        self.multiple = math.lcm(self.prior.multiple, self.source_prior.multiple)

    def losses(self, player: str, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return nothing: only the priors learn, and they have learnt."""
        return {}

    def stain(self, source: Tensor, noise: Noise, sampling: Sampling) -> Tensor:
        """Make the image of the source's draws, and polish it.

        Raises:
            ConfigError: a sampler without draws, or with a memory.
        """
        x, config = source.float(), self.config
        kernel, times, eta = self._plan(sampling)
        path = PathNoise(self.source_prior.denoiser, x, times, kernel, eta, noise)
        y = sample(self.prior.denoiser, path.x_t, times, kernel, path)
        if config.refine_step == 0:
            return y
        again, level = LaterNoise(noise, len(times)), self.prior.schedule.level(float(config.refine_step))
        y_r = level.alpha * y + level.sigma * again(y, 0)
        polish = DDIM(eta=1.0) if sampling.sampler == "ddim" else kernel
        return sample(self.prior.denoiser, y_r, (level.t, *(t for t in times if t < level.t)), polish, again)

    def _plan(self, sampling: Sampling) -> tuple[Kernel, Times, float]:
        """Return the kernel, its times and the eta of the path."""
        kernel, times = sampling.plan(self.prior.schedule, float(self.config.start_step))
        if sampling.sampler == "ddim":
            return DDIM(self.config.eta), times, self.config.eta
        if not kernel.from_mean:
            raise ConfigError(
                f"CycleDiffusion carries the draws of every step over, which {sampling.sampler} does not allow",
                fix="use the sampler ddim, or an ancestral one",
            )
        return kernel, times, 1.0
