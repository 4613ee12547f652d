import pytest
import torch
from torch import Tensor

from restain.features import Extractor


class Means(Extractor):
    """Features whose values are known: mean red, mean green, mean blue, number of images in the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.name, self.dimension, self.side, self.resizes, self.digest = "means", 4, 16, False, "0" * 64

    def _features(self, x: Tensor) -> Tensor:
        return torch.cat([x.mean((2, 3)), torch.full((len(x), 1), float(len(x)))], dim=1)


@pytest.fixture
def means() -> Extractor:
    return Means()
