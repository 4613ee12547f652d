"""Coarse masks of a folder of images, as PNG files of the same names: 0 where a marker is not, 255 where it is."""

import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from restain import __version__
from restain.errors import DataError, MaskWarning
from restain.geometry import Mpp, Region
from restain.inference.folder import is_finished, jobs_of, refuse_foreign
from restain.inference.output import check_distinct
from restain.inference.progress import Progress
from restain.pixels import Image
from restain.slides import open_slide, save_image
from restain.tissue import (
    CoarseMaskConfig,
    DabHistogram,
    Mask,
    PositiveThreshold,
    ThresholdRule,
    choose_threshold,
    coarse_mask,
)

MOST_PIXELS = 2**26
"""Largest image that is masked, 67 megapixels: distances need about 50 bytes per pixel."""


def mask_folder(
    folder: Path,
    out: Path,
    *,
    threshold: ThresholdRule | float,
    per_image: bool,
    steps: CoarseMaskConfig,
    mpp: Mpp | None,
    tell: Callable[[str], None],
) -> Iterator[Progress]:
    """Mask every image of a folder; masks already there, made from the same files in the same way, stay.

    Args:
        folder: images with hematoxylin and DAB.
        out: where the masks go.
        threshold: how it is found, or the optical density itself.
        per_image: whether each image has a threshold of its own, or all share the one that their pixels give together.
        steps: the morphology.
        mpp: scale of the images, overriding the files.
        tell: takes one sentence on each threshold.

    Raises:
        DataError: no images, two of one name, one that is no colour image or too large, no tissue.
        SlideError: an image that cannot be read.
        OutputError: a place that cannot be written, or that holds images made by something else.

    Warns:
        MaskWarning: all masks are empty, or all are full.
    """
    check_distinct(folder, out)
    jobs = jobs_of(folder, [out])
    refuse_foreign(jobs)
    shared: PositiveThreshold | None = None
    if not per_image:
        histogram = DabHistogram()
        for number, path in enumerate(jobs):
            yield Progress("counting", number, len(jobs))
            if isinstance(threshold, str):  # a density that is given needs no pixels
                histogram.add(_read(path, mpp)[0])
        shared = choose_threshold(histogram, threshold)
        tell(shared.reason)

    shares = []
    for number, (path, (made,)) in enumerate(jobs.items()):
        yield Progress("masking", number, len(jobs))
        note = _note(path, steps, mpp, threshold if shared is None else f"{shared.density:.6f}")
        if is_finished([made], [note]):
            with open_slide(made) as reader:
                shares.append(float((reader.read(Region.of(reader.info.size)) > 0).mean()))
            continue
        image, scale = _read(path, mpp)
        chosen = shared or _own(image, threshold)
        if shared is None:
            tell(f"{path.name}: {chosen.reason}")
        mask = coarse_mask(image, chosen.density, scale, steps)
        save_image(made, _picture(mask), scale, provenance={**note, "reason": chosen.reason})
        shares.append(float(mask.mean()))
    yield Progress("masking", len(jobs), len(jobs))
    _warn_of_nothing(shares, out)


def _own(image: Image, threshold: ThresholdRule | float) -> PositiveThreshold:
    histogram = DabHistogram()
    histogram.add(image)
    if not histogram.pixels:  # glass alone
        return PositiveThreshold(np.inf, "given", 0.0, "no tissue, so nothing is positive")
    return choose_threshold(histogram, threshold)


def _read(path: Path, mpp: Mpp | None) -> tuple[Image, Mpp | None]:
    with open_slide(path, mpp) as reader:
        info = reader.info
        if len(info.channels) != 3 or info.dtype != np.uint8:
            raise DataError(
                f"{path} has {len(info.channels)} channels of {info.dtype}, and no colour to see DAB by",
                fix="take it away, or give 8-bit images in red, green and blue",
            )
        if info.size.area > MOST_PIXELS:
            raise DataError(
                f"the {info.size} px of {path} are too many for one mask", fix="cut it into tiles and mask those"
            )
        return reader.read(Region.of(info.size)), info.mpp


def _note(path: Path, steps: CoarseMaskConfig, mpp: Mpp | None, threshold: object) -> dict[str, str]:
    """Return everything that a mask depends on, as text."""
    facts = path.stat()
    return {
        "software": f"restain {__version__}",
        "threshold": str(threshold),
        "steps": json.dumps(steps.model_dump(mode="json"), sort_keys=True),
        "mpp": str(mpp),
        "source": path.name,
        "source_bytes": str(facts.st_size),
        "source_modified_ns": str(facts.st_mtime_ns),
    }


def _picture(mask: Mask) -> Image:
    return np.where(mask, np.uint8(255), np.uint8(0))[..., None]


def _warn_of_nothing(shares: list[float], out: Path) -> None:
    for share, word, instead in ((0.0, "empty", "lower"), (1.0, "full", "higher")):
        if all(each == share for each in shares):
            warnings.warn(
                f"all {len(shares)} masks in {out} are {word}; "
                f"if that is not so in the images, give a {instead} --threshold",
                MaskWarning,
                stacklevel=3,
            )
