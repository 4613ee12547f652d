"""An exponential moving average of weights, counted in images."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

import torch
from torch import Tensor, nn

RAMP = 0.05
"""Early on the half-life is this fraction of the images seen, so that the first random weights are soon forgotten."""

STORED = ("_extra_state", "._u", "._v")
"""Ends of names of what is kept as it is: stores of images, which change shape and device, and the unit vectors of
spectral norms, whose mean is shorter than one."""


@final
class WeightAverage:
    """The averaged copy of a module's state.

    Source: Karras et al., "Analyzing and improving the training dynamics of diffusion models" (2024), section 3: the
    half-life grows with training up to its final value.

    Args:
        module: whose weights are followed.
        half_life: in images.
    """

    def __init__(self, module: nn.Module, half_life: int) -> None:
        self.half_life = half_life
        self.state: dict[str, Tensor] = {name: value.detach().clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module, *, seen: int, batch: int) -> None:
        """Take in the weights after a step.

        Args:
            module: the same module.
            seen: images seen, this step included.
            batch: images of this step.
        """
        half_life = max(min(self.half_life, RAMP * seen), 1e-8)
        keep = 0.5 ** (batch / half_life)
        for name, value in module.state_dict().items():
            averaged = self.state[name]
            if value.is_floating_point() and not name.endswith(STORED):
                averaged.lerp_(value.to(averaged.dtype), 1 - keep)
            else:  # counts too: their mean means nothing
                self.state[name] = value.detach().clone()

    @contextmanager
    def applied_to(self, module: nn.Module) -> Iterator[None]:
        """Lend the averaged weights to the module, in evaluation mode, and give its own back afterwards."""
        own = {name: value.clone() for name, value in module.state_dict().items()}
        module.load_state_dict(self.state)
        module.eval()
        try:
            yield
        finally:
            module.load_state_dict(own)
            module.train()
