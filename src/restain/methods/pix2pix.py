"""pix2pix: a generator that a discriminator of pairs cannot tell from the real stain, near it pixel by pixel.

Sources: Isola et al., "Image-to-image translation with conditional adversarial networks" (2017), whose numbers are the
defaults; Liu et al., "BCI: Breast cancer immunohistochemical image generation through pyramid pix2pix" (2022), equation
3, which is `preset: pyramid_pix2pix`; Rivenson et al., "Virtual histological staining of unlabelled
tissue-autofluorescence images via deep learning" (2019), in the form that Sridhar et al. (2023) compare with, which is
`preset: rivenson`.

Equations, with generator G and discriminator D of pairs::

    D minimises  1/2 E -log D(x, y) + 1/2 E -log(1 - D(x, G(x)))
    G minimises  E -log D(x, G(x)) + sum_k lambda_k || g_k(y) - g_k(G(x)) ||_1
                 g_0(y) = y,  g_(k+1)(y) = every second pixel of blur^4 g_k(y)

With `unconditional` and `rotated` (Rivenson), G also minimises lambda_u E -log D_u(G(x)) + lambda_rot E_rot, where D_u
is a discriminator of targets alone, which learns as D does, and E_rot a distance of ``restain.methods.rotated``.

The norms are means over pixels and channels. pix2pix has lambda = (100,), PyramidPix2Pix (25, 25, 25, 25): the coarser
the scale, the less it minds a target that is not aligned to the pixel.

Deviations: dropout acts in training only; the official code keeps it when it is tested, as its randomness. Batch norms
follow the image that is stained, as there: with the averages of training, pix2pix lost 4 dB on images of another area
than those it was trained on. A tile then depends on its extent; ``statistics: training`` is seamless on slides that
look like the training images. Crops are not scaled to 286 px first; a physical scale is a fact.

Official course: crops of 256 px (PyramidPix2Pix 512 or 1024), batch 1 (2), Adam 2e-4 with betas 0.5 and 0.999, 100
epochs at that rate and 100 down to zero.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, final

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from restain.config import Config
from restain.diffusion import Noise, Sampling
from restain.errors import ConfigError
from restain.methods.base import Batch, Method
from restain.methods.named_options import under
from restain.methods.rotated import RotatedConfig, opponent_distance, turned_distance
from restain.nn import (
    GAUSSIAN_3,
    Objective,
    PatchDiscriminator,
    PatchDiscriminatorConfig,
    ResNetGenerator,
    ResNetGeneratorConfig,
    UNetGenerator,
    UNetGeneratorConfig,
    discriminator_loss,
    frozen,
    generator_loss,
    own_statistics,
    pyramid,
)

BLURS = 4
"""Blurs between two scales, each of 3 pixels and sigma 1; official."""

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "pix2pix": {"generator": {"kind": "unet"}, "discriminator": {"norm": "batch"}},
    "pyramid_pix2pix": {
        "generator": {"kind": "resnet", "norm": "batch", "dropout": 0.5},
        "discriminator": {"norm": "batch"},
        "pixel": (25.0, 25.0, 25.0, 25.0),
    },
    "rivenson": {
        "generator": {"kind": "unet"},
        "discriminator": {"norm": "batch"},
        "unconditional": {"discriminator": {"norm": "batch"}, "weight": 1.0},
        "rotated": {"reading": "opponent", "weight": 100.0},
    },
}
"""Name -> options."""


@final
class UnconditionalConfig(Config):
    """A second discriminator, which judges the stain without the source."""

    discriminator: PatchDiscriminatorConfig = PatchDiscriminatorConfig(norm="batch")
    """Its size and shape."""
    weight: float = 1.0
    """lambda_u: weight of what it says to the generator; that of the first discriminator is 1."""


@final
class Pix2PixConfig(Config):
    """Options of pix2pix."""

    preset: Literal["pix2pix", "pyramid_pix2pix", "rivenson"] | None = "pix2pix"
    """Named settings under those given explicitly; null leaves the defaults of the options below."""
    generator: Annotated[UNetGeneratorConfig | ResNetGeneratorConfig, Field(discriminator="kind")] = (
        UNetGeneratorConfig()
    )
    """What makes the stain, of kind `unet` or `resnet`."""
    discriminator: PatchDiscriminatorConfig = PatchDiscriminatorConfig(norm="batch")
    """What tells it from the real one, given the source."""
    objective: Objective = "bce"
    """How scores become losses; `bce` is official for both presets."""
    statistics: Literal["image", "training"] = "image"
    """What batch norms subtract and divide by when an image is stained: its own mean and deviation, as official, or
    averages over training, which make tiles of a slide agree but fail on images of another look."""
    pixel: tuple[float, ...] = Field(default=(100.0,), min_length=1)
    """lambda_k: weight of the L1 distance at each scale, the finest first."""
    unconditional: UnconditionalConfig | None = None
    """A second discriminator, of the stain alone; null in the papers of both other presets."""
    rotated: RotatedConfig | None = None
    """A second distance of pixels, after a rotation; null in the papers of both other presets."""

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, options: Any) -> Any:
        """Put the preset under the explicit options; an unknown one is refused by its field."""
        if isinstance(options, dict) and isinstance(preset := options.get("preset", "pix2pix"), str):
            return under(PRESETS.get(preset, {}), options)
        return options

    @classmethod
    def expanded(cls, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return changed options with a preset spelled out, so that it takes the place of what stood before."""
        return under(PRESETS.get(options.get("preset", ""), {}), options)


@final
class Pix2Pix(Method):
    """y = G(x)."""

    config_type: ClassVar[type[Config]] = Pix2PixConfig
    summary: ClassVar[str] = "Paired GAN: near the target pixel by pixel, and like it to a discriminator (pix2pix)."
    citation: ClassVar[str] = """@inproceedings{isola2017image,
  title     = {Image-to-Image Translation with Conditional Adversarial Networks},
  author    = {Isola, Phillip and Zhu, Jun-Yan and Zhou, Tinghui and Efros, Alexei A.},
  booktitle = {IEEE Conference on Computer Vision and Pattern Recognition},
  year      = {2017}
}
@inproceedings{liu2022bci,
  title     = {{BCI}: Breast Cancer Immunohistochemical Image Generation Through Pyramid Pix2pix},
  author    = {Liu, Shengjie and Zhu, Chuang and Xu, Feng and Jia, Xinyu and Shi, Zhongyue and Jin, Mulan},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition Workshops},
  year      = {2022}
}
@article{rivenson2019virtual,
  title   = {Virtual Histological Staining of Unlabelled Tissue-Autofluorescence Images via Deep Learning},
  author  = {Rivenson, Yair and Wang, Hongda and Wei, Zhensong and de Haan, Kevin and Zhang, Yibo and Wu, Yichen and
             Gunaydin, Harun and Zuckerman, Jonathan E. and Chong, Thomas and Sisk, Anthony E. and
             Westbrook, Lindsey M. and Wallace, W. Dean and Ozcan, Aydogan},
  journal = {Nature Biomedical Engineering},
  year    = {2019}
}"""
    samples: ClassVar[bool] = False
    paired: ClassVar[bool] = True
    scaffold = ("discriminator", "unconditional")
    config: Pix2PixConfig

    def __init__(self, config: Pix2PixConfig, *, source_channels: int, target_channels: int) -> None:
        super().__init__(config, source_channels=source_channels, target_channels=target_channels)
        self.network: UNetGenerator | ResNetGenerator = (
            UNetGenerator(config.generator, source_channels, target_channels)
            if isinstance(config.generator, UNetGeneratorConfig)
            else ResNetGenerator(config.generator, source_channels, target_channels)
        )
        self.discriminator = PatchDiscriminator(config.discriminator, source_channels + target_channels)
        self.unconditional: PatchDiscriminator | None = (
            None
            if config.unconditional is None
            else PatchDiscriminator(config.unconditional.discriminator, target_channels)
        )
        if config.rotated is not None and config.rotated.reading == "opponent" and target_channels != 3:
            raise ConfigError(
                f"colour axes are rotated of 3 channels, and the target has {target_channels}",
                fix="set rotated.reading to turns, or rotated to null",
            )
        self.multiple = self.network.multiple

    def players(self) -> dict[str, list[nn.Parameter]]:
        """Return the parameters of the discriminator (of both, if there are two), then the generator's."""
        judges = [judge for judge in (self.discriminator, self.unconditional) if judge is not None]
        return {
            "discriminator": [parameter for judge in judges for parameter in judge.parameters()],
            "generator": list(self.network.parameters()),
        }

    def losses(self, player: str, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return what the discriminator, or the generator, minimises; dropout follows torch's global generator."""
        config = self.config
        if player == "discriminator":
            with torch.no_grad():
                made = self.network(batch.source)
            real, fake = self._scores(batch.source, batch.target), self._scores(batch.source, made)
            losses = {"adversarial": discriminator_loss(real, fake, config.objective)}
            if self.unconditional is not None:
                real, fake = self.unconditional(batch.target), self.unconditional(made)
                losses["unconditional"] = discriminator_loss(real, fake, config.objective)
            return losses
        made = self.network(batch.source)
        difference = made.float() - batch.target
        with frozen(self.discriminator):
            losses = {
                "adversarial": generator_loss(self._scores(batch.source, made), config.objective),
                "pixel": self.pixel_distance(difference),
            }
        if self.unconditional is not None and config.unconditional is not None:
            with frozen(self.unconditional):
                judged = generator_loss(self.unconditional(made), config.objective)
            losses["unconditional"] = config.unconditional.weight * judged
        if config.rotated is not None:
            apart = (
                opponent_distance(difference)
                if config.rotated.reading == "opponent"
                else turned_distance(self.network, batch.source, made, generator)
            )
            losses["rotated"] = config.rotated.weight * apart
        return losses

    def pixel_distance(self, difference: Tensor) -> Tensor:
        """Return sum_k lambda_k || g_k(difference) ||_1, a scalar; blurring is linear, so the difference is enough.

        Args:
            difference: of two images, (B, C, H, W).
        """
        scales = pyramid(difference, len(self.config.pixel), GAUSSIAN_3, times=BLURS)
        distances = [weight * g_k.abs().mean() for weight, g_k in zip(self.config.pixel, scales, strict=True)]
        return torch.stack(distances).sum()

    def stain(self, source: Tensor, noise: Noise, sampling: Sampling) -> Tensor:
        """Return G(x); noise and sampling play no part."""
        if self.config.statistics == "training":
            made: Tensor = self.network(source)
        else:
            with own_statistics(self.network):
                made = torch.cat([self.network(image[None]) for image in source])  # no image depends on its neighbours
        return made.float()

    def _scores(self, source: Tensor, target: Tensor) -> Tensor:
        scores: Tensor = self.discriminator(torch.cat([source, target.to(source.dtype)], dim=1))
        return scores
