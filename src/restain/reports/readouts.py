"""Read-outs of many images, whether virtual and real ones agree, and the controls that belong beside it."""

import csv
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray

from restain.errors import DataError, MetricWarning, SmallSampleWarning
from restain.inference import Progress
from restain.metrics import (
    HER2_CLASSES,
    Agreement,
    ClassAgreement,
    Resampled,
    Shuffled,
    agreement,
    class_agreement,
    resampled,
    share_with_interval,
    shuffled_agreement,
)
from restain.reports.matching import listed, match_images
from restain.reports.readout import Readout, read_image
from restain.reports.readout_regions import RegionReader
from restain.reports.readout_rules import ReadoutOptions
from restain.slides import image_name, images_in
from restain.tissue import nucleus_finder

FEWEST_IMAGES = 10
"""Negative images from which on their share has a bootstrap interval; of fewer it would be rough."""


@final
@dataclass(frozen=True, slots=True)
class ImageReadout:
    """What was read of one image, and of its truth, if given.

    Args:
        name: without suffix.
        patient: whom it is of; its own name where nobody says.
        pred: the image.
        target: its truth.
    """

    name: str
    patient: str
    pred: Readout
    target: Readout | None


@final
@dataclass(frozen=True, slots=True)
class Comparison:
    """Agreement of read-outs with those of the truth, and of the same with the truth of other patients.

    Args:
        images: that have cells on both sides.
        patients: of whom they are.
        percent: percent positive, in points.
        h_score: H-score.
        her2: HER2 scores; None for other markers.
        shuffled: ICC(2,1) of mismatched pairs by number, ``percent``, ``h_score`` and ``her2``; of scores it is what
            quadratic kappa is (Fleiss and Cohen 1973).
    """

    images: int
    patients: int
    percent: Agreement
    h_score: Agreement
    her2: ClassAgreement | None
    shuffled: Mapping[str, Shuffled]


@final
@dataclass(frozen=True, slots=True)
class Negative:
    """Virtual images of tissue that the marker never stains.

    Args:
        images: how many.
        cells: in all of them.
        positive: cells that are called positive all the same.
        share: of cells, with Wilson's interval, as if cells were independent; so it is rather too narrow.
        share_of_images: the same with a bootstrap interval over images; None for fewer than ten, and where no cell is
            called positive, or every one: resamples then cannot differ.
    """

    images: int
    cells: int
    positive: int
    share: Resampled
    share_of_images: Resampled | None


@final
@dataclass(frozen=True, slots=True)
class Readouts:
    """Everything that was read.

    Args:
        images: one entry per image, in the order of names.
        comparison: with the truth; None where it was not given or has one patient only.
        negative: the specificity control; None where it was not given.
    """

    images: tuple[ImageReadout, ...]
    comparison: Comparison | None
    negative: Negative | None


def read_images(
    pred: Path,
    options: ReadoutOptions,
    regions: RegionReader,
    *,
    target: Path | None = None,
    patients: Path | None = None,
    negative: Path | None = None,
    tumour: Path | None = None,
    progress: Callable[[Progress], None] = lambda progress: None,
) -> Readouts:
    """Read images, their truth and negative tissue, and compare.

    Args:
        pred: an image or a slide, or a folder of them; virtual or real.
        options: what is stained, and how it is read.
        regions: how files are read.
        target: the truth: the same, with equal names apart from the suffix.
        patients: a CSV file with the columns ``image`` and ``patient``.
        negative: virtual images of tissue that the marker never stains.
        tumour: masks of the same names and sizes, bright where cells count.
        progress: told how far the reading is.

    Raises:
        DataError: no images, missing partners, masks or patients, no cells in any image, or a region that lies outside.
        ScaleError: micrometres per pixel are not known.
        MissingExtraError: the finder of nuclei is not installed.

    Warns:
        MetricWarning: images without cells, which agreement leaves out.
        SmallSampleWarning: few patients.
    """
    finder = nucleus_finder(options.nuclei, options.rule.marks)
    pairs = _pairs(pred, target)
    for path, truth in pairs.values():
        if truth is not None:
            regions.refuse_misfit(path, truth)
    masks = {} if tumour is None else _partners(pairs, tumour)
    whose = _patients(patients, list(pairs))
    others = [] if negative is None else list(images_in(negative).values() if negative.is_dir() else [negative])
    total, done = sum(1 + (truth is not None) for _, truth in pairs.values()) + len(others), 0

    def read(path: Path, mask: Path | None) -> Readout:
        nonlocal done
        image, mpp, counted = regions.read(path, mask)
        found = read_image(image, mpp, options, finder=finder, tumour=counted)
        done += 1
        progress(Progress("reading", done, total))
        return found

    images = tuple(
        ImageReadout(
            name, whose[name], read(path, masks.get(name)), None if truth is None else read(truth, masks.get(name))
        )
        for name, (path, truth) in pairs.items()
    )
    _refuse_empty(images, pred)
    return Readouts(
        images,
        None if target is None else compare_readouts(images, options),
        None if negative is None else read_negative([read(path, None) for path in others], options),
    )


def compare_readouts(images: Sequence[ImageReadout], options: ReadoutOptions) -> Comparison | None:
    """Return how read-outs agree with those of the truth; None for images of one patient, with a warning."""
    pairs = [(image, image.target) for image in images if image.target and image.pred.cells and image.target.cells]
    patients = sorted({image.patient for image, _ in pairs})
    if len(patients) < 2:
        warnings.warn(
            "images of one patient have no agreement: it is how numbers vary between patients.",
            SmallSampleWarning,
            stacklevel=2,
        )
        return None
    groups = np.array([patients.index(image.patient) for image, _ in pairs])
    generator = np.random.default_rng(options.seed)
    percent, h_score, her2 = (
        [(number(image.pred), number(truth)) for image, truth in pairs]
        for number in (_percent_of, _h_score_of, _her2_of)
    )

    def compared(numbers: list[tuple[float, float]]) -> tuple[Agreement, Shuffled]:
        x, y = np.array(numbers, np.float64).T
        found = agreement(x, y, generator=generator, patients=groups, resamples=options.resamples)
        return found, shuffled_agreement(x, y, generator=generator, patients=groups, shuffles=options.shuffles)

    percent_found, percent_shuffled = compared(percent)
    h_score_found, h_score_shuffled = compared(h_score)
    shuffled = {"percent": percent_shuffled, "h_score": h_score_shuffled}
    classes = None
    if options.marker == "her2":
        x, y = np.array(her2, np.int64).T
        classes = class_agreement(x, y, HER2_CLASSES, generator=generator, patients=groups, resamples=options.resamples)
        shuffled["her2"] = shuffled_agreement(x, y, generator=generator, patients=groups, shuffles=options.shuffles)
    return Comparison(len(pairs), len(patients), percent_found, h_score_found, classes, shuffled)


def read_negative(found: Sequence[Readout], options: ReadoutOptions) -> Negative:
    """Return the share of positive cells in tissue that has none.

    Raises:
        DataError: no cells were found.
    """
    cells, positive = (np.array([getattr(each, name) for each in found]) for name in ("cells", "positive"))
    if not cells.sum():
        raise DataError("no nuclei were found in the negative images", fix="give images with cells, at their scale")

    def share(rows: NDArray[np.intp]) -> tuple[float]:
        return (float(positive[rows].sum() / max(cells[rows].sum(), 1)),)

    total, called = int(cells.sum()), int(positive.sum())
    over_images = None
    if len(found) >= FEWEST_IMAGES and 0 < called < total:
        generator = np.random.default_rng(options.seed)
        (over_images,) = resampled(share, None, len(found), generator=generator, resamples=options.resamples)
    return Negative(len(found), total, called, share_with_interval(called, total), over_images)


def _percent_of(readout: Readout) -> float:
    return readout.percent_positive


def _h_score_of(readout: Readout) -> float:
    return readout.h_score


def _her2_of(readout: Readout) -> float:
    return 0 if readout.her2 is None else readout.her2


def _pairs(pred: Path, target: Path | None) -> dict[str, tuple[Path, Path | None]]:
    if target is not None:
        return {match.name: (match.pred, match.target) for match in match_images(pred, target)}
    if not pred.exists():
        raise DataError(f"{pred} does not exist", fix="check the path")
    found = images_in(pred) if pred.is_dir() else {image_name(pred): pred}
    return {name: (path, None) for name, path in found.items()}


def _partners(pairs: Mapping[str, object], folder: Path) -> dict[str, Path]:
    found = images_in(folder) if folder.is_dir() else dict.fromkeys(pairs, folder)
    if missing := sorted(pairs.keys() - found.keys()):
        raise DataError(f"{folder} lacks {listed(missing)}", fix="give a mask for every image")
    return found


def _patients(path: Path | None, names: Sequence[str]) -> dict[str, str]:
    """Return whose every image is; each its own where no file tells."""
    if path is None:
        return {name: name for name in names}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read ({error})", fix="pass a table with commas, in UTF-8") from error
    if not rows or not {"image", "patient"} <= rows[0].keys():
        raise DataError(f"{path} has no columns image and patient", fix="name them in its first line")
    whose: dict[str, str] = {}
    for row in rows:
        image, patient = row["image"] or "", row["patient"] or ""
        for name in {image, image_name(Path(image))}:
            if whose.setdefault(name, patient) != patient:
                raise DataError(f"{path} gives {image} two patients", fix="keep one line per image")
    if missing := sorted(name for name in names if not whose.get(name)):
        raise DataError(f"{path} does not say whose {listed(missing)} is", fix="add a line for every image")
    return {name: whose[name] for name in names}


def _refuse_empty(images: Sequence[ImageReadout], pred: Path) -> None:
    empty = [each.name for each in images if not each.pred.cells or (each.target and not each.target.cells)]
    if all(not each.pred.cells for each in images):
        raise DataError(
            f"no nuclei were found in {pred}", fix="check the scale (--mpp), the stain, the region and the tumour mask"
        )
    if empty:
        warnings.warn(
            f"no nuclei were found in {listed(empty)}; agreement leaves {len(empty)} of {len(images)} images out.",
            MetricWarning,
            stacklevel=3,
        )
