"""What surrounds the loop: the networks of a run, and the card of what it makes."""

import warnings
from typing import Any

import torch

from restain.bundle import Card, Model, Stain, Stains, channels_of, find_bundle, listed, load_bundle, load_card
from restain.config import parse_config
from restain.errors import ConfigError, GuidanceWarning
from restain.methods import Method, Part, build_method, find_method
from restain.training.config import TrainConfig


def new_method(config: TrainConfig) -> Method:
    """Build the networks of a configuration, with fresh weights that depend on the seed alone.

    Raises:
        ConfigError: unknown method or options, parts that do not fit it, nothing to learn, or a crop or tile that does
            not fit the network.
        BundleError: a part that is missing or damaged.
    """
    torch.manual_seed(config.seed)
    parts = _load_parts(config)
    method = build_method(
        config.method.name,
        method_options(config),
        source_channels=len(config.source.channels),
        target_channels=len(channels_of(config.target)),
    )
    if method.stains != (count := len(listed(config.target))):
        raise ConfigError(
            f"method {config.method.name!r} as configured makes {method.stains} stains, and target names {count}",
            fix="name as many targets as the method makes",
        )
    for name, part in parts.items():
        held: Method = getattr(method, name)
        held.load_state_dict(part.method.state_dict())
        held.requires_grad_(False)
    if bool(method.players()) != bool(config.training.images):
        learns = "has something to learn" if method.players() else "has nothing of its own to learn"
        raise ConfigError(
            f"method {config.method.name!r} {learns}, and training.images is {config.training.images}",
            fix="set training.images to the length of the training" if method.players() else "set training.images to 0",
        )
    for name, side in (("training.crop", config.training.crop), ("use.tile", config.use.tile)):
        if side % method.multiple:
            raise ConfigError(
                f"{name} is {side}, which the network cannot halve often enough",
                fix=f"choose a multiple of {method.multiple}",
            )
    return method


def method_options(config: TrainConfig) -> dict[str, Any]:
    """Return all options of the method, defaults and presets spelled out, those of its parts from their bundles."""
    if twice := config.method.config.keys() & config.parts.keys():
        raise ConfigError(
            f"{min(twice)} is given as a part and as an option of the method", fix=f"remove method.config.{min(twice)}"
        )
    parts = {name: load_card(find_bundle(str(path))).method_config for name, path in config.parts.items()}
    kind = find_method(config.method.name).config_type
    options = parse_config(kind, {**config.method.config, **parts}, f"options of method {config.method.name!r}")
    return options.model_dump(mode="json")


def _load_parts(config: TrainConfig) -> dict[str, Model]:
    """Load the bundles of the method's parts.

    Raises:
        ConfigError: parts that the method does not have, or lacks, or of another method, stain or scale.
    """
    expected, given = find_method(config.method.name).parts, config.parts
    if odd := expected.keys() ^ given.keys():
        name = min(odd)
        raise ConfigError(
            f"method {config.method.name!r} {'holds' if name in expected else 'has no'} part {name!r}",
            fix=f"name its bundle under parts.{name}" if name in expected else f"remove parts.{name}",
        )
    parts = {name: load_bundle(find_bundle(str(path))) for name, path in given.items()}
    for name, part in parts.items():
        card, wanted = part.card, expected[name]
        seen = card.source.window if wanted.of == "both" else None  # what is a target to a prior has no window
        if wanted.of != "target" and (config.training.percentiles or config.source.window != seen):
            raise ConfigError(
                f"parts.{name} has learnt the source {'in its whole range' if seen is None else 'through a window'}",
                fix=f"set source.window to {'null' if seen is None else 'that of its card'}, and "
                "training.percentiles to null",
            )
        needed = _stains(config.source, config.target, wanted)
        known = _stains(card.source, card.target, Part("both") if wanted.of == "both" else Part("target"))
        if card.method != wanted.method or not needed <= known:
            raise ConfigError(
                f"parts.{name} is of method {card.method!r} and {_spell(known)}, "
                f"not of method {wanted.method!r} and {_spell(needed)}",
                fix="train such a part and name its bundle there",
            )
        if card.mpp != config.data.mpp:
            raise ConfigError(
                f"parts.{name} was trained at {card.mpp} um/px, the images have {config.data.mpp} um/px",
                fix="train the part at the scale of the images",
            )
        if card.tile != config.use.tile:
            warnings.warn(
                f"parts.{name} was made for tiles of {card.tile} px, these are of {config.use.tile} px: what a network "
                "makes of a place can depend on the extent it sees",
                GuidanceWarning,
                stacklevel=2,
            )
    return parts


def _stains(source: Stain, target: Stains, part: Part) -> set[tuple[str, tuple[str, ...]]]:
    """Return name and channels of the stains of one side, or both."""
    sides = {"source": (source,), "target": listed(target), "both": (source, *listed(target))}
    return {(stain.name, stain.channels) for stain in sides[part.of]}


def _spell(stains: set[tuple[str, tuple[str, ...]]]) -> str:
    return ", ".join(f"{name} ({len(channels)} channels)" for name, channels in sorted(stains))


def write_card(config: TrainConfig, source: Stain, images: int) -> Card:
    """Return the card of the model that training leaves; the source has its window."""
    made = ", ".join(stain.name for stain in listed(config.target))
    return Card(
        name=config.name,
        summary=config.summary or f"{source.name} to {made} by {config.method.name}",
        source=source,
        target=config.target,
        mpp=config.data.mpp,
        tile=config.use.tile,
        halo=config.use.halo,
        sampling=config.use.sampling,
        method=config.method.name,
        method_config=method_options(config),
        training={
            "images": images,
            "seed": config.seed,
            "data": config.data.model_dump(mode="json"),
            "course": config.training.model_dump(mode="json"),
            "parts": {name: load_card(find_bundle(str(path))).name for name, path in config.parts.items()},
        },
        metrics={},
        licence=config.licence,
    )
