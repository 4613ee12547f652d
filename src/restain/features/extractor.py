"""The contract of an extractor: a network that turns an image into a row of numbers."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from restain.errors import DataError
from restain.pixels import Image

Features = NDArray[np.float32]
"""(n, d), one row per image."""

BATCH = 32
"""Images that pass through a network at once."""


class Extractor(ABC):
    """Images to features. A subclass states the facts, and writes ``_features``.

    Args:
        device: where the network runs.
    """

    name: str
    """How the command line and files call it."""

    dimension: int
    """Numbers per image."""

    side: int
    """Side in pixels of the tiles that larger images are cut into."""

    resizes: bool
    """Whether it brings images of any size to the one that its network takes; else they are taken as they are."""

    frechet: str = "fid"
    """How the Frechet distance of its features is called: ``fid``, or ``fsd`` of a StainNet."""

    digest: str
    """SHA-256 of its weights: only features of the same weights compare."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)

    @final
    def __call__(self, images: Image) -> Features:
        """Return the features of a batch.

        Args:
            images: (B, H, W, 3) uint8.

        Returns:
            (B, dimension) float32.

        Raises:
            DataError: another shape or type.
        """
        if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8:
            raise DataError(
                f"images of shape {images.shape} and type {images.dtype} are not (B, H, W, 3) of uint8",
                fix="pass a batch of images in 8-bit colour",
            )
        levels = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).to(self.device)
        with torch.inference_mode():
            features: Features = self._features(levels.float() / 255).float().cpu().numpy()
        return features

    @abstractmethod
    def _features(self, x: Tensor) -> Tensor:
        """Return (B, dimension) of images (B, 3, H, W) in [0, 1], on ``device``."""


def refuse_small(x: Tensor, least: int) -> None:
    """Refuse images (B, C, H, W) with a side below ``least`` pixels, which show too little."""
    if min(x.shape[2:]) < least:
        raise DataError(
            f"an image of {x.shape[3]} x {x.shape[2]} px is too small to take features from",
            fix=f"take images of at least {least} px",
        )


def features_of(images: Iterable[Image], extractor: Extractor) -> Features:
    """Return the features of images, batch by batch; those of equal size that follow each other share a batch.

    Args:
        images: (H, W, 3) uint8 each.
        extractor: the network.

    Returns:
        (n, dimension) float32.

    Raises:
        DataError: no image, or one that the extractor does not take.
    """
    rows = [extractor(np.stack(batch)) for batch in _batches(images)]
    if not rows:
        raise DataError("there are no images to take features from", fix="check the path")
    return np.concatenate(rows)


def _batches(images: Iterable[Image]) -> Iterator[list[Image]]:
    batch: list[Image] = []
    for image in images:
        if batch and (len(batch) == BATCH or image.shape != batch[0].shape):
            yield batch
            batch = []
        batch.append(image)
    if batch:
        yield batch
