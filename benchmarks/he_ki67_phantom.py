"""Score H&E -> Ki67 models on held-out slides of the phantom: pixels, cells, percent positive.

    python benchmarks/he_ki67_phantom.py [BUNDLE ...] [--record]

Every field is 1024 x 1024 px at 0.5 um/px (0.26 mm2, about a thousand cells) from a slide of its own, with seeds that
no training uses. Cells are read with the phantom's own nuclei; `best` is the balanced accuracy that nothing exceeds.
"""

import argparse
from dataclasses import dataclass

import numpy as np

from restain import load_model, stain
from restain.bundle import Model, find_bundle, record_metrics
from restain.geometry import Mpp, Region
from restain.inference.array_reader import ArrayReader
from restain.metrics import Psnr, SsimGaussian
from restain.phantom import Phantom
from restain.reports import CellReading, read_ki67
from restain.slides import RGB

SEEDS = range(1, 9)
MPP = Mpp.square(0.5)
FIELD = Region(0, 0, 1024, 1024)


@dataclass(frozen=True)
class Score:
    """One model on one field."""

    psnr: float
    ssim: float
    cells: CellReading

    @property
    def share_of_best(self) -> float:
        """Balanced accuracy of the virtual stain, as a share of what is possible."""
        return self.cells.accuracy("virtual") / self.cells.best_accuracy

    @property
    def percent_error(self) -> float:
        """Percent positive, virtual minus truth, in points."""
        return self.cells.percent("virtual") - self.cells.percent_true


def score(model: Model, seed: int) -> Score:
    """Stain one field and compare it with the real stain and the truth."""
    phantom = Phantom(seed)
    scene = phantom.scene(FIELD, MPP)
    real = scene.image("ki67")
    virtual = stain(scene.image("he"), model, mpp=MPP)
    cells = read_ki67({"virtual": ArrayReader(virtual, RGB, MPP), "real": ArrayReader(real, RGB, MPP)}, phantom)
    return Score(Psnr().of(virtual, real), SsimGaussian().of(virtual, real), cells)


def main() -> None:
    """Score the models that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", nargs="*", default=["he-ki67-phantom"], help="names or folders")
    parser.add_argument("--record", action="store_true", help="write the means into the cards")
    args = parser.parse_args()
    for folder in args.bundles:
        model = load_model(folder)
        scores = []
        print(f"\n{model.card.name} ({folder})")
        print("seed   PSNR   SSIM  cells  balanced accuracy: virtual real best (share)  percent +: virtual real truth")
        for seed in SEEDS:
            one = score(model, seed)
            scores.append(one)
            cells = one.cells
            print(
                f"{seed:4d} {one.psnr:6.2f}  {one.ssim:.3f} {len(cells.truth):6d}"
                f"  {cells.accuracy('virtual'):26.3f} {cells.accuracy('real'):.3f} {cells.best_accuracy:.3f}"
                f" ({one.share_of_best:.3f})"
                f"  {cells.percent('virtual'):19.1f} {cells.percent('real'):4.1f} {cells.percent_true:5.1f}",
                flush=True,
            )
        metrics = {
            "phantom.held_out_fields": float(len(scores)),
            "phantom.psnr": float(np.mean([one.psnr for one in scores])),
            "phantom.ssim_gaussian": float(np.mean([one.ssim for one in scores])),
            "phantom.balanced_accuracy_share_of_best": float(np.mean([one.share_of_best for one in scores])),
            "phantom.percent_positive_mean_error": float(np.mean([one.percent_error for one in scores])),
            "phantom.percent_positive_largest_error": float(max(abs(one.percent_error) for one in scores)),
        }
        for name, value in metrics.items():
            print(f"  {name}: {value:.4g}")
        if args.record:
            record_metrics(find_bundle(folder), {name: round(value, 4) for name, value in metrics.items()})


if __name__ == "__main__":
    main()
