"""How far read-outs of real IHC are from the truth that comes with it.

Usage: python benchmarks/readouts.py FOLDER, which holds ihc_ki67_deepliif/{ihc,cells}, of which cells are masks with
red positive and blue negative nuclei, and he_her2_bci/ihc, of which names end in the score of the slide.
"""

import sys
from pathlib import Path

import numpy as np
from scipy import ndimage

from restain.geometry import Mpp, Region
from restain.metrics import balanced_accuracy, cell_density
from restain.reports import ReadoutOptions, RegionReader, find_rule, read_image
from restain.slides import images_in, open_slide

SMALLEST = 30
"""Pixels of a nucleus in the masks; fewer are splinters of outlines."""


def picture(path):
    """Return a whole picture."""
    with open_slide(path) as reader:
        return reader.read(Region.of(reader.info.size))


def deepliif(folder):
    """Print percent positive beside that of the masks."""
    options, regions = ReadoutOptions(marker="ki67"), RegionReader(0.5, mpp=Mpp.square(0.25))
    threshold = find_rule("ki67").cut_offs[0]
    print("| image | nuclei, truth | found | positive, truth | read | balanced accuracy at the true cells |")
    for name, path in images_in(folder / "ihc").items():
        mask = picture(images_in(folder / "cells")[name])
        red, blue = mask[..., 0] > 128, mask[..., 2] > 128
        cells, count = ndimage.label(red | blue)
        kept = [k for k in range(1, count + 1) if (cells == k).sum() >= SMALLEST]
        cells = np.where(np.isin(cells, kept), cells, 0)
        truth = np.asarray(ndimage.maximum(red, cells, kept)) > 0
        called = cell_density(picture(path), cells).density > threshold
        image, mpp, _ = regions.read(path)
        found = read_image(image, mpp, options)
        accuracy = balanced_accuracy(called, truth)
        row = (name, len(kept), found.cells, 100 * truth.mean(), found.percent_positive, accuracy)
        print("| {} | {} | {} | {:.1f} % | {:.1f} % | {:.2f} |".format(*row))


def bci(folder):
    """Print scores of fields beside those of their slides."""
    options, regions = ReadoutOptions(marker="her2"), RegionReader(0.5, mpp=Mpp.square(0.46))
    print("| image | score of the slide | cells | incomplete or more | complete | and intense | score read |")
    for name, path in images_in(folder / "ihc").items():
        image, mpp, _ = regions.read(path)
        found = read_image(image, mpp, options)
        shares = [100 * sum(found.grades[k:]) / found.cells for k in (1, 2, 3)]
        row = (name.split("_")[0], name.split("_")[-1], found.cells, *shares, found.her2)
        print("| {} | {} | {} | {:.0f} % | {:.0f} % | {:.1f} % | {} |".format(*row))


if __name__ == "__main__":
    deepliif(Path(sys.argv[1]) / "ihc_ki67_deepliif")
    bci(Path(sys.argv[1]) / "he_her2_bci")
