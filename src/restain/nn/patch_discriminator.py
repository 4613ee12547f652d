"""PatchGAN: a convolutional discriminator that scores every patch of an image by itself.

Source: Isola et al., "Image-to-image translation with conditional adversarial networks" (2017), section 3.2.2 and
appendix 6.1.2; the blurred halvings are those of Park et al. (CUT, 2020).

Plan, for n layers and width w::

    conv 4, w, /2 -> LeakyReLU -> n - 1 times [conv 4, /2 -> norm -> LeakyReLU]
                  -> conv 4 -> norm -> LeakyReLU -> conv 4, one channel

The width doubles up to 8 w. Three layers see patches of 70 px.
"""

from typing import final

from pydantic import Field
from torch import Tensor, nn

from restain.config import Config
from restain.errors import DataError
from restain.nn.blur import BlurPool
from restain.nn.convolution import Norm, fresh, norm_layer

SLOPE = 0.2
"""Of LeakyReLU below zero."""


@final
class PatchDiscriminatorConfig(Config):
    """Size and shape of a PatchGAN discriminator."""

    width: int = Field(default=64, ge=1)
    """Channels of the first layer; 64 is that of all the papers but ASP."""
    layers: int = Field(default=3, ge=1)
    """Halvings; 3 see patches of 70 px, 1 of 16 px, 5 of 286 px."""
    norm: Norm = "instance"
    """What normalises; `batch` for pix2pix, `instance` for all that train with single images."""
    antialias: bool = False
    """Blur before halving (CUT); four times the computation, since convolutions run before they are thinned out."""
    spectral: bool = False
    """Divide every weight by its largest singular value (ASP), so that scores cannot become arbitrarily steep."""


@final
class PatchDiscriminator(nn.Module):
    """Scores of patches: high for real ones.

    Args:
        config: size and shape.
        channels: of the images; those of source and target together where pairs are judged.
    """

    def __init__(self, config: PatchDiscriminatorConfig, channels: int) -> None:
        super().__init__()
        widths = [config.width * min(2**n, 8) for n in range(config.layers + 1)]

        def conv(inside: int, out: int, *, halve: bool, bias: bool) -> list[nn.Module]:
            stride = 2 if halve and not config.antialias else 1
            layer = nn.Conv2d(inside, out, 4, stride=stride, padding=1, bias=bias)
            return [fresh(layer, spectral=config.spectral)]

        layers: list[nn.Module] = []
        for n, width in enumerate(widths):
            halve = n < config.layers
            # Batch-norm takes away what a bias adds.
            layers += conv(widths[n - 1] if n else channels, width, halve=halve, bias=n == 0 or config.norm != "batch")
            layers += [norm_layer(config.norm, width)] if n else []
            layers += [nn.LeakyReLU(SLOPE)]
            layers += [BlurPool()] if halve and config.antialias else []
        self.layers = nn.Sequential(*layers, *conv(widths[-1], 1, halve=False, bias=True))
        self.smallest = 4 * 2**config.layers
        """Sides of images must be at least this."""

    def forward(self, image: Tensor) -> Tensor:
        """Map (B, channels, H, W) to scores (B, 1, about H / 2^layers, about W / 2^layers).

        Raises:
            DataError: an image too small for so many halvings.
        """
        if min(image.shape[2:]) < self.smallest:
            raise DataError(
                f"an image of {image.shape[3]} x {image.shape[2]} px is too small for its discriminator",
                fix=f"use crops of at least {self.smallest} px, or fewer discriminator.layers",
            )
        scores: Tensor = self.layers(image)
        return scores
