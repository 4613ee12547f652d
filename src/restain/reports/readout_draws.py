"""Read-outs of what a model has not decided: several virtual stains of one region, each read by itself."""

from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray

from restain.errors import DataError
from restain.geometry import Mpp, Region
from restain.inference import Stainer, draw_image
from restain.inference.array_reader import ArrayReader
from restain.metrics import Resampled
from restain.reports.readout import Readout, read_image
from restain.reports.readout_regions import MOST_PIXELS, RegionReader, inside
from restain.reports.readout_rules import ReadoutOptions
from restain.slides import RGB, open_slide, read_at, size_at
from restain.tissue import nucleus_finder
from restain.uncertainty import IntervalRule, interval_of

AROUND = 64
"""Pixels around a region that are stained with it, so that its edge has the same neighbourhood as on the slide."""


@final
@dataclass(frozen=True, slots=True)
class DrawnReadouts:
    """What was read of several virtual stains of one region.

    The intervals are those of the samples alone: uncalibrated, about what the model has not decided, and blind to what
    it has learned wrong.

    Args:
        name: of the source image.
        draws: one read-out per draw.
        percent: mean percent positive over the draws that have cells, and its interval.
        h_score: the same of the H-score.
        rule: how draws become an interval.
    """

    name: str
    draws: tuple[Readout, ...]
    percent: Resampled
    h_score: Resampled
    rule: IntervalRule


def read_drawn(
    path: Path, stainer: Stainer, samples: int, options: ReadoutOptions, regions: RegionReader
) -> DrawnReadouts:
    """Stain a region of a source image several times, and read each stain.

    Args:
        path: a picture or slide of the model's source.
        stainer: a model that samples, ready to run.
        samples: K, how many times.
        options: what the model stains, and how it is read.
        regions: which part of the image, and at which scale the stain is read.

    Raises:
        DataError: fewer than two samples, a region that lies outside, a stain that is no colour image, or a draw
            without cells.
        ConfigError: a model whose samples are no intervals'.
        ScaleError: micrometres per pixel are not known.
    """
    if samples < 2:
        raise DataError(f"an interval needs at least 2 samples, not {samples}", fix="give --samples 20 or so")
    rule = IntervalRule(kind="order_stat", samples=samples)
    with open_slide(path, regions.mpp) as reader:
        info = reader.info
        region, mpp = inside(regions.region, info), info.require_mpp()
        around = region.grow(AROUND).clip(Region.of(info.size))
        if samples * around.size.area > MOST_PIXELS:
            raise DataError(
                f"{samples} virtual stains of the {region.size} px of {path} are too many to hold at once",
                fix="choose a part with --region, or fewer --samples",
            )
        with ArrayReader(reader.read(around), info.channels, mpp) as part:
            drawn = draw_image(part, stainer, samples)
    own = Region(region.x - around.x, region.y - around.y, region.width, region.height)
    return read_draws(drawn[:, *own.slices], mpp, options, regions, path.stem, rule)


def read_draws(
    drawn: NDArray[np.float32],
    mpp: Mpp,
    options: ReadoutOptions,
    regions: RegionReader,
    name: str,
    rule: IntervalRule,
) -> DrawnReadouts:
    """Read every draw of a region.

    Args:
        drawn: (K, H, W, 3) float32, fractions of white.
        mpp: their scale.
        options: what is stained, and how it is read.
        regions: at which scale they are read.
        name: of the source image.
        rule: how K numbers become an interval.

    Raises:
        DataError: draws that are no colour images, or one without cells.
    """
    if drawn.ndim != 4 or drawn.shape[3] != len(RGB):
        raise DataError(f"draws of shape {drawn.shape} are no colour images", fix="choose a model that makes one stain")
    finder = nucleus_finder(options.nuclei, options.rule.marks)
    found = []
    for draw in drawn:
        with ArrayReader(np.rint(draw * 255).astype(np.uint8), RGB, mpp) as reader:
            scale = regions.scale_of(reader.info)
            image = read_at(reader, Region.of(size_at(reader.info, scale)), scale)
        found.append(read_image(image, scale, options, finder=finder))
    if empty := sum(not each.cells for each in found):
        raise DataError(
            f"no nuclei were found in {empty} of {len(found)} draws of {name}", fix="choose a region with cells"
        )
    return DrawnReadouts(
        name,
        tuple(found),
        _interval([each.percent_positive for each in found], rule),
        _interval([each.h_score for each in found], rule),
        rule,
    )


def _interval(values: list[float], rule: IntervalRule) -> Resampled:
    interval = interval_of(np.array(values), rule)
    return Resampled(float(interval.centre), float(interval.lower), float(interval.upper))
