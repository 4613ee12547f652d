"""What MIU-Diff measures once, after its critic is trained, and keeps in the bundle.

On held-out images: the usual sizes of the gradients of H, U = H - I and I, the information at low noise, and the
distributions of luma. And what the critic was trained for, so that it is not asked about anything else.
"""

from collections.abc import Callable, Sequence
from typing import final, get_args

import torch
from torch import Tensor, nn

from restain.diffusion import Noise, Schedule
from restain.errors import ConfigError, GuidanceError
from restain.methods.base import Batch
from restain.methods.miu_diff.config import MIUDiffConfig
from restain.methods.miu_diff.entropy import ENTROPIES
from restain.methods.miu_diff.grey import KNOTS, ColourRemoval, moments, quantiles, without_colour
from restain.methods.miu_diff.guidance import Information, gradients, root_mean_square
from restain.nn import PROXY_CHANNELS, luma_of

CALIBRATION = (1, 25, 50, 75, 100)
"""Times at which the usual size of the gradients is measured, where the critic still sees structure."""

AT_ONCE = 8
"""Images measured at once: their gradients are held in memory."""

INPUTS = ("noisy", "tweedie", "clean_literal")
"""What critics are trained on, by number."""

REMOVALS: Sequence[ColourRemoval] = get_args(ColourRemoval)
"""Ways to remove colour, by number."""

Ask = Callable[[MIUDiffConfig, Tensor, Noise], Information]
"""(options, source, noise) -> I(x; .)."""


@final
class Constants(nn.Module):
    """Buffers, measured by ``measure``.

    Args:
        config: what the critic is being trained for.

    Attributes:
        sizes: (entropies, 3) medians of the root mean square of grad H, grad U and grad I, times the pixels.
        information: () mean of I over the times of the calibration, in nats.
        luma: (2,) mean and standard deviation of the target stain's luma.
        luma_quantiles: (KNOTS,) of the target stain.
        grey_quantiles: (ways to remove colour, KNOTS) of sources.
        trained_for: (4,) critic_input and proxy by number, blur, critic_range.
    """

    sizes: Tensor
    information: Tensor
    luma: Tensor
    luma_quantiles: Tensor
    grey_quantiles: Tensor
    trained_for: Tensor

    def __init__(self, config: MIUDiffConfig) -> None:
        super().__init__()
        self.register_buffer("sizes", torch.ones(len(ENTROPIES), 3))
        self.register_buffer("information", torch.zeros(()))
        self.register_buffer("luma", torch.tensor([0.0, 1.0]))
        self.register_buffer("luma_quantiles", torch.linspace(-1, 1, KNOTS))
        self.register_buffer("grey_quantiles", torch.linspace(-1, 1, KNOTS).repeat(len(REMOVALS), 1))
        self.register_buffer("trained_for", _purpose(config))

    def measure(self, config: MIUDiffConfig, ask: Ask, schedule: Schedule, batch: Batch, noise: Noise) -> None:
        """Measure everything on held-out images.

        Raises:
            GuidanceError: a gradient without size, or without end.
        """
        found = []
        for number, entropy in enumerate(ENTROPIES):
            asked = config.model_copy(update={"entropy": entropy, "terms": "both"})
            sizes = []
            for first in range(0, len(batch.target), AT_ONCE):
                y = batch.target[first : first + AT_ONCE]
                for t in (t for t in CALIBRATION if t <= config.critic_range):
                    level, information = schedule.level(float(t)), ask(asked, y, noise)
                    y_t = level.alpha * y + level.sigma * noise(y, 0)
                    grad_h, grad_i = gradients(asked, information, y_t, level)
                    pixels = y.shape[2] * y.shape[3]
                    sizes.append(torch.stack([pixels * root_mean_square(g) for g in (grad_h, grad_h - grad_i, grad_i)]))
                    with torch.no_grad():
                        found.append(information(y_t, level))
            self.sizes[number] = torch.cat(sizes, dim=1).median(dim=1).values
        if not bool((torch.isfinite(self.sizes) & (self.sizes > 0)).all()):
            raise GuidanceError(
                f"gradients of entropy and information have sizes {self.sizes.tolist()}, which cannot be scaled by",
                fix="train the critic longer or at a lower rate",
            )
        self.information.copy_(torch.cat(found).mean())
        luma = luma_of(batch.target)
        self.luma.copy_(moments(luma))
        self.luma_quantiles.copy_(quantiles(luma))
        for number, removal in enumerate(REMOVALS):
            self.grey_quantiles[number] = quantiles(luma_of(without_colour(batch.source, removal)))

    def sizes_for(self, config: MIUDiffConfig) -> Tensor:
        """Return the (3,) sizes of grad H, grad U and grad I under an entropy."""
        return self.sizes[list(ENTROPIES).index(config.entropy)]

    def grey_for(self, config: MIUDiffConfig) -> Tensor:
        """Return the (KNOTS,) quantiles of sources without their colour."""
        return self.grey_quantiles[REMOVALS.index(config.colour_removal)]

    def check(self, config: MIUDiffConfig) -> None:
        """Refuse options under which the critic would be asked about what it was not trained for.

        Raises:
            ConfigError: they differ.
        """
        wanted = _purpose(config).tolist()
        for place, name in enumerate(("critic_input", "proxy", "blur", "critic_range")):
            if abs(self.trained_for[place].item() - wanted[place]) > 1e-4:
                was = self.trained_for[place].item()
                names: Sequence[str] = {"critic_input": INPUTS, "proxy": tuple(PROXY_CHANNELS)}.get(name, ())
                raise ConfigError(
                    f"the critic was trained with {name} {names[round(was)] if names else f'{was:g}'}, "
                    f"and {name} is {getattr(config, name)}",
                    fix=f"leave {name} as it was, or train a critic with it",
                )


def _purpose(config: MIUDiffConfig) -> Tensor:
    numbers = (
        INPUTS.index(config.critic_input),
        list(PROXY_CHANNELS).index(config.proxy),
        config.blur,
        config.critic_range,
    )
    return torch.tensor([float(number) for number in numbers])
