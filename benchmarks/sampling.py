"""Sampling through restain's loop, beside the same weights called bare, as often, on images of the same shape.

The bare rival is a for-loop that calls the network on a fixed input: no schedule, no solver, no noise, no clipping.
Both run in bf16 autocast and inference mode, in turns, so that a busy machine disturbs them alike; the median counts.
On a GPU wall seconds are compared. On a CPU it is the processor seconds of one thread: neighbours cannot take them
away, while several threads spin as they wait for each other.

    python benchmarks/sampling.py [--device cuda] [--steps 20] [--runs 9]

Goal: at least 97 % of the bare throughput.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from restain.diffusion import Sampling, SlideNoise
from restain.geometry import Point
from restain.methods.conditional import Conditional, ConditionalConfig
from restain.nn import UNetConfig, footprint

GOAL = 0.97


@dataclass(frozen=True)
class Setting:
    """A network and the images it sees."""

    title: str
    unet: UNetConfig
    batch: int
    side: int


CPU_SETTINGS = (
    Setting("small, one tile", UNetConfig(width=32, multipliers=(1, 2, 4), attention=(), blocks=1), 1, 192),
    Setting("large, four tiles", UNetConfig(width=64, multipliers=(1, 2, 4, 8), attention=(3,)), 4, 64),
)
GPU_SETTINGS = (
    Setting("small, eight tiles", UNetConfig(width=32, multipliers=(1, 2, 4), attention=(), blocks=1), 8, 576),
    Setting("large, eight tiles", UNetConfig(width=64, multipliers=(1, 2, 4, 8), attention=(3,)), 8, 256),
    Setting("large, one tile", UNetConfig(width=64, multipliers=(1, 2, 4, 8), attention=(3,)), 1, 256),
)


def contenders(setting: Setting, device: torch.device, sampling: Sampling) -> dict[str, Callable[[], Tensor]]:
    """Return the two ways to spend as many evaluations of the same network."""
    method = Conditional(ConditionalConfig(unet=setting.unet), source_channels=3, target_channels=3)
    for weights in method.parameters():
        torch.nn.init.normal_(weights, 0, 0.02)
    method = method.eval().requires_grad_(False).to(device)
    source = torch.rand(setting.batch, 3, setting.side, setting.side, device=device) * 2 - 1
    source = source.contiguous(memory_format=torch.channels_last)
    noise = SlideNoise(0, [Point(setting.side * k, 0) for k in range(setting.batch)])
    x = torch.cat([torch.randn_like(source), source], dim=1)
    t = torch.full((setting.batch,), 0.5, device=device)
    print(f"{setting.title}: {footprint(method.network, setting.side)}, {setting.side} px, {sampling.steps} steps")

    def through_restain() -> Tensor:
        return method.stain(source, noise, sampling)

    def bare() -> Tensor:
        for _ in range(sampling.steps):
            y: Tensor = method.network(x, t)
        return y

    return {"bare": bare, "restain": through_restain}


def seconds(work: Callable[[], Tensor], device: torch.device) -> float:
    """Return what a call costs."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    start = clock()
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
        work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - start


def main() -> None:
    """Print the medians and the share of the bare throughput."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--sampler", default="dpmpp_2m")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--runs", type=int, default=9)
    options = parser.parse_args()
    device = torch.device(options.device)
    torch.set_num_threads(1)
    sampling = Sampling(sampler=options.sampler, steps=options.steps)
    for setting in CPU_SETTINGS if device.type == "cpu" else GPU_SETTINGS:
        works = contenders(setting, device, sampling)
        times: dict[str, list[float]] = {name: [] for name in works}
        for run in range(options.runs + 1):
            for name, work in works.items():
                spent = seconds(work, device)
                if run:  # the first is a warm-up
                    times[name].append(spent)
        medians = {name: statistics.median(spent) for name, spent in times.items()}
        pairs = [bare / ours for bare, ours in zip(times["bare"], times["restain"], strict=True)]
        share = statistics.median(pairs)
        for name, spent in medians.items():
            print(f"  {name:8} {spent:8.3f} s   {setting.batch / spent:8.2f} tiles/s")
        verdict = "reached" if share >= GOAL else "missed"
        print(f"  throughput beside bare: {share:.1%} (median of {len(pairs)} pairs; goal {GOAL:.0%}: {verdict})")


if __name__ == "__main__":
    main()
