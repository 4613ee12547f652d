"""Several samples of the same image, as they are: what a model makes of it with other noise each time."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from restain.bundle import Model
from restain.errors import ConfigError
from restain.geometry import Mpp, Region
from restain.inference.array_reader import ArrayReader, reader_of
from restain.inference.engine import Pixels, draw_tiles, plan_tiles
from restain.inference.options import StainOptions
from restain.inference.source import Source
from restain.inference.stainer import Stainer
from restain.pixels import Image
from restain.slides import SlideReader, read_at

Samples = NDArray[np.float32]
"""(K, H, W, C) float32, fractions of white in [0, 1]."""


def stain_samples(
    image: Image, model: Model, samples: int, *, mpp: Mpp | None = None, options: StainOptions = StainOptions()
) -> Samples:
    """Stain an image of any size several times, each time with noise of its own.

    Args:
        image: (H, W, source channels) uint8 or uint16.
        model: from ``load_model``; its networks are moved to the device.
        samples: K, how many times.
        mpp: scale of the image; needed where the model has one.
        options: how the model is run.

    Returns:
        (K, H, W, target channels) float32, fractions of white in [0, 1], at the scale of the image; rounded to 8 bits,
        sample 0 is what ``stain`` returns.

    Raises:
        DataError: an image of another shape or type.
        BundleError: the model takes other channels.
        ScaleError: the scale is needed and missing.
        ConfigError: a model whose samples are no intervals' (see ``check_sampler``), or options that do not fit it.
    """
    return draw_image(reader_of(image, model.card, mpp), Stainer(model, options), samples)


def draw_image(reader: SlideReader, stainer: Stainer, samples: int) -> Samples:
    """Stain a slide several times into memory, wholly (no part is taken for background).

    Args:
        reader: the slide; K float32 images of its size must fit into memory.
        stainer: the model, ready to run.
        samples: K, how many times.

    Returns:
        (K, H, W, target channels) float32, fractions of white in [0, 1], at the slide's own scale. Where the model
        works at another, samples are rounded to 16 bits on the way back.

    Raises:
        ConfigError: a model whose samples are no intervals'; see ``check_sampler``.
    """
    check_sampler(stainer.model)
    card, info = stainer.model.card, reader.info
    source = Source(reader, card)
    plan = plan_tiles(source.size, stainer.model, None)
    canvas = np.empty((samples, source.size.height, source.size.width, len(card.channels_out)), np.float32)

    def place(cores: Sequence[Pixels]) -> Samples:
        return np.stack([fractions_of(core) for core in cores])

    for tile, pixels in draw_tiles(source, plan, stainer, samples, place):
        canvas[:, *tile.core.slices] = pixels
    if source.is_native:
        return canvas
    back = np.empty((samples, info.size.height, info.size.width, canvas.shape[3]), np.float32)
    for sample, image in zip(back, canvas, strict=True):
        with ArrayReader(np.rint(image * 65535).astype(np.uint16), card.channels_out, source.mpp) as virtual:
            sample[:] = read_at(virtual, Region.of(info.size), info.require_mpp()) / np.float32(65535)
    return back


def fractions_of(pixels: Pixels) -> Pixels:
    """Return pixels in [-1, 1] as fractions of white; what lies outside is clipped."""
    return ((pixels + 1) / 2).clip(0, 1)


def check_sampler(model: Model) -> None:
    """Refuse a model whose samples do not show how sure it is.

    Raises:
        ConfigError: it computes one answer, or it is guided, so that its samples agree more than they should.
    """
    card, method = model.card, model.method
    if method.samples and method.paired:
        return
    why = (
        "is guided, and its samples agree more than they should"
        if method.samples
        else "computes one answer, which says nothing of how sure it is"
    )
    raise ConfigError(
        f"model {card.name!r} ({card.method}) {why}: it has no intervals",
        fix="choose a model that samples and was trained on pairs, such as one of method conditional or stain_diffuser",
    )
