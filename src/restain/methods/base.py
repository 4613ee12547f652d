"""The contract of a method: everything training, slides and metrics need to know of it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, final

import torch
from torch import Tensor, nn

from restain.config import Config
from restain.diffusion import JoinedNoise, Noise, Sampling

Side = Literal["source", "target"]
"""The two sides of a translation."""


@final
@dataclass(frozen=True)
class Part:
    """What a method holds and does not train.

    Attributes:
        of: the stain it must know, or both.
        method: its own method.
    """

    of: Side | Literal["both"]
    method: str = "prior"


@final
@dataclass(frozen=True)
class Batch:
    """Training images; whether a source and its target show the same place is the business of the data.

    Attributes:
        source: (B, source channels, H, W) in [-1, 1].
        target: (B, target channels, H, W) in [-1, 1].
        auxiliary: (B, 1, H, W) in [-1, 1], a mask or a distance to its border; None where nobody asked for it.
        stain: (B,) integers, which of the model's stains the target shows; None where it makes only one.
    """

    source: Tensor
    target: Tensor
    auxiliary: Tensor | None = None
    stain: Tensor | None = None

    def to(self, device: torch.device) -> Self:
        """Return the batch on a device, images in the memory layout that convolutions like."""

        def planes(image: Tensor) -> Tensor:
            return image.to(device, non_blocking=True, memory_format=torch.channels_last)

        return type(self)(
            planes(self.source),
            planes(self.target),
            None if self.auxiliary is None else planes(self.auxiliary),
            None if self.stain is None else self.stain.to(device, non_blocking=True),
        )


class Method(nn.Module, ABC):
    """A way to turn one stain into another; a subclass is one file and one line in the catalogue.

    It is built as ``Kind(config, source_channels=..., target_channels=...)``. ``losses`` trains it, ``stain`` applies
    it, and nothing else of it is known to the rest of the house.
    """

    config_type: ClassVar[type[Config]]
    """The options, as they stand under ``method.config`` in a training configuration and in a bundle's card."""
    summary: ClassVar[str]
    """One sentence for ``restain models`` and ``restain cite``."""
    citation: ClassVar[str]
    """BibTeX of the paper behind the method."""
    samples: ClassVar[bool]
    """Whether it draws from a distribution (and so has a sampler and steps), or computes one answer."""
    paired: ClassVar[bool]
    """Whether it learns from pixels of the source and the same pixels of the target, which must show the same place."""
    parts: ClassVar[Mapping[str, Part]] = {}
    """Methods it holds and does not train, by the attribute that holds each. Options of the same name rebuild them."""
    scaffold: tuple[str, ...] = ()
    """Attributes that only training needs, such as a discriminator; bundles leave them out, see ``dismantle``."""
    stains: int = 1
    """How many target stains it makes; with more than one, ``stain`` returns their channels one after another."""
    config: Any
    """Its options, of ``config_type``."""
    multiple: int
    """Sides of the images it takes must be multiples of this."""

    @abstractmethod
    def __init__(self, config: Any, *, source_channels: int, target_channels: int) -> None:
        """Build the networks with fresh weights.

        Args:
            config: of ``config_type``.
            source_channels: channels of the source.
            target_channels: channels of all target stains together.
        """
        super().__init__()
        self.config = config

    def dismantle(self) -> Self:
        """Drop what only training needs, and return the rest: it can stain, but not train."""
        for name in self.scaffold:
            setattr(self, name, None)
        return self

    def shipped(self) -> dict[str, Tensor]:
        """Return the weights and buffers that staining needs, by name."""
        return {name: value for name, value in self.state_dict().items() if name.split(".")[0] not in self.scaffold}

    def players(self) -> dict[str, list[nn.Parameter]]:
        """Return the parameters of each player; the players take turns in every step (a GAN has two).

        By default all parameters but those of its parts are one player, ``model``; none where there are none.
        """
        held = {id(parameter) for part in self.parts for parameter in getattr(self, part).parameters()}
        own = [parameter for parameter in self.parameters() if id(parameter) not in held]
        return {"model": own} if own else {}

    def train(self, mode: bool = True) -> Self:
        """Set training mode, in which parts do not take part: they are finished."""
        super().train(mode)
        for part in self.parts:
            getattr(self, part).eval()
        return self

    @abstractmethod
    def losses(self, player: str, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the named terms, each a scalar, whose sum this player minimises.

        Args:
            player: whose turn it is; a key of ``players()``.
            batch: the pairs.
            generator: the only source of randomness; on the device of the batch.
        """

    def calibrate(self, batch: Batch, generator: torch.Generator) -> None:
        """Measure the constants that staining needs and keep them in buffers; called before the method is used.

        Args:
            batch: held-out images.
            generator: the only source of randomness.
        """

    def diagnostics(self, batch: Batch, generator: torch.Generator) -> dict[str, float]:
        """Return what is worth watching besides the losses, by name; ``curve.x=0100`` is a point of a curve over x.

        Args:
            batch: held-out images.
            generator: the only source of randomness.
        """
        return {}

    def options_to_make(self, stain: int) -> Mapping[str, Any] | None:
        """Return the options under which it makes one of its several stains alone; None where it cannot.

        Args:
            stain: which, from 0 on.
        """
        return None

    def options_to_turn(self) -> Mapping[str, Any] | None:
        """Return the options under which it makes its source of its target; None where it knows one direction only."""
        return None

    @abstractmethod
    def stain(self, source: Tensor, noise: Noise, sampling: Sampling) -> Tensor:
        """Stain a batch of images.

        Args:
            source: (B, source channels, H, W) in [-1, 1], sides multiples of ``multiple``.
            noise: where the method's random numbers come from.
            sampling: which sampler and how many steps; of no effect where ``samples`` is false.

        Returns:
            (B, target channels, H, W), nominally in [-1, 1], float32.
        """

    def draws(self, source: Tensor, noises: Sequence[Noise], sampling: Sampling) -> Tensor:
        """Stain a batch of images several times, all in one pass; what a source tells is best computed once.

        Args:
            source: as for ``stain``.
            noises: of each time.
            sampling: as for ``stain``.

        Returns:
            (K, B, target channels, H, W): for each noise what ``stain`` returns, but for the last bits.
        """
        joined = JoinedNoise(noises, len(source))
        stained = self.stain(torch.cat([source] * len(noises)), joined, sampling)
        return stained.reshape(len(noises), len(source), *stained.shape[1:])
