"""What a call would do, and what it would cost, found out by opening the input and running the model on one batch."""

import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import torch

from restain.errors import InputError
from restain.geometry import Mpp, Point
from restain.inference.engine import count_tissue, plan_tiles
from restain.inference.folder import is_finished, jobs_of
from restain.inference.image import check_picture
from restain.inference.products import Product, files_for, folders_for, products_of
from restain.inference.run import Kind, kind_of
from restain.inference.slide import plan_slide
from restain.inference.source import Source
from restain.inference.stainer import Stainer
from restain.inference.uncertainty import Uncertainty, notes_of
from restain.slides import open_slide
from restain.tissue import TilePlan

TRIED_STEPS = 2
"""Steps of the sampler that are timed; the others take as long."""

TRIED_SECONDS = 1.0
"""How long batches are timed, at least: a busy machine is fast one moment and slow the next."""

CACHES = 2**28
"""Decoded tiles of the input, tiles being written, the overview: 256 MB at most."""


@final
@dataclass(frozen=True)
class Cost:
    """What one tile costs.

    Args:
        seconds: per tile, in batches of the size asked for; all samples of it.
        memory: of the process at its peak so far, in bytes.
        device_memory: of the GPU at its peak, in bytes; 0 on a CPU.
    """

    seconds: float
    memory: int
    device_memory: int


@final
@dataclass(frozen=True)
class Forecast:
    """What a call would do.

    Args:
        subject: what goes in, in words.
        tiles: of the plan.
        tissue: those that the model has to run, without those done by earlier calls as far as this is known.
        buffers: what the extent of the input adds to the memory, in bytes.
        cost: of a tile.
    """

    subject: str
    tiles: int
    tissue: int
    buffers: int
    cost: Cost

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return self.tissue * self.cost.seconds

    @property
    def memory(self) -> int:
        """How much memory it takes, in bytes."""
        return self.cost.memory + CACHES + self.buffers


def forecast(
    path: Path, stainer: Stainer, out: Path, mpp: Mpp | None, uncertainty: Uncertainty | None = None
) -> Forecast:
    """Plan a call without making anything.

    Args:
        path: the input.
        stainer: the model, ready to run.
        out: the output, which decides what is made; see ``kind_of``.
        mpp: the scale of the input, where files do not tell it or are wrong.
        uncertainty: what is told of how sure the model is, beside the stain; None for nothing.

    Raises:
        RestainError: whatever the call itself would find wrong before it starts.
    """
    card = stainer.model.card
    products = products_of(card) if uncertainty is None else uncertainty.products
    samples = 1 if uncertainty is None else uncertainty.samples
    match kind_of(path, out):
        case Kind.SLIDE:
            subject, plan = _plan_slide(path, stainer, mpp)
            strips = samples * plan.halo * plan.size.width * len(card.channels_out) * 4
            held = strips + _drawn(plan.side, stainer, samples)
            return Forecast(subject, len(plan), count_tissue(plan), held, try_batch(stainer, plan.side, samples))
        case Kind.IMAGE:
            subject, plan = _plan_image(path, stainer, files_for(out, card, products), mpp)
            held = _held(plan, stainer, products) + _drawn(plan.side, stainer, samples)
            return Forecast(subject, len(plan), len(plan), held, try_batch(stainer, plan.side, samples))
        case Kind.FOLDER:
            jobs = jobs_of(path, folders_for(out, card, products))
            waiting = {
                p: outs for p, outs in jobs.items() if not is_finished(outs, notes_of(p, stainer, mpp, uncertainty))
            }
            plans = list(_plan_folder(waiting, stainer, mpp))
            tiles = sum(map(len, plans))
            subject = f"{len(jobs)} images, {len(jobs) - len(waiting)} of them done, {len(plans)} to be stained"
            side = max((plan.side for plan in plans), default=card.tile)
            held = max((_held(plan, stainer, products) for plan in plans), default=0)
            held += _drawn(side, stainer, samples)
            return Forecast(subject, tiles, tiles, held, try_batch(stainer, side, samples))


def try_batch(stainer: Stainer, side: int, samples: int = 1) -> Cost:
    """Run the model on one batch of noise in tiles of a side, after a warm-up, and measure what it takes."""
    rng = np.random.default_rng(0)
    shape = (len(stainer.model.card.source.channels), side, side)
    tiles = [rng.uniform(-1, 1, shape).astype(np.float32) for _ in range(stainer.batch)]
    at = [Point(side * k, 0) for k in range(stainer.batch)]
    steps = 1 if stainer.sampling is None else min(TRIED_STEPS, stainer.sampling.steps)
    trial = stainer if stainer.sampling is None else stainer.with_steps(steps)
    seconds = _time(lambda: trial(tiles, at)) / len(tiles)
    if samples > 1:
        tried = range(1, 1 + min(samples - 1, stainer.samples_at_once))
        more = _time(lambda: list(trial.draw_more(tiles[0], at[0], tried))) / len(tried)
        seconds += (samples - 1) * more
    if stainer.sampling is not None:
        seconds *= stainer.sampling.steps / steps
    device_memory = torch.cuda.max_memory_allocated() if stainer.device.type == "cuda" else 0
    return Cost(seconds, peak_memory(), device_memory)


def _time(work: Callable[[], object]) -> float:
    """Return the seconds that some work takes, after a warm-up."""
    work()
    start, times = time.perf_counter(), 0
    while not times or time.perf_counter() - start < TRIED_SECONDS:
        work()
        times += 1
    return (time.perf_counter() - start) / times


def peak_memory() -> int:
    """Return the largest memory this process has had, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, Linux kilobytes


def _plan_slide(path: Path, stainer: Stainer, mpp: Mpp | None) -> tuple[str, TilePlan]:
    with open_slide(path, mpp) as reader:
        source = Source(reader, stainer.model.card)
        return _describe(source, reader.info.format), plan_slide(reader, source, stainer)


def _plan_image(path: Path, stainer: Stainer, outs: Sequence[Path], mpp: Mpp | None) -> tuple[str, TilePlan]:
    with open_slide(path, mpp) as reader:
        check_picture(reader, stainer, outs)
        source = Source(reader, stainer.model.card)
        return _describe(source, reader.info.format), plan_tiles(source.size, stainer.model, None)


def _plan_folder(jobs: Mapping[Path, Sequence[Path]], stainer: Stainer, mpp: Mpp | None) -> Iterator[TilePlan]:
    for path, outs in jobs.items():
        try:
            yield _plan_image(path, stainer, outs, mpp)[1]
        except InputError:  # the call itself will tell, after it has done the others
            continue


def _describe(source: Source, kind: str) -> str:
    info = source.info
    own = "unknown scale" if info.mpp is None else str(info.mpp)
    if source.is_native:
        return f"{kind}, {info.size} px, {own}"
    return f"{kind}, {info.size} px, {own}; the model sees {source.size} px, {source.mpp}"


def _held(plan: TilePlan, stainer: Stainer, products: Sequence[Product]) -> int:
    """Return the bytes of a picture: what goes in, what comes out, and that once more while it is saved."""
    made = sum(len(product.channels) for product in products)
    return plan.size.area * (len(stainer.model.card.source.channels) + 2 * made)


def _drawn(side: int, stainer: Stainer, samples: int) -> int:
    """Return the bytes of several samples of one tile: drawn, waiting and blended."""
    return 0 if samples == 1 else 3 * samples * side**2 * len(stainer.model.card.channels_out) * 4
