"""Whether images that a model is judged by were among those that it learned or was calibrated from."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from pydantic import TypeAdapter

from restain.bundle import Card
from restain.data import (
    DataConfig,
    FolderPairsConfig,
    PhantomPairsConfig,
    SingleFolderConfig,
    UnalignedFoldersConfig,
    make_pairs,
)
from restain.errors import DataError
from restain.geometry import Region
from restain.reports.report.cases import Case
from restain.slides import images_in, open_slide

READ = 32
"""Images of equal names that are compared pixel by pixel, where training images are no plain folders."""


@final
@dataclass(frozen=True)
class Leakage:
    """What was found.

    Args:
        compared: in a sentence, what was compared, or why nothing was.
        images: names of judged images that the model was trained on.
        patients: patients of judged images that it was trained on; empty where patients are not known.
    """

    compared: str
    images: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()


def find_leakage(card: Card | None, cases: Sequence[Case], patients: dict[str, str] | None) -> Leakage:
    """Compare judged images with the training images that the card of a model names.

    In folders, files of the same bytes are found under whatever name; of other sources, images of the same name are
    compared pixel by pixel. The same tissue in another file is not seen.
    """
    if card is None:
        return Leakage("the card of the model is not known, so nothing was compared with its training images")
    data: DataConfig = TypeAdapter(DataConfig).validate_python(card.training["data"])
    if isinstance(data, PhantomPairsConfig):
        return Leakage("the model was trained on synthetic tissue, which is drawn and not stored")
    try:
        pairs = make_pairs(data, "train")
    except DataError as error:
        return Leakage(f"training images could not be compared ({error.problem})")
    names = {pairs.name(index): index for index in range(len(pairs))}
    if isinstance(data, FolderPairsConfig | UnalignedFoldersConfig | SingleFolderConfig):
        files = _training_files(data, names)
        same = _same_files(cases, files.values())
        trained = set(files)
        compared = f"the files of {len(cases)} images were compared with {len(files)} training images, by SHA-256"
    else:
        common = [case for case in cases if case.name in names]
        same = []
        for case in common[:READ]:
            with open_slide(case.target) as slide:
                judged = slide.read(Region.of(slide.info.size))
            if any(np.array_equal(judged, image) for image in pairs.read(names[case.name])):
                same.append(case.name)
        trained = set(names)
        compared = f"{len(common)} images have the name of a training image; {len(common[:READ])} were compared"
    known = patients or {}
    others = {case.name for case in cases} - set(same)  # of these names the table tells whose the judged image is
    of_training = {known[name] for name in trained - others if name in known}
    shared = {known[case.name] for case in cases if case.name in known} & of_training
    return Leakage(compared, tuple(same), tuple(sorted(shared)))


def _training_files(
    data: FolderPairsConfig | UnalignedFoldersConfig | SingleFolderConfig, names: Collection[str]
) -> dict[str, list[Path]]:
    """Return the files behind training pairs, by the name of the image."""
    folders = [data.images] if isinstance(data, SingleFolderConfig) else [data.source, data.target]
    files: dict[str, list[Path]] = defaultdict(list)
    if isinstance(data, UnalignedFoldersConfig):  # a pair is named SOURCE__TARGET, and names may hold "__" too
        cuts = [(name, k) for name in names for k in range(len(name)) if name.startswith("__", k)]
        names = {name[:k] for name, k in cuts} | {name[k + 2 :] for name, k in cuts}
    for folder in folders:
        for name, path in images_in(folder).items():
            if name in names:
                files[name].append(path)
    return files


def _same_files(cases: Sequence[Case], training: Iterable[Sequence[Path]]) -> list[str]:
    """Return the names of images of which a file, source or target, is a training file, byte by byte."""
    by_size: dict[int, list[Path]] = defaultdict(list)
    for paths in training:
        for path in paths:
            by_size[path.stat().st_size].append(path)
    digests: dict[Path, str] = {}

    def digest(path: Path) -> str:
        if path not in digests:
            with path.open("rb") as file:
                digests[path] = hashlib.file_digest(file, "sha256").hexdigest()
        return digests[path]

    def is_known(path: Path | None) -> bool:
        alike = [] if path is None else by_size.get(path.stat().st_size, [])
        return path is not None and any(digest(path) == digest(other) for other in alike)

    return [case.name for case in cases if is_known(case.target) or is_known(case.source)]
