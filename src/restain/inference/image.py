"""Staining an image that fits into memory: an array, a picture file."""

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from restain.bundle import Model
from restain.errors import OutputError
from restain.geometry import Mpp, Region
from restain.inference.array_reader import ArrayReader, reader_of
from restain.inference.engine import plan_tiles
from restain.inference.options import StainOptions
from restain.inference.output import check_output
from restain.inference.products import files_for, products_of
from restain.inference.progress import Progress
from restain.inference.source import Source
from restain.inference.stainer import Stainer
from restain.inference.uncertainty import Uncertainty, finished_tiles, notes_of
from restain.inference.uncertainty_summary import write_summaries
from restain.pixels import Image
from restain.slides import SlideReader, open_slide, read_at, save_image

MOST_PIXELS = 2**28
"""Largest image that is held in memory, 268 megapixels; beyond, a slide is the better output."""


def stain(
    image: Image, model: Model, *, mpp: Mpp | None = None, options: StainOptions = StainOptions()
) -> NDArray[np.uint8]:
    """Stain an image of any size.

    Args:
        image: (H, W, source channels) uint8 or uint16.
        model: from ``load_model``; its networks are moved to the device.
        mpp: scale of the image; needed where the model has one.
        options: how the model is run.

    Returns:
        (H, W, target channels) uint8, at the scale of the image; of several stains one after another.

    Raises:
        DataError: an image of another shape or type.
        BundleError: the model takes other channels.
        ScaleError: the scale is needed and missing.
        ConfigError: a device that is not there or too small, or sampling options for a model that does not sample.
    """
    work = stain_reader(reader_of(image, model.card, mpp), Stainer(model, options))
    while True:
        try:
            next(work)
        except StopIteration as end:
            stained: NDArray[np.uint8] = end.value
            return stained


def stain_reader(
    reader: SlideReader, stainer: Stainer, uncertainty: Uncertainty | None = None
) -> Generator[Progress, None, NDArray[np.uint8]]:
    """Stain a slide into memory, wholly (no part is taken for background), and return it at the slide's own scale.

    The channels are those of all products, one after another.
    """
    card, info = stainer.model.card, reader.info
    source = Source(reader, card)
    plan = plan_tiles(source.size, stainer.model, None)
    products = products_of(card) if uncertainty is None else uncertainty.products
    channels = tuple(channel for product in products for channel in product.channels)
    canvas = np.empty((source.size.height, source.size.width, len(channels)), np.uint8)
    tiles = finished_tiles(source, plan, stainer, uncertainty)
    for done, (tile, pixels) in enumerate(tiles, start=1):
        canvas[tile.core.slices] = pixels
        yield Progress("staining", done, len(plan))
    if source.is_native:
        return canvas
    with ArrayReader(canvas, channels, source.mpp) as virtual:
        return read_at(virtual, Region.of(info.size), info.require_mpp())


def run_image(
    path: Path, stainer: Stainer, out: Path, mpp: Mpp | None, uncertainty: Uncertainty | None = None
) -> Iterator[Progress]:
    """Stain a picture file into a PNG or JPEG file, or one per stain; see ``stain_picture``."""
    card = stainer.model.card
    if uncertainty is None:
        yield from stain_picture(path, stainer, files_for(out, card, products_of(card)), mpp)
        return
    files = files_for(out, card, uncertainty.products)
    yield from stain_picture(path, stainer, files, mpp, uncertainty)
    write_summaries(path, mpp, stainer, uncertainty, files)


def stain_picture(
    path: Path, stainer: Stainer, outs: Sequence[Path], mpp: Mpp | None, uncertainty: Uncertainty | None = None
) -> Iterator[Progress]:
    """Stain a picture file.

    Args:
        path: the picture.
        stainer: the model, ready to run.
        outs: a PNG or JPEG file per stain, or per product of the uncertainty.
        mpp: scale of the picture, where the file does not tell it or is wrong.
        uncertainty: what is told of how sure the model is.

    Raises:
        OutputError: an image too large, target channels that no picture holds, or a place that cannot be written.
    """
    for out in outs:
        check_output(path, out)
    with open_slide(path, mpp) as reader:
        check_picture(reader, stainer, outs)
        notes = notes_of(path, stainer, mpp, uncertainty)
        products = products_of(stainer.model.card) if uncertainty is None else uncertainty.products
        painted = yield from stain_reader(reader, stainer, uncertainty)
        ends = np.cumsum([len(product.channels) for product in products])
        images = np.split(painted, ends[:-1], axis=2)
        for out, image, note in zip(outs, images, notes, strict=True):
            save_image(out, image, reader.info.mpp, provenance=note)


def check_picture(reader: SlideReader, stainer: Stainer, outs: Sequence[Path]) -> None:
    """Refuse what cannot become picture files.

    Raises:
        OutputError: an image too large, or target channels that no picture holds.
    """
    info, card = reader.info, stainer.model.card
    if info.size.area > MOST_PIXELS:
        raise OutputError(
            f"the {info.size} px of {info.path} are too many for a picture such as {outs[0].name}",
            fix="stain it alone, into a name that ends in .ome.tiff",
        )
    for out, target in zip(outs, card.targets, strict=False):  # what follows the stains has their channels, or one
        if (count := len(target.channels)) not in (1, 3):
            raise OutputError(
                f"{out} cannot hold the {count} channels of {target.name} that model {card.name!r} makes",
                fix="stain it alone, into a name that ends in .ome.tiff",
            )
