"""SDEdit: noise the source until its stain drowns, then denoise it with a prior of the target stain.

Source: Meng et al., "SDEdit: Guided image synthesis and editing with stochastic differential equations" (2022),
algorithm 2 without a mask.

Equations::

    y_S = alpha_S x + sigma_S eps                          the source x, in its own colours, noised up to S
    y_0 ~ sampler of ``restain.diffusion`` from y_S        the prior knows nothing of x
    x <- y_0                                               and again, K times in all

One pass keeps of the source, along a direction in which the target has variance s^2, the share
k = SNR_S s^2 / (1 + SNR_S s^2): a late start (small S) keeps structure and stain alike, an early one loses both. That
is for samplers that draw noise; those that draw none keep sqrt(k), far more, of the stain too, and are no SDEdit.

Defaults: S = 300 and K = 1, those of the comparisons in virtual staining (Liu et al. 2025). The official code paints
from strokes with S = 500 and K = 3 (its command line: 400 and 3) and takes every step with the small variance, which is
``sampler: ancestral_small, steps: 300`` here; ``dpmpp_2m_sde`` at 40 steps follows the same equation.

Deviations: the predicted clean image is held in [-1, 1].
"""

from typing import ClassVar, Self, final

import torch
from pydantic import Field, model_validator
from torch import Tensor

from restain.config import Config
from restain.diffusion import LaterNoise, Noise, Sampling, sample
from restain.methods.base import Batch, Method, Part
from restain.methods.checks import check_channels, check_start
from restain.methods.prior import Prior, PriorConfig


@final
class SDEditConfig(Config):
    """Options of SDEdit."""

    prior: PriorConfig = PriorConfig()
    """The diffusion model of the target stain, a part."""
    start_step: int = 300
    """S, in steps of the prior's schedule: the source is noised up to here; 300 of 1000 is what papers compare with."""
    repeats: int = Field(default=1, ge=1)
    """K: how often the result is noised and denoised again; more repeats forget more of the source."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        check_start(self.start_step, self.prior.schedule)
        return self


@final
class SDEdit(Method):
    """y_0 ~ q(target stain | y_S), y_S the noised source."""

    config_type: ClassVar[type[Config]] = SDEditConfig
    summary: ClassVar[str] = "Unpaired: the noised source, denoised by a prior of the target stain (SDEdit)."
    citation: ClassVar[str] = """@inproceedings{meng2022sdedit,
  title     = {{SDEdit}: Guided Image Synthesis and Editing with Stochastic Differential Equations},
  author    = {Meng, Chenlin and He, Yutong and Song, Yang and Song, Jiaming and Wu, Jiajun and Zhu, Jun-Yan and
               Ermon, Stefano},
  booktitle = {International Conference on Learning Representations},
  year      = {2022}
}"""
    samples: ClassVar[bool] = True
    paired: ClassVar[bool] = False
    config: SDEditConfig
    parts: ClassVar[dict[str, Part]] = {"prior": Part("target")}

    def __init__(self, config: SDEditConfig, *, source_channels: int, target_channels: int) -> None:
        super().__init__(config, source_channels=source_channels, target_channels=target_channels)
        check_channels("SDEdit", source_channels, target_channels)
        self.prior = Prior(config.prior, source_channels=source_channels, target_channels=target_channels)
        self.multiple = self.prior.multiple

    def losses(self, player: str, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return nothing: only the prior learns, and it has learnt."""
        return {}

    def stain(self, source: Tensor, noise: Noise, sampling: Sampling) -> Tensor:
        """Noise the source and denoise it, K times."""
        schedule, x = self.prior.schedule, source.float()
        kernel, times = sampling.plan(schedule, float(self.config.start_step))
        start = schedule.level(times[0])
        for repeat in range(self.config.repeats):
            fresh = LaterNoise(noise, repeat * len(times))
            y_s = start.alpha * x + start.sigma * fresh(x, 0)  # y_S = alpha_S x + sigma_S eps
            x = sample(self.prior.denoiser, y_s, times, kernel, fresh)
        return x
