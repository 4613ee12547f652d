"""What StainDiffuser's shared encoder saves, and what its forms of attention cost.

    python benchmarks/stain_diffuser.py [--width 32] [--side 128] [--steps 20]

Three comparisons on one thread, with fresh weights, which cost what trained ones do; each measurement is a process of
its own. Ratios are to the rival named:

- steps of sampling with features, keys and values of the source computed once, against computing them at every step;
- four stains of one model in one pass, against four models of one stain each;
- a training step on a batch of 4 at 128 x 128: seconds, and peak memory above what the process held before, against
  ``concat``, which has no encoder; the paper's width of 64 and four levels with ``--width 64 --levels 4 --fold 1``.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

FORMS = ("concat", "gate", "he_qk", "xattn")
STAINS = 4


def main() -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--levels", type=int, default=3)
    parser.add_argument("--fold", type=int, default=2)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--steps", type=int, nargs="+", default=[5, 20, 100])
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(MEASURES[arguments.one.split(":")[0]](arguments, *arguments.one.split(":")[1:])))
        return

    print(f"{'steps':>5} {'features':>22} {'seconds':>8} {'ratio':>6}")
    for steps in arguments.steps:
        rival = measured(f"steps:anew:{steps}")["seconds"]
        cached = measured(f"steps:once:{steps}")["seconds"]
        for how, seconds in (("at every step (rival)", rival), ("once", cached)):
            print(f"{steps:5} {how:>22} {seconds:8.2f} {seconds / rival:6.2f}")

    print(f"\n{'steps':>5} {'stains':>22} {'encoder':>8} {'seconds':>8} {'ratio':>6}")
    for encoder in ("as unet", "twice as wide"):
        for steps in arguments.steps:
            rival = STAINS * measured(f"stains:1:{steps}:{encoder}")["seconds"]
            together = measured(f"stains:{STAINS}:{steps}:{encoder}")["seconds"]
            for how, seconds in ((f"{STAINS} runs (rival)", rival), (f"{STAINS} in one pass", together)):
                print(f"{steps:5} {how:>22} {encoder:>14} {seconds:8.2f} {seconds / rival:6.2f}")

    print(f"\n{'form':>8} {'task':>5} {'million weights':>16} {'seconds':>8} {'ratio':>6} {'GiB':>6} {'ratio':>6}")
    rivals: Mapping[str, float] = {}
    for form in FORMS:
        for task in ("none",) if form == "concat" else ("none", "mask"):
            found = measured(f"training:{form}:{task}")
            rivals = rivals or found
            times, memory = (found[name] / rivals[name] for name in ("seconds", "gib"))
            print(
                f"{form:>8} {task:>5} {found['weights']:16.2f} {found['seconds']:8.2f} {times:6.2f} "
                f"{found['gib']:6.2f} {memory:6.2f}"
            )


def measured(what: str) -> dict[str, float]:
    """Measure in a process of its own."""
    done = subprocess.run([sys.executable, *sys.argv, "--one", what], check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def built(arguments: argparse.Namespace, stains: int = 1, encoder: str = "as unet", **options: Any) -> Any:
    """Return a model with fresh weights, on one thread."""
    import torch

    from restain.methods import build_method

    torch.set_num_threads(1)
    torch.manual_seed(0)
    unet = {
        "width": arguments.width,
        "multipliers": [1, 2, 4, 8][: arguments.levels],
        "blocks": 1,
        "attention": [],
        "middle_attention": False,
        "fold": arguments.fold,
    }
    wide = {"encoder": {**unet, "width": 2 * arguments.width}} if encoder == "twice as wide" else {}
    options = {"auxiliary": None, "stains": stains, "unet": unet, **wide, **options}
    return build_method("stain_diffuser", options, source_channels=3, target_channels=3 * stains)


def steps(arguments: argparse.Namespace, how: str, count: str) -> dict[str, float]:
    """Stain one image, with features computed once or at every step."""
    import torch

    from restain.diffusion import NetworkDenoiser, RandomNoise, Sampling, sample

    method = built(arguments).eval()
    source = torch.randn(1, 3, arguments.side, arguments.side)
    sampling = Sampling(sampler="dpmpp_2m", steps=int(count))

    def anew(x_t: torch.Tensor, t: torch.Tensor, x: torch.Tensor | None) -> torch.Tensor:
        unet = method.networks[0]
        answer: torch.Tensor = unet(x_t, t, context=unet.contexts(method.encoder.features(x)))
        return answer

    def run() -> None:
        noise = RandomNoise(0)
        if how == "once":
            method.stain(source, noise, sampling)
        else:
            kernel, times = sampling.plan(method.schedule)
            denoiser = NetworkDenoiser(anew, method.schedule, method.config.prediction, clip=True)
            sample(denoiser, noise(source, 0), times, kernel, noise, source)

    return {"seconds": fastest(run)}


def stains(arguments: argparse.Namespace, count: str, steps_of: str, encoder: str) -> dict[str, float]:
    """Stain one image with one or all stains of a model."""
    import torch

    from restain.diffusion import RandomNoise, Sampling

    method = built(arguments, int(count), encoder).eval()
    source = torch.randn(1, 3, arguments.side, arguments.side)
    sampling = Sampling(sampler="dpmpp_2m", steps=int(steps_of))
    return {"seconds": fastest(lambda: method.stain(source, RandomNoise(0), sampling))}


def training(arguments: argparse.Namespace, form: str, task: str) -> dict[str, float]:
    """Train for a few steps on a batch of 4."""
    import torch

    from restain.methods import Batch

    method = built(arguments, modulation={"form": form}, auxiliary={} if task == "mask" else None)
    optimiser = torch.optim.AdamW(method.parameters(), lr=1e-4)
    generator = torch.Generator().manual_seed(0)
    source, mask = torch.randn(4, 3, 128, 128, generator=generator), torch.ones(4, 1, 128, 128)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times = []
    for _ in range(5):
        clock = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16):
            losses = method.losses("model", Batch(source, source, mask), generator)
        optimiser.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        times.append(time.perf_counter() - clock)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    weights = sum(parameter.numel() for parameter in method.parameters()) / 1e6
    return {"seconds": min(times), "gib": peak / 2**20, "weights": weights}


def fastest(run: Callable[[], None]) -> float:
    """Return the least of three times after a warm-up, in bfloat16 without gradients, as staining runs."""
    import torch

    times = []
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        for _ in range(4):
            clock = time.perf_counter()
            run()
            times.append(time.perf_counter() - clock)
    return min(times[1:])


MEASURES: Mapping[str, Callable[..., dict[str, float]]] = {"steps": steps, "stains": stains, "training": training}

if __name__ == "__main__":
    main()
