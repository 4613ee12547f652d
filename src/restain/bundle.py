"""A model bundle: a folder with ``card.yaml`` and ``weights.safetensors``. Readable, diffable, checked, never pickled.

The card says all one must know to use the model (stains, channels, scale, tile), to rebuild it (method and options), to
trust it (training data, metrics, SHA-256 of every file) and to share it (licence).
"""

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, final

import safetensors.torch
import torch
import yaml
from pydantic import Field, model_validator
from safetensors import SafetensorError

from restain import __version__
from restain.config import Config, dump_config, parse_config
from restain.diffusion import Sampling
from restain.errors import BundleError, ConfigError, OutputError
from restain.geometry import Mpp
from restain.methods import Method, build_method, find_method
from restain.pixels import Window
from restain.uncertainty import CalibrationRecord

CARD = "card.yaml"
WEIGHTS = "weights.safetensors"
SHIPPED = Path(__file__).parent / "bundles"
"""Bundles that come with the package."""


@final
class Stain(Config):
    """One side of the translation."""

    name: str
    """What pathologists call it, for example H&E or Ki67."""
    channels: tuple[str, ...] = ("red", "green", "blue")
    """Channels of its images, in order."""
    background: int = 255
    """Value of empty glass, 0 to 255: white in transmitted light, 0 in fluorescence."""
    window: Window | None = None
    """Stored values (low, high) of each channel that the network sees as -1 and 1; null for the whole range. For images
    that leave most of their 16 bits empty; `training.percentiles` finds it."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.window is not None:
            if len(self.window) != len(self.channels):
                raise ValueError(f"window of {self.name} has {len(self.window)} channels, not {len(self.channels)}")
            if any(low >= high for low, high in self.window):
                raise ValueError(f"every low of window of {self.name} must be below its high")
        return self


Stains = Stain | tuple[Stain, ...]
"""One stain, or several in a list."""


def listed(stains: Stains) -> tuple[Stain, ...]:
    """Return one or several stains as several."""
    return (stains,) if isinstance(stains, Stain) else stains


def channels_of(stains: Stains) -> tuple[str, ...]:
    """Return the names of all channels: those of one stain as they are, of several with the stain before them."""
    several = listed(stains)
    if len(several) == 1:
        return several[0].channels
    return tuple(f"{stain.name} {channel}" for stain in several for channel in stain.channels)


@final
class Card(Config):
    """What stands in ``card.yaml``."""

    name: str
    """The bundle's own name."""
    summary: str
    """What it does, in one sentence."""
    source: Stain
    """What it takes."""
    target: Stains
    """What it makes."""
    mpp: float | None
    """Micrometres per pixel it was trained at; None where the training images state no scale (pixels as they are)."""
    tile: int
    """Side of the tiles the network sees, in pixels."""
    halo: int
    """Width of the border of a tile that serves as context and blending zone, in pixels."""
    sampling: Sampling
    """Sampler and steps unless asked otherwise."""
    method: str
    """Its name in the catalogue."""
    method_config: dict[str, Any]
    """Options of the method."""
    training: dict[str, Any]
    """Data, images seen, seed, command: enough to train it again."""
    metrics: dict[str, float]
    """What was measured on held-out data, and named so that nobody can misread it."""
    licence: str
    """Licence of the weights."""
    calibration: CalibrationRecord | None = None
    """How far intervals of its samples are widened; from `restain calibrate`, and gone with the weights."""
    restain: str = __version__
    """Version that wrote the bundle."""
    files: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of every other file in the folder."""

    @property
    def targets(self) -> tuple[Stain, ...]:
        """The stains it makes, one or several."""
        return listed(self.target)

    @property
    def made(self) -> str:
        """Their names, for people."""
        return ", ".join(stain.name for stain in self.targets)

    @property
    def channels_out(self) -> tuple[str, ...]:
        """The channels it makes, of all stains one after another."""
        return channels_of(self.target)


@final
@dataclass(frozen=True)
class Model:
    """A bundle in memory.

    Attributes:
        card: what the bundle says of itself.
        method: the networks, in evaluation mode.
    """

    card: Card
    method: Method

    @property
    def mpp(self) -> Mpp | None:
        """Scale it works at."""
        return Mpp.square(self.card.mpp) if self.card.mpp is not None else None


def save_bundle(folder: Path, card: Card, method: Method) -> None:
    """Write a bundle; an existing one is replaced as a whole, at the end.

    Weights are stored as float16, whose rounding (2^-11) is below the bfloat16 (2^-9) that networks run in; buffers,
    which hold measured constants of any size, as they are. What only training needs is left out.

    Args:
        folder: where the bundle goes.
        card: its ``files`` are filled in here, and a calibration, which was that of other weights, is left out.
        method: whose weights are saved.

    Raises:
        OutputError: the folder cannot be written.
    """
    fresh = folder.with_name(f"{folder.name}.partial")
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        trained = dict(method.named_parameters())
        weights = {
            name: (value.half() if name in trained else value).detach().cpu().contiguous()
            for name, value in method.shipped().items()
        }
        (fresh / WEIGHTS).write_bytes(safetensors.torch.save(weights))
        stamped = card.model_copy(update={"files": {WEIGHTS: _sha256(fresh / WEIGHTS)}, "calibration": None})
        (fresh / CARD).write_text(dump_config(stamped), encoding="utf-8")
        if folder.exists():
            previous = folder.with_name(f"{folder.name}.previous")
            shutil.rmtree(previous, ignore_errors=True)
            folder.rename(previous)
            fresh.rename(folder)
            shutil.rmtree(previous)
        else:
            fresh.rename(folder)
    except OSError as error:
        raise OutputError(
            f"bundle {folder} cannot be written ({error.strerror})", fix="free space there or choose another folder"
        ) from error


def load_card(folder: Path) -> Card:
    """Read the card of a bundle without its weights.

    Raises:
        BundleError: there is no card.
        ConfigError: the card is malformed.
    """
    path = folder / CARD
    if not path.is_file():
        raise BundleError(
            f"{folder} is not a model bundle (it has no {CARD})",
            fix="pass a folder that `restain train` wrote, or a name from `restain models`",
        )
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise BundleError(f"{path} cannot be read", fix="fetch the bundle again from its source") from error
    return parse_config(Card, tree, str(path))


def record_metrics(folder: Path, metrics: Mapping[str, float]) -> None:
    """Write what was measured of a model into its card.

    Raises:
        BundleError: there is no card.
        OutputError: it cannot be written.
    """
    _replace_card(folder, load_card(folder).model_copy(update={"metrics": dict(metrics)}))


def record_calibration(folder: Path, record: CalibrationRecord) -> None:
    """Write a calibration into the card of a model; an earlier one is replaced.

    Raises:
        BundleError: there is no card, or the weights are others than were calibrated.
        OutputError: the card cannot be written.
    """
    card = load_card(folder)
    if record.weights != card.files.get(WEIGHTS):
        raise BundleError(
            f"the weights of {folder} are others than were calibrated", fix="run `restain calibrate` on them again"
        )
    _replace_card(folder, card.model_copy(update={"calibration": record}))


def load_bundle(folder: Path) -> Model:
    """Read and verify a bundle.

    Raises:
        BundleError: missing card or weights, a file whose checksum differs, a file the card does not name, weights
            that do not belong to the method, or a calibration of other weights.
        ConfigError: the card is malformed.
    """
    card = load_card(folder)
    _verify(folder, card)
    method = build_method(
        card.method,
        card.method_config,
        source_channels=len(card.source.channels),
        target_channels=len(card.channels_out),
    ).dismantle()
    try:
        weights = safetensors.torch.load_file(folder / WEIGHTS)
    except SafetensorError as error:
        raise BundleError(
            f"{folder / WEIGHTS} is not a safetensors file", fix="fetch the bundle again from its source"
        ) from error
    expected = method.state_dict()
    odd = sorted(name for name in expected.keys() | weights.keys() if _shape(expected, name) != _shape(weights, name))
    if odd:
        raise BundleError(
            f"weights in {folder} do not belong to its method ({len(odd)} tensors differ, the first is {odd[0]})",
            fix="use the card that was saved with these weights",
        )
    method.load_state_dict({name: value.to(expected[name].dtype) for name, value in weights.items()})
    return Model(card, method.eval().requires_grad_(False))


def reconfigure(model: Model, options: Mapping[str, Any]) -> Model:
    """Return the same weights under changed options of the method, for example another start time or guidance scale.

    Its samples are others, so where an option does change, a calibration is left out.

    Args:
        model: stays as it is.
        options: those that change; they stand beside the card's.

    Raises:
        ConfigError: unknown options, or options under which the weights no longer fit.
    """
    changed = find_method(model.card.method).config_type.expanded(options)
    settings = {**model.card.method_config, **changed}
    calibration = model.card.calibration if settings == model.card.method_config else None
    card = model.card.model_copy(update={"method_config": settings, "calibration": calibration})
    method = build_method(
        card.method,
        card.method_config,
        source_channels=len(card.source.channels),
        target_channels=len(card.channels_out),
    ).dismantle()
    weights, expected = model.method.state_dict(), method.state_dict()
    if odd := [name for name in expected.keys() | weights.keys() if _shape(expected, name) != _shape(weights, name)]:
        raise ConfigError(
            f"with {', '.join(options)} changed, the weights of {card.name!r} no longer fit ({min(odd)} differs)",
            fix="change only how the model is used, or train one with these options",
        )
    method.load_state_dict(weights)
    return Model(card, method.eval().requires_grad_(False))


def aimed(model: Model, stain: str) -> Model:
    """Return the model that makes just this stain, with the same weights.

    Args:
        model: stays as it is.
        stain: one of those it makes; or its source, of a model that has learnt both directions.

    Raises:
        ConfigError: it does not make this stain.
    """
    card, turned = model.card, model.method.options_to_turn()
    names = [target.name for target in card.targets]
    if names == [stain]:
        return model
    if stain in names:
        options = model.method.options_to_make(names.index(stain))
        sides = {"target": card.targets[names.index(stain)]}
    else:
        options = turned if stain == card.source.name else None
        sides = {"source": card.targets[0], "target": card.source}
    if options is None:
        makes = names if turned is None else [*names, card.source.name]
        raise ConfigError(
            f"model {card.name!r} makes {' and '.join(makes)}, not {stain}",
            fix="name one of these, or choose another model (`restain models` lists them)",
        )
    return reconfigure(Model(card.model_copy(update=sides), model.method), options)


def find_bundle(name: str) -> Path:
    """Turn a path, or the name of a bundle on this machine, into a folder.

    Raises:
        BundleError: nothing of this name is there.
    """
    if Path(name).is_dir():
        return Path(name)
    known = {folder.name: folder for folder in bundles()}
    if name not in known:
        raise BundleError(
            f"there is no model {name!r}",
            fix=f"pass the folder of a bundle, or one of: {', '.join(sorted(known)) or 'none is installed'}",
        )
    return known[name]


def bundles() -> Iterator[Path]:
    """Yield the folders of all bundles on this machine: in ``$RESTAIN_MODELS``, in the user's data, and shipped."""
    data = Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share")) / "restain"
    places = [Path(place) for place in os.environ.get("RESTAIN_MODELS", "").split(os.pathsep) if place]
    for place in [*places, data, SHIPPED]:
        if place.is_dir():
            yield from sorted(card.parent for card in place.glob(f"*/{CARD}"))


def _verify(folder: Path, card: Card) -> None:
    present = {path.name for path in folder.iterdir()} - {CARD}
    named = set(card.files)
    if WEIGHTS not in named or named - present:
        missing = sorted((named | {WEIGHTS}) - present)
        raise BundleError(
            f"bundle {folder} lacks {', '.join(missing) or f'the checksum of {WEIGHTS}'}",
            fix="fetch the bundle again from its source",
        )
    if present - named:
        raise BundleError(
            f"bundle {folder} holds files its card does not name ({', '.join(sorted(present - named))})",
            fix="remove them, or fetch the bundle again from its source",
        )
    for name, digest in card.files.items():
        if _sha256(folder / name) != digest:
            raise BundleError(
                f"{folder / name} was changed or damaged (its SHA-256 is not the card's)",
                fix="fetch the bundle again from its source",
            )
    if card.calibration is not None and card.calibration.weights != card.files[WEIGHTS]:
        raise BundleError(
            f"the calibration in the card of {folder} is that of other weights",
            fix=f"remove `calibration` from its {CARD}, and run `restain calibrate`",
        )


def _replace_card(folder: Path, card: Card) -> None:
    """Write a card beside the bundle and move it in, so that a kill leaves the old one or the new one."""
    place = folder.resolve()  # "." has no name of its own
    fresh = place.with_name(f"{place.name}.{CARD}.partial")
    try:
        fresh.write_text(dump_config(card), encoding="utf-8")
        fresh.replace(place / CARD)
    except OSError as error:
        raise OutputError(
            f"the card of {folder} cannot be written ({error.strerror})", fix="copy the bundle to a place of your own"
        ) from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _shape(tensors: Mapping[str, torch.Tensor], name: str) -> torch.Size | None:
    return tensors[name].shape if name in tensors else None
