"""The prior: an unconditional diffusion model of one stain, trained once and held by the methods that steer it.

Source: Ho, Jain and Abbeel, "Denoising diffusion probabilistic models" (2020); stage 1 of Liu et al., "Score-based
diffusion model for unpaired virtual histology staining" (2025), and what SDEdit, ILVR and EGSDE start from too.

Equations::

    x_t = alpha_t x_0 + sigma_t eps                        forward process
    loss = mean of w_t || network(x_t, t) - p ||^2         p is eps, x_0 or v; w_t = 1 or min-SNR
    score: grad log q_t(x_t) = -eps(x_t, t) / sigma_t

Deviations from Liu et al.: what the network predicts and the weights may be chosen (theirs is ``prediction: eps,
min_snr: null``), because narrow networks learn x_0 far better.
"""

from typing import ClassVar, final

import torch
from torch import Tensor

from restain.config import Config
from restain.diffusion import NetworkDenoiser, Noise, Sampling, ScheduleConfig, sample
from restain.methods.base import Batch, Method
from restain.methods.denoising import Predicted, denoising_error
from restain.nn import UNet, UNetConfig


@final
class PriorConfig(Config):
    """Options of the prior."""

    unet: UNetConfig = UNetConfig()
    """The network."""
    schedule: ScheduleConfig = ScheduleConfig()
    """Noise levels; the papers' linear one, on which their start times and constants are stated."""
    prediction: Predicted = "v"
    """What the network predicts; narrow networks (64 channels and less) do better with x0."""
    min_snr: float | None = 5
    """Gamma of the min-SNR weights; they favour the low noise at which steered sampling spends its steps."""


@final
class Prior(Method):
    """y_0 ~ q(target stain), whatever the source."""

    config_type: ClassVar[type[Config]] = PriorConfig
    summary: ClassVar[str] = "Unconditional diffusion model of the target stain, which other methods hold and steer."
    citation: ClassVar[str] = """@inproceedings{ho2020denoising,
  title     = {Denoising Diffusion Probabilistic Models},
  author    = {Ho, Jonathan and Jain, Ajay and Abbeel, Pieter},
  booktitle = {Advances in Neural Information Processing Systems},
  year      = {2020}
}"""
    samples: ClassVar[bool] = True
    paired: ClassVar[bool] = False
    config: PriorConfig

    def __init__(self, config: PriorConfig, *, source_channels: int, target_channels: int) -> None:
        super().__init__(config, source_channels=source_channels, target_channels=target_channels)
        self.network = UNet(config.unet, target_channels, target_channels, time=True)
        self.multiple = self.network.multiple
        self.target_channels = target_channels
        self.schedule = config.schedule.build()
        self.denoiser = NetworkDenoiser(self._predict, self.schedule, config.prediction, clip=True)

    def losses(self, player: str, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the weighted error of the prediction at random noise levels; the source plays no part."""
        config = self.config
        error = denoising_error(
            self._predict, batch.target, None, self.schedule, config.prediction, config.min_snr, generator
        )
        return {"denoising": error}

    def stain(self, source: Tensor, noise: Noise, sampling: Sampling) -> Tensor:
        """Draw images of the target stain, as many and as large as the sources, which play no other part."""
        kernel, times = sampling.plan(self.schedule)
        like = source.new_empty(len(source), self.target_channels, *source.shape[2:], dtype=torch.float32)
        return sample(self.denoiser, noise(like, 0), times, kernel, noise)

    def _predict(self, x_t: Tensor, time: Tensor, source: Tensor | None) -> Tensor:
        prediction: Tensor = self.network(x_t, time)
        return prediction
