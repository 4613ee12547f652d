"""ILVR: a prior of the target stain makes an image from noise whose coarse structure is held to that of the source.

Source: Choi et al., "ILVR: Conditioning method for denoising diffusion probabilistic models" (2021), algorithm 1.

Equations::

    y'_s ~ sampler of ``restain.diffusion``                a step of the prior, from y_T ~ N(0, I)
    x_s = alpha_s x + sigma_s eps_s                        the source, noised afresh at every step
    y_s = y'_s - phi(y'_s) + phi(x_s)    while s > r       phi makes an image N times smaller, then as large as before

Defaults are the official ones: N = 32, bicubic phi, and r = 200. The official code counts r among 100 respaced steps
(``--range_t 20 --timestep_respacing 100``), which is 200 of T = 1000. Its sampler is ``ancestral_small, steps: 100``
with a learnt variance, which priors of this house do not have.

Deviations: the source is noised to the level s of the sample it corrects, as in the paper's algorithm (the official
code noises it to the level the step started from); phi weighs only pixels inside the image at its edges (the official
one mirrors). The predicted clean image is held in [-1, 1], as officially.

Other samplers: the correction is an edit of the sample, so every kernel that starts its next step from what it is
given may be used: `dpmpp_2m` at 20 to 25 steps remembers the clean image it predicted before, not the sample. UniPC is
refused: it computes the sample anew from the step before, and the correction would be lost.

With the bicubic phi the constraint phi(y_s) = phi(x_s) does not hold, since phi(phi(y)) is not phi(y); with ``box`` it
holds to rounding. The squares of phi are counted from the corner of each tile, and overlapping tiles agree on them only
where their corners lie a multiple of N apart.
"""

import math
from typing import ClassVar, Self, final

import torch
from pydantic import Field, model_validator
from torch import Tensor

from restain.config import Config
from restain.diffusion import Guide, Level, Noise, Sampling, sample
from restain.errors import ConfigError
from restain.methods.base import Batch, Method, Part
from restain.methods.checks import check_channels
from restain.methods.prior import Prior, PriorConfig
from restain.nn import LowPass, low_pass

REFERENCE_DRAWS = 10_000_000
"""First number of the draws that noise the source, far above those of any sampler."""


@final
class ILVRConfig(Config):
    """Options of ILVR."""

    prior: PriorConfig = PriorConfig()
    """The diffusion model of the target stain, a part."""
    factor: int = Field(default=32, ge=1)
    """N: structure coarser than about N pixels is the source's; 32 is official, and smaller keeps more of its stain."""
    low_pass: LowPass = "bicubic"
    """phi: `bicubic` is official, `box` holds the constraint exactly."""
    range_t: int = Field(default=200, ge=0)
    """r, in steps of the prior's schedule: below it the prior is left alone; 200 is official."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.range_t >= self.prior.schedule.steps:
            raise ValueError(
                f"range_t is {self.range_t}, and with {self.prior.schedule.steps} steps the source would play no part"
            )
        return self


@final
class Reference(Guide):
    """Holds the coarse structure of the samples to that of the source, noised afresh at each level.

    Args:
        config: phi, N and r.
        source: x, (B, C, H, W).
        noise: where the noise of the source comes from.
    """

    def __init__(self, config: ILVRConfig, source: Tensor, noise: Noise) -> None:
        self.config, self.source, self.noise = config, source, noise

    def on_sample(self, x_s: Tensor, s: Level) -> Tensor:
        """Exchange the coarse structure."""
        if s.t <= self.config.range_t:
            return x_s
        x, draw = self.source, REFERENCE_DRAWS + round(1000 * s.t)
        reference = s.alpha * x + s.sigma * self.noise(x, draw)  # x_s ~ q(x_s | x)
        return x_s + self.phi(reference - x_s)  # phi is linear: y_s = y'_s - phi(y'_s) + phi(x_s)

    def phi(self, image: Tensor) -> Tensor:
        """Return the coarse structure."""
        return low_pass(image, self.config.factor, self.config.low_pass)


@final
class ILVR(Method):
    """y_0 ~ q(target stain), with the coarse structure of the source."""

    config_type: ClassVar[type[Config]] = ILVRConfig
    summary: ClassVar[str] = "Unpaired: a prior of the target stain, held to the coarse structure of the source (ILVR)."
    citation: ClassVar[str] = """@inproceedings{choi2021ilvr,
  title     = {{ILVR}: Conditioning Method for Denoising Diffusion Probabilistic Models},
  author    = {Choi, Jooyoung and Kim, Sungwon and Jeong, Yonghyun and Gwon, Youngjune and Yoon, Sungroh},
  booktitle = {IEEE/CVF International Conference on Computer Vision},
  year      = {2021}
}"""
    samples: ClassVar[bool] = True
    paired: ClassVar[bool] = False
    config: ILVRConfig
    parts: ClassVar[dict[str, Part]] = {"prior": Part("target")}

    def __init__(self, config: ILVRConfig, *, source_channels: int, target_channels: int) -> None:
        super().__init__(config, source_channels=source_channels, target_channels=target_channels)
        check_channels("ILVR", source_channels, target_channels)
        self.prior = Prior(config.prior, source_channels=source_channels, target_channels=target_channels)
        self.multiple = math.lcm(self.prior.multiple, config.factor)

    def losses(self, player: str, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return nothing: only the prior learns, and it has learnt."""
        return {}

    def stain(self, source: Tensor, noise: Noise, sampling: Sampling) -> Tensor:
        """Sample from noise, held to the source.

        Raises:
            ConfigError: the sampler would undo the corrections.
            DataError: N does not divide the sides.
        """
        if sampling.sampler == "unipc":
            raise ConfigError(
                "UniPC computes each sample anew from the step before, and would undo what ILVR corrects",
                fix="use another sampler, for example dpmpp_2m",
            )
        source = source.float()
        kernel, times = sampling.plan(self.prior.schedule)
        reference = Reference(self.config, source, noise)
        return sample(self.prior.denoiser, noise(source, 0), times, kernel, noise, hooks=[reference])
