"""The images of a run, checked before hours are spent on them."""

import json
import os
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from restain.bundle import Stain, listed
from restain.data import MaskedPairs, Pairs, check_alignment, check_masks, make_pairs, source_window, threshold_of
from restain.data.channels import LOOKED_AT, check_values
from restain.errors import AlignmentWarning, DataError, OutputError
from restain.methods import find_method
from restain.slides import contradict, first_difference
from restain.tissue import PositiveThreshold
from restain.training.config import TrainConfig

WINDOW = "windows.json"
"""Low and high of each source channel, in the run's folder."""

MASKS = "masks.json"
"""The threshold of coarse masks and its reason, in the run's folder."""


def training_pairs(config: TrainConfig, *, paired: bool) -> tuple[Pairs, Pairs]:
    """Return the pairs for training and the held-out ones, with masks where the configuration names some.

    Args:
        config: of the run.
        paired: whether its method, with its options, learns from pixels of both sides at the same place.

    Raises:
        DataError: pairs that do not fit the stains named, or masks that teach nothing.
        OutputError: the run's folder cannot be written.

    Warns:
        AlignmentWarning: a method that needs aligned pairs gets others.
    """
    train, held_out = make_pairs(config.data, "train"), make_pairs(config.data, "held_out")
    check_channels(config, train)
    if paired and not train.aligned:
        warnings.warn(
            f"method {config.method.name!r} compares source and target at the same place, and their crops are cut at "
            "different places, because the data are not said to be aligned: set data.aligned to true where data have "
            "it and pairs do show the same place, choose other data, or use an unpaired method",
            AlignmentWarning,
            stacklevel=2,
        )
    elif find_method(config.method.name).paired:  # one that is paired by its options alone bears loose pairs
        check_alignment(train)
    if config.masks is None:
        return train, held_out
    threshold = _recorded(config.out / MASKS)
    if threshold is None and (threshold := threshold_of(train, config.masks)) is not None:
        _record(config.out / MASKS, asdict(threshold))
    masked = MaskedPairs(train, config.masks, threshold, config.data.mpp)
    check_masks(masked)
    return masked, MaskedPairs(held_out, config.masks, threshold, config.data.mpp)


def windowed(config: TrainConfig, train: Pairs) -> Stain:
    """Return the source with its window, found on the training images where the configuration asks for percentiles.

    Raises:
        DataError: images of different types.
        OutputError: the run's folder cannot be written.
    """
    source, path = config.source, config.out / WINDOW
    if config.training.percentiles is None:
        return source
    if path.exists():  # so that going on need not read all images
        found = json.loads(path.read_text(encoding="utf-8"))
    else:
        window = source_window(train, config.training.percentiles)
        found = {"channels": source.channels, "window": window}
        _record(path, found)
    return source.model_copy(update={"window": tuple((low, high) for low, high in found["window"])})


def check_channels(config: TrainConfig, pairs: Pairs) -> None:
    """Compare some pairs with the channels the configuration names, and look at what the sources hold.

    Raises:
        DataError: their number differs, or names in files do.

    Warns:
        SaturationWarning: fluorescence with a camera at its limit.
        EmptyChannelWarning: fluorescence with a channel that is the same everywhere.
    """
    for index, target in enumerate(listed(config.target)):  # several stains take turns
        stains = {"source": config.source, "target": target}
        for (side, stain), image in zip(stains.items(), pairs.read(index), strict=True):
            if image.shape[2] != len(stain.channels):
                raise DataError(
                    f"{side} images have {image.shape[2]} channels, "
                    f"the configuration names {len(stain.channels)} of {stain.name}",
                    fix=f"mend {side}.channels",
                )
    chosen = np.unique(np.linspace(0, len(pairs) - 1, min(LOOKED_AT, len(pairs))).round().astype(int)).tolist()
    for index in chosen:
        _check_names(config, pairs, index)
    if config.source.background < 255:  # white glass is at the limit of its camera, by intention
        images = (pairs.read(index)[0] for index in chosen)
        check_values(images, config.source.channels, "training images of the source")


def _check_names(config: TrainConfig, pairs: Pairs, index: int) -> None:
    """Compare the names that the files of a pair give their channels with those of the configuration."""
    if (names := pairs.channels(index)) is None:
        return
    stains = {"source": config.source, "target": listed(config.target)[pairs.stain(index) or 0]}
    for (side, stain), found in zip(stains.items(), names, strict=True):
        if contradict(found, stain.channels):
            raise DataError(
                f"{side} images ({pairs.name(index)}) hold other channels than the configuration names, or in another "
                f"order: {first_difference(found, stain.channels)}",
                fix=f"give {side}.channels the names and the order of the files, which must be alike",
            )


def _recorded(path: Path) -> PositiveThreshold | None:
    """Return the threshold that the run was begun with, so that going on need not read all images."""
    return PositiveThreshold(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def _record(path: Path, found: dict[str, Any]) -> None:
    try:
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        partial.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror})", fix="free space there") from error
