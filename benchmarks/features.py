"""What the shipped extractor sees: distances of real images from real ones, and from ones made worse step by step.

``python benchmarks/features.py``: synthetic slides that nothing was learned from, 500 tiles of 128 px on either side.
The rivals are the same network before training, and the colours alone (mean and standard deviation of every channel).

``python benchmarks/features.py FOLDER``: the same of the images in a folder, one random half against the other, for
changes that need no truth.
"""

import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Pillow
from scipy.ndimage import binary_dilation, gaussian_filter

from restain.features import Extractor, PhantomExtractor, features_of, tiles_in
from restain.features.lessons import FACTS, MPP, STAINS, blurred, colour_facts, recoloured
from restain.features.phantom_network import PhantomNetwork
from restain.geometry import Region
from restain.metrics import frechet_distance
from restain.phantom import Phantom
from restain.slides import images_in

TILES, SIDE, FIELD = 500, 128, 512
FIRST_SEED = 300
STAIN = "ki67"
NEEDS_TRUTH = ("wrong stain", "nuclei")


class Tile:
    """A tile of one stain, the same place in H&E, and where its nuclei are."""

    def __init__(self, images, instances, cells) -> None:
        self.images, self.instances, self.cells = images, instances, cells
        self.image = images[STAIN]


def tiles(first_seed: int) -> list[Tile]:
    """Draw the tiles of as many slides as it takes."""
    found: list[Tile] = []
    for seed in range(first_seed, first_seed + TILES // 16 + 1):
        scene = Phantom(seed).scene(Region(0, 0, FIELD, FIELD), MPP)
        images = {stain: scene.image(stain) for stain in STAINS}
        for part in Region(0, 0, FIELD, FIELD).tiles(SIDE):
            cut = {stain: image[part.slices] for stain, image in images.items()}
            found.append(Tile(cut, scene.instances[part.slices], scene.cells))
    return found[:TILES]


def some(share: float, rng: np.random.Generator, change: Callable) -> Callable:
    """Change a share of the tiles."""
    return lambda tile: change(tile) if rng.random() < share else tile.image


def without_nuclei(tile: Tile, share: float, rng: np.random.Generator):
    """Fill some nuclei with what surrounds them."""
    gone = np.append(False, rng.random(len(tile.cells)) < share)[tile.instances]
    gone = binary_dilation(gone, iterations=2)
    keep = ~binary_dilation(tile.instances > 0, iterations=2)
    weight = gaussian_filter(keep.astype(float), 8) + 1e-6
    around = gaussian_filter(tile.image * keep[..., None].astype(float), (8, 8, 0)) / weight[..., None]
    return np.where(gone[..., None], around, tile.image).round().astype(np.uint8)


def compressed(image, quality: int):
    """Send an image through JPEG."""
    stream = BytesIO()
    Pillow.fromarray(image).save(stream, "JPEG", quality=quality)
    return np.asarray(Pillow.open(stream))


def shuffled(image, side: int, rng: np.random.Generator):
    """Cut into squares and put them together in random order: colours stay, tissue does not."""
    n = SIDE // side
    squares = image.reshape(n, side, n, side, 3).transpose(0, 2, 1, 3, 4).reshape(n * n, side, side, 3)
    squares = squares[rng.permutation(n * n)].reshape(n, n, side, side, 3)
    return squares.transpose(0, 2, 1, 3, 4).reshape(SIDE, SIDE, 3)


def changes(rng: np.random.Generator) -> dict[str, dict[float, Callable]]:
    """What makes tiles worse, by name and amount."""
    return {
        "blur, sigma px": {s: lambda t, s=s: blurred(t.image, s) for s in (0.5, 1, 2, 4)},
        "hue turned, degrees": {a: lambda t, a=a: recoloured(t.image, turn=a) for a in (5, 10, 20, 40)},
        "contrast, factor": {c: lambda t, c=c: recoloured(t.image, contrast=c) for c in (0.9, 0.8, 0.6, 0.4)},
        "wrong stain (CD3), share": {s: some(s, rng, lambda t: t.images["cd3"]) for s in (0.1, 0.25, 0.5, 1)},
        "wrong stain (H&E), share": {s: some(s, rng, lambda t: t.images["he"]) for s in (0.1, 0.25, 0.5, 1)},
        "nuclei dropped, share": {s: lambda t, s=s: without_nuclei(t, s, rng) for s in (0.1, 0.25, 0.5, 1)},
        "JPEG, quality": {q: lambda t, q=q: compressed(t.image, q) for q in (90, 70, 40, 15)},
        "squares shuffled, side px": {s: lambda t, s=s: shuffled(t.image, s, rng) for s in (64, 32, 16, 8)},
    }


class Untrained(Extractor):
    """The same network with the weights it starts from; its norms measured on real tiles."""

    def __init__(self, real) -> None:
        super().__init__()
        torch.manual_seed(0)
        network = PhantomNetwork(len(STAINS), len(FACTS))
        x = torch.from_numpy(np.stack(real).transpose(0, 3, 1, 2)).float() / 127.5 - 1
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = None
        with torch.no_grad():
            for batch in x.split(50):
                network.features(batch)
        self.network = network.eval()

    def _features(self, x):
        return self.network.features(2 * x - 1)


def halves(folder: Path) -> tuple[list[Tile], list[Tile]]:
    """Cut the images of a folder into tiles and deal them out."""
    found = [Tile({STAIN: image}, None, None) for image in tiles_in(images_in(folder).values(), SIDE)]
    order = np.random.default_rng(0).permutation(len(found))
    dealt = [found[i] for i in order[: 2 * min(TILES, len(found) // 2)]]
    return dealt[::2], dealt[1::2]


def main(folder: Path | None = None) -> None:
    """Print the table."""
    here, there = halves(folder) if folder else (tiles(FIRST_SEED), tiles(FIRST_SEED + 100))
    real = [tile.image for tile in there]
    shipped, untrained = PhantomExtractor(), Untrained(real[:250])
    ways = {
        "shipped": lambda images: features_of(images, shipped),
        "untrained": lambda images: features_of(images, untrained),
        "colours": lambda images: np.stack([colour_facts(image) for image in images]),
    }
    target = {name: way(real) for name, way in ways.items()}
    clean = [tile.image for tile in here]
    floor = {name: frechet_distance(way(clean), target[name]) for name, way in ways.items()}
    print(
        f"{folder or STAIN}, {len(here)} tiles against {len(there)}; Frechet distance, then multiples of the first row"
    )
    print("| change | amount |", " | ".join(ways), "|")
    print("| none | |", " | ".join(f"{value:.4g}" for value in floor.values()), "|", flush=True)
    for change, amounts in changes(np.random.default_rng(0)).items():
        if folder and change.startswith(NEEDS_TRUTH):
            continue
        for amount, function in amounts.items():
            images = [function(tile) for tile in here]
            times = {name: frechet_distance(way(images), target[name]) / floor[name] for name, way in ways.items()}
            print(f"| {change} | {amount} |", " | ".join(f"{value:.2f}" for value in times.values()), "|", flush=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
