"""Batches of crops. Crop number i depends on the seed and i alone: so training resumes exactly, on any worker count."""

from collections.abc import Iterator
from typing import final

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from restain.data.pairs import Pairs
from restain.errors import DataError
from restain.methods import Batch
from restain.pixels import Image, planes_from_image


@final
class Crops(Dataset[tuple[Tensor, Tensor]]):
    """An endless list of random square crops in the eight orientations of a square.

    Every pair is visited once per pass, in an order shuffled anew for each pass.

    Args:
        pairs: the images.
        side: side of the crops in pixels.
        seed: seed of everything.
    """

    def __init__(self, pairs: Pairs, side: int, seed: int) -> None:
        self.pairs, self.side, self.seed = pairs, side, seed

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        """Return crop ``number`` as source (C, side, side) and target (C, side, side) in [-1, 1].

        Raises:
            DataError: the image is smaller than the crop.
        """
        rounds, place = divmod(number, len(self.pairs))
        order = np.random.default_rng([self.seed, 0, rounds]).permutation(len(self.pairs))
        source, target = self.pairs.read(int(order[place]))
        height, width = source.shape[:2]
        if min(height, width) < self.side:
            raise DataError(
                f"an image of {width} x {height} px is smaller than the crop of {self.side} px",
                fix="lower training.crop or leave small images out",
            )
        rng = np.random.default_rng([self.seed, 1, number])
        y, x = rng.integers(height - self.side + 1), rng.integers(width - self.side + 1)
        turns, mirror = int(rng.integers(4)), bool(rng.integers(2))

        def cut(image: Image) -> Tensor:
            crop = np.rot90(image[y : y + self.side, x : x + self.side], turns)
            return torch.from_numpy(planes_from_image(crop[:, ::-1] if mirror else crop))

        return cut(source), cut(target)


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

    loader = DataLoader(crops, batch_sampler=numbers(), num_workers=workers, pin_memory=torch.cuda.is_available())
    for source, target in loader:
        yield Batch(source, target)
