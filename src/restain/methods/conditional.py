"""Conditional diffusion: the source is concatenated to the noisy target.

Sources: Saharia et al., "Palette: Image-to-image diffusion models" (2022); Sridhar et al., "Diffusion models for
generative histopathology" (2023), whose Diffusion-B, -B/R and -L are configurations of this file.

Equations::

    x_t = alpha_t x_0 + sigma_t eps                                  forward process
    loss = mean of w_t || network([x_t, source], t) - p ||^2         p is eps, x_0 or v; w_t = 1 or min-SNR
    x_0 ~ sampler of ``restain.diffusion`` from x_T ~ N(0, I)        reverse process

With ``masked_target`` (Diffusion-B/R) the network sees [x_t, source, x_0 (1 - m), m], with a random mask m in training
and m = 1 when it stains; the loss is of all pixels.

Deviations from Sridhar et al.: v-prediction, min-SNR weights and zero terminal SNR may be chosen (theirs is
``prediction: eps, min_snr: null``); any sampler may stand in for the thousand ancestral steps.
"""

from typing import ClassVar, final

import torch
from torch import Tensor

from restain.config import Config
from restain.diffusion import NetworkDenoiser, Noise, Sampling, ScheduleConfig, sample
from restain.methods.base import Batch, Method
from restain.methods.denoising import Predicted, denoising_error
from restain.methods.masked_target import MaskedTargetConfig, masked_target, random_masks
from restain.nn import UNet, UNetConfig


@final
class ConditionalConfig(Config):
    """Options of conditional diffusion."""

    unet: UNetConfig = UNetConfig()
    """The network."""
    schedule: ScheduleConfig = ScheduleConfig(zero_terminal_snr=True)
    """Noise levels; with zero terminal SNR overall brightness is learnt too."""
    prediction: Predicted = "v"
    """What the network predicts; v is well behaved at every noise level."""
    min_snr: float | None = None
    """Gamma of the min-SNR weights; null weighs all levels equally. They vanish at zero terminal SNR, where sampling
    starts and a conditional model decides most, so they are not the default."""
    masked_target: MaskedTargetConfig | None = None
    """Lets the network see random parts of the target while it learns (Diffusion-B/R); null, the default, as the paper
    found it worse by FSD and equal by FID."""


@final
class Conditional(Method):
    """x_0 ~ p(target | source)."""

    config_type: ClassVar[type[Config]] = ConditionalConfig
    summary: ClassVar[str] = "Conditional diffusion: the source is concatenated to the noisy target (Palette)."
    citation: ClassVar[str] = """@inproceedings{saharia2022palette,
  title     = {Palette: Image-to-Image Diffusion Models},
  author    = {Saharia, Chitwan and Chan, William and Chang, Huiwen and Lee, Chris and Ho, Jonathan and
               Salimans, Tim and Fleet, David and Norouzi, Mohammad},
  booktitle = {ACM SIGGRAPH},
  year      = {2022}
}
@inproceedings{sridhar2023generative,
  title     = {Diffusion Models for Generative Histopathology},
  author    = {Sridhar, Niranjan and Elad, Michael and McNeil, Carson and Rivlin, Ehud and Freedman, Daniel},
  booktitle = {Deep Generative Models: DGM4MICCAI},
  year      = {2023}
}"""
    samples: ClassVar[bool] = True
    paired: ClassVar[bool] = True
    config: ConditionalConfig

    def __init__(self, config: ConditionalConfig, *, source_channels: int, target_channels: int) -> None:
        super().__init__(config, source_channels=source_channels, target_channels=target_channels)
        seen = 0 if config.masked_target is None else target_channels + 1
        self.network = UNet(config.unet, source_channels + target_channels + seen, target_channels, time=True)
        self.multiple = self.network.multiple
        self.target_channels = target_channels
        self.schedule = config.schedule.build()
        self.denoiser = NetworkDenoiser(self._predict, self.schedule, config.prediction, clip=True)

    def losses(self, player: str, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the weighted error of the prediction at random noise levels."""
        config, x_0, source = self.config, batch.target, batch.source
        if config.masked_target is not None:
            mask = random_masks(len(x_0), x_0.shape[2], x_0.shape[3], config.masked_target.full, generator)
            source = torch.cat([source, masked_target(x_0, mask)], dim=1)
        error = denoising_error(self._predict, x_0, source, self.schedule, config.prediction, config.min_snr, generator)
        return {"denoising": error}

    def stain(self, source: Tensor, noise: Noise, sampling: Sampling) -> Tensor:
        """Draw one stain per source."""
        kernel, times = sampling.plan(self.schedule)
        like = torch.empty(
            len(source), self.target_channels, *source.shape[2:], device=source.device, dtype=torch.float32
        )
        if self.config.masked_target is not None:  # all is hidden
            source = torch.cat([source, masked_target(like.zero_(), torch.ones_like(like[:, :1]))], dim=1)
        return sample(self.denoiser, noise(like, 0), times, kernel, noise, source)

    def _predict(self, x_t: Tensor, time: Tensor, source: Tensor | None) -> Tensor:
        assert source is not None, "a conditional network is never asked without its source"
        prediction: Tensor = self.network(torch.cat([x_t, source.to(x_t.dtype)], dim=1), time)
        return prediction
