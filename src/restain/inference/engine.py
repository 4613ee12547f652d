"""The engine: plan -> tiles read ahead -> batches through the model -> blended, finished pixels. It writes no file.

The model runs in the caller's thread; others read the next tiles and finish the last ones.

It knows of a method no more than ``Method.stain``. A batch never reaches over the end of a row of tiles, so which tiles
share one depends on the plan and the batch size alone: a run that was taken up at some row repeats every operation of
the unbroken one, and its pixels are equal to the last bit. (Another batch size may let kernels add in another order:
measured on a CPU, values differ by 1e-5 in fp32; in bf16 4 % of the pixels differ, by one grey level, rarely two.)
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from restain.bundle import Model
from restain.data.channels import LOOKED_AT, check_values
from restain.errors import BundleError
from restain.geometry import Size
from restain.inference.ahead import ahead
from restain.inference.source import Source
from restain.inference.stainer import Stainer
from restain.pixels import Image, Planes, image_from_planes, planes_from_image
from restain.tissue import Blender, Mask, Tile, TilePlan

T = TypeVar("T")

Pixels = NDArray[np.float32]
"""(H, W, C) float32, nominally in [-1, 1]."""

Span = list[Tile]
"""Neighbours in a row of tiles, with one batch of tissue among them."""

READERS = 2
"""Threads that read: decoding a tile takes about 5 ms, less than any network."""

TIFF_TILE = 16
"""Edges of the tiles of a TIFF file are multiples of this. Where strides are too, pixels are written as they come."""


def plan_tiles(size: Size, model: Model, mask: Mask | None) -> TilePlan:
    """Cut an image into the tiles that a model wants.

    An image that is smaller than the card's tile is one tile, no larger than it must be. The halo is the card's, or the
    next one that makes the stride a multiple of ``TIFF_TILE``.

    Args:
        size: of the image at the model's scale.
        model: with its card.
        mask: where there is tissue, at any resolution; None for everywhere.

    Raises:
        BundleError: the card's tile is too odd for any halo.
    """
    card, step = model.card, math.lcm(TIFF_TILE, model.method.multiple)
    side = min(card.tile, -(-max(size.width, size.height) // step) * step)
    halos = [halo for halo in range(0, side // 3 + 1, 2) if (side - 2 * halo) % TIFF_TILE == 0]
    if not halos:
        raise BundleError(
            f"the card of model {card.name!r} asks for tiles of {card.tile} px, which no halo fits",
            fix=f"set tile in card.yaml to a multiple of {TIFF_TILE}",
        )
    return TilePlan(size, side, next((halo for halo in halos if halo >= card.halo), halos[-1]), mask)


def count_tissue(plan: TilePlan, first_row: int = 0) -> int:
    """Return how many tiles the model has to run from a row on."""
    return sum(tile.is_tissue for row in plan.rows(first_row) for tile in row)


def stain_tiles(source: Source, plan: TilePlan, stainer: Stainer, first_row: int = 0) -> Iterator[tuple[Tile, Image]]:
    """Yield every tile of a plan with the finished pixels of its core, row by row; see ``draw_tiles``.

    Yields:
        The tile, and (height, width, target channels) uint8 for ``tile.core``.
    """
    return draw_tiles(source, plan, stainer, 1, lambda samples: image_of(samples[0]), first_row)


def image_of(pixels: Pixels) -> Image:
    """Return blended pixels, (H, W, C) nominally in [-1, 1], as an image of uint8."""
    return image_from_planes(pixels.transpose(2, 0, 1))


def draw_tiles(
    source: Source,
    plan: TilePlan,
    stainer: Stainer,
    samples: int,
    finish: Callable[[Sequence[Pixels]], T],
    first_row: int = 0,
) -> Iterator[tuple[Tile, T]]:
    """Yield every tile of a plan with what is made of one or several samples of its core, row by row.

    Tiles without tissue are not run; they get the background of the target stain. Each sample is blended by itself.
    Memory does not depend on the height of the slide, and on its width only as stated by ``Blender``, for each sample.
    Of several samples, those of one tile are held at a time. The first is computed as if it were alone, in the same
    batches, so it is the same to the last bit.

    Args:
        source: the slide.
        plan: from ``plan_tiles`` for its size.
        stainer: the model.
        samples: how many.
        finish: makes the result of the samples of ``tile.core``, each (height, width, target channels) float32,
            nominally in [-1, 1]; it runs in a thread.
        first_row: the first row of tiles that is wanted; the row above is run again, because its lower edge fades into
            this one.

    Yields:
        The tile and its result.

    Raises:
        DataError: the model returns values that are not finite.
        SlideError: pixels that cannot be decoded.
    """
    card = stainer.model.card
    if card.source.background < 255 and first_row == 0:  # white glass is at the limit of its camera, by intention
        tiles = (source.read(tile.source) for tile in _some_tissue(plan, LOOKED_AT))
        check_values(tiles, source.info.channels, f"tissue of {source.info.path}")
    glass = np.array([stain.background for stain in card.targets for _ in stain.channels], np.uint8)
    background = planes_from_image(glass[None, None])[:, 0, 0]
    blenders = [Blender(plan, len(card.channels_out), first_row) for _ in range(samples)]

    def read(span: Span) -> tuple[Span, list[Planes]]:
        return span, [source.planes(tile.source) for tile in span if tile.is_tissue]

    def run() -> Iterator[tuple[Span, Sequence[Sequence[Pixels]]]]:
        for span, planes in ahead(read, _spans(plan, max(first_row - 1, 0), stainer.batch), READERS):
            first = stainer(planes, [tile.source.at for tile in span if tile.is_tissue]) if planes else ()
            if samples == 1:
                yield span, [(each,) for each in first]
                continue
            results = zip(planes, first, strict=True)
            for tile in span:
                drawn = []
                if tile.is_tissue:
                    seen, one = next(results)
                    drawn = [(one, *stainer.draw_more(seen, tile.source.at, range(1, samples)))]
                yield [tile], drawn

    def blend(work: tuple[Span, Sequence[Sequence[Pixels]]]) -> list[tuple[Tile, T]]:
        span, drawn = work
        results = iter(drawn)
        found = []
        for tile in span:
            tiles = next(results) if tile.is_tissue else (background,) * samples
            blended = [blender.add(tile, each) for blender, each in zip(blenders, tiles, strict=True)]
            cores = [each[1] for each in blended if each is not None]
            if cores:
                found.append((tile, finish(cores)))
        return found

    for finished in ahead(blend, run(), threads=1):
        yield from finished


def _some_tissue(plan: TilePlan, count: int) -> Iterator[Tile]:
    """Yield at most so many tiles of tissue, evenly spread over the plan."""
    step = -(-count_tissue(plan) // count) or 1
    tissue = (tile for row in plan.rows() for tile in row if tile.is_tissue)
    return islice(tissue, 0, None, step)


def _spans(plan: TilePlan, first_row: int, batch: int) -> Iterator[Span]:
    """Cut each row into spans of neighbours with one batch of tissue each."""
    for row in plan.rows(first_row):
        span: Span = []
        waiting = 0
        for tile in row:
            span.append(tile)
            waiting += tile.is_tissue
            if waiting == batch:
                yield span
                span, waiting = [], 0
        if span:
            yield span
