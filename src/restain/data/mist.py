"""MIST: H&E and HER2, Ki67, ER or PR of breast cancer (Li et al., MICCAI 2023, arXiv 2303.06193)."""

from typing import Literal, final

from restain.data.downloads import SIDE, DownloadConfig, pairs_of, partners
from restain.data.files import FilePair, FilePairs
from restain.data.pairs import Part
from restain.data.splits import EIGHTY_TEN_TEN, HELD_OUT_OF_TRAINING, Parts, deal, warn_of_leakage

MPP = 0.4661
"""Micrometres per pixel of the patches, from the page of the data set."""


@final
class MistConfig(DownloadConfig):
    """One stain of MIST as downloaded: TrainValAB/trainA, trainB, valA, valB, where A is H&E.

    The first field of a name is the slide: 15M2102762_21_24.jpg. The authors divided the patches at random, so their
    own test patches come from slides of the training, too.
    """

    kind: Literal["mist"] = "mist"
    """Tells the sources of data apart."""
    split: Literal["official", "by_slide", "miudiff_80_10_10"] = "official"
    """official: the authors' parts, slides with about 5 % of the training held out. by_slide: slides dealt out anew,
    about 80, 10 and 10 % of the patches, the only split whose parts share no slide. miudiff_80_10_10: patches dealt out
    at random, as in MIU-Diff. The first and the last are there to compare with published numbers."""

    @property
    def mpp(self) -> float:
        """Micrometres per pixel after shrinking."""
        return MPP if self.size is None else MPP * SIDE / self.size


def mist_pairs(config: MistConfig, part: Part) -> FilePairs:
    """Return one part of a stain of MIST.

    Raises:
        DataError: another layout, a patch without partner, an empty part.

    Warns:
        LeakageWarning: slides with patches in several parts, with their number.
    """
    folder = config.root / "TrainValAB"
    fix = "point data.root at the folder of one stain, for example HER2, which holds TrainValAB"
    train, test = (partners(folder / f"{name}A", folder / f"{name}B", fix) for name in ("train", "val"))
    match config.split:
        case "official":
            held_out = deal(train, HELD_OUT_OF_TRAINING, config.split_seed, slide_of)
            parts: Parts = {**held_out, "test": test}
        case "by_slide":
            parts = deal(train + test, EIGHTY_TEN_TEN, config.split_seed, slide_of)
        case "miudiff_80_10_10":
            parts = deal(train + test, EIGHTY_TEN_TEN, config.split_seed, lambda file: file.name)
    where = f"split {config.split} of {config.root}"
    warn_of_leakage(parts, slide_of, where, "use split by_slide to report scores on unseen slides")
    return pairs_of(config, parts, part)


def slide_of(file: FilePair) -> str:
    """Return the slide that a patch comes from: the first field of its name."""
    return file.name.partition("_")[0]
