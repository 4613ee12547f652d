"""What every source of images offers: pairs by index, and whether their two sides are aligned."""

from abc import ABC, abstractmethod
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from restain.pixels import Image

Names = tuple[str, ...]
"""One name per channel."""

Part = Literal["train", "held_out", "test"]
"""What images are for: to train on, to watch training with, to report scores on."""


class Pairs(ABC):
    """Images of a source and a target stain, by index.

    Attributes:
        aligned: whether a pixel of the source and the same pixel of the target show the same tissue. If so, both are
            of equal height and width; if not, only their stains are of use.
    """

    aligned: bool

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of pairs."""

    @abstractmethod
    def read(self, index: int) -> tuple[Image, Image]:
        """Return source (H, W, C) and target (H, W, C) of one pair."""

    @abstractmethod
    def name(self, index: int) -> str:
        """Return a name of one pair that no other has, fit for a file, the same in every run."""

    def auxiliary(self, index: int) -> NDArray[np.float32] | None:
        """Return what the auxiliary task learns from one pair, (H, W) in [-1, 1]; None where there is nothing."""
        return None

    def channels(self, index: int) -> tuple[Names, Names] | None:
        """Return the names that files give the channels of both sides of one pair; None where there are no files."""
        return None

    def stain(self, index: int) -> int | None:
        """Return which of several target stains one pair shows; None where there is only one."""
        return None
