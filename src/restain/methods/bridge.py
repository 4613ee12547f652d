"""Brownian bridges: diffusion from the target to the source instead of to noise, in pixels or in latents.

Source: Li et al., "BBDM: Image-to-image translation with Brownian bridge diffusion models" (2023).

Equations, with the target x_0 and the source y::

    x_t = (1 - m_t) x_0 + m_t y + sqrt(delta_t) eps        m_t from 0.001 to 0.999, delta_t = 2 s (m_t - m_t^2)
    loss = mean | network(x_t, t) - (m_t (y - x_0) + sqrt(delta_t) eps) |           objective "grad"
    x_0 ~ sampler of ``restain.diffusion`` from x_T = y

The published sampler is ``sampler: bridge, steps: 200``. ``dpmpp_2m_sde`` follows the same process, and on data with a
known answer its 20 steps keep more texture than those 200 (see ``docs/bridges.md``). What follows the flow (``ddim``,
``dpmpp_2m``, ``unipc``) draws nothing on its way and would make one image only from y itself; there x_T gets the spread
that the process gives it, x_T = y + sqrt(delta_T) eps.

``latent_bridge`` is the same between the latents of an autoencoder, which it holds as a part and does not train.

Official size: ``unet: {width: 128, multipliers: [1, 4, 8], blocks: 2, attention: []}``, with attention in the middle
(the rates of 32, 16 and 8 that the official configuration lists for more are not reached by three levels); Adam at
1e-4. The network sees the source beside x_t in pixels, and not in latents; pixels are held in [-1, 1] at every step,
latents not.

Deviations: the latents are those of a KL-regularised autoencoder of both stains instead of a VQGAN of photographs,
brought to unit variance. The sampler takes 200 steps where the official grid makes 202 of them.
"""

from typing import ClassVar, final

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from restain.config import Config
from restain.diffusion import (
    FLOW_SAMPLERS,
    BridgeDenoiser,
    BridgeObjective,
    BrownianBridge,
    CoarseNoise,
    Noise,
    Sampling,
    bridge_target,
    sample,
)
from restain.methods.autoencoder import Autoencoder, AutoencoderConfig
from restain.methods.base import Batch, Method, Part
from restain.methods.checks import check_channels
from restain.nn import UNet, UNetConfig

CITATION = """@inproceedings{li2023bbdm,
  title     = {{BBDM}: Image-to-Image Translation with {B}rownian Bridge Diffusion Models},
  author    = {Li, Bo and Xue, Kaitao and Liu, Bin and Lai, Yu-Kun},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  year      = {2023}
}"""


class _Options(Config):
    """What bridges in pixels and in latents have in common."""

    unet: UNetConfig = UNetConfig()
    """The network."""
    objective: BridgeObjective = "grad"
    """What it predicts: `grad` x_t - x_0, the published choice; `ysubx` y - x_0; `noise` eps, useless near the source,
    where x_t says nothing of x_0."""
    steps: int = Field(default=1000, ge=2)
    """T, the number of levels."""
    variance: float = Field(default=1.0, gt=0)
    """s, the spread between the ends; smaller ones keep closer to the source and vary less."""


@final
class BridgeConfig(_Options):
    """Options of the bridge in pixels."""

    show_source: bool = True
    """Whether the network sees the source beside x_t, as published; near the target x_t has forgotten it."""


@final
class LatentBridgeConfig(_Options):
    """Options of the bridge in latents."""

    show_source: bool = False
    """Whether the network sees the latent of the source beside x_t; published without."""
    autoencoder: AutoencoderConfig = AutoencoderConfig()
    """The autoencoder of both stains, a part."""


@final
class Bridge(Method):
    """x_0 ~ p(target | source), by a bridge between their pixels."""

    config_type: ClassVar[type[Config]] = BridgeConfig
    summary: ClassVar[str] = "Brownian bridge from the pixels of the source to those of the target (BBDM)."
    citation: ClassVar[str] = CITATION
    samples: ClassVar[bool] = True
    paired: ClassVar[bool] = True
    config: BridgeConfig

    def __init__(self, config: BridgeConfig, *, source_channels: int, target_channels: int) -> None:
        super().__init__(config, source_channels=source_channels, target_channels=target_channels)
        check_channels("a bridge", source_channels, target_channels)
        self.walk = _Walk(config, target_channels, show_source=config.show_source, clip=True)
        self.multiple = self.walk.network.multiple

    def losses(self, player: str, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the error of the prediction at random places of the bridge."""
        return {"bridge": self.walk.loss(batch.target, batch.source, generator)}

    def stain(self, source: Tensor, noise: Noise, sampling: Sampling) -> Tensor:
        """Walk from each source to one stain."""
        return self.walk.sample(source.float(), noise, sampling)


@final
class LatentBridge(Method):
    """x_0 ~ p(target | source), by a bridge between their latents."""

    config_type: ClassVar[type[Config]] = LatentBridgeConfig
    summary: ClassVar[str] = "Brownian bridge between the latents of an autoencoder (LBBDM)."
    citation: ClassVar[str] = CITATION
    samples: ClassVar[bool] = True
    paired: ClassVar[bool] = True
    config: LatentBridgeConfig
    parts: ClassVar[dict[str, Part]] = {"autoencoder": Part("both", method="autoencoder")}

    def __init__(self, config: LatentBridgeConfig, *, source_channels: int, target_channels: int) -> None:
        super().__init__(config, source_channels=source_channels, target_channels=target_channels)
        self.autoencoder = Autoencoder(
            config.autoencoder, source_channels=source_channels, target_channels=target_channels
        )
        self.walk = _Walk(config, config.autoencoder.latent.channels, show_source=config.show_source, clip=False)
        self.multiple = self.autoencoder.factor * self.walk.network.multiple

    def losses(self, player: str, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the error of the prediction at random places of the bridge between the latents."""
        with torch.no_grad():
            x_0, y = (self.autoencoder.encode(image) for image in (batch.target, batch.source))
        return {"bridge": self.walk.loss(x_0, y, generator)}

    def stain(self, source: Tensor, noise: Noise, sampling: Sampling) -> Tensor:
        """Walk from the latent of each source to that of one stain."""
        y = self.autoencoder.encode(source)
        return self.autoencoder.decode(self.walk.sample(y, CoarseNoise(noise, self.autoencoder.factor), sampling))


@final
class _Walk(nn.Module):
    """A bridge between two images of equally many channels, and the network that knows it.

    Args:
        options: those that both bridges have.
        channels: of either image.
        show_source: whether the network sees the source.
        clip: whether images are held in [-1, 1].
    """

    def __init__(self, options: _Options, channels: int, *, show_source: bool, clip: bool) -> None:
        super().__init__()
        self.show_source, self.objective = show_source, options.objective
        self.network = UNet(options.unet, (2 if show_source else 1) * channels, channels, time=True)
        self.schedule = BrownianBridge(options.steps, options.variance)
        self.denoiser = BridgeDenoiser(self._predict, self.schedule, options.objective, clip=clip)

    def loss(self, x_0: Tensor, y: Tensor, generator: torch.Generator) -> Tensor:
        """Return the mean | network(x_t, t) - p | at uniformly drawn t; images are (B, channels, H, W)."""
        t = torch.randint(1, self.schedule.steps + 1, (len(x_0),), generator=generator, device=x_0.device)
        eps = torch.randn(x_0.shape, generator=generator, device=x_0.device)
        u_t = self.schedule.add_noise(x_0, eps, t)  # (1 - m_t) x_0 + sqrt(delta_t) eps
        x_t = self.schedule.add_drift(u_t, y, t)  # x_t = u_t + m_t y
        p = self._predict(x_t, t / self.schedule.steps, y)
        return functional.l1_loss(p.float(), bridge_target(self.objective, x_0, y, eps, x_t))

    def sample(self, y: Tensor, noise: Noise, sampling: Sampling) -> Tensor:
        """Return one x_0 for each y, (B, channels, H, W)."""
        kernel, times = sampling.plan(self.schedule)
        start = self.schedule.level(times[0])
        u_t = start.alpha * y  # x_T = y
        if sampling.sampler in FLOW_SAMPLERS:
            u_t = u_t + start.sigma * noise(y, 0)
        return sample(self.denoiser, u_t, times, kernel, noise, y)

    def _predict(self, x_t: Tensor, time: Tensor, source: Tensor | None) -> Tensor:
        assert source is not None, "a bridge is never asked without its other end"
        seen = torch.cat([x_t, source.to(x_t.dtype)], dim=1) if self.show_source else x_t
        prediction: Tensor = self.network(seen, time)
        return prediction
