"""A model on a device: tiles in, stained tiles out."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restain.bundle import Model
from restain.diffusion import Noise, Sampling, SlideNoise
from restain.errors import BundleError, ConfigError
from restain.geometry import Point
from restain.inference.options import StainOptions
from restain.pixels import Planes

GPU_BATCH = 8
"""Tiles, or samples of one tile, at once on a GPU, unless asked otherwise."""

CPU_SAMPLES = 4
"""Samples of one tile at once on a CPU, unless asked otherwise; they share what is computed once per tile."""


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
        samples_at_once: of one tile.
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
        on_cpu = self.device.type == "cpu"
        self.batch = options.batch or (1 if on_cpu else GPU_BATCH)
        self.samples_at_once = options.samples_at_once or options.batch or (CPU_SAMPLES if on_cpu else GPU_BATCH)
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
        noise, sampling = SlideNoise(self.options.seed, at), self.sampling or self.model.card.sampling
        return self._compute(tiles, len(tiles), lambda source: self.model.method.stain(source, noise, sampling))

    def draw(self, tiles: Sequence[Planes], at: Sequence[Point], samples: int) -> NDArray[np.float32]:
        """Stain a batch of tiles several times, each time with noise of its own.

        Args:
            tiles: B times (source channels, T, T) in [-1, 1].
            at: the top left corner of each on the slide.
            samples: K, how many times.

        Returns:
            (K, B, T, T, target channels), nominally in [-1, 1]. Sample 0 is the stain itself, to the last bit.

        Raises:
            ConfigError: the samples do not fit into the memory of the device.
        """
        others = [list(self.draw_more(*place, range(1, samples))) for place in zip(tiles, at, strict=True)]
        return np.stack([self(tiles, at), *map(np.stack, zip(*others, strict=True))])

    def draw_more(self, tile: Planes, at: Point, samples: Sequence[int]) -> Iterator[NDArray[np.float32]]:
        """Yield samples of one tile, ``samples_at_once`` in one pass; which share a pass depends on nothing else.

        Args:
            tile: (source channels, T, T) in [-1, 1].
            at: its top left corner on the slide.
            samples: their numbers.

        Yields:
            (T, T, target channels), nominally in [-1, 1].

        Raises:
            ConfigError: they do not fit into the memory of the device.
        """
        for first in range(0, len(samples), self.samples_at_once):
            noises = [
                SlideNoise(self.options.seed, [at], sample) for sample in samples[first : first + self.samples_at_once]
            ]
            yield from self._compute([tile], len(noises), partial(self._draws, noises))

    def _draws(self, noises: Sequence[Noise], source: Tensor) -> Tensor:
        """Return samples of one image, (samples, C, T, T)."""
        return self.model.method.draws(source, noises, self.sampling or self.model.card.sampling)[:, 0]

    def _compute(self, tiles: Sequence[Planes], images: int, work: Callable[[Tensor], Tensor]) -> NDArray[np.float32]:
        """Return what the method makes of tiles, (images, T, T, C)."""
        source = torch.from_numpy(np.stack(tiles))
        try:
            with (
                torch.no_grad(),  # not inference_mode, in which guidance could take no gradient
                torch.autocast(self.device.type, torch.bfloat16, enabled=self.options.precision == "bf16"),
            ):
                stained = work(source.to(self.device, memory_format=torch.channels_last))
            return stained.permute(0, 2, 3, 1).float().cpu().numpy()
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise
            raise ConfigError(
                f"{images} tiles of {self.model.card.tile} px at once do not fit into the memory of {self.device}",
                fix="lower --batch" if images > 1 else "free memory on the device, or pass --device cpu",
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
