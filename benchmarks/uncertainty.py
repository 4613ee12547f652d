"""What several samples cost: in one pass or one by one, with the features of the source shared or not; and memory.

Seconds are of the process, in turns, the median counts; on a CPU they are those of all threads, so use one. The shipped
model and a StainDiffuser with fresh weights (which cost what trained ones do) stain one tile of 128 px.

    OMP_NUM_THREADS=1 python benchmarks/uncertainty.py [--samples 20] [--steps 10] [--side 128] [--runs 3]
    python benchmarks/uncertainty.py --memory [--samples 8] [--width 4096] [--heights 2048 16384] [--runs 3]

The second stains slides of two heights with a method that returns its input and a little noise, and tells the width of
its intervals, as in ``benchmarks/engine.py``. Goal: the peak on the high slide within 10 % of that on the low one.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from restain.geometry import Mpp, Region, Size

MPP = Mpp.square(0.5)
FIELD = 1024
TILE = 512


def compare(samples: int, steps: int, side: int, runs: int) -> None:
    """Print the seconds of one sample, of several in one pass and one by one, and the ratios."""
    import torch

    from restain.diffusion import RandomNoise, Sampling
    from restain.inference import load_model
    from restain.methods import Method, build_method

    torch.manual_seed(0)
    diffuser = build_method("stain_diffuser", {"auxiliary": None}, source_channels=3, target_channels=3)
    methods = {"he-ki67-phantom": load_model("he-ki67-phantom").method, "stain_diffuser": diffuser.eval()}
    source = torch.rand(1, 3, side, side) * 2 - 1
    source = source.to(memory_format=torch.channels_last)
    sampling = Sampling(steps=steps)
    noises = [RandomNoise(0, sample=sample) for sample in range(samples)]
    print(f"{samples} samples, {steps} steps, {side} px, bf16, {torch.get_num_threads()} threads, median of {runs}")
    for name, method in methods.items():
        ways: dict[str, Callable[[], object]] = {
            "one sample": lambda method=method: method.stain(source, noises[0], sampling),
            "one by one": lambda method=method: [method.stain(source, noise, sampling) for noise in noises],
            "four at once": lambda method=method: [
                method.draws(source, noises[first : first + 4], sampling) for first in range(0, samples, 4)
            ],
            "all at once": lambda method=method: method.draws(source, noises, sampling),
        }
        if type(method).draws is not Method.draws:
            ways["all at once, nothing shared"] = lambda method=method: Method.draws(method, source, noises, sampling)
        found = {way: [] for way in ways}
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            ways["one sample"]()
            for _ in range(runs):
                for way, work in ways.items():
                    start = time.process_time()
                    work()
                    found[way].append(time.process_time() - start)
        medians = {way: statistics.median(times) for way, times in found.items()}
        print(name)
        for way, seconds in medians.items():
            print(f"  {way:28}{seconds:>9.2f} s{seconds / medians['one sample']:>9.2f} x one")


def make_source(path: Path, size: Size) -> None:
    """Write a slide that repeats one field of the phantom."""
    from restain.phantom import Phantom
    from restain.slides import create_slide

    field = Phantom(seed=1).render("he", Region(0, 0, FIELD, FIELD), MPP)
    with create_slide(path, size, MPP, tile=TILE) as slide:
        for region in Region.of(size).tiles(TILE):
            x, y = region.x % FIELD, region.y % FIELD
            slide.write(field[y : y + region.height, x : x + region.width], region.at)


def stain_idle(source: Path, target: Path, samples: int) -> None:
    """Stain with a method that returns its input and a little noise, and tell the width of its intervals."""
    from restain.bundle import Card, Model, Stain
    from restain.config import Config
    from restain.diffusion import Sampling
    from restain.inference import StainOptions, UncertaintyOptions, stain_slide
    from restain.methods import Method

    class Idle(Method):
        """Returns its input, shifted by one value of noise per sample."""

        config_type, summary, citation, samples, paired, multiple = Config, "", "", True, True, 1

        def __init__(self):
            super().__init__(Config(), source_channels=3, target_channels=3)

        def losses(self, player, batch, generator):
            raise NotImplementedError

        def stain(self, source, noise, sampling):
            return source + 0.1 * noise(source[..., :1, :1], 0)

    card = Card(
        name="idle",
        summary="",
        source=Stain(name="H&E"),
        target=Stain(name="H&E"),
        mpp=MPP.mean,
        tile=576,
        halo=32,
        sampling=Sampling(),
        method="idle",
        method_config={},
        training={},
        metrics={},
        licence="none",
    )
    options = UncertaintyOptions(samples=samples, ends=True)
    stain_slide(source, Model(card, Idle()), target, options=StainOptions(device="cpu"), uncertainty=options)


def memory(width: int, heights: list[int], samples: int, runs: int) -> None:
    """Print the peak memory on slides of several heights."""
    peaks = []
    for height in heights:
        with tempfile.TemporaryDirectory() as folder:
            size, source = Size(width, height), Path(folder) / "source.ome.tiff"
            _child("--make", str(source), str(width), str(height))
            found = [json.loads(_child("--work", str(source), str(samples))) for _ in range(runs)]
        peaks.append(statistics.median(one["peak"] for one in found))
        seconds = statistics.median(one["wall"] for one in found)
        print(
            f"{size!s:>14} px, {samples} samples: peak {peaks[-1]:.0f} MB, {size.area / 1e6 / seconds:.2f} Mpx/s",
            flush=True,
        )
    print(f"ratio of the peaks {max(peaks) / min(peaks):.3f}")


def _child(*arguments: str) -> str:
    """Run this file in a process of its own, whose peak memory is its own."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", __file__, *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout


def work(source: Path, samples: int) -> None:
    """Stain a slide in this process and print what it cost."""
    start = time.perf_counter()
    stain_idle(source, source.with_name("target.ome.tiff"), samples)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"wall": time.perf_counter() - start, "peak": peak}))


def main() -> None:
    """Parse the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--width", type=int, default=4096)
    parser.add_argument("--heights", type=int, nargs="+", default=[2048, 16384])
    parser.add_argument("--make", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        make_source(Path(options.make[0]), Size(int(options.make[1]), int(options.make[2])))
    elif options.work:
        work(Path(options.work[0]), int(options.work[1]))
    elif options.memory:
        memory(options.width, options.heights, options.samples or 8, options.runs)
    else:
        compare(options.samples or 20, options.steps, options.side, options.runs)


if __name__ == "__main__":
    main()
