"""Noise for a second run of a sampler over the same images, which must not meet the noise of the first."""

from typing import final

from torch import Tensor

from restain.diffusion.noise import Noise


@final
class LaterNoise(Noise):
    """The draws of another noise from a number on: draw k here is draw ``first + k`` there.

    Args:
        noise: where the draws come from.
        first: what stands for draw 0; a run of n steps uses the draws 0 .. n, so the next one begins at n + 1.
    """

    def __init__(self, noise: Noise, first: int) -> None:
        self.noise, self.first = noise, first

    def __call__(self, like: Tensor, draw: int) -> Tensor:
        """Return a later draw."""
        return self.noise(like, self.first + draw)

    def of(self, image: int) -> Noise:
        """Return the later noise of one image."""
        return LaterNoise(self.noise.of(image), self.first)
