"""Noise for latents, whose pixels stand for squares of the image: it must belong to the place on the slide as well."""

from typing import final

from torch import Tensor
from torch.nn import functional

from restain.diffusion.noise import Noise


@final
class CoarseNoise(Noise):
    """Another noise on a grid coarser by a factor: the sum over each square of N x N pixels, divided by N.

    That is standard normal again, and depends on the place alone as the noise of the pixels does.

    Args:
        noise: of the pixels.
        factor: N.
    """

    def __init__(self, noise: Noise, factor: int) -> None:
        self.noise, self.factor = noise, factor

    def __call__(self, like: Tensor, draw: int) -> Tensor:
        """Return the noise of the squares; ``like`` is a latent."""
        batch, channels, height, width = like.shape
        pixels = like.new_empty(batch, channels, height * self.factor, width * self.factor)
        return functional.avg_pool2d(self.noise(pixels, draw), self.factor) * self.factor

    def of(self, image: int) -> Noise:
        """Return the coarse noise of one image."""
        return CoarseNoise(self.noise.of(image), self.factor)
