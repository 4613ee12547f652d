"""The "rotated L1" of a pix2pix for autofluorescence: a second distance of pixels, in one of two readings.

Sridhar et al., "Diffusion models for generative histopathology" (2023), name the baseline of Rivenson et al. (2019); no
source says what is rotated. So there are two readings::

    opponent   E | Q (y - G(x)) |_1         Q = rows (1, 1, 1)/sqrt 3, (1, -1, 0)/sqrt 2, (1, 1, -2)/sqrt 6
    turns      E | R G(x) - G(R x) |_1      R a random turn by 90, 180 or 270 degrees

The first turns the axes of colour: errors of brightness and of hue are told apart, and one of brightness alone costs
1/sqrt 3 of what L1 over red, green and blue says. The second asks that the stain turn with the tissue.
"""

from collections.abc import Callable
from typing import Literal, final

import torch
from torch import Tensor

from restain.config import Config

OPPONENT = ((3**-0.5, 3**-0.5, 3**-0.5), (2**-0.5, -(2**-0.5), 0.0), (6**-0.5, 6**-0.5, -2 * 6**-0.5))
"""Q, an orthonormal matrix: lightness, red against green, yellow against blue."""


@final
class RotatedConfig(Config):
    """A distance of pixels after a rotation."""

    reading: Literal["opponent", "turns"] = "opponent"
    """What is rotated: the axes of colour, which costs nothing and so is the default, or the image, by quarter turns,
    which asks the generator twice."""
    weight: float = 100.0
    """lambda_rot; that of the plain L1."""


def opponent_distance(difference: Tensor) -> Tensor:
    """Return E | Q difference |_1, a scalar.

    Args:
        difference: of two colour images, (B, 3, H, W).
    """
    rotation = torch.tensor(OPPONENT, device=difference.device)
    return torch.einsum("kc,bchw->bkhw", rotation, difference).abs().mean()


def turned_distance(
    make: Callable[[Tensor], Tensor], source: Tensor, made: Tensor, generator: torch.Generator
) -> Tensor:
    """Return E | R made - make(R source) |_1 for a random quarter turn R, a scalar.

    Args:
        make: the generator G.
        source: (B, C, H, W).
        made: G(source).
        generator: of the turn.
    """
    quarters = int(torch.randint(1, 4, (), generator=generator, device=generator.device))
    again = make(source.rot90(quarters, dims=(2, 3)))
    return (made.rot90(quarters, dims=(2, 3)).float() - again.float()).abs().mean()
