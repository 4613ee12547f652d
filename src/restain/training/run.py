"""What surrounds the loop: the run's folder, its networks, its data checks, the card of what it makes."""

from typing import Any

import torch

from restain.bundle import Card
from restain.config import dump_config, load_config
from restain.data import Pairs
from restain.errors import ConfigError, DataError, OutputError
from restain.methods import Method, build_method
from restain.training.config import TrainConfig

RESOLVED = "config.yaml"
"""The resolved configuration in the run's folder."""

MAY_CHANGE = frozenset({"out", "training.images", "training.workers"})
"""What may differ when a run goes on: it may be longer, and on another machine."""


def claim_folder(config: TrainConfig) -> None:
    """Write the resolved configuration into the run's folder, or check that it is the one found there.

    Raises:
        ConfigError: the folder holds a run with another configuration.
        OutputError: the folder cannot be written.
    """
    path = config.out / RESOLVED
    if path.exists():
        found, wanted = _flat(load_config(TrainConfig, path).model_dump()), _flat(config.model_dump())
        changed = sorted(key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key))
        refused = [key for key in changed if key not in MAY_CHANGE]
        if refused:
            raise ConfigError(
                f"{config.out} holds a run with another configuration ({refused[0]} was {found.get(refused[0])})",
                fix="choose another folder with out=..., or delete that one to start anew",
            )
    try:
        config.out.mkdir(parents=True, exist_ok=True)
        path.write_text(dump_config(config), encoding="utf-8")
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


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the leaves of nested sections by their dotted names."""
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        leaves |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return leaves
