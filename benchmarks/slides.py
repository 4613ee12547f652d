"""Copy a slide: read every tile, write a pyramid; restain beside tifffile and pyvips doing the same.

Same source (a tiled JPEG TIFF of synthetic, noisy tissue, made once in a temporary folder), same output: JPEG of
quality 90 without chroma subsampling, tiles of 512, levels by the mean of 2 x 2 pixels, two threads. Each run is a
process of its own that has done one small copy before, so that imports do not count; the kinds run in turns, so that a
busy machine disturbs them alike; the median counts. Processor seconds are what the work costs; wall seconds are what
one waits, and on a busy machine say more about the neighbours. restain's time includes pushing the file to the disk
before it gets its name (fsync), which the others leave to chance.

    python benchmarks/slides.py [--edge 8192] [--runs 5]
    python benchmarks/slides.py --memory        # peak memory of restain on slides 4096 and 40960 pixels wide

Goals: not slower than either rival; memory on the large slide within 10 % of that on the small one.
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

TILE = 512
QUALITY = 90
THREADS = 2


def copy_restain(source: Path, target: Path) -> None:
    """Read tile by tile and write tile by tile."""
    from restain.geometry import Region
    from restain.slides import create_slide, open_slide

    with (
        open_slide(source) as reader,
        create_slide(target, reader.info.size, reader.info.require_mpp(), quality=QUALITY, tile=TILE) as slide,
    ):
        for region in Region.of(reader.info.size).tiles(TILE):
            slide.write(reader.read(region), region.at)


def copy_tifffile(source: Path, target: Path) -> None:
    """Stream the base through a generator that keeps level 1 in memory, then write the lower levels from there."""
    import numpy as np
    import tifffile

    def half(image):
        height, width, channels = image.shape
        sums = np.add(image[0::2], image[1::2], dtype=np.uint16).reshape(height // 2, width // 2, 2 * channels)
        total = np.empty((height // 2, width // 2, channels), np.uint16)
        for channel in range(channels):
            np.add(sums[..., channel], sums[..., channel + channels], out=total[..., channel])
        total += 2
        total >>= 2
        return total.astype(np.uint8)

    with tifffile.TiffFile(source) as reader, tifffile.TiffWriter(target, bigtiff=True, ome=True) as writer:
        page = reader.pages[0]
        lower = np.empty((page.imagelength // 2, page.imagewidth // 2, 3), np.uint8)

        def tiles():
            for data, (_, _, y, x, _), _ in page.segments(maxworkers=THREADS):
                tile = data[0]
                lower[y // 2 : y // 2 + TILE // 2, x // 2 : x // 2 + TILE // 2] = half(tile)
                yield tile

        options = {
            "photometric": "rgb",
            "tile": (TILE, TILE),
            "compression": "jpeg",
            "compressionargs": {"level": QUALITY},
            "subsampling": (1, 1),
            "maxworkers": THREADS,
        }
        levels = 0
        while page.imagewidth >> levels > TILE:
            levels += 1
        writer.write(tiles(), shape=page.shape, dtype=np.uint8, subifds=levels, **options)
        for level in range(levels):
            writer.write(lower, subfiletype=1, **options)
            lower = half(lower) if level < levels - 1 else lower


def copy_pyvips(source: Path, target: Path) -> None:
    """Let libvips stream it."""
    import pyvips

    image = pyvips.Image.new_from_file(str(source), access="sequential")
    image.tiffsave(
        str(target),
        tile=True,
        tile_width=TILE,
        tile_height=TILE,
        pyramid=True,
        subifd=True,
        bigtiff=True,
        compression="jpeg",
        Q=QUALITY,  # from 90 on libvips does not subsample the colour
        region_shrink="mean",
    )


KINDS = {"restain": copy_restain, "tifffile": copy_tifffile, "pyvips": copy_pyvips}


def make_source(path: Path, edge: int) -> None:
    """Write a slide of blurred noise in the colours of hematoxylin and eosin, with sensor noise."""
    import numpy as np
    from scipy.ndimage import gaussian_filter

    from restain.geometry import Mpp, Region, Size
    from restain.slides import create_slide

    random = np.random.default_rng(0)
    side = 2048

    def field(sigma):
        noise = gaussian_filter(random.standard_normal((side, side), np.float32), sigma, mode="wrap")
        return noise / noise.std()

    eosin = (0.35 + 0.12 * field(20) + 0.06 * field(3)).clip(0)
    hematoxylin = (field(5) + 0.5 * field(30) - 1).clip(0, 1.2) * (0.8 + 0.2 * field(1.5)).clip(0)
    density = eosin[..., None] * (0.07, 0.99, 0.11) + hematoxylin[..., None] * (0.65, 0.70, 0.29)
    pixels = 240 * 10**-density + random.normal(0, 2, density.shape)
    block = np.rint(pixels).clip(0, 255).astype(np.uint8)
    with create_slide(path, Size(edge, edge), Mpp.square(0.5), tile=TILE) as slide:
        for region in Region.of(Size(edge, edge)).tiles(TILE):
            x, y = region.x % side, region.y % side
            slide.write(block[y : y + TILE, x : x + TILE], region.at)


def work(kind: str, source: Path, target: Path) -> None:
    """Do a small copy, then the one that counts, in this process, and print what it cost."""
    KINDS[kind](source.with_name("small.tif"), target)
    wall, cpu = time.perf_counter(), time.process_time()
    KINDS[kind](source, target)
    found = {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "file": target.stat().st_size / 2**20,
    }
    print(json.dumps(found))


def prepare(folder: Path, edge: int) -> Path:
    """Make the sources in a process of their own, since its peak memory would count as that of every later one."""
    subprocess.run([sys.executable, __file__, "--make", str(folder), str(edge)], check=True)
    return folder / f"{edge}.tif"


def run(kind: str, source: Path, target: Path) -> dict[str, float]:
    """Do one copy in a fresh process."""
    environment = os.environ | {"VIPS_CONCURRENCY": str(THREADS), "OMP_NUM_THREADS": str(THREADS)}
    command = [sys.executable, __file__, "--work", kind, str(source), str(target)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)
    target.unlink()
    return found


def compare(folder: Path, edge: int, runs: int) -> None:
    """Print the medians of every kind and their ratios to restain."""
    source = prepare(folder, edge)
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    for _ in range(runs):
        for kind in KINDS:
            found[kind].append(run(kind, source, folder / "target.tif"))
    area = edge * edge / 1e6
    print(
        f"copy of {edge} x {edge} RGB, median of {runs}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
    )
    titles = ("wall s", "Mpx/s", "cpu s", "Mpx/cpu s", "peak MB", "file MB", "wall x", "cpu x")
    print(f"{'':10}" + "".join(f"{title:>10}" for title in titles))
    medians = {
        kind: {key: statistics.median(one[key] for one in values) for key in values[0]}
        for kind, values in found.items()
    }
    own = medians["restain"]
    for kind, one in medians.items():
        speeds = (one["wall"], area / one["wall"], one["cpu"], area / one["cpu"], one["peak"], one["file"])
        ratios = (one["wall"] / own["wall"], one["cpu"] / own["cpu"])
        print(f"{kind:10}" + "".join(f"{value:>10.2f}" for value in speeds + ratios))
    print("x: times what restain takes; below 1 is faster than restain")


def memory(folder: Path) -> None:
    """Print the peak memory of restain on a small and a large slide."""
    peaks = {}
    for edge in (4096, 40960):
        peaks[edge] = run("restain", prepare(folder, edge), folder / "target.tif")["peak"]
        print(f"{edge:6} x {edge}: peak {peaks[edge]:.0f} MB")
    ratio = peaks[40960] / peaks[4096]
    print(f"ratio {ratio:.2f}, goal at most 1.10: {'met' if ratio <= 1.1 else 'missed'}")


def main() -> None:
    """Parse the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edge", type=int, default=8192)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--make", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(arguments.work[0], Path(arguments.work[1]), Path(arguments.work[2]))
        return
    if arguments.make:
        folder, edge = Path(arguments.make[0]), int(arguments.make[1])
        make_source(folder / "small.tif", TILE)
        make_source(folder / f"{edge}.tif", edge)
        return
    with tempfile.TemporaryDirectory() as folder:
        if arguments.memory:
            memory(Path(folder))
        else:
            compare(Path(folder), arguments.edge, arguments.runs)


if __name__ == "__main__":
    main()
