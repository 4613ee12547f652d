"""Regression: the same UNet without time, trained to predict the target directly. The floor under every number.

Source: Sridhar et al., "Diffusion models for generative histopathology" (2023), baseline; the pixel loss is not stated
there, L1 is the default here.

It predicts the mean or median of all stains that fit the source, hence blurs what the source does not determine.
"""

from typing import ClassVar, Literal, final

import torch
from torch import Tensor
from torch.nn import functional

from restain.config import Config
from restain.diffusion import Noise, Sampling
from restain.methods.base import Batch, Method
from restain.nn import UNet, UNetConfig


@final
class RegressionConfig(Config):
    """Options of the regression."""

    unet: UNetConfig = UNetConfig()
    """The network."""
    loss: Literal["l1", "l2"] = "l1"
    """L1 aims at the median of the possible targets and blurs less than L2, which aims at their mean."""


@final
class Regression(Method):
    """y = f(x)."""

    config_type: ClassVar[type[Config]] = RegressionConfig
    summary: ClassVar[str] = "UNet regression from source to target: sharp where the source decides, grey elsewhere."
    citation: ClassVar[str] = """@inproceedings{sridhar2023generative,
  title     = {Diffusion Models for Generative Histopathology},
  author    = {Sridhar, Niranjan and Elad, Michael and McNeil, Carson and Rivlin, Ehud and Freedman, Daniel},
  booktitle = {Deep Generative Models: DGM4MICCAI},
  year      = {2023}
}"""
    samples: ClassVar[bool] = False
    paired: ClassVar[bool] = True

    def __init__(self, config: RegressionConfig, *, source_channels: int, target_channels: int) -> None:
        super().__init__(config, source_channels=source_channels, target_channels=target_channels)
        self.network = UNet(config.unet, source_channels, target_channels, time=False)
        self.multiple = self.network.multiple
        self.distance = {"l1": functional.l1_loss, "l2": functional.mse_loss}[config.loss]

    def losses(self, player: str, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the pixel distance between prediction and target."""
        return {"pixel": self.distance(self.network(batch.source).float(), batch.target)}

    def stain(self, source: Tensor, noise: Noise, sampling: Sampling) -> Tensor:
        """Return the prediction; noise and sampling play no part."""
        predicted: Tensor = self.network(source)
        return predicted.float()
