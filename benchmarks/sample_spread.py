"""How much the samples of a model differ, beside how much the truth does that its source leaves open.

    python benchmarks/sample_spread.py BUNDLE [--plans dpmpp_2m:10 ancestral:200] [--fields 3] [--side 96] [--samples 8]

On fields of the phantom that no training uses, the true draws are retakes: further targets of the same source
(``restain.phantom.Retake``). Standard deviations over draws, in grey levels: of the mean colour of a field (how
strongly it is stained), of means of 8 x 8 px, and of pixels (median and mean). The last column is how many times as
wide intervals of level 0.9 would have to be to hold 90 % of the truth.
"""

import argparse

import numpy as np
from numpy.typing import NDArray

from restain import StainOptions, load_model, stain_samples
from restain.geometry import Mpp, Region
from restain.phantom import Phantom, Retake
from restain.uncertainty import IntervalRule, interval_of

FIRST_SEED = 300
"""Trainings take no seeds below 1000, and their tests those from 200 on."""

BLOCK = 8


def spread(draws: NDArray[np.float32]) -> list[float]:
    """Return the spread of draws (K, H, W, 3), fractions of white: of fields, blocks, and pixels twice."""
    k, height, width, _ = draws.shape
    blocks = draws.reshape(k, height // BLOCK, BLOCK, width // BLOCK, BLOCK, 3).mean(axis=(2, 4))
    fields, pixels = draws.mean(axis=(1, 2)), draws.std(axis=0, ddof=1)
    found = fields.std(axis=0, ddof=1).mean(), blocks.std(axis=0, ddof=1).mean(), np.median(pixels), pixels.mean()
    return [255 * float(each) for each in found]


def widening(draws: NDArray[np.float32], truth: NDArray[np.float32]) -> float:
    """Return the lambda with which centred intervals of the draws hold 90 % of the truth."""
    interval = interval_of(draws, IntervalRule(samples=len(draws)))
    half = np.where(truth < interval.centre, interval.centre - interval.lower, interval.upper - interval.centre)
    return float(np.quantile(np.abs(truth - interval.centre) / np.maximum(half, 1e-6), 0.9))


def main() -> None:
    """Print a row for the truth and one for every sampler."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "bundle", help="name or folder of a model of two stains of the phantom, H&E or autofluorescence in"
    )
    parser.add_argument("--plans", nargs="+", default=["dpmpp_2m:10"], metavar="SAMPLER:STEPS")
    parser.add_argument("--fields", type=int, default=3)
    parser.add_argument("--side", type=int, default=96, help=f"of a field in pixels, a multiple of {BLOCK}")
    parser.add_argument("--samples", type=int, default=8)
    given = parser.parse_args()
    model = load_model(given.bundle)
    data = model.card.training["data"]
    region, mpp = Region(0, 0, given.side, given.side), Mpp.square(data["mpp"])
    seeds = range(FIRST_SEED, FIRST_SEED + given.fields)
    sources = [Phantom(seed).scene(region, mpp).image(data["source"]) for seed in seeds]

    def targets(retakes: list[Retake | None], seed: int) -> NDArray[np.float32]:
        images = [Phantom(seed, retake=each).scene(region, mpp).image(data["target"]) for each in retakes]
        return np.stack(images).astype(np.float32) / np.float32(255)

    truths = [targets([None], seed)[0] for seed in seeds]
    again: list[Retake | None] = [Retake(number, data["source"]) for number in range(given.samples)]
    print(f"{'':20}{'fields':>8}{'blocks':>8}{'median':>8}{'mean':>8}{'widen':>8}")
    rows = {"truth": [targets(again, seed) for seed in seeds]}
    for plan in given.plans:
        sampler, steps = plan.split(":")
        options = StainOptions(sampler=sampler, steps=int(steps), seed=1, device="cpu")
        rows[plan] = [stain_samples(each, model, given.samples, mpp=mpp, options=options) for each in sources]
    for name, drawn in rows.items():
        widths = [widening(draws, truth) for draws, truth in zip(drawn, truths, strict=True)]
        numbers = [*np.mean([spread(draws) for draws in drawn], axis=0), np.mean(widths)]
        print(f"{name:20}" + "".join(f"{number:8.2f}" for number in numbers))


if __name__ == "__main__":
    main()
