"""What surrounds the loop: the run's folder, its networks, its data checks, the card of what it makes."""

import difflib

import torch

from restain.bundle import Card
from restain.config import dump_config
from restain.data import Pairs
from restain.errors import ConfigError, DataError, OutputError
from restain.methods import Method, build_method
from restain.training.config import TrainConfig

RESOLVED = "config.yaml"
"""The resolved configuration in the run's folder."""

MAY_CHANGE = ("  images:", "  workers:")
"""Lines of the resolved configuration that may differ when a run goes on: it may be longer, on another machine."""


def claim_folder(config: TrainConfig) -> None:
    """Write the resolved configuration into the run's folder, or check that it is the one found there.

    Raises:
        ConfigError: the folder holds a run with another configuration.
        OutputError: the folder cannot be written.
    """
    path, text = config.out / RESOLVED, dump_config(config)
    try:
        if path.exists():
            _refuse_other(path.read_text(encoding="utf-8"), text, config)
        config.out.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"{config.out} cannot be written ({error.strerror})", fix="choose another folder with out=..."
        ) from error


def new_method(config: TrainConfig) -> Method:
    """Build the networks of a configuration, with fresh weights that depend on the seed alone.

    Raises:
        ConfigError: unknown method or options, or a crop or tile that does not fit the network.
    """
    torch.manual_seed(config.seed)
    method = build_method(
        config.method.name,
        config.method.config,
        source_channels=len(config.source.channels),
        target_channels=len(config.target.channels),
    )
    for name, side in (("training.crop", config.training.crop), ("use.tile", config.use.tile)):
        if side % method.multiple:
            raise ConfigError(
                f"{name} is {side}, which the network cannot halve often enough",
                fix=f"choose a multiple of {method.multiple}",
            )
    return method


def check_pairs(config: TrainConfig, pairs: Pairs) -> None:
    """Compare the first pair with the channels the configuration names.

    Raises:
        DataError: they differ.
    """
    for side, stain, image in zip(("source", "target"), (config.source, config.target), pairs.read(0), strict=True):
        if image.shape[2] != len(stain.channels):
            raise DataError(
                f"{side} images have {image.shape[2]} channels, the configuration names {len(stain.channels)}",
                fix=f"mend {side}.channels",
            )


def write_card(config: TrainConfig, images: int) -> Card:
    """Return the card of the model that training leaves."""
    return Card(
        name=config.name,
        summary=config.summary or f"{config.source.name} to {config.target.name} by {config.method.name}",
        source=config.source,
        target=config.target,
        mpp=config.data.mpp,
        tile=config.use.tile,
        halo=config.use.halo,
        sampling=config.use.sampling,
        method=config.method.name,
        method_config=config.method.config,
        training={
            "images": images,
            "seed": config.seed,
            "data": config.data.model_dump(mode="json"),
            "course": config.training.model_dump(mode="json"),
        },
        metrics={},
        licence=config.licence,
    )


def _refuse_other(found: str, wanted: str, config: TrainConfig) -> None:
    lines = difflib.ndiff(found.splitlines(), wanted.splitlines())
    changed = [line[2:] for line in lines if line.startswith("+ ") and not line[2:].startswith(MAY_CHANGE)]
    if changed:
        raise ConfigError(
            f"{config.out} holds a run with another configuration (it differs in {changed[0].strip()!r})",
            fix="choose another folder with out=..., or delete that one to start anew",
        )
