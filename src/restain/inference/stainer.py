"""A model on a device: tiles in, stained tiles out."""

from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray

from restain.bundle import Model
from restain.diffusion import Sampling, SlideNoise
from restain.errors import BundleError, ConfigError
from restain.geometry import Point
from restain.inference.options import StainOptions
from restain.pixels import Planes

GPU_BATCH = 8
"""Tiles at once on a GPU, unless asked otherwise."""


@final
class Stainer:
    """A model that is ready to run. Its networks are moved to the device.

    Args:
        model: from ``load_model``.
        options: how to run it.

    Raises:
        BundleError: a card that contradicts its method.
        ConfigError: a device that is not there, or sampling options for a model that does not sample.

    Attributes:
        model: as given.
        device: where it runs.
        batch: tiles at once.
        sampling: sampler and steps; None for a model that computes one answer.
    """

    def __init__(self, model: Model, options: StainOptions) -> None:
        if model.card.tile % model.method.multiple:
            raise BundleError(
                f"model {model.card.name!r} cannot take the tiles of {model.card.tile} px that its card asks for",
                fix=f"set tile in card.yaml to a multiple of {model.method.multiple}",
            )
        self.model = model
        self.options = options
        self.sampling = choose_sampling(model, options)
        self.device = choose_device(options.device)
        self.batch = options.batch or (1 if self.device.type == "cpu" else GPU_BATCH)
        model.method.to(self.device)

    def with_steps(self, steps: int) -> "Stainer":
        """Return the same model with another number of sampling steps."""
        return Stainer(self.model, self.options.model_copy(update={"steps": steps}))

    def __call__(self, tiles: Sequence[Planes], at: Sequence[Point]) -> NDArray[np.float32]:
        """Stain a batch of tiles.

        Args:
            tiles: B times (source channels, T, T) in [-1, 1].
            at: the top left corner of each on the slide; the noise depends on the seed and on this alone.

        Returns:
            (B, T, T, target channels), nominally in [-1, 1].

        Raises:
            ConfigError: the batch does not fit into the memory of the device.
        """
        source = torch.from_numpy(np.stack(tiles))
        noise = SlideNoise(self.options.seed, at)
        try:
            with (
                torch.no_grad(),  # not inference_mode, in which guidance could take no gradient
                torch.autocast(self.device.type, torch.bfloat16, enabled=self.options.precision == "bf16"),
            ):
                stained = self.model.method.stain(
                    source.to(self.device, memory_format=torch.channels_last),
                    noise,
                    self.sampling or self.model.card.sampling,
                )
            return stained.permute(0, 2, 3, 1).float().cpu().numpy()
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise
            raise ConfigError(
                f"{len(tiles)} tiles of {self.model.card.tile} px at once do not fit into the memory of {self.device}",
                fix="lower --batch" if len(tiles) > 1 else "free memory on the device, or pass --device cpu",
            ) from error


def choose_sampling(model: Model, options: StainOptions) -> Sampling | None:
    """Return sampler and steps: those asked for, else the card's; None for a model that computes one answer.

    Raises:
        ConfigError: sampling was asked of a model that does not sample.
    """
    if not model.method.samples:
        if options.sampler is not None or options.steps is not None:
            flag = "--sampler" if options.sampler is not None else "--steps"
            raise ConfigError(
                f"model {model.card.name!r} ({model.card.method}) computes its answer in one pass and has no sampler",
                fix=f"leave {flag} out",
            )
        return None
    card = model.card.sampling
    return Sampling(sampler=options.sampler or card.sampler, steps=options.steps or card.steps)


def choose_device(name: str) -> torch.device:
    """Return the device of this name; ``auto`` is the first GPU, or the CPU where there is none.

    Raises:
        ConfigError: it is not there.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, found in there.items() if found))
    if not there[name]:
        found = ", ".join(kind for kind, is_there in there.items() if is_there)
        raise ConfigError(
            f"device {name!r} is not available to torch {torch.__version__} (it sees: {found})",
            fix="leave --device out to take the best there is, or run `restain doctor`",
        )
    return torch.device(name)


def _is_out_of_memory(error: RuntimeError) -> bool:
    # Only CUDA has a class of its own for this.
    return isinstance(error, torch.OutOfMemoryError) or any(
        words in str(error) for words in ("out of memory", "can't allocate memory", "not enough memory")
    )
