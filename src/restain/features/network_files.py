"""The files of a network of ours that gives features: a card beside weights, checked by SHA-256."""

from abc import ABC
from pathlib import Path
from typing import Any, TypeVar

import safetensors.torch
import yaml
from pydantic import Field
from safetensors import SafetensorError
from torch import nn

from restain import __version__
from restain.config import Config, dump_config, parse_config
from restain.errors import BundleError, OutputError
from restain.features.digest import sha256

CARD, WEIGHTS = "card.yaml", "weights.safetensors"


class NetworkCard(Config, ABC):
    """What stands beside the weights of every such network."""

    name: str
    """Its own name."""
    summary: str
    """What it is, in one sentence."""
    mpp: float | None
    """Micrometres per pixel of the pictures it learned from; None where nobody knows."""
    tile: int
    """Their side in pixels."""
    training: dict[str, Any]
    """Enough to train it again."""
    metrics: dict[str, float]
    """What was measured of it, on slides that it has not learned from."""
    licence: str
    """Licence of the weights."""
    restain: str = __version__
    """Version that wrote it."""
    files: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of the weights."""

    @property
    def digest(self) -> str:
        """SHA-256 of the weights."""
        return self.files[WEIGHTS]


C = TypeVar("C", bound=NetworkCard)


def save_network(folder: Path, network: nn.Module, card: NetworkCard) -> None:
    """Write card and weights, these as float16 but for the buffers, which hold measured constants of any size.

    Raises:
        OutputError: the folder cannot be written.
    """
    trained = dict(network.named_parameters())
    weights = {
        name: (value.half() if name in trained else value).detach().cpu().contiguous()
        for name, value in network.state_dict().items()
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / WEIGHTS).write_bytes(safetensors.torch.save(weights))
        stamped = card.model_copy(update={"files": {WEIGHTS: sha256(folder / WEIGHTS)}})
        (folder / CARD).write_text(dump_config(stamped), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{folder} cannot be written ({error.strerror})", fix="choose another folder") from error


def load_network_card(kind: type[C], folder: Path, again: str) -> C:
    """Read the card, and see that the weights are those it names.

    Args:
        kind: of the card.
        folder: of card and weights.
        again: how to get them anew, as an imperative.

    Raises:
        BundleError: one is missing, or the weights are not those of the card.
        ConfigError: the card is malformed, or of another kind.
    """
    if missing := [name for name in (CARD, WEIGHTS) if not (folder / name).is_file()]:
        raise BundleError(f"{folder} lacks {', '.join(missing)}", fix=again)
    try:
        tree = yaml.safe_load((folder / CARD).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise BundleError(f"{folder / CARD} cannot be read", fix=again) from error
    card = parse_config(kind, tree, str(folder / CARD))
    if card.files.get(WEIGHTS) != sha256(folder / WEIGHTS):
        raise BundleError(f"{folder / WEIGHTS} was changed or damaged (its SHA-256 is not the card's)", fix=again)
    return card


def load_weights(folder: Path, network: nn.Module, again: str) -> None:
    """Read the weights into a network, and make it ready for use.

    Raises:
        BundleError: weights of another network.
    """
    try:
        network.load_state_dict(safetensors.torch.load_file(folder / WEIGHTS))
    except (SafetensorError, RuntimeError) as error:
        raise BundleError(f"{folder / WEIGHTS} does not belong to its card", fix=again) from error
    network.eval().requires_grad_(False)
