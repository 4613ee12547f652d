"""Time and memory per image of MIU-Diff's refinements, as functions of the image's side; the rival is no refinement.

    python benchmarks/refinement.py BUNDLE [--sides 128 256 512] [--sampler dpmpp_2m --steps 25]

Each measurement is a process of its own, with one thread; memory is the peak of the process above what it held after
loading the model (on a GPU: the peak of the allocator).
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

MODES = ("none", "latent", "lora", "weights")


def measure(bundle: Path, mode: str, side: int, sampler: str, steps: int) -> dict[str, float]:
    """Stain one image of the phantom twice, and report the second time."""
    import torch

    from restain.bundle import load_bundle, reconfigure
    from restain.geometry import Mpp, Region
    from restain.inference import StainOptions, stain
    from restain.phantom import Phantom

    torch.set_num_threads(1)
    model = reconfigure(load_bundle(bundle), {"refinement": mode})
    model = type(model)(model.card.model_copy(update={"tile": side, "halo": 0}), model.method)
    mpp = Mpp.square(model.card.mpp or 0.5)
    image = Phantom(seed=200).render("he", Region(0, 0, side, side), mpp)
    options = StainOptions(sampler=sampler, steps=steps)
    cuda = torch.cuda.is_available()
    before = peak(cuda)
    stain(image, model, mpp=mpp, options=options)
    clock = time.perf_counter()
    stain(image, model, mpp=mpp, options=options)
    return {"seconds": time.perf_counter() - clock, "megabytes": peak(cuda) - before}


def peak(cuda: bool) -> float:
    """Return the peak memory of this process so far, in MB."""
    if cuda:
        import torch

        return torch.cuda.max_memory_allocated() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def main() -> None:
    """Print one line per mode and side, with ratios to no refinement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--sides", type=int, nargs="+", default=[128, 256, 512])
    parser.add_argument("--sampler", default="dpmpp_2m")
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--one", nargs=2, metavar=("MODE", "SIDE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        mode, side = arguments.one
        print(json.dumps(measure(arguments.bundle, mode, int(side), arguments.sampler, arguments.steps)))
        return
    print(f"{'refinement':>10} {'side':>5} {'seconds':>8} {'ratio':>6} {'MB':>7} {'ratio':>6}")
    for side in arguments.sides:
        rival: dict[str, float] = {}
        for mode in MODES:
            found = json.loads(
                subprocess.run(
                    [sys.executable, *sys.argv, "--one", mode, str(side)], check=True, capture_output=True, text=True
                ).stdout.splitlines()[-1]
            )
            rival = rival or found
            times, memory = (found[name] / rival[name] for name in ("seconds", "megabytes"))
            print(f"{mode:>10} {side:>5} {found['seconds']:8.2f} {times:6.2f} {found['megabytes']:7.0f} {memory:6.2f}")


if __name__ == "__main__":
    main()
