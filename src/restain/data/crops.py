"""Batches of crops. Crop number i depends on the seed and i alone: so training resumes exactly, on any worker count."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Self, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from restain.data.pairs import Pairs
from restain.errors import DataError
from restain.geometry import Region
from restain.methods import Batch
from restain.pixels import Image, Window, planes_from_image


@final
class Crop(NamedTuple):
    """A crop of a pair.

    Attributes:
        source: (C, side, side) in [-1, 1].
        target: (C, side, side) in [-1, 1].
        auxiliary: (1, side, side) in [-1, 1]; None where nothing is learnt beside the stain.
        stain: (), which of several stains the target shows; None where there is only one.
    """

    source: Tensor
    target: Tensor
    auxiliary: Tensor | None = None
    stain: Tensor | None = None


@final
class Crops(Dataset[Crop]):
    """An endless list of random square crops in the eight orientations of a square.

    Both sides of aligned pairs are cut at the same place in the same orientation, so that their pixels stay partners;
    the sides of other pairs are cut independently. Every pair is visited once per pass, in an order shuffled anew for
    each pass.

    Args:
        pairs: the images.
        side: side of the crops in pixels.
        seed: seed of everything.
        window: of the source's channels, see ``planes_from_image``.
    """

    def __init__(self, pairs: Pairs, side: int, seed: int, window: Window | None = None) -> None:
        self.pairs, self.side, self.seed, self.window = pairs, side, seed, window

    def __getitem__(self, number: int) -> Crop:
        """Return crop ``number``.

        Raises:
            DataError: the image is smaller than the crop.
        """
        rounds, place = divmod(number, len(self.pairs))
        order = np.random.default_rng([self.seed, 0, rounds]).permutation(len(self.pairs))
        index = int(order[place])
        source, target = self.pairs.read(index)
        rng = np.random.default_rng([self.seed, 1, number])
        of_source = Place.draw(source, self.side, rng)
        of_target = of_source if self.pairs.aligned else Place.draw(target, self.side, rng)
        auxiliary, stain = self.pairs.auxiliary(index), self.pairs.stain(index)
        return Crop(
            of_source.cut(source, self.window),
            of_target.cut(target),
            None if auxiliary is None else torch.from_numpy(of_target.turned(auxiliary)[None].copy()),
            None if stain is None else torch.tensor(stain),
        )


@final
class Place(NamedTuple):
    """Where a crop lies in an image, and how it is turned.

    Attributes:
        region: in pixels.
        turns: of 90 degrees against the clock.
        mirror: whether left and right are exchanged after that.
    """

    region: Region
    turns: int
    mirror: bool

    @classmethod
    def draw(cls, image: Image, side: int, rng: np.random.Generator) -> Self:
        """Draw a place for a square crop.

        Raises:
            DataError: the image is smaller.
        """
        height, width = image.shape[:2]
        if min(height, width) < side:
            raise DataError(
                f"an image of {width} x {height} px is smaller than the crop of {side} px",
                fix="lower training.crop or leave small images out",
            )
        y, x = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
        return cls(Region(x, y, side, side), int(rng.integers(4)), bool(rng.integers(2)))

    def cut(self, image: Image, window: Window | None = None) -> Tensor:
        """Return the crop, (C, side, side) in [-1, 1]."""
        return torch.from_numpy(planes_from_image(self.turned(image), window))

    def turned(self, image: NDArray[Any]) -> NDArray[Any]:
        """Return the crop in its orientation, as it is stored."""
        crop = np.rot90(image[self.region.slices], self.turns)
        return crop[:, ::-1] if self.mirror else crop


def batches(crops: Crops, size: int, *, start: int, rank: int, world: int, workers: int) -> Iterator[Batch]:
    """Yield batches for ever.

    Args:
        crops: where they come from.
        size: crops per batch of this process.
        start: images seen so far, by all processes together.
        rank: number of this process.
        world: number of processes.
        workers: processes that prepare batches ahead; 0 prepares them in place.
    """

    def numbers() -> Iterator[list[int]]:
        first = start + rank * size
        while True:
            yield list(range(first, first + size))
            first += size * world

    pin = torch.cuda.is_available()
    loader = DataLoader(crops, batch_sampler=numbers(), num_workers=workers, pin_memory=pin, collate_fn=_stacked)
    for planes in loader:
        yield Batch(**planes)


def batch_of(crops: Sequence[Crop]) -> Batch:
    """Return crops as a batch."""
    return Batch(**_stacked(crops))


def _stacked(crops: Sequence[Crop]) -> dict[str, Tensor]:
    """Stack what all crops have, by name."""
    columns = {name: [getattr(crop, name) for crop in crops] for name in Crop._fields}
    return {name: torch.stack(column) for name, column in columns.items() if column[0] is not None}
