"""CycleGAN: two generators between two stains, each the way back of the other; images need not be paired.

Source: Zhu et al., "Unpaired image-to-image translation using cycle-consistent adversarial networks" (2017), equations
1 to 3 and section 5.2 (identity), whose numbers are the defaults.

Equations, with G from source x to target y, F back, and one discriminator of each stain::

    D_Y minimises   1/2 E (D_Y(y) - 1)^2 + 1/2 E D_Y(G(x))^2                      and D_X in the same way
    G, F minimise   E (D_Y(G(x)) - 1)^2 + E (D_X(F(y)) - 1)^2
                    + lambda_X || F(G(x)) - x ||_1 + lambda_Y || G(F(y)) - y ||_1
                    + i (lambda_Y || G(y) - y ||_1 + lambda_X || F(x) - x ||_1)

The norms are means over pixels and channels. Discriminators see images of earlier steps too (`ImagePool`).

Cycle consistency does not say that G keeps the tissue: what G hides in its texture F can read, and generators that swap
two kinds of cells, each the wrong way, are as consistent as the right ones. Count cells before trusting it.

Deviation: the discriminators move first in each step, as all methods here have it. Official course: crops of 256 px,
batch 1, Adam 2e-4 with betas 0.5 and 0.999, 100 epochs at that rate and 100 down to zero.
"""

from typing import ClassVar, final

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from restain.config import Config
from restain.diffusion import Noise, Sampling
from restain.errors import ConfigError
from restain.methods.base import Batch, Method
from restain.nn import (
    ImagePool,
    PatchDiscriminator,
    PatchDiscriminatorConfig,
    ResNetGenerator,
    ResNetGeneratorConfig,
    discriminator_loss,
    frozen,
    generator_loss,
)


@final
class CycleGANConfig(Config):
    """Options of CycleGAN."""

    generator: ResNetGeneratorConfig = ResNetGeneratorConfig()
    """Both generators."""
    discriminator: PatchDiscriminatorConfig = PatchDiscriminatorConfig()
    """Both discriminators."""
    cycle_source: float = Field(default=10.0, ge=0)
    """lambda_X: weight of the way from the source to the target and back."""
    cycle_target: float = Field(default=10.0, ge=0)
    """lambda_Y: weight of the way from the target to the source and back."""
    identity: float = Field(default=0.5, ge=0)
    """i: weight of leaving images alone that are of the wanted stain already, relative to the cycles; it keeps colours
    from drifting, and needs stains with equally many channels."""
    pool: int = Field(default=50, ge=0)
    """Made images that discriminators remember; 50 is official."""


@final
class CycleGAN(Method):
    """y = G(x), x = F(y)."""

    config_type: ClassVar[type[Config]] = CycleGANConfig
    summary: ClassVar[str] = "Unpaired GAN: two generators, each the way back of the other (CycleGAN)."
    citation: ClassVar[str] = """@inproceedings{zhu2017unpaired,
  title     = {Unpaired Image-to-Image Translation Using Cycle-Consistent Adversarial Networks},
  author    = {Zhu, Jun-Yan and Park, Taesung and Isola, Phillip and Efros, Alexei A.},
  booktitle = {IEEE International Conference on Computer Vision},
  year      = {2017}
}"""
    samples: ClassVar[bool] = False
    paired: ClassVar[bool] = False
    scaffold = ("inverse", "source_discriminator", "target_discriminator", "source_pool", "target_pool")
    config: CycleGANConfig

    def __init__(self, config: CycleGANConfig, *, source_channels: int, target_channels: int) -> None:
        super().__init__(config, source_channels=source_channels, target_channels=target_channels)
        if config.identity and source_channels != target_channels:
            raise ConfigError(
                f"images of {source_channels} channels cannot be left alone by a network that makes {target_channels} "
                "channels",
                fix="set identity to 0",
            )
        self.network = ResNetGenerator(config.generator, source_channels, target_channels)
        self.inverse = ResNetGenerator(config.generator, target_channels, source_channels)
        self.source_discriminator = PatchDiscriminator(config.discriminator, source_channels)
        self.target_discriminator = PatchDiscriminator(config.discriminator, target_channels)
        self.source_pool, self.target_pool = ImagePool(config.pool), ImagePool(config.pool)
        self.multiple = self.network.multiple

    def players(self) -> dict[str, list[nn.Parameter]]:
        """Return the parameters of both discriminators, then those of both generators."""
        return {
            "discriminator": [*self.source_discriminator.parameters(), *self.target_discriminator.parameters()],
            "generator": [*self.network.parameters(), *self.inverse.parameters()],
        }

    def losses(self, player: str, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return what the discriminators, or the generators, minimise."""
        x, y = batch.source, batch.target
        if player == "discriminator":
            with torch.no_grad():
                made_x, made_y = self.inverse(y), self.network(x)
            made_x, made_y = self.source_pool(made_x, generator), self.target_pool(made_y, generator)
            of_source, of_target = self.source_discriminator, self.target_discriminator
            return {
                "source": discriminator_loss(of_source(x), of_source(made_x), "lsgan"),
                "target": discriminator_loss(of_target(y), of_target(made_y), "lsgan"),
            }
        made_x, made_y = self.inverse(y), self.network(x)
        with frozen(self.source_discriminator), frozen(self.target_discriminator):
            adversarial = generator_loss(self.target_discriminator(made_y), "lsgan")
            adversarial = adversarial + generator_loss(self.source_discriminator(made_x), "lsgan")
        # lambda_X || F(G(x)) - x ||_1 + lambda_Y || G(F(y)) - y ||_1
        terms = {
            "adversarial": adversarial,
            "cycle": self._distances(self.inverse(made_y), self.network(made_x), batch),
        }
        if self.config.identity:
            terms["identity"] = self.config.identity * self._distances(self.inverse(x), self.network(y), batch)
        return terms

    def stain(self, source: Tensor, noise: Noise, sampling: Sampling) -> Tensor:
        """Return G(x); noise and sampling play no part."""
        made: Tensor = self.network(source)
        return made.float()

    def _distances(self, x: Tensor, y: Tensor, batch: Batch) -> Tensor:
        """Return the weighted L1 distances of two images from the source and from the target."""
        of_x, of_y = functional.l1_loss(x.float(), batch.source), functional.l1_loss(y.float(), batch.target)
        return self.config.cycle_source * of_x + self.config.cycle_target * of_y
