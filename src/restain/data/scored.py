"""Images with a score of their slide, as a pathologist gives one per case, and the patches that classifiers learn from.

A score is a whole number that holds for a slide. A patch of the slide need not show it: that is the weakness of such
labels, and what is learned from them is right only on the whole.
"""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import final

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from restain.data.crops import Place
from restain.data.pairs import Part
from restain.errors import DataError
from restain.geometry import Region, Size
from restain.pixels import Image


class ScoredImages(ABC):
    """Images by index, each with its slide and the score of it.

    Attributes:
        slides: name of the slide of every image.
        scores: score of the slide of every image.
    """

    slides: tuple[str, ...]
    scores: tuple[int, ...]

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.scores)

    @abstractmethod
    def name(self, index: int) -> str:
        """Return what to call one image in messages."""

    @abstractmethod
    def read(self, index: int) -> Image:
        """Return one image, (H, W, 3) uint8."""

    def large(self, index: int, side: int) -> Image:
        """Return one image that is at least this wide and high.

        Raises:
            DataError: it is smaller.
        """
        image = self.read(index)
        height, width = image.shape[:2]
        if min(height, width) < side:
            raise DataError(
                f"{self.name(index)} of {width} x {height} px is smaller than the patch of {side} px",
                fix="lower training.crop, or leave small images out of folder and table",
            )
        return image

    def tiles(self, side: int) -> Iterator[tuple[int, Image]]:
        """Yield the squares of this side that do not overlap, each with the number of its image."""
        for index in range(len(self)):
            image = self.large(index, side)
            for tile in Region.of(Size(image.shape[1], image.shape[0])).tiles(side):
                if tile.size == Size(side, side):
                    yield index, image[tile.slices]


@final
class ScoredPatches(Dataset[tuple[Tensor, int]]):
    """An endless list of random square patches in the eight orientations of a square; colours stay as they are.

    Patch number i depends on the seed and i alone. Every image is visited once per pass, in an order shuffled anew for
    each pass.

    Args:
        images: where they come from.
        side: of the patches in pixels.
        seed: seed of everything.
    """

    def __init__(self, images: ScoredImages, side: int, seed: int) -> None:
        self.images, self.side, self.seed = images, side, seed
        self.classes = sorted(set(images.scores))

    def __getitem__(self, number: int) -> tuple[Tensor, int]:
        """Return patch ``number``, (3, side, side) in [-1, 1], and the place of its score among the scores."""
        rounds, turn = divmod(number, len(self.images))
        index = int(np.random.default_rng([self.seed, 0, rounds]).permutation(len(self.images))[turn])
        image = self.images.large(index, self.side)
        place = Place.draw(image, self.side, np.random.default_rng([self.seed, 1, number]))
        return place.cut(image), self.classes.index(self.images.scores[index])


def scored_batches(patches: ScoredPatches, size: int, *, start: int, workers: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches for ever: patches (size, 3, side, side) and the places of their scores (size,).

    Args:
        patches: where they come from.
        size: patches per batch.
        start: patches seen so far.
        workers: processes that prepare batches ahead; 0 prepares them in place.
    """
    numbers = (list(range(first, first + size)) for first in itertools.count(start, size))
    yield from DataLoader(patches, batch_sampler=numbers, num_workers=workers)


def check_scores(parts: Mapping[Part, ScoredImages]) -> None:
    """See that a classifier can learn from these parts, and that nothing leaks between them.

    Raises:
        DataError: a slide with two scores or in two parts, one score only, or a score without a slide to learn from or
            without one to hold out.
    """
    score_of: dict[str, int] = {}
    part_of: dict[str, str] = {}
    for part, images in parts.items():
        for slide, score in zip(images.slides, images.scores, strict=True):
            if score_of.setdefault(slide, score) != score:
                raise DataError(
                    f"slide {slide!r} has scores {score_of[slide]} and {score}", fix="give every slide one score"
                )
            if part_of.setdefault(slide, part) != part:
                raise DataError(
                    f"slide {slide!r} is in parts {part_of[slide]} and {part}, so scores would be known by heart",
                    fix="give all images of a slide the same split",
                )
    if len(every := sorted(set(score_of.values()))) < 2:
        raise DataError(
            f"all slides have score {every[0]}, so there is nothing to tell apart",
            fix="add slides with another score",
        )
    for score in every:
        count = sum(found == score for found in score_of.values())
        for part in ("train", "held_out"):
            if not any(part_of[slide] == part for slide, found in score_of.items() if found == score):
                slides = f"{count} slide{'s' if count > 1 else ''}"
                raise DataError(
                    f"score {score} has {slides}, and none of them in part {part}",
                    fix="give every score at least one slide to train on and one to hold out",
                )
