"""The autoencoder: images of both stains as small latents and back, learnt once and held by methods that work there.

Sources: Kingma and Welling, "Auto-encoding variational Bayes" (2014); Rombach et al., "High-resolution image synthesis
with latent diffusion models" (2022), section 3.1, whose KL-regularised autoencoder this is.

Equations, with the mean mu and the deviation sigma of the encoder and D the decoder::

    z = mu + sigma eps
    loss = mean |D(z) - x| + w / n sum (mu^2 + sigma^2 - 1 - log sigma^2) / 2       n: numbers in the image

Staining takes z = mu, brought to zero mean and unit variance per channel; what that takes is measured after training.

Deviations: Rombach et al., and the VQGAN that Li et al. use for latent bridges, add a perceptual distance and a
discriminator, which sharpen what many pixels average over. Both are left out: the perceptual distance needs a network
trained on photographs, which is not there, and a discriminator paints texture of its own, in images whose every nucleus
counts. So the finest detail may blur: look at the reconstruction first, it is the ceiling of every method that works in
these latents. Nor are latents quantised; a small weight w keeps them near. There is no attention, so that the latent of
a place hardly depends on the extent of the tile.

The official size (f4) is ``latent: {width: 128, multipliers: [1, 2, 4], blocks: 2, channels: 3}``.
"""

from typing import ClassVar, final

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from restain.config import Config
from restain.diffusion import Noise, Sampling
from restain.errors import ConfigError
from restain.methods.base import Batch, Method
from restain.nn import LatentConfig, LatentDecoder, LatentEncoder


@final
class AutoencoderConfig(Config):
    """Options of the autoencoder."""

    latent: LatentConfig = LatentConfig()
    """The encoder and the decoder."""
    kl: float = Field(default=1e-6, ge=0)
    """w; the published weight lets latents carry all they can, larger ones make them smoother and images softer."""


@final
class Autoencoder(Method):
    """x -> z -> x."""

    config_type: ClassVar[type[Config]] = AutoencoderConfig
    summary: ClassVar[str] = "Autoencoder of source and target stain, in whose latents other methods work."
    citation: ClassVar[str] = """@inproceedings{rombach2022high,
  title     = {High-Resolution Image Synthesis with Latent Diffusion Models},
  author    = {Rombach, Robin and Blattmann, Andreas and Lorenz, Dominik and Esser, Patrick and Ommer, Bj{\\"o}rn},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  year      = {2022}
}"""
    samples: ClassVar[bool] = False
    paired: ClassVar[bool] = False
    config: AutoencoderConfig
    centre: Tensor
    spread: Tensor

    def __init__(self, config: AutoencoderConfig, *, source_channels: int, target_channels: int) -> None:
        super().__init__(config, source_channels=source_channels, target_channels=target_channels)
        if source_channels != target_channels:
            raise ConfigError(
                f"one autoencoder serves both stains, and they have {source_channels} and {target_channels} channels",
                fix="use stains with equally many channels",
            )
        self.encoder = LatentEncoder(config.latent, source_channels)
        self.decoder = LatentDecoder(config.latent, target_channels)
        self.register_buffer("centre", torch.zeros(config.latent.channels))
        self.register_buffer("spread", torch.ones(config.latent.channels))
        self.multiple = self.factor = config.latent.factor

    def losses(self, player: str, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the error of the reconstruction of both images, and the weighted KL divergence."""
        x = torch.cat([batch.source, batch.target])
        mean, log_variance = self.encoder(x)
        eps = torch.randn(mean.shape, generator=generator, device=mean.device)
        z = mean + (0.5 * log_variance).exp() * eps
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum() / x.numel()
        return {"pixel": functional.l1_loss(self.decoder(z), x), "kl": self.config.kl * divergence}

    @torch.no_grad()
    def calibrate(self, batch: Batch, generator: torch.Generator) -> None:
        """Measure mean and standard deviation of every latent channel, over both stains."""
        mean, _ = self.encoder(torch.cat([batch.source, batch.target]))
        self.centre.copy_(mean.mean((0, 2, 3)))
        self.spread.copy_(mean.std((0, 2, 3)).clamp_min(1e-6))

    def stain(self, source: Tensor, noise: Noise, sampling: Sampling) -> Tensor:
        """Return the reconstruction of the source, which stays in its stain; noise and sampling play no part."""
        return self.decode(self.encode(source))

    def encode(self, image: Tensor) -> Tensor:
        """Return the latents of images of either stain, (B, latent channels, H / N, W / N), of unit variance."""
        mean: Tensor = self.encoder(image)[0]
        return (mean - _channels(self.centre)) / _channels(self.spread)

    def decode(self, latent: Tensor) -> Tensor:
        """Return the images of latents, (B, channels, H, W), float32."""
        image: Tensor = self.decoder(latent * _channels(self.spread) + _channels(self.centre))
        return image


def _channels(values: Tensor) -> Tensor:
    return values[:, None, None]
