"""Staining with a model that does nothing: what reading, tiling, blending, rounding and writing cost.

The rival is the bare copy: the same slide read and written tile by tile by the same reader and writer, with no mask, no
halo, no blending, no tensors. What is between the two is the engine. Each run is a process of its own that has stained
a small slide before, so that imports do not count; the kinds run in turns; the median counts. The source is a JPEG
pyramid that repeats one field of the phantom; every tile of it is tissue.

    python benchmarks/engine.py [--edge 8192] [--runs 5]
    python benchmarks/engine.py --memory [--full] [--runs 3]  # slides 4096 and 40960 px wide (--full: and high)

Goal: peak memory on the large slide within 10 % of that on the small one.
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
from pathlib import Path

from restain.geometry import Mpp, Region, Size

MPP = Mpp.square(0.5)
FIELD = 2048
TILE = 512
SMALL = Size(1024, 1024)


def make_source(path: Path, size: Size) -> None:
    """Write a slide that repeats one field of the phantom."""
    from restain.phantom import Phantom
    from restain.slides import create_slide

    field = Phantom(seed=1).render("he", Region(0, 0, FIELD, FIELD), MPP)
    for target, extent in ((path.with_name("small.ome.tiff"), SMALL), (path, size)):
        with create_slide(target, extent, MPP, tile=TILE) as slide:
            for region in Region.of(extent).tiles(TILE):
                x, y = region.x % FIELD, region.y % FIELD
                slide.write(field[y : y + region.height, x : x + region.width], region.at)


def stain_idle(source: Path, target: Path) -> None:
    """Stain with a method that returns its input."""
    from restain.bundle import Card, Model, Stain
    from restain.config import Config
    from restain.diffusion import Sampling
    from restain.inference import StainOptions, stain_slide
    from restain.methods import Method

    class Idle(Method):
        """Returns its input."""

        config_type, summary, citation, samples, multiple = Config, "", "", False, 1

        def __init__(self):
            super().__init__(Config(), source_channels=3, target_channels=3)

        def losses(self, player, batch, generator):
            raise NotImplementedError

        def stain(self, source, noise, sampling):
            return source

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
    stain_slide(source, Model(card, Idle()), target, options=StainOptions(device="cpu"))


def copy(source: Path, target: Path) -> None:
    """Read tile by tile and write tile by tile."""
    from restain.slides import create_slide, open_slide

    with (
        open_slide(source) as reader,
        create_slide(target, reader.info.size, reader.info.require_mpp(), tile=TILE) as slide,
    ):
        for region in Region.of(reader.info.size).tiles(TILE):
            slide.write(reader.read(region), region.at)


KINDS = {"engine": stain_idle, "copy": copy}


def work(kind: str, source: Path, target: Path) -> None:
    """Do a small slide, then the one that counts, in this process, and print what it cost."""
    KINDS[kind](source.with_name("small.ome.tiff"), target)
    wall, cpu = time.perf_counter(), time.process_time()
    KINDS[kind](source, target)
    found = {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(found))


def prepare(folder: Path, size: Size) -> Path:
    """Make the source in a process of its own, since its peak memory would count as that of every later one."""
    path = folder / f"{size.width}x{size.height}.ome.tiff"
    subprocess.run([sys.executable, __file__, "--make", str(path), str(size.width), str(size.height)], check=True)
    return path


def run(kind: str, source: Path, target: Path) -> dict[str, float]:
    """Do one slide in a fresh process."""
    command = [sys.executable, __file__, "--work", kind, str(source), str(target)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}  # threads of torch have nothing to do here but to spin
    found: dict[str, float] = json.loads(
        subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
    )
    target.unlink()
    return found


def compare(folder: Path, edge: int, runs: int) -> None:
    """Print the medians of both kinds and their ratio."""
    source = prepare(folder, Size(edge, edge))
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    for _ in range(runs):
        for kind in KINDS:
            found[kind].append(run(kind, source, folder / "target.ome.tiff"))
    area = edge * edge / 1e6
    print(f"{edge} x {edge} px, median of {runs}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    print(f"{'':8}{'wall s':>10}{'Mpx/s':>10}{'cpu s':>10}{'Mpx/cpu s':>12}{'peak MB':>10}")
    medians = {
        kind: {key: statistics.median(one[key] for one in values) for key in values[0]}
        for kind, values in found.items()
    }
    for kind, one in medians.items():
        wall, cpu = one["wall"], one["cpu"]
        print(f"{kind:8}{wall:>10.2f}{area / wall:>10.1f}{cpu:>10.2f}{area / cpu:>12.1f}{one['peak']:>10.0f}")
    share = {key: medians["copy"][key] / medians["engine"][key] for key in ("wall", "cpu")}
    print(f"the engine reaches {share['wall']:.0%} of the speed of a copy ({share['cpu']:.0%} in processor time)")


def memory(folder: Path, runs: int, *, full: bool) -> None:
    """Print the peak memory of the engine on a small and a large slide."""
    peaks = []
    for size in (Size(4096, 4096), Size(40960, 40960 if full else 4096)):
        source = prepare(folder, size)
        found = [run("engine", source, folder / "target.ome.tiff") for _ in range(runs)]
        all_peaks = sorted(one["peak"] for one in found)
        peaks.append(statistics.median(all_peaks))
        speed = size.area / 1e6 / statistics.median(one["wall"] for one in found)
        listed = ", ".join(f"{peak:.0f}" for peak in all_peaks)
        print(f"{size!s:>14} px: peaks {listed} MB; {speed:.1f} Mpx/s", flush=True)
    ratio = peaks[1] / peaks[0]
    print(f"ratio of the medians {ratio:.3f}; goal at most 1.10: {'reached' if ratio <= 1.1 else 'missed'}")


def main() -> None:
    """Parse the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edge", type=int, default=8192)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--make", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        make_source(Path(options.make[0]), Size(int(options.make[1]), int(options.make[2])))
    elif options.work:
        work(options.work[0], Path(options.work[1]), Path(options.work[2]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            if options.memory:
                memory(Path(folder), options.runs, full=options.full)
            else:
                compare(Path(folder), options.edge, options.runs)


if __name__ == "__main__":
    main()
