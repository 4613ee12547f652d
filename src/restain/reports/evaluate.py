"""Compare images with the truth, and with the images that were stained: folders of them, or slides of any size."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np

from restain.errors import DataError, MetricWarning
from restain.geometry import Mpp, Region, Size
from restain.metrics import Metric, Scores, Tally, add, reach
from restain.reports.distributions import FeatureDistance, compare_folders
from restain.reports.evaluation import Evaluation, ImageScores, write_evaluation
from restain.reports.matching import listed, match_images
from restain.reports.profiles import NUMBERS, Profile, find_profile
from restain.reports.selection import Selection, applicable, select_metrics
from restain.slides import SlideInfo, open_slide

if TYPE_CHECKING:
    from restain.features import Extractor

Show = Callable[[float], None]

SIDE = 2048
"""Edge in pixels of the parts in which images are read, a multiple of every metric's stride: two parts take 25 MB in
8-bit colour."""


def evaluate(
    pred: Path,
    target: Path,
    out: Path | None = None,
    *,
    source: Path | None = None,
    metrics: Sequence[str] | None = None,
    mpp: Mpp | None = None,
    features: "Extractor | str | None" = None,
    profile: str | None = None,
    progress: Show | None = None,
) -> Evaluation:
    """Measure how well ``pred`` reproduces ``target``, and how much of ``source`` is still in it.

    Images are read and measured in parts, with exactly the result of the whole image; so memory does not grow with a
    slide, and grows by a few numbers per image of a folder.

    Args:
        pred: an image or slide, or a folder of them.
        target: the truth: the same, with equal names apart from the suffix, and of equal size. With ``features`` it
            may hold other images, and another number of them: then only the distributions are compared.
        out: folder for ``evaluation.csv`` (one line per image) and ``evaluation.json`` (summaries, facts of the
            metrics, versions); None to write nothing.
        source: the images that were stained, again the same; None to leave out ``restain.metrics.SOURCE_METRICS``.
        metrics: names of the metrics; None for those of the profile, or else for all, of which those are left out that
            have no value for some image, with a ``MetricWarning`` that names them.
        mpp: the scale of all images, where files do not tell it or tell it wrong.
        features: an extractor, or its name, to compare the two sets as distributions too; None for that of the
            profile, or else for no such comparison.
        profile: name of one of ``restain.reports.PROFILES``; None for none.
        progress: called with the fraction done, from 0 to 1.

    Returns:
        The values of every image, and their mean, standard deviation and pooled value; the distance of the sets.

    Raises:
        ConfigError: a metric, profile or extractor that does not exist, or a metric that needs a source where there is
            none.
        BundleError: the weights of the extractor are not at hand.
        MissingExtraError: the extractor needs a package that is not installed.
        DataError: images that have no partner, or partners of different size, scale, channels or depth; images of
            different numbers of channels; or images for which a named metric, or every metric, has no value. Too few
            images for the comparison of distributions, or some that are not in 8-bit colour.
        SlideError: an image that cannot be read.
        OutputError: the results cannot be written.
    """
    chosen = None if profile is None else find_profile(profile)
    extractor = _extractor(features, chosen)
    selection = select_metrics(chosen.metrics if chosen and metrics is None else metrics, source is not None)
    try:
        cases = _cases(pred, target, source, mpp)
    except DataError as error:
        if extractor is None or metrics is not None:
            raise
        warnings.warn(f"metrics that need partners are left out ({error.problem}).", MetricWarning, stacklevel=2)
        cases, selection = [], Selection(())
    else:
        selection = applicable(selection, lambda metric: _first_misfit(metric, cases), named=metrics is not None)
    half = 0.5 if cases and extractor else 1.0
    images, scores = _measured(cases, selection, _scaled(progress, 0.0, half))
    distance = None
    if extractor is not None:
        distance = _distance(pred, target, extractor, chosen, _scaled(progress, 1.0 - half, half))
    summaries = {score.metric.name: score.result() for score in scores}
    evaluation = Evaluation(pred, target, source, selection.all, images, summaries, profile, distance)
    if out is not None:
        write_evaluation(evaluation, out)
    return evaluation


def _extractor(features: "Extractor | str | None", profile: Profile | None) -> "Extractor | None":
    wanted = profile.features if profile and features is None else features
    if not isinstance(wanted, str):
        return wanted
    from restain.features import find_extractor  # here, because torch takes a second to load

    return find_extractor(wanted)


def _distance(pred: Path, target: Path, extractor: "Extractor", profile: Profile | None, show: Show) -> FeatureDistance:
    if profile is None:
        return compare_folders(pred, target, extractor, numbers=NUMBERS, progress=show)
    return compare_folders(
        pred,
        target,
        extractor,
        numbers=profile.numbers,
        whole=profile.whole and extractor.resizes,
        subsets=profile.subsets,
        progress=show,
    )


def _scaled(progress: Show | None, start: float, share: float) -> Show:
    """Return what shows the progress of one part of the work as progress of the whole."""

    def show(fraction: float) -> None:
        if progress is not None:
            progress(start + share * fraction)

    return show


def _measured(
    cases: "Sequence[_Case]", selection: Selection, show: Show
) -> tuple[tuple[ImageScores, ...], list[Scores]]:
    """Return what was measured of every image, and the books of every metric."""
    scores = [Scores(metric) for metric in selection.all]
    images = []
    done, total = 0, sum(case.size.area for case in cases)
    for case in cases:
        tallies: list[Tally] = [()] * len(scores)
        for tile, parts in _tallies(case, selection):
            tallies = [add(tally, part) for tally, part in zip(tallies, parts, strict=True)]
            done += tile.size.area
            show(done / total)
        values = {score.metric.name: score.add(tally) for score, tally in zip(scores, tallies, strict=True)}
        images.append(ImageScores(case.name, case.size, values))
    return tuple(images), scores


@final
@dataclass(frozen=True, slots=True)
class _Case:
    """One image to judge, and the images of the same tissue with which it is compared."""

    name: str
    pred: Path
    target: Path
    source: Path | None
    size: Size
    channels: int
    dtype: np.dtype[Any]


def _tallies(case: _Case, selection: Selection) -> Iterator[tuple[Region, list[Tally]]]:
    """Yield the parts of an image and what each adds to every metric."""
    with ExitStack() as stack:
        pred, target = (stack.enter_context(open_slide(path)) for path in (case.pred, case.target))
        pairs = [(target, selection.target)]
        if case.source is not None and selection.source:
            pairs.append((stack.enter_context(open_slide(case.source)), selection.source))
        for tile in Region.of(case.size).tiles(SIDE):
            around = reach(tile, case.size, selection.widest)
            pixels = pred.read(around)
            parts: list[Tally] = []
            for other, metrics in pairs:
                truth = other.read(around)
                parts += [metric.tally(pixels, truth, tile.size) for metric in metrics]
            yield tile, parts


def _cases(pred: Path, target: Path, source: Path | None, mpp: Mpp | None) -> list[_Case]:
    """Match all images; see first that all can be compared, because that is quick."""
    matches = match_images(pred, target)
    sources = [None] * len(matches) if source is None else [match.target for match in match_images(pred, source)]
    cases, misfits = [], []
    for match, origin in zip(matches, sources, strict=True):
        info = _info(match.pred, mpp)
        cases.append(_Case(match.name, match.pred, match.target, origin, info.size, len(info.channels), info.dtype))
        for role, path in (("", match.target), (" of the source", origin)):
            if path is not None and (misfit := _misfit(info, _info(path, mpp))):
                misfits.append(f"{match.name} ({misfit}{role})")
    if misfits:
        raise DataError(
            f"{len(misfits)} of {len(matches)} pairs cannot be compared: {listed(misfits)}",
            fix="bring partners to equal size, scale, channels and depth",
        )
    if len(counts := sorted({case.channels for case in cases})) > 1:
        raise DataError(
            f"some images have {counts[0]} and others {counts[-1]} channels, so they have no common mean",
            fix="evaluate them in folders of their own",
        )
    return cases


def _info(path: Path, mpp: Mpp | None) -> SlideInfo:
    with open_slide(path, mpp) as slide:
        return slide.info


def _misfit(pred: SlideInfo, other: SlideInfo) -> str | None:
    """Return why two images cannot be compared."""
    if pred.size != other.size:
        return f"{pred.size} against {other.size} pixels"
    if len(pred.channels) != len(other.channels):
        return f"{len(pred.channels)} against {len(other.channels)} channels"
    if pred.dtype != other.dtype:
        return f"{pred.dtype} against {other.dtype}"
    if pred.mpp is not None and other.mpp is not None and not pred.mpp.is_close(other.mpp):
        return f"{pred.mpp} against {other.mpp}"
    return None


def _first_misfit(metric: Metric, cases: Sequence[_Case]) -> str | None:
    """Return why a metric has no value for one of the images, the first for which it has none."""
    for case in cases:
        if problem := metric.misfit(case.size, case.channels, case.dtype):
            return f"{case.name} {problem}"
    return None
