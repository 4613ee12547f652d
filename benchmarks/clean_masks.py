r"""Whether a network cleans the masks it learnt from: fields of the phantom in CK8/18, whose epithelium is known.

    python benchmarks/clean_masks.py write   # images, coarse masks damaged at random, and the truth
    restain train configs/clean-masks-phantom.yaml
    restain stain runs/clean-masks-phantom/test/ihc --model runs/clean-masks-phantom/bundle \
        --out runs/clean-masks-phantom/test/cleaned
    python benchmarks/clean_masks.py score

Damage is what goes wrong with coarse masks: every mask is shifted by up to 6 um either way, every fifth gland is
missing, and ten specks are added. The first is as bad as a mask can be that was drawn on a serial section, the second
what a threshold does to pale glands, the third what dirt does.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from restain.geometry import Mpp, Region
from restain.phantom import Phantom
from restain.slides import open_slide, save_image
from restain.tissue import GLANDS, DabHistogram, Mask, choose_threshold, coarse_mask

FOLDER = Path("runs/clean-masks-phantom")
MPP = Mpp.square(1.0)
FIELD = Region(0, 0, 256, 256)
SEEDS = {"train": range(1000, 1048), "held": range(1048, 1056), "test": range(200, 216)}

SHIFT, DROPPED, SPECKS, RADII = 6, 0.2, 10, (2, 6)
"""Of the damage: most pixels either way, share of glands, number of specks and their radii in pixels."""


def damaged(mask: Mask, rng: np.random.Generator) -> Mask:
    """Return a mask with glands missing, specks added, and shifted."""
    glands, count = ndimage.label(mask, np.ones((3, 3)))
    kept = rng.random(count + 1) >= DROPPED
    kept[0] = False
    worse = kept[glands]
    y, x = np.indices(mask.shape)
    for _ in range(SPECKS):
        (row, column), radius = rng.uniform(0, mask.shape), rng.uniform(*RADII)
        worse |= (y - row) ** 2 + (x - column) ** 2 <= radius**2
    shifted: Mask = ndimage.shift(worse.astype(np.uint8), rng.integers(-SHIFT, SHIFT + 1, 2), order=0) > 0
    return shifted


def write() -> None:
    """Write images, damaged and undamaged masks, and the truth."""
    scenes = {(part, seed): Phantom(seed).scene(FIELD, MPP) for part, seeds in SEEDS.items() for seed in seeds}
    images = {key: scene.image("ck818") for key, scene in scenes.items()}
    histogram = DabHistogram()
    for image in images.values():
        histogram.add(image)
    threshold = choose_threshold(histogram)
    print(threshold.reason)
    for (part, seed), scene in scenes.items():
        folder, name = FOLDER / ("test" if part == "test" else "data"), f"{part}_{seed:04d}.png"
        mask = coarse_mask(images[part, seed], threshold.density, MPP, GLANDS)
        planes = {
            "coarse": mask,
            "masks": damaged(mask, np.random.default_rng(seed)),
            "truth": np.isin(scene.classes, (2, 4)),  # cytoplasm and nuclei of epithelium
        }
        save_image(folder / "ihc" / name, images[part, seed], MPP)
        for kind, plane in planes.items():
            save_image(folder / kind / name, np.where(plane, np.uint8(255), np.uint8(0))[..., None], MPP)


def score() -> None:
    """Print the Dice scores of all masks of the test fields against the truth."""
    for kind in ("masks", "cleaned", "coarse"):
        scores = []
        for path in sorted((FOLDER / "test" / "truth").glob("*.png")):
            truth, mask = read(path), read(FOLDER / "test" / kind / path.name)
            scores.append(2 * (truth & mask).sum() / (truth.sum() + mask.sum()))
        print(f"{kind:8} Dice {np.mean(scores):.3f} (standard deviation {np.std(scores):.3f}, worst {min(scores):.3f})")


def read(path: Path) -> NDArray[np.bool_]:
    """Return a mask: what is above half."""
    with open_slide(path) as reader:
        mask: NDArray[np.bool_] = reader.read(Region.of(reader.info.size))[..., 0] > 127
    return mask


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("write", "score"))
    {"write": write, "score": score}[parser.parse_args().what]()
