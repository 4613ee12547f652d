"""Hold calibrated intervals against synthetic tissue, of which the true spread is known.

    python benchmarks/coverage.py he-ki67-phantom --fields 200 --side 64
    python benchmarks/coverage.py --oracle he:ki67 --fields 200 --side 64  # what a perfect sampler reaches

Every field is of a slide of its own, with seeds that no training uses. Half of them calibrate, the other half test:

* the share of the truth inside, image by image, before and after calibration: of fields that are mostly stroma, mixed
  or mostly epithelium, and of the pixels of each kind of tissue;
* how often a calibration breaks its promise: 200 times, calibration fields are drawn anew without replacement, and the
  fields that are left tell the truth (they are few, and harder where the drawn are easy: it errs to the dark side);
* whether intervals are wide where the truth is open: rank correlation with the standard deviation of retakes, which are
  further draws of the target given the same source (``restain.phantom.Retake``). Half of the retakes against the other
  half tells how well so few can know it.

Samples are kept in ``OUT/work``; the same command goes on. ``OUT/coverage.json`` holds the numbers.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from restain import StainOptions, load_model
from restain.calibration import CalibrateOptions, Laboratory, Measurement
from restain.errors import DataError
from restain.geometry import Mpp, Region
from restain.phantom import CLASS_NAMES, Phantom, Retake, Scene, Stain
from restain.uncertainty import (
    Calibration,
    ImageRisk,
    Interval,
    IntervalRule,
    ReliabilityCurve,
    calibrate,
    interval_of,
    widen,
)
from restain.uncertainty.rcps import LAMBDAS, safe_lambdas, walk_down

FIRST_SEED = 300
"""Trainings take no seeds below 1000, and their tests those from 200 on."""

KINDS: Mapping[str, tuple[str, ...]] = {
    "epithelium": ("epithelium", "epithelial nucleus"),
    "stroma": ("stroma", "stromal nucleus", "lymphocyte nucleus"),
    "lumen": ("lumen",),
    "nuclei of all kinds": ("epithelial nucleus", "stromal nucleus", "lymphocyte nucleus"),
    "all": CLASS_NAMES,
}
"""Kinds of tissue, by the classes of the phantom. The first three part the field; nuclei are in two of them."""

FIELDS: Mapping[str, tuple[float, float]] = {"stroma": (0, 0.1), "mixed": (0.1, 0.6), "epithelium": (0.6, 1.1)}
"""Types of tissue by the share of epithelium in a field: from the first number on, below the second."""

LEAST = 64
"""A kind of tissue counts in a field where it has so many pixels."""

TRIALS = 200


class Fields:
    """Fields of the phantom in two stains.

    Args:
        source: stain that goes in.
        target: stain that comes out.
        side: in pixels.
        mpp: scale.
    """

    def __init__(self, source: Stain, target: Stain, side: int, mpp: float) -> None:
        self.source, self.target = source, target
        self._region, self._mpp = Region(0, 0, side, side), Mpp.square(mpp)

    def scene(self, seed: int, retake: int | None = None) -> Scene:
        """Return a field, or a further draw of what its source does not tell."""
        again = None if retake is None else Retake(retake, self.source)  # type: ignore[arg-type]
        return Phantom(seed, retake=again).scene(self._region, self._mpp)

    def retakes(self, seed: int, numbers: Sequence[int]) -> NDArray[np.float32]:
        """Return draws of the target given the source, (M, H, W, 3), fractions of white."""
        images = [self.scene(seed, number).image(self.target) for number in numbers]
        return np.stack(images).astype(np.float32) / np.float32(255)


class Oracle:
    """The perfect sampler: retakes of the phantom."""

    def __init__(self, fields: Fields, rule: IntervalRule) -> None:
        self._fields, self._rule = fields, rule

    def measure(self, seed: int) -> Measurement:
        """Return what retakes say of a field; their numbers are none of those that tell the spread."""
        samples = self._fields.retakes(seed, range(1000, 1000 + self._rule.samples))
        truth = self._fields.scene(seed).image(self._fields.target).astype(np.float32) / np.float32(255)
        interval, mask = interval_of(samples, self._rule), np.ones(truth.shape[:2], np.bool_)
        risk, curve = ImageRisk(), ReliabilityCurve(self._rule)
        risk.add(interval, truth)
        curve.add(samples, truth)
        return Measurement(interval, truth, mask, risk, curve)


class Model:
    """A model, through the same door."""

    def __init__(self, fields: Fields, laboratory: Laboratory) -> None:
        self._fields, self._laboratory = fields, laboratory

    def measure(self, seed: int) -> Measurement:
        """Return what samples say of a field."""
        scene = self._fields.scene(seed)
        measured = self._laboratory.measure(scene.image(self._fields.source), scene.image(self._fields.target))
        if measured is None:
            raise DataError(f"field {seed} shows no tissue", fix="take larger fields")
        return measured


def kinds_of(classes: NDArray[np.uint8]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield the type of tissue of a field, with all of it, and the kinds of tissue it shows, with their masks."""
    share = np.isin(classes, [CLASS_NAMES.index(member) for member in KINDS["epithelium"]]).mean()
    yield next(f"fields: {name}" for name, (low, high) in FIELDS.items() if low <= share < high), classes >= 0
    for name, members in KINDS.items():
        mask = np.isin(classes, [CLASS_NAMES.index(member) for member in members])
        if mask.sum() >= LEAST:
            yield f"pixels: {name}", mask


def share_inside(interval: Interval, truth: NDArray[np.float32], mask: NDArray[np.bool_]) -> float:
    """Return the share of the masked values inside."""
    inside = (interval.lower <= truth) & (truth <= interval.upper)
    return float(inside[mask].mean())


def by_kind(
    sampler: Oracle | Model, fields: Fields, seeds: Sequence[int], calibration: Calibration
) -> dict[str, dict[str, float]]:
    """Return coverage of test fields by kind of tissue: means over fields, with standard errors."""
    shares: dict[str, list[tuple[float, float, float]]] = {}
    for seed in seeds:
        measured = sampler.measure(seed)
        wide = widen(measured.interval, calibration.lambda_, calibration.form)
        for name, mask in kinds_of(fields.scene(seed).classes):
            before, after = (share_inside(each, measured.truth, mask) for each in (measured.interval, wide))
            shares.setdefault(name, []).append((before, after, float(wide.width[mask].mean())))
    table = {}
    for name in (*(f"fields: {each}" for each in FIELDS), *(f"pixels: {each}" for each in KINDS)):
        if name in shares:
            values = np.asarray(shares[name])
            before, after, width = values.mean(axis=0)
            error = values[:, 1].std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
            table[name] = {
                "fields": len(values),
                "uncalibrated": before,
                "calibrated": after,
                "standard_error": float(error),
                "worst": float(values[:, 1].min()),
                "width": width,
            }
    return table


def broken_promises(risks: Sequence[ImageRisk], count: int, options: CalibrateOptions, seed: int) -> dict[str, float]:
    """Return how often the mean risk of the fields that are left exceeds alpha, and what would be too often."""
    curves = np.stack([risk.curve() for risk in risks])
    rng, broken, done, lambdas = np.random.default_rng(seed), 0, 0, []
    for _ in range(TRIALS):
        order = rng.permutation(len(curves))
        at = walk_down(safe_lambdas(curves[order[:count]], options.alpha, options.delta, options.bound))
        if at is not None:
            done += 1
            broken += bool(curves[order[count:], at].mean() > options.alpha)
            lambdas.append(LAMBDAS[options.form][at])
    limit = options.delta + 3 * float(np.sqrt(options.delta * (1 - options.delta) / max(done, 1)))
    spread = {"lambda_mean": float(np.mean(lambdas)), "lambda_std": float(np.std(lambdas))} if lambdas else {}
    return {"trials": done, "without_lambda": TRIALS - done, "rate": broken / max(done, 1), "limit": limit, **spread}


def width_and_spread(
    sampler: Oracle | Model, fields: Fields, seeds: Sequence[int], retakes: int, calibration: Calibration
) -> dict[str, float]:
    """Return the rank correlation of interval widths with the true spread, pooled and as mean over fields."""
    widths, spreads, halves = [], [], []
    for seed in seeds:
        wide = widen(sampler.measure(seed).interval, calibration.lambda_, calibration.form)
        draws = fields.retakes(seed, range(retakes))
        widths.append(wide.width.ravel())
        spreads.append(draws.std(axis=0, ddof=1).ravel())
        halves.append(np.stack([draws[part::2].std(axis=0, ddof=1).ravel() for part in (0, 1)]))
    pooled = spearmanr(np.concatenate(widths), np.concatenate(spreads)).statistic
    return {
        "fields": len(seeds),
        "retakes": retakes,
        "pooled": float(pooled),
        "within_fields": float(np.mean([spearmanr(w, s).statistic for w, s in zip(widths, spreads, strict=True)])),
        "halves_of_retakes": float(spearmanr(*np.concatenate(halves, axis=1)).statistic),
        "mean_width": float(np.concatenate(widths).mean()),
        "mean_spread": float(np.concatenate(spreads).mean()),
    }


def report(results: Mapping[str, Any]) -> None:
    """Print what was found."""
    found = results["calibration"]
    print(
        f"\n{found['n']} fields, lambda {found['lambda_']:.3f}, risk {found['risk']:.3f}, bound {found['bound']:.3f}\n"
    )
    print("| tissue | fields | uncalibrated | calibrated | worst field | width, grey levels |")
    print("|---|---|---|---|---|---|")
    for name, row in results["tissue"].items():
        print(
            f"| {name} | {row['fields']} | {row['uncalibrated']:.1%} | {row['calibrated']:.1%} "
            f"+- {row['standard_error']:.1%} | {row['worst']:.1%} | {255 * row['width']:.1f} |"
        )
    trials, spread = results["promise"], results["spread"]
    print(f"\npromise broken in {trials['rate']:.1%} of {trials['trials']} calibrations (limit {trials['limit']:.1%})")
    print(
        f"rank correlation of width and true spread: {spread['pooled']:.3f} over all, {spread['within_fields']:.3f} "
        f"within fields; half of the retakes against half {spread['halves_of_retakes']:.3f}; true spread "
        f"{255 * spread['mean_spread']:.1f}, width {255 * spread['mean_width']:.1f} grey levels"
    )


def main() -> None:
    """Measure, report, and write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", nargs="?", help="name or folder of a model of two stains of the phantom")
    parser.add_argument("--oracle", help="instead of a model, a perfect sampler of SOURCE:TARGET")
    parser.add_argument("--fields", type=int, default=200, help="half to calibrate, half to test")
    parser.add_argument("--side", type=int, default=64, help="of a field, in pixels")
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--interval", default="quantile", choices=("quantile", "order_stat", "std"))
    parser.add_argument("--alpha", type=float, default=0.1)
    parser.add_argument("--delta", type=float, default=0.1)
    parser.add_argument("--bound", default="hoeffding_bentkus", choices=("hoeffding_bentkus", "betting"))
    parser.add_argument("--floor", type=float, default=0, help="grey levels added to both sides of intervals")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--retakes", type=int, default=16)
    parser.add_argument("--spread-fields", type=int, default=16, help="test fields that are drawn again")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/coverage"))
    given = parser.parse_args()
    rule = IntervalRule(kind=given.interval, samples=given.samples, floor=given.floor / 255)
    options = CalibrateOptions(interval=rule, alpha=given.alpha, delta=given.delta, bound=given.bound, seed=given.seed)
    sampler: Oracle | Model
    if given.oracle:
        source, target = given.oracle.split(":")
        fields = Fields(source, target, given.side, 0.5)
        sampler = Oracle(fields, rule)
    else:
        model = load_model(given.bundle)
        data = model.card.training["data"]
        if data.get("kind") != "phantom" or not {data["source"], data["target"]} <= set(get_args(Stain)):
            parser.error(f"{given.bundle} was not trained on the phantom")
        fields = Fields(data["source"], data["target"], given.side, data["mpp"])
        sampler = Model(fields, Laboratory(model, options, StainOptions(steps=given.steps), given.out / "work"))

    seeds = range(FIRST_SEED, FIRST_SEED + given.fields)
    risks = []
    for done, seed in enumerate(seeds, start=1):
        risks.append(sampler.measure(seed).risk)
        print(f"\rfield {done} of {given.fields}", end="", flush=True)
    half = given.fields // 2
    calibration = calibrate(risks[:half], rule, alpha=given.alpha, delta=given.delta, bound=given.bound)
    tests = seeds[half:]
    results = {
        "bundle": given.oracle or given.bundle,
        "steps": given.steps,
        "side": given.side,
        "calibration": calibration.model_dump(mode="json"),
        "tissue": by_kind(sampler, fields, tests, calibration),
        "promise": broken_promises(risks, half, options, given.seed),
        "spread": width_and_spread(sampler, fields, tests[: given.spread_fields], given.retakes, calibration),
    }
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "coverage.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    report(results)


if __name__ == "__main__":
    main()
