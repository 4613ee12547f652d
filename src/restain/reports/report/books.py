"""What is read from the images behind an evaluation, one piece after another in bounded memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import NDArray

from restain.colour import H_DAB_FIJI, od_from_rgb, separate
from restain.inference.tissue import tissue_to_count
from restain.metrics import positive_share
from restain.pixels import Image
from restain.reports.report.cases import Piece, Views, read
from restain.slides import open_slide
from restain.tissue import Mask
from restain.uncertainty import Interval, Reliability, ReliabilitySummary, image_digest

EDGES = np.linspace(-0.5, 2.5, 301)
"""Borders of the bins of optical density and of amounts of a stain."""

CHANNELS = ("red", "green", "blue")
STAINS = ("hematoxylin", "dab")


@final
@dataclass
class Density:
    """The optical densities, or amounts of a stain, of the virtual and of the real images.

    Args:
        name: of the channel or the stain.
        counts: (2, bins) values by bins of ``EDGES``: virtual, real.
        total: (2,) their sum.
    """

    name: str
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros((2, len(EDGES) - 1), np.int64))
    total: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))

    def add(self, side: int, values: NDArray[np.float32]) -> None:
        """Enter the values of an image, of the virtual (0) or the real side (1)."""
        bins = ((values - EDGES[0]) * (1 / (EDGES[1] - EDGES[0]))).astype(np.intp)
        self.counts[side] += np.bincount(bins.clip(0, len(EDGES) - 2).ravel(), minlength=len(EDGES) - 1)
        self.total[side] += float(values.sum(dtype=np.float64))

    @property
    def means(self) -> tuple[float, float]:
        """Mean of the virtual and of the real images."""
        virtual, real = self.total / self.counts.sum(axis=1)
        return float(virtual), float(real)


@final
@dataclass(frozen=True)
class Reading:
    """What was read.

    Args:
        pieces: that were read.
        densities: of the channels, and of the stains where there is DAB; empty where images are not in 8-bit colour.
        positive: of every piece the share of positive pixels, virtual and real; empty where there is no DAB.
        coverage: how good the intervals are that lie beside the virtual images, over all pixels; None where there are
            none.
        inside: of every piece with intervals the share of the truth inside.
        identical: names of pieces whose virtual image is the real one.
        digests: first digits of the SHA-256 of the source pixels by name, of whole images.
    """

    pieces: tuple[Piece, ...]
    densities: tuple[Density, ...]
    positive: tuple[tuple[float, float], ...]
    coverage: ReliabilitySummary | None
    inside: tuple[float, ...]
    identical: tuple[str, ...]
    digests: dict[str, str]


def read_all(pieces: Sequence[Piece], *, dab: bool) -> Reading:
    """Read every piece once.

    Args:
        pieces: of images whose virtual and real side fit.
        dab: whether brown is to be told from blue.
    """
    densities = [Density(name) for name in (*CHANNELS, *(STAINS if dab else ()))]
    positive: list[tuple[float, float]] = []
    identical: list[str] = []
    digests: dict[str, str] = {}
    books, inside, colour = Reliability(), list[float](), True
    for piece in pieces:
        views = read(piece)
        colour = colour and views.pred.dtype == np.uint8 and views.pred.shape[2] == 3
        if np.array_equal(views.pred, views.target):
            identical.append(piece.name)
        if piece.is_whole and views.source is not None:
            digests[piece.case.name] = image_digest(views.source)
        if colour:
            for side, image in enumerate((views.pred, views.target)):
                _enter(densities, side, image)
            if dab:
                positive.append((positive_share(views.pred), positive_share(views.target)))
        if views.lower is not None and views.upper is not None:
            inside += _cover(books, views, _tissue(piece))
    return Reading(
        tuple(pieces),
        tuple(densities) if colour and pieces else (),
        tuple(positive) if colour else (),
        books.result() if inside else None,
        tuple(inside),
        tuple(identical),
        digests,
    )


def _enter(densities: Sequence[Density], side: int, image: Image) -> None:
    od = od_from_rgb(image)
    for channel in range(3):
        densities[channel].add(side, od[..., channel])
    if len(densities) > 3:
        amounts = separate(od, H_DAB_FIJI)
        for stain in range(2):
            densities[3 + stain].add(side, amounts[..., stain])


def _tissue(piece: Piece) -> Mask:
    """Return where a piece shows tissue: by the mask for which calibrations promise something."""
    with open_slide(piece.case.source or piece.case.target) as slide:
        mask, size = tissue_to_count(slide), slide.info.size
    rows = (np.arange(piece.region.y, piece.region.bottom) + 0.5) * mask.shape[0] // size.height
    columns = (np.arange(piece.region.x, piece.region.right) + 0.5) * mask.shape[1] // size.width
    cut: Mask = mask[np.ix_(rows.astype(int), columns.astype(int))]
    return cut


def _cover(books: Reliability, views: Views, mask: Mask) -> list[float]:
    """Enter the intervals of a piece where there is tissue, and return the share inside, or nothing without tissue.

    The error is that of the virtual image.

    The ends are 8-bit images, rounded outwards, so they hold at least what they held before.
    """
    assert views.lower is not None
    assert views.upper is not None
    if not mask.any():
        return []
    white = np.iinfo(views.target.dtype).max
    lower, upper = views.lower / np.iinfo(views.lower.dtype).max, views.upper / np.iinfo(views.upper.dtype).max
    alone = Reliability()
    for each in (books, alone):
        each.add(Interval(lower, views.pred / white, upper), views.target / white, mask)
    return [alone.result().coverage]
