"""CUT, FastCUT and ASP: a GAN in which every patch of the stain must resemble its own patch of the source.

Sources: Park et al., "Contrastive learning for unpaired image-to-image translation" (2020), `preset: cut` and
`fastcut`; Li et al., "Adaptive supervised PatchNCE loss for learning H&E-to-IHC stain translation with inconsistent
groundtruth image pairs" (2023), `preset: asp`. Their numbers are those of the presets.

Equations, with generator G whose first layers give features at places, heads H, and the InfoNCE of `patch_nce`::

    NCE(a, b) = mean over layers of InfoNCE(H(features of a), H(features of b))          b held constant
    D minimises  1/2 E (D(y) - 1)^2 + 1/2 E D(G(x))^2
    G minimises  E (D(G(x)) - 1)^2 + c lambda_NCE NCE(G(x), x) + c lambda_NCE NCE(G(y), y)    c = 1/2, or 1
                 + lambda_ASP NCE_w(G(x), y) + lambda_GP mean over levels of w_k || g_k(G(x)) - g_k(y) ||_1

FastCUT leaves NCE(G(y), y) out (then c = 1), and mirrors x at random before G, and features of G(x) back for NCE.
ASP needs pairs, which may disagree: NCE_w weighs places by p + (1 - p) relu(cosine), and p falls from 1 to 0 over the
last quarter of `schedule_images`; the levels of a Gaussian pyramid weigh w_k = 1/64 .. 1, the coarsest most.

Deviations: weights start as N(0, 0.02^2) instead of Xavier with gain 0.02; the rate decays over the second half of the
training (`late_linear`), that of FastCUT and ASP officially over the last quarter.

Official course: Adam 2e-4 with betas 0.5 and 0.999, batch 1; CUT crops of 256 px, 200 epochs at that rate and 200 down
to zero; FastCUT 150 and 50; ASP crops of 512 px, 30 and 10.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, Self, final

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from restain.config import Config
from restain.diffusion import Noise, Sampling
from restain.errors import ConfigError
from restain.methods.base import Batch, Method
from restain.methods.named_options import under
from restain.nn import (
    BINOMIAL_5,
    PatchDiscriminator,
    PatchDiscriminatorConfig,
    PatchHeads,
    ResNetGenerator,
    ResNetGeneratorConfig,
    adaptive_patch_nce,
    blur,
    discriminator_loss,
    draw_places,
    frozen,
    generator_loss,
    patch_nce,
    pyramid,
)

LEVELS = (1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
"""w_k: weights of the levels of the pyramid, the finest first; official."""

TRUSTED = 0.75
"""Part of the schedule in which all places count the same; official (30 of 40 epochs)."""

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "cut": {"generator": {"antialias": True}, "discriminator": {"antialias": True}, "nce": 1.0, "identity": True},
    "fastcut": {
        "generator": {"antialias": True},
        "discriminator": {"antialias": True},
        "nce": 10.0,
        "identity": False,
        "flip": True,
    },
    "asp": {
        "generator": {"antialias": True, "blocks": 6, "spectral": True},
        "discriminator": {"antialias": True, "layers": 5, "width": 32, "spectral": True},
        "nce": 10.0,
        "identity": False,
        "flip": False,
        "supervised": 10.0,
        "pyramid": 10.0,
    },
}
"""Name -> options. ASP calls itself FastCUT in this, but does not mirror."""


@final
class CUTConfig(Config):
    """Options of CUT."""

    preset: Literal["cut", "fastcut", "asp"] | None = "cut"
    """Named settings under those given explicitly; null leaves the defaults of the options below."""
    generator: ResNetGeneratorConfig = ResNetGeneratorConfig(antialias=True)
    """What makes the stain."""
    discriminator: PatchDiscriminatorConfig = PatchDiscriminatorConfig(antialias=True)
    """What tells it from the real one."""
    layers: tuple[int, ...] = Field(default=(0, 4, 8, 12, 16), min_length=1)
    """Layers of the generator whose features are compared, rising; the image itself, both widths, two blocks."""
    places: int = Field(default=256, ge=2)
    """Places per layer and image; each has the others for false partners."""
    head_width: int = Field(default=256, ge=1)
    """Width of the space in which patches are compared."""
    temperature: float = Field(default=0.07, gt=0)
    """tau of PatchNCE."""
    nce: float = Field(default=1.0, gt=0)
    """lambda_NCE: weight of the contrast with the source; 10 without `identity`."""
    identity: bool = True
    """Whether images of the target must be left alone, which keeps colours from drifting."""
    flip: bool = False
    """Whether sources are mirrored at random before they are stained."""
    supervised: float = Field(default=0.0, ge=0)
    """lambda_ASP: weight of the contrast with the paired target; 0 needs no pairs."""
    pyramid: float = Field(default=0.0, ge=0)
    """lambda_GP: weight of the distance from the paired target in a Gaussian pyramid; 0 needs no pairs."""
    schedule_images: int | None = Field(default=None, ge=1)
    """Images over which places of pairs come to count by how well they agree; with `supervised` it must be given;
    meant to be training.images (of one process)."""

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, options: Any) -> Any:
        """Put the preset under the explicit options; an unknown one is refused by its field."""
        if isinstance(options, dict) and isinstance(preset := options.get("preset", "cut"), str):
            return under(PRESETS.get(preset, {}), options)
        return options

    @classmethod
    def expanded(cls, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return changed options with a preset spelled out, so that it takes the place of what stood before."""
        return under(PRESETS.get(options.get("preset", ""), {}), options)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if list(self.layers) != sorted(set(self.layers)) or self.layers[0] < 0:
            raise ValueError(f"layers {self.layers} do not rise from 0 on")
        if self.supervised and self.schedule_images is None:
            raise ValueError(
                "supervised weighs places by a schedule, and schedule_images is null; set it to the images"
            )
        return self


@final
class CUT(Method):
    """y = G(x)."""

    config_type: ClassVar[type[Config]] = CUTConfig
    summary: ClassVar[str] = "GAN with contrast between patches: unpaired (CUT, FastCUT), or with loose pairs (ASP)."
    citation: ClassVar[str] = """@inproceedings{park2020contrastive,
  title     = {Contrastive Learning for Unpaired Image-to-Image Translation},
  author    = {Park, Taesung and Efros, Alexei A. and Zhang, Richard and Zhu, Jun-Yan},
  booktitle = {European Conference on Computer Vision},
  year      = {2020}
}
@inproceedings{li2023adaptive,
  title     = {Adaptive Supervised {PatchNCE} Loss for Learning {H\\&E}-to-{IHC} Stain Translation with Inconsistent
               Groundtruth Image Pairs},
  author    = {Li, Fangda and Hu, Zhiqiang and Chen, Wen and Kak, Avinash},
  booktitle = {Medical Image Computing and Computer Assisted Intervention},
  year      = {2023}
}"""
    samples: ClassVar[bool] = False
    paired: ClassVar[bool] = False
    scaffold = ("discriminator", "heads", "seen")
    config: CUTConfig
    seen: Tensor

    def __init__(self, config: CUTConfig, *, source_channels: int, target_channels: int) -> None:
        super().__init__(config, source_channels=source_channels, target_channels=target_channels)
        if source_channels != target_channels:
            raise ConfigError(
                f"CUT takes features of source and target by one network, and they have {source_channels} and "
                f"{target_channels} channels",
                fix="use stains with equally many channels, or another method (pix2pix, cyclegan with identity 0)",
            )
        self.network = ResNetGenerator(config.generator, source_channels, target_channels)
        if config.layers[-1] >= len(self.network.layers):
            raise ConfigError(
                f"the generator has layers 0 to {len(self.network.layers) - 1}, not {config.layers[-1]}",
                fix="name others in layers",
            )
        self.discriminator = PatchDiscriminator(config.discriminator, target_channels)
        self.heads = PatchHeads(self.network.feature_widths(config.layers), config.head_width)
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        self.multiple = self.network.multiple
        self.paired = bool(config.supervised or config.pyramid)  # type: ignore[misc]  # ASP alone

    def players(self) -> dict[str, list[nn.Parameter]]:
        """Return the discriminator's parameters, then those of the generator and its heads."""
        return {
            "discriminator": list(self.discriminator.parameters()),
            "generator": [*self.network.parameters(), *self.heads.parameters()],
        }

    def losses(self, player: str, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return what the discriminator, or the generator, minimises."""
        config, x, y = self.config, batch.source, batch.target
        if player == "discriminator":
            with torch.no_grad():
                made = self.network(x)
            return {"adversarial": discriminator_loss(self.discriminator(y), self.discriminator(made), "lsgan")}

        mirrored = config.flip and bool(torch.rand((), generator=generator, device=x.device) < 1 / 2)
        made = self.network(x.flip(3) if mirrored else x)
        with frozen(self.discriminator):
            terms = {"adversarial": generator_loss(self.discriminator(made), "lsgan")}
        weight = config.nce / 2 if config.identity else config.nce
        features = [f.flip(3) if mirrored else f for f in self._features(made)]
        terms["nce"] = weight * self._contrast(features, x, self._info_nce, generator)
        if config.identity:
            terms["identity"] = weight * self._contrast(self._features(self.network(y)), y, self._info_nce, generator)
        if config.supervised:
            terms["supervised"] = config.supervised * self._contrast(features, y, self._adaptive, generator)
        if config.pyramid:
            terms["pyramid"] = config.pyramid * pyramid_distance(made.float() - y)
        if self.training:
            self.seen += len(x)
        return terms

    def trust(self) -> float:
        """Return p, how much a pair is believed whatever it looks like: 1, then linearly down to 0."""
        assert self.config.schedule_images is not None
        done = min(1.0, int(self.seen) / self.config.schedule_images)
        return min(1.0, (1 - done) / (1 - TRUSTED))

    def stain(self, source: Tensor, noise: Noise, sampling: Sampling) -> Tensor:
        """Return G(x); noise and sampling play no part."""
        made: Tensor = self.network(source)
        return made.float()

    def _features(self, image: Tensor) -> list[Tensor]:
        return self.network.features(image, self.config.layers)

    def _contrast(
        self,
        queries: Sequence[Tensor],
        image: Tensor,
        loss: Callable[[Tensor, Tensor], Tensor],
        generator: torch.Generator,
    ) -> Tensor:
        """Return the mean loss over layers of features at random places against those of an image."""
        places = draw_places(queries, self.config.places, generator)
        q = self.heads(queries, places)
        with torch.no_grad():
            k = self.heads(self._features(image), places)
        return torch.stack([loss(*layer).mean() for layer in zip(q, k, strict=True)]).mean()

    def _info_nce(self, query: Tensor, key: Tensor) -> Tensor:
        return patch_nce(query, key, self.config.temperature)

    def _adaptive(self, query: Tensor, key: Tensor) -> Tensor:
        return adaptive_patch_nce(query, key, self.trust(), self.config.temperature)


def pyramid_distance(difference: Tensor) -> Tensor:
    """Return the mean over levels of w_k || g_k ||_1 of the difference of two images (B, C, H, W), a scalar.

    All levels but the coarsest are blurred once more, as in the official code.

    Raises:
        DataError: sides below 48 px, too small for six levels.
    """
    g = pyramid(difference, len(LEVELS), BINOMIAL_5)
    g = [*(blur(g_k, BINOMIAL_5) for g_k in g[:-1]), g[-1]]
    return torch.stack([w_k * g_k.abs().mean() for w_k, g_k in zip(LEVELS, g, strict=True)]).mean()
