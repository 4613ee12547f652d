"""The images behind an evaluation: where they are, which are looked at, and which are the best and the worst."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from restain.errors import DataError
from restain.geometry import Region
from restain.metrics import METRICS, SOURCE_METRICS
from restain.pixels import Image
from restain.reports.matching import listed
from restain.reports.report.record import MetricRecord, Record
from restain.slides import SlideInfo, image_name, images_in, open_slide, overview
from restain.tissue import tissue_mask

LARGE = 2**22
"""Pixels above which an image is not read as a whole, but in regions: 2048 x 2048, 13 MB in colour."""

SIDE = 512
"""Edge in pixels of the regions of large images."""

REGIONS = 64
"""Regions of large images that are read, of all together: enough to find a best, a median and a worst one."""

SLIDES = 16
"""Large images from which they are drawn."""

TISSUE = 0.5
"""Least share of tissue in a region."""


@final
@dataclass(frozen=True)
class Case:
    """One image that was judged, and what lies beside it."""

    name: str
    pred: Path
    target: Path
    source: Path | None
    uncertainty: Path | None
    lower: Path | None
    upper: Path | None


@final
@dataclass(frozen=True)
class Piece:
    """An image, or a region of a large one."""

    case: Case
    region: Region
    is_whole: bool

    @property
    def name(self) -> str:
        """For people: with the place where it is a part."""
        return self.case.name if self.is_whole else f"{self.case.name} at x {self.region.x}, y {self.region.y}"


@final
@dataclass(frozen=True)
class Views:
    """The pixels of a piece, (H, W, C) each; None where there is no such image."""

    pred: Image
    target: Image
    source: Image | None
    uncertainty: Image | None
    lower: Image | None
    upper: Image | None


@final
@dataclass(frozen=True)
class Ranked:
    """A piece and its value by the metric that ranks."""

    piece: Piece
    value: float


def find_cases(record: Record) -> tuple[Case, ...]:
    """Return the images of an evaluation, in its order.

    Raises:
        DataError: images that are no longer where they were.
    """
    if not record.rows:
        return ()
    names = [row.name for row in record.rows]
    pred, target = (_found(record, place, names) for place in (record.pred, record.target))
    source = {} if record.source is None else _found(record, record.source, names)
    beside = {kind: _beside(record.pred, kind) for kind in ("uncertainty", "lower", "upper")}
    return tuple(
        Case(name, pred[name], target[name], source.get(name), *(found.get(name) for found in beside.values()))
        for name in dict.fromkeys(names)
    )


def _found(record: Record, place: Path, names: Sequence[str]) -> dict[str, Path]:
    fix = f"bring them back, run this in the folder where `restain evaluate` ran, or measure anew: {record.command}"
    if not place.exists():
        raise DataError(f"the images were in {place}, which is no longer there", fix=fix)
    found = images_in(place) if place.is_dir() else {names[0]: place}
    if missing := [name for name in names if name not in found]:
        raise DataError(f"{place} no longer holds {listed(missing)}", fix=fix)
    return found


def _beside(pred: Path, kind: str) -> dict[str, Path]:
    """Return what lies beside virtual images by name: in a folder of this kind, or as a file NAME.KIND.SUFFIX."""
    if pred.is_dir():
        return images_in(pred / kind) if (pred / kind).is_dir() else {}
    name = image_name(pred)
    path = pred.with_name(f"{name}.{kind}{pred.name.removeprefix(name)}")
    return {name: path} if path.is_file() else {}


def draw_pieces(record: Record, cases: Sequence[Case], images: int, seed: int) -> tuple[Piece, ...]:
    """Return what is read for densities, positive areas and coverage: some images, or regions of large ones.

    Args:
        record: tells how large they are.
        cases: of it.
        images: how many at most.
        seed: draws them.
    """
    generator = np.random.default_rng(seed)
    if not are_large(record):
        sizes = {row.name: row.size for row in record.rows}
        chosen = sorted(generator.permutation(len(cases))[:images])
        return tuple(Piece(cases[k], Region.of(sizes[cases[k].name]), True) for k in chosen)
    chosen = sorted(generator.permutation(len(cases))[:SLIDES])
    return tuple(piece for k in chosen for piece in _regions(cases[k], max(3, REGIONS // len(chosen)), generator))


def are_large(record: Record) -> bool:
    """Whether images are looked at in regions."""
    return any(row.size.area > LARGE for row in record.rows)


def _regions(case: Case, count: int, generator: np.random.Generator) -> list[Piece]:
    """Draw regions that show tissue, all of them where none shows much."""
    with open_slide(case.target) as slide:
        small = overview(slide, 512)
        grid = [tile for tile in Region.of(slide.info.size).tiles(SIDE) if min(tile.width, tile.height) == SIDE]
        grid = grid or [Region.of(slide.info.size)]
    mask, step = tissue_mask(small.image), small.downsample
    shares = [
        mask[int(y / step) : math.ceil((y + SIDE) / step), int(x / step) : math.ceil((x + SIDE) / step)].mean()
        for x, y in ((tile.x, tile.y) for tile in grid)
    ]
    grid = [tile for tile, share in zip(grid, shares, strict=True) if share >= TISSUE] or grid
    chosen = sorted(generator.permutation(len(grid))[:count])
    return [Piece(case, grid[k], False) for k in chosen]


def read(piece: Piece) -> Views:
    """Read the pixels of a piece.

    Raises:
        DataError: images that no longer have their extent.
        SlideError: an image that cannot be read.
    """
    case = piece.case
    paths = (case.pred, case.target, case.source, case.uncertainty, case.lower, case.upper)
    return Views(*(None if path is None else _pixels(path, piece) for path in paths))  # type: ignore[arg-type]  # two are never None


def _pixels(path: Path, piece: Piece) -> Image:
    with open_slide(path) as slide:
        if piece.is_whole and slide.info.size != piece.region.size:
            raise DataError(
                f"{path} has {slide.info.size} px and had {piece.region.size} when it was measured",
                fix="run `restain evaluate` again",
            )
        return slide.read(piece.region)


def info_of(case: Case) -> SlideInfo:
    """Return what is known of a virtual image before its pixels are read."""
    with open_slide(case.pred) as slide:
        return slide.info


def choose_metric(record: Record, name: str | None) -> MetricRecord:
    """Return the metric that ranks.

    Raises:
        DataError: one that was not measured.
    """
    metrics = {metric.name: metric for metric in record.metrics}
    if name is not None and name not in metrics:
        raise DataError(f"{name} was not measured", fix=f"choose among {', '.join(metrics)}")
    return metrics[name or ("psnr" if "psnr" in metrics else record.metrics[0].name)]


def rank(record: Record, cases: Sequence[Case], pieces: Sequence[Piece], metric: MetricRecord) -> tuple[Ranked, ...]:
    """Return images, or regions of large ones, from the best to the worst; those without a value are left out.

    Images have the values that were measured; regions are measured here.

    Args:
        record: of the evaluation.
        cases: its images.
        pieces: regions that were drawn, of large images.
        metric: that ranks.
    """
    if are_large(record):
        found = [Ranked(piece, measure(metric.name, read(piece))) for piece in pieces]
    else:
        rows = {row.name: row for row in reversed(record.rows)}  # the first of a name that is there twice
        whole = {case.name: Piece(case, Region.of(rows[case.name].size), True) for case in cases}
        found = [Ranked(piece, rows[name].values[metric.name]) for name, piece in whole.items()]
    known = [each for each in found if not math.isnan(each.value)]
    return tuple(sorted(known, key=lambda each: (metric.badness(each.value), each.piece.name)))


def measure(name: str, views: Views) -> float:
    """Return the value of a piece by a metric."""
    (metric,) = (each for each in (*METRICS, *SOURCE_METRICS) if each.name == name)
    other = views.source if metric in SOURCE_METRICS else views.target
    assert other is not None  # or the metric would not have been measured
    return metric.of(views.pred, other)


def extremes(ranked: Sequence[Ranked]) -> dict[str, Ranked]:
    """Return the best, the median and the worst; of fewer than three what there is.

    Of an even number the better one of the middle is the median.
    """
    if len(ranked) < 3:
        return dict(zip(("best", "worst") if len(ranked) == 2 else ("only one",), ranked, strict=False))
    return {"best": ranked[0], "median": ranked[(len(ranked) - 1) // 2], "worst": ranked[-1]}
