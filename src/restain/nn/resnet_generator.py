"""A generator of residual blocks at a quarter of the resolution.

Sources: Johnson et al., "Perceptual losses for real-time style transfer and super-resolution" (2016); Zhu et al.
(CycleGAN, 2017), appendix 7.2, from whom its numbers are; Park et al. (CUT, 2020) for antialiasing and features.

Plan, for width w::

    pad 3 -> conv 7, w -> norm, ReLU -> 2 times [conv 3, /2 -> norm, ReLU] -> residual blocks at 4 w
          -> 2 times [conv 3, x2 -> norm, ReLU] -> pad 3 -> conv 7 -> tanh

Borders are mirrored. Its layers are numbered from 0, as in CUT, so that `features` can name them: with antialiasing 0
is the padded image, 4 and 8 the convolutions that widen, before their norm, and from 12 on the residual blocks.
"""

from collections.abc import Sequence
from typing import Literal, final

import torch
from pydantic import Field
from torch import Tensor, nn

from restain.config import Config
from restain.errors import DataError
from restain.nn.blur import BilinearDouble, BlurPool
from restain.nn.convolution import fresh, norm_layer

HALVINGS = 2


@final
class ResNetGeneratorConfig(Config):
    """Size and shape of a generator of residual blocks."""

    kind: Literal["resnet"] = "resnet"
    """Tells the generators apart."""
    width: int = Field(default=64, ge=1)
    """Channels at full resolution; 64 is that of all the papers."""
    blocks: int = Field(default=9, ge=0)
    """Residual blocks: 9 for crops of 256 px, 6 for smaller ones (and for ASP)."""
    norm: Literal["batch", "instance"] = "instance"
    """What normalises. `instance` takes its statistics from each tile by itself, so neighbouring tiles can differ in
    colour; `batch` has fixed ones when it stains."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """In the residual blocks while training; 0.5 in PyramidPix2Pix."""
    antialias: bool = False
    """Blur before halving and double by interpolation (CUT) instead of strided convolutions (CycleGAN); about twice the
    computation."""
    spectral: bool = False
    """Divide every weight by its largest singular value (ASP)."""


@final
class ResNetGenerator(nn.Module):
    """An image from an image.

    Args:
        config: size and shape.
        in_channels: channels of the input.
        out_channels: channels of the result.
    """

    multiple = 2**HALVINGS
    """Sides of the input must be multiples of this."""

    def __init__(self, config: ResNetGeneratorConfig, in_channels: int, out_channels: int) -> None:
        super().__init__()
        width, bias = config.width, config.norm != "batch"  # batch-norm takes away what a bias adds

        def conv(inside: int, out: int, *, stride: int = 1) -> list[nn.Module]:
            layer = nn.Conv2d(inside, out, 3, stride=stride, padding=1, bias=bias)
            return [fresh(layer, spectral=config.spectral)]

        def transposed(inside: int, out: int) -> list[nn.Module]:
            layer = nn.ConvTranspose2d(inside, out, 3, stride=2, padding=1, output_padding=1, bias=bias)
            return [fresh(layer, spectral=config.spectral)]

        def active(channels: int) -> list[nn.Module]:
            return [norm_layer(config.norm, channels), nn.ReLU()]

        entrance = nn.Conv2d(in_channels, width, 7, bias=bias)
        layers = [nn.ReflectionPad2d(3), fresh(entrance, spectral=config.spectral), *active(width)]
        for _ in range(HALVINGS):
            layers += conv(width, 2 * width, stride=1 if config.antialias else 2) + active(2 * width)
            layers += [BlurPool()] if config.antialias else []
            width *= 2
        layers += [ResNetBlock(config, width) for _ in range(config.blocks)]
        for _ in range(HALVINGS):
            grow = [BilinearDouble(), *conv(width, width // 2)] if config.antialias else transposed(width, width // 2)
            layers += grow + active(width // 2)
            width //= 2
        leave = nn.Conv2d(width, out_channels, 7)
        self.layers = nn.Sequential(*layers, nn.ReflectionPad2d(3), fresh(leave, spectral=config.spectral), nn.Tanh())
        self.in_channels = in_channels
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, image: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, out_channels, H, W) in [-1, 1].

        Raises:
            DataError: H or W is not a multiple of ``multiple``, or too small.
        """
        made: Tensor = self.layers(self._checked(image))
        return made

    def features(self, image: Tensor, layers: Sequence[int]) -> list[Tensor]:
        """Return what some layers answer, in their order, and compute no further.

        Args:
            image: (B, in_channels, H, W).
            layers: numbers of layers, rising.
        """
        found, h = [], self._checked(image)
        for number in range(layers[-1] + 1):
            h = self.layers[number](h)
            if number in layers:
                found.append(h)
        return found

    def feature_widths(self, layers: Sequence[int]) -> list[int]:
        """Return the channels of these features."""
        channels, found = self.in_channels, []
        for number, layer in enumerate(self.layers):
            channels = layer.out_channels if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) else channels
            if number in layers:
                found.append(channels)
        return found

    def _checked(self, image: Tensor) -> Tensor:
        if image.shape[2] % self.multiple or image.shape[3] % self.multiple or min(image.shape[2:]) < 2 * self.multiple:
            raise DataError(
                f"an image of {image.shape[3]} x {image.shape[2]} px does not fit a network that shrinks it by "
                f"{self.multiple}",
                fix=f"use tiles with sides that are multiples of {self.multiple}, and at least {2 * self.multiple}",
            )
        return image


@final
class ResNetBlock(nn.Module):
    """x + norm(conv(ReLU(norm(conv x)))), with mirrored borders."""

    def __init__(self, config: ResNetGeneratorConfig, channels: int) -> None:
        super().__init__()

        def conv() -> list[nn.Module]:
            layer = nn.Conv2d(channels, channels, 3, bias=config.norm != "batch")
            return [nn.ReflectionPad2d(1), fresh(layer, spectral=config.spectral), norm_layer(config.norm, channels)]

        self.branch = nn.Sequential(*conv(), nn.ReLU(), nn.Dropout(config.dropout), *conv())

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, H, W) to the same shape."""
        residual: Tensor = self.branch(x)
        return x + residual
