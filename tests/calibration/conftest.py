"""A model that knows the law of the truth, and images that are drawn from this law."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from restain.bundle import Card, Model, Stain
from restain.calibration import ImageSet
from restain.config import Config
from restain.data import Pairs
from restain.diffusion import Sampling
from restain.methods import Method

CENTRE, SPREAD = 128.0, 12.0
"""Mean and standard deviation of the truth in grey levels."""


class NoOptions(Config):
    """A method without options."""


class PerfectSampler(Method):
    """Draws from the law of the truth; ``spread`` other than that makes it a liar."""

    config_type = NoOptions
    summary = "For tests."
    citation = "@misc{nobody}"
    samples = True
    paired = True
    multiple = 1

    def __init__(self, spread: float) -> None:
        super().__init__(NoOptions(), source_channels=3, target_channels=3)
        self.spread, self.calls = spread, 0

    def losses(self, player, batch, generator):
        raise NotImplementedError

    def stain(self, source, noise, sampling):
        self.calls += 1
        return CENTRE / 127.5 - 1 + self.spread / 127.5 * noise(source, 0)


class Draws(Pairs):
    """Images whose truth is drawn independently of the source, which is tissue to look at."""

    aligned = True

    def __init__(self, numbers: Sequence[int], side: int) -> None:
        self.numbers, self.side = numbers, side

    def __len__(self) -> int:
        return len(self.numbers)

    def name(self, index: int) -> str:
        return f"image_{index}" if len(set(self.numbers)) < len(self.numbers) else f"image_{self.numbers[index]}"

    def read(self, index: int):
        rng = np.random.default_rng(self.numbers[index])
        source = rng.integers(60, 160, (self.side, self.side, 3), np.uint8)
        target = rng.normal(CENTRE, SPREAD, source.shape)
        return source, np.rint(target).astype(np.uint8)


@pytest.fixture
def model() -> Callable[..., Model]:
    """Return a function that makes a model of a spread."""

    def make(spread: float = SPREAD, training: dict | None = None) -> Model:
        card = Card(
            name="perfect",
            summary="For tests.",
            source=Stain(name="H&E"),
            target=Stain(name="Ki67"),
            mpp=0.5,
            tile=16,
            halo=0,
            sampling=Sampling(),
            method="test",
            method_config={},
            training=training or {"data": {"kind": "phantom", "slides": 4}},
            metrics={},
            licence="none",
            files={"weights.safetensors": "0" * 64},
        )
        return Model(card, PerfectSampler(spread).eval())

    return make


@pytest.fixture(scope="session")
def images() -> Callable[..., ImageSet]:
    """Return a function that gives the images of some numbers, two of a number are the same."""

    def give(numbers: Sequence[int], **more: Any) -> ImageSet:
        return ImageSet(Draws(numbers, 16), f"{len(numbers)} draws", **more)

    return give


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny networks are not faster on several."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
