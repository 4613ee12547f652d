"""Compare images with the truth: two folders of them, or two slides of any size."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from restain.errors import DataError
from restain.geometry import Mpp, Region, Size
from restain.metrics import METRICS, Scores, Tally, add, block_of
from restain.reports.evaluation import Evaluation, ImageScores, write_evaluation
from restain.reports.matching import Match, listed, match_images
from restain.slides import SlideInfo, open_slide

SIDE = 2048
"""Edge in pixels of the parts in which images are read: two parts take 25 MB in 8-bit colour."""


def evaluate(
    pred: Path,
    target: Path,
    out: Path | None = None,
    *,
    mpp: Mpp | None = None,
    progress: Callable[[float], None] | None = None,
) -> Evaluation:
    """Measure how well ``pred`` reproduces ``target``, with every metric of ``restain.metrics.METRICS``.

    Images are read and measured in parts, with exactly the result of the whole image; so memory does not grow with a
    slide, and grows by a few numbers per image of a folder.

    Args:
        pred: an image or slide, or a folder of them.
        target: the truth: the same, with equal names apart from the suffix, and of equal size.
        out: folder for ``evaluation.csv`` (one line per image) and ``evaluation.json`` (summaries, facts of the
            metrics, versions); None to write nothing.
        mpp: the scale of all images, where files do not tell it or tell it wrong.
        progress: called with the fraction done, from 0 to 1.

    Returns:
        The values of every image, and their mean, standard deviation and pooled value.

    Raises:
        DataError: images that have no partner, or partners of different size, scale, channels or depth.
        SlideError: an image that cannot be read.
        OutputError: the results cannot be written.
    """
    matches = match_images(pred, target)
    sizes = _sizes(matches, mpp)
    scores = [Scores(metric) for metric in METRICS]
    images = []
    done, total = 0, sum(size.area for size in sizes)
    for match, size in zip(matches, sizes, strict=True):
        tallies: list[Tally] = [()] * len(METRICS)
        for tile, parts in _tallies(match, size):
            tallies = [add(tally, part) for tally, part in zip(tallies, parts, strict=True)]
            done += tile.size.area
            if progress is not None:
                progress(done / total)
        values = {score.metric.name: score.add(tally) for score, tally in zip(scores, tallies, strict=True)}
        images.append(ImageScores(match.name, size, values))
    evaluation = Evaluation(pred, target, tuple(images), {score.metric.name: score.result() for score in scores})
    if out is not None:
        write_evaluation(evaluation, out)
    return evaluation


def _tallies(match: Match, size: Size) -> Iterator[tuple[Region, list[Tally]]]:
    """Yield the parts of an image and what each adds to every metric."""
    widest = max(metric.window for metric in METRICS)
    with open_slide(match.pred) as pred, open_slide(match.target) as target:
        for tile in Region.of(size).tiles(SIDE):
            reach = Region(tile.x, tile.y, tile.width + widest - 1, tile.height + widest - 1).clip(Region.of(size))
            pixels, truth = pred.read(reach), target.read(reach)
            parts: list[Tally] = []
            for metric in METRICS:
                block = block_of(tile, size, metric.window)
                own = (slice(block.height), slice(block.width)) if block else None
                parts.append(metric.tally(pixels[own], truth[own]) if own else ())
            yield tile, parts


def _sizes(matches: Sequence[Match], mpp: Mpp | None) -> list[Size]:
    """Return the extents of all images; see first that all can be compared, because that is quick."""
    sizes, misfits = [], []
    for match in matches:
        with open_slide(match.pred, mpp) as pred, open_slide(match.target, mpp) as target:
            sizes.append(pred.info.size)
            if misfit := _misfit(pred.info, target.info):
                misfits.append(f"{match.name} ({misfit})")
    if misfits:
        raise DataError(
            f"{len(misfits)} of {len(matches)} pairs cannot be compared: {listed(misfits)}",
            fix="bring partners to equal size, scale, channels and depth",
        )
    return sizes


def _misfit(pred: SlideInfo, target: SlideInfo) -> str | None:
    """Return why two images cannot be compared."""
    if pred.size != target.size:
        return f"{pred.size} against {target.size} pixels"
    if len(pred.channels) != len(target.channels):
        return f"{len(pred.channels)} against {len(target.channels)} channels"
    if pred.dtype != target.dtype:
        return f"{pred.dtype} against {target.dtype}"
    if pred.mpp is not None and target.mpp is not None and not pred.mpp.is_close(target.mpp):
        return f"{pred.mpp} against {target.mpp}"
    widest = max(metric.window for metric in METRICS)
    if min(pred.size.width, pred.size.height) < widest:
        return f"{pred.size} pixels, less than the {widest} that SSIM needs"
    return None
