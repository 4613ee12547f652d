"""DDIB: the source becomes noise along the flow of its own prior, and that noise an image of the target stain.

Source: Su et al., "Dual diffusion implicit bridges for image-to-image translation" (2023), algorithm 1.

Equations, with ODE(x; t_0, t_1) the probability flow dx = [f x - g^2 score / 2] dt of a prior::

    z = ODE_source(x; 0, T)
    y = ODE_target(z; T, 0)

Both ways take the same steps. Officially 1000 steps of DDIM (here ``sampler: ddim, steps: 1000``) through one model
conditioned on the class. `dpmpp_2m` in 20 to 25 steps inverts an exact prior better than those (there and back on
N(0.3, 0.5^2) it is off by 0.0007, DDIM by 0.0026), so it may stand in. Nothing is drawn: the seed decides nothing.

Deviations: two unconditional priors; the predicted clean image is held in [-1, 1] also on the way up, where that is
officially off (the true one lies there, so the flow stays the same, and it can still be inverted).

A small prior errs by more than the least noise of its schedule; on the way up these errors are taken for noise, and z
is no sample of N(0, I): on the phantom its standard deviation is 2.5. ``noise_step`` drowns them first: from t = 20 on
it is 1.05, for which the image pays with what that noise hides.
"""

import math
from typing import ClassVar, Self, final

import torch
from pydantic import Field, model_validator
from torch import Tensor

from restain.config import Config
from restain.diffusion import FLOW_SAMPLERS, Noise, Sampling, invert, sample
from restain.errors import ConfigError
from restain.methods.base import Batch, Method, Part
from restain.methods.checks import check_channels
from restain.methods.prior import Prior, PriorConfig


@final
class DDIBConfig(Config):
    """Options of DDIB."""

    prior: PriorConfig = PriorConfig()
    """The diffusion model of the target stain, a part."""
    source_prior: PriorConfig = PriorConfig()
    """The diffusion model of the source stain, a part."""
    noise_step: int = Field(default=0, ge=0)
    """The source is noised up to here before it is inverted, in steps of its prior's schedule; 0, none, is official."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.noise_step >= self.source_prior.schedule.steps:
            raise ValueError(
                f"noise_step is {self.noise_step}, which leaves no step to {self.source_prior.schedule.steps}"
            )
        return self


@final
class DDIB(Method):
    """y = ODE_target(ODE_source(x))."""

    config_type: ClassVar[type[Config]] = DDIBConfig
    summary: ClassVar[str] = (
        "Unpaired: the source to noise by its own prior, the noise to the target by another (DDIB)."
    )
    citation: ClassVar[str] = """@inproceedings{su2023dual,
  title     = {Dual Diffusion Implicit Bridges for Image-to-Image Translation},
  author    = {Su, Xuan and Song, Jiaming and Meng, Chenlin and Ermon, Stefano},
  booktitle = {International Conference on Learning Representations},
  year      = {2023}
}"""
    samples: ClassVar[bool] = True
    paired: ClassVar[bool] = False
    config: DDIBConfig
    parts: ClassVar[dict[str, Part]] = {"prior": Part("target"), "source_prior": Part("source")}

    def __init__(self, config: DDIBConfig, *, source_channels: int, target_channels: int) -> None:
        super().__init__(config, source_channels=source_channels, target_channels=target_channels)
        check_channels("DDIB", source_channels, target_channels)
        self.prior = Prior(config.prior, source_channels=source_channels, target_channels=target_channels)
        self.source_prior = Prior(config.source_prior, source_channels=source_channels, target_channels=source_channels)
        self.multiple = math.lcm(self.prior.multiple, self.source_prior.multiple)

    def losses(self, player: str, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return nothing: only the priors learn, and they have learnt."""
        return {}

    def stain(self, source: Tensor, noise: Noise, sampling: Sampling) -> Tensor:
        """Follow both flows.

        Raises:
            ConfigError: a sampler that draws noise, or one that cannot start from the priors' last level.
        """
        kernel, up = sampling.plan(self.source_prior.schedule)
        _, down = sampling.plan(self.prior.schedule)
        self._check(sampling)
        x, level = source.float(), self.source_prior.schedule.level(float(self.config.noise_step))
        if level.t > 0:
            x = level.alpha * x + level.sigma * noise(x, 0)
            up = (*(t for t in up if t > level.t), level.t)
        z = invert(self.source_prior.denoiser, x, up, kernel)  # z = ODE_source(x; 0, T)
        return sample(self.prior.denoiser, z, down, kernel, noise)  # y = ODE_target(z; T, 0)

    def _check(self, sampling: Sampling) -> None:
        if sampling.sampler not in FLOW_SAMPLERS:
            raise ConfigError(
                f"DDIB follows the flow, and {sampling.sampler} draws noise",
                fix=f"use a sampler that draws none: {', '.join(FLOW_SAMPLERS)}",
            )
        ends = [prior.schedule.level(prior.schedule.t_max).alpha for prior in (self.prior, self.source_prior)]
        if min(ends) == 0 and sampling.sampler != "ddim":
            raise ConfigError(
                f"{sampling.sampler} cannot reach the pure noise at the end of a schedule of zero terminal SNR",
                fix="use the sampler ddim",
            )
