"""Dealing images out to training, held-out and test, by slide or by patch, and counting what leaks."""

import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from restain.data.files import FilePair
from restain.data.pairs import Part
from restain.errors import DataError, LeakageWarning

Parts = Mapping[Part, Sequence[FilePair]]
"""The images of each part."""

HELD_OUT_OF_TRAINING: Mapping[Part, int] = {"train": 95, "held_out": 5, "test": 0}
"""Percent held out where only training and test are given: enough for pictures and losses that watch a training."""

EIGHTY_TEN_TEN: Mapping[Part, int] = {"train": 80, "held_out": 10, "test": 10}
"""Percent of each part in MIU-Diff (arXiv 2506.23184): of its 4373 BCI pairs 3498, 437 and 438."""


def deal(
    files: Sequence[FilePair], percent: Mapping[Part, int], seed: int, group_of: Callable[[FilePair], str]
) -> dict[Part, list[FilePair]]:
    """Deal files out at random, those of one group always together.

    Groups come in an order drawn from the seed. Held-out and test images are dealt first, each until its share is
    reached, so that neither stays without a group; shares are rounded down, and test takes what rounding leaves.

    Args:
        files: what there is; their order does not matter.
        percent: the shares, which sum to 100.
        seed: draws the order.
        group_of: the name of a file's group: its slide, or its own name where each file stands alone.
    """
    groups: dict[str, list[FilePair]] = defaultdict(list)
    for file in sorted(files):
        groups[group_of(file)].append(file)
    train, held_out = len(files) * percent["train"] // 100, max(1, len(files) * percent["held_out"] // 100)
    wanted: dict[Part, int] = {"held_out": held_out, "test": len(files) - train - held_out if percent["test"] else 0}
    parts: dict[Part, list[FilePair]] = {"train": [], "held_out": [], "test": []}
    names = list(groups)
    for k in np.random.default_rng(seed).permutation(len(names)):
        part: Part = next((each for each, count in wanted.items() if len(parts[each]) < count), "train")
        parts[part] += groups[names[k]]
    return {part: sorted(chosen) for part, chosen in parts.items()}


def images_of(parts: Parts, part: Part, where: str) -> Sequence[FilePair]:
    """Return one part.

    Raises:
        DataError: it is empty.
    """
    if not parts[part]:
        raise DataError(f"{where} leaves no image for part {part}", fix="choose another data.split, or add images")
    return parts[part]


def warn_of_leakage(parts: Parts, slide_of: Callable[[FilePair], str], where: str, instead: str) -> None:
    """Warn when patches of one slide are in several parts.

    Args:
        parts: the split.
        slide_of: the name of a patch's slide.
        where: what is split and how, for the message.
        instead: what the user can do, as an imperative.
    """
    slides = {part: {slide_of(file) for file in files} for part, files in parts.items()}
    every = set().union(*slides.values())
    leaking = [slide for slide in every if sum(slide in of_part for of_part in slides.values()) > 1]
    if leaking:
        warnings.warn(
            f"{where}: {len(leaking)} of {len(every)} slides have patches in several parts, so scores on held-out and "
            f"test images flatter the model; {instead}",
            LeakageWarning,
            stacklevel=2,
        )
