"""Folders of images, whose names tell training, held-out and test images apart."""

from abc import ABC
from collections.abc import Iterable
from fnmatch import fnmatchcase
from itertools import combinations
from pathlib import Path
from typing import Literal, final, get_args

from restain.config import Config
from restain.data.files import FilePair, FilePairs
from restain.data.pairs import Part
from restain.errors import DataError
from restain.slides import images_in

Names = str | tuple[str, ...]
"""A shell pattern, or several of which one must match: for example one for each patient."""

PURPOSES: dict[Part, str] = {"train": "in training", "held_out": "held out", "test": "for test"}
"""How messages speak of the parts."""


class _NamedParts(Config, ABC):
    """What tells the parts of a folder apart: patterns of names, never chance."""

    train: Names | None = None
    """Names used for training, as shell patterns; None takes all that are neither held out nor for test. Split by
    patient or slide: neighbouring tiles share tissue."""
    held_out: Names
    """Names never trained on, for samples and the held-out loss."""
    test: Names | None = None
    """Names kept for the final scores; None where there are none, or where they lie in folders of their own."""
    mpp: float | None = None
    """Micrometres per pixel of the images; None where nobody knows, which ties the model to this kind of image."""


@final
class FolderPairsConfig(_NamedParts):
    """Two folders that hold images of equal names and sizes, aligned to the pixel."""

    kind: Literal["folders"] = "folders"
    """Tells the sources of data apart."""
    source: Path
    """Folder of source images."""
    target: Path
    """Folder of target images."""


@final
class UnalignedFoldersConfig(_NamedParts):
    """Two folders of unrelated images of two stains; names and numbers need not match.

    Image k of the one is put beside image k of the other, counted round where one folder holds fewer, so that a pass
    shows all of both. The patterns hold for both folders; give several where the two are named differently.
    """

    kind: Literal["unaligned"] = "unaligned"
    """Tells the sources of data apart."""
    source: Path
    """Folder of source images."""
    target: Path
    """Folder of target images."""


@final
class SingleFolderConfig(_NamedParts):
    """One folder of one stain, for methods that learn no translation; every image is source and target at once."""

    kind: Literal["single"] = "single"
    """Tells the sources of data apart."""
    images: Path
    """Folder of the images."""


def folder_pairs(config: FolderPairsConfig, part: Part) -> FilePairs:
    """Return the pairs of two folders.

    Raises:
        DataError: missing folders, names that do not fit the patterns, missing partners.
    """
    sources, targets = images_in(config.source), images_in(config.target)
    names = _names(config, sources, part, config.source)
    lonely = [name for name in names if name not in targets]
    if lonely:
        raise DataError(
            f"{len(lonely)} images of {config.source}, {lonely[0]} first, have no partner in {config.target}",
            fix="give partners equal names, apart from the suffix",
        )
    return FilePairs([FilePair(name, sources[name], targets[name]) for name in names], aligned=True)


def unaligned_folders(config: UnalignedFoldersConfig, part: Part) -> FilePairs:
    """Return the images of two unrelated folders; a pair is named after both.

    Raises:
        DataError: missing folders, or names that do not fit the patterns.
    """
    sources, targets = images_in(config.source), images_in(config.target)
    of_source = _names(config, sources, part, config.source)
    of_target = _names(config, targets, part, config.target)
    files = []
    for k in range(max(len(of_source), len(of_target))):
        source, target = of_source[k % len(of_source)], of_target[k % len(of_target)]
        files.append(FilePair(f"{source}__{target}", sources[source], targets[target]))
    return FilePairs(files, aligned=False)


def single_folder(config: SingleFolderConfig, part: Part) -> FilePairs:
    """Return the images of one folder as their own partners.

    Raises:
        DataError: a missing folder, or names that do not fit the patterns.
    """
    images = images_in(config.images)
    names = _names(config, images, part, config.images)
    return FilePairs([FilePair(name, images[name], images[name]) for name in names], aligned=True)


def _names(config: _NamedParts, names: Iterable[str], part: Part, folder: Path) -> list[str]:
    """Return the names of one part, sorted.

    Raises:
        DataError: a name in two parts, no pattern for the part, or no name that matches.
    """
    patterns: dict[Part, Names | None] = {each: getattr(config, each) for each in get_args(Part)}
    chosen = {each: {name for name in names if _matches(name, wanted)} for each, wanted in patterns.items()}
    if config.train is None:
        chosen["train"] = set(names) - chosen["held_out"] - chosen["test"]
    for one, other in combinations(chosen, 2):
        if both := sorted(chosen[one] & chosen[other]):
            raise DataError(
                f"{len(both)} names, {both[0]} first, are both {PURPOSES[one]} and {PURPOSES[other]}",
                fix=f"choose patterns data.{one} and data.{other} that share no name",
            )
    if part == "test" and config.test is None:
        raise DataError(f"no image of {folder} is for test", fix="name some with data.test")
    if not chosen[part]:
        wanted = patterns[part]
        problem = "is left to train on" if wanted is None else f"matches {wanted!r}"
        raise DataError(f"no image in {folder} {problem}", fix="mend the pattern or the path")
    return sorted(chosen[part])


def _matches(name: str, patterns: Names | None) -> bool:
    if patterns is None:
        return False
    return any(fnmatchcase(name, pattern) for pattern in ([patterns] if isinstance(patterns, str) else patterns))
