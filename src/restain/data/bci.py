"""BCI: H&E and HER2 of breast cancer (Liu et al., CVPR workshops 2022, arXiv 2204.11425)."""

import warnings
from typing import Literal, final

from restain.data.downloads import DownloadConfig, pairs_of, partners
from restain.data.files import FilePairs
from restain.data.pairs import Part
from restain.data.splits import EIGHTY_TEN_TEN, HELD_OUT_OF_TRAINING, Parts, deal
from restain.errors import LeakageWarning


@final
class BciConfig(DownloadConfig):
    """BCI as downloaded: HE/train, HE/test, IHC/train, IHC/test, with names like 00000_train_1+.png.

    A name holds a number, the part and the HER2 score of the slide. It does not tell the slide, and neighbouring
    numbers have different scores, so numbers do not tell it either: nobody can hold out whole slides of BCI.
    """

    kind: Literal["bci"] = "bci"
    """Tells the sources of data apart."""
    split: Literal["official", "miudiff_80_10_10"] = "official"
    """official: their 3896 and 977 patches, of the former 5 % held out at random. miudiff_80_10_10: all dealt out at
    random, as in MIU-Diff, which mixes slides of training into the test; it is there to compare with its numbers."""
    mpp: float | None = None
    """Micrometres per pixel after shrinking; None because the data set states no scale."""


def bci_pairs(config: BciConfig, part: Part) -> FilePairs:
    """Return one part of BCI.

    Raises:
        DataError: another layout, a patch without partner, an empty part.

    Warns:
        LeakageWarning: ``miudiff_80_10_10``, whose parts share slides.
    """
    he, ihc = config.root / "HE", config.root / "IHC"
    fix = "point data.root at the folder BCI_dataset, which holds HE and IHC"
    official = {name: partners(he / name, ihc / name, fix) for name in ("train", "test")}
    if config.split == "official":
        parts: Parts = {
            **deal(official["train"], HELD_OUT_OF_TRAINING, config.split_seed, lambda file: file.name),
            "test": official["test"],
        }
    else:
        warnings.warn(
            "split miudiff_80_10_10 of BCI deals out patches at random, so parts share slides and scores on held-out "
            "and test images flatter the model; use split official to report scores",
            LeakageWarning,
            stacklevel=2,
        )
        everything = official["train"] + official["test"]
        parts = deal(everything, EIGHTY_TEN_TEN, config.split_seed, lambda file: file.name)
    return pairs_of(config, parts, part)
