"""Models whose stain is known, and slides to stain."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from restain.bundle import Card, Model, Stain
from restain.config import Config
from restain.diffusion import Sampling
from restain.geometry import Mpp, Point, Size
from restain.inference import StainOptions
from restain.methods import Method, build_method
from restain.slides import RGB, create_slide

SMALL = {"width": 8, "multipliers": [1, 1], "attention": [], "blocks": 1}


class NoOptions(Config):
    """A method without options."""


class TestMethod(Method):
    """A method that is its own truth; it remembers the batches it was given."""

    __test__ = False
    config_type = NoOptions
    summary = "For tests."
    citation = "@misc{nobody}"
    samples = False
    multiple = 1

    def __init__(self, function: Callable) -> None:
        super().__init__(NoOptions(), source_channels=3, target_channels=3)
        self.function = function
        self.batches: list[int] = []

    def losses(self, player, batch, generator):
        raise NotImplementedError

    def stain(self, source, noise, sampling):
        self.batches.append(len(source))
        return self.function(source, noise)


class Models:
    """Makes models; the halo is chosen so that strides are multiples of 16."""

    def card(self, *, tile=32, halo=8, mpp=0.5, channels=(RGB, RGB), background=255, method="test", config=None):
        return Card(
            name="tiny",
            summary="For tests.",
            source=Stain(name="H&E", channels=channels[0]),
            target=Stain(name="Ki67", channels=channels[1], background=background),
            mpp=mpp,
            tile=tile,
            halo=halo,
            sampling=Sampling(steps=3),
            method=method,
            method_config=config or {},
            training={},
            metrics={},
            licence="none",
        )

    def of(self, function, **card):
        """Return a model that computes a function of (source, noise)."""
        return Model(self.card(**card), TestMethod(function).eval())

    def copy(self, **card):
        """Return a model whose stain is its source."""
        return self.of(lambda source, noise: source.clone(), **card)

    def noise(self, **card):
        """Return a model whose stain is its noise."""
        return self.of(lambda source, noise: 0.2 * noise(source, 0), **card)

    def network(self, method="regression", **card):
        """Return a model with a small network of random weights."""
        torch.manual_seed(1)
        built = build_method(method, {"unet": SMALL}, source_channels=3, target_channels=3)
        for weights in built.parameters():
            torch.nn.init.normal_(weights, 0, 0.15)
        return Model(self.card(method=method, config={"unet": SMALL}, **card), built.eval().requires_grad_(False))


@pytest.fixture(scope="session")
def models():
    return Models()


@pytest.fixture(scope="session")
def exact():
    """Return options under which slides are lossless and computations are as precise as they get."""

    def options(**changes):
        return StainOptions(**{"precision": "fp32", "compression": "zstd", "device": "cpu"} | changes)

    return options


@pytest.fixture(scope="session")
def tissue():
    """Return a function that paints textured tissue on white glass; everything is tissue without glass."""

    def paint(width, height, *, glass=0, seed=0):
        rng = np.random.default_rng(seed)
        image = rng.integers(60, 200, (height, width, 3), np.uint8)
        image[..., 1] //= 2  # purple
        if glass:
            image[:, :glass] = image[:, width - glass :] = 245
            image[:glass] = image[height - glass :] = 245
        return image

    return paint


@pytest.fixture
def slide(tmp_path):
    """Return a function that writes an image as a lossless slide."""

    def write(image, mpp=0.5, name="source.ome.tiff"):
        path = tmp_path / name
        height, width, count = image.shape
        channels = RGB if count == 3 else tuple(f"marker {k}" for k in range(count))
        with create_slide(path, Size(width, height), Mpp.square(mpp), channels, image.dtype, "zstd") as writer:
            writer.write(image, Point(0, 0))
        return path

    return write
