"""Staining an image that fits into memory: an array, a picture file."""

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from restain.bundle import Card, Model
from restain.errors import OutputError
from restain.geometry import Mpp, Region
from restain.inference.array_reader import ArrayReader
from restain.inference.engine import plan_tiles, stain_tiles
from restain.inference.options import StainOptions
from restain.inference.output import check_output, files_of
from restain.inference.progress import Progress
from restain.inference.provenance import provenance
from restain.inference.source import Source
from restain.inference.stainer import Stainer
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


def reader_of(image: Image, card: Card, mpp: Mpp | None) -> SlideReader:
    """Return an array as a slide whose channels are those a model takes, where they are as many.

    Raises:
        DataError: an image of another shape or type.
    """
    takes = card.source.channels
    count = image.shape[-1] if image.ndim else 0
    names = takes if count == len(takes) else tuple(f"channel {k}" for k in range(count))
    return ArrayReader(image, names, mpp)


def stain_reader(reader: SlideReader, stainer: Stainer) -> Generator[Progress, None, NDArray[np.uint8]]:
    """Stain a slide into memory, wholly (no part is taken for background), and return it at the slide's own scale."""
    card, info = stainer.model.card, reader.info
    source = Source(reader, card)
    plan = plan_tiles(source.size, stainer.model, None)
    canvas = np.empty((source.size.height, source.size.width, len(card.channels_out)), np.uint8)
    for done, (tile, pixels) in enumerate(stain_tiles(source, plan, stainer), start=1):
        canvas[tile.core.slices] = pixels
        yield Progress("staining", done, len(plan))
    if source.is_native:
        return canvas
    with ArrayReader(canvas, card.channels_out, source.mpp) as virtual:
        return read_at(virtual, Region.of(info.size), info.require_mpp())


def run_image(path: Path, stainer: Stainer, out: Path, mpp: Mpp | None) -> Iterator[Progress]:
    """Stain a picture file into a PNG or JPEG file, or one per stain; see ``stain_picture``."""
    return stain_picture(path, stainer, files_of(out, stainer.model.card), mpp)


def stain_picture(path: Path, stainer: Stainer, outs: Sequence[Path], mpp: Mpp | None) -> Iterator[Progress]:
    """Stain a picture file.

    Args:
        path: the picture.
        stainer: the model, ready to run.
        outs: a PNG or JPEG file per stain.
        mpp: scale of the picture, where the file does not tell it or is wrong.

    Raises:
        OutputError: an image too large, target channels that no picture holds, or a place that cannot be written.
    """
    for out in outs:
        check_output(path, out)
    with open_slide(path, mpp) as reader:
        check_picture(reader, stainer, outs)
        note = provenance(path, stainer)
        stained = yield from stain_reader(reader, stainer)
        ends = np.cumsum([len(target.channels) for target in stainer.model.card.targets])
        for out, image in zip(outs, np.split(stained, ends[:-1], axis=2), strict=True):
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
    for out, target in zip(outs, card.targets, strict=True):
        if (count := len(target.channels)) not in (1, 3):
            raise OutputError(
                f"{out} cannot hold the {count} channels of {target.name} that model {card.name!r} makes",
                fix="stain it alone, into a name that ends in .ome.tiff",
            )
