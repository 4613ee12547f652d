"""The network that has learned to tell facts of synthetic tissue, its card, and its files."""

from pathlib import Path
from typing import Any, final

import safetensors.torch
import torch
import yaml
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from restain import __version__
from restain.config import Config, dump_config, parse_config
from restain.errors import BundleError, OutputError
from restain.features.digest import sha256

FOLD = 4
"""Side of the pixel squares folded into channels at the entrance: nuclei are about 14 pixels wide."""

CARD, WEIGHTS = "card.yaml", "weights.safetensors"


@final
class PhantomCard(Config):
    """What stands beside the weights."""

    name: str
    """Its own name."""
    summary: str
    """What it is, in one sentence."""
    mpp: float
    """Micrometres per pixel of the pictures it learned from."""
    tile: int
    """Their side in pixels."""
    stains: tuple[str, ...]
    """What it tells apart."""
    facts: tuple[str, ...]
    """What else it tells."""
    training: dict[str, Any]
    """Enough to train it again."""
    metrics: dict[str, float]
    """On held-out slides: the share of stains told rightly, and of every fact the share of its variance (R2)."""
    licence: str
    """Licence of the weights."""
    restain: str = __version__
    """Version that wrote it."""
    files: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of the weights."""


@final
class PhantomNetwork(nn.Module):
    """A residual network whose features are means over the places of its last map (as those of Inception are).

    Batches are normalised while it learns, by constants afterwards. A norm per image would hide contrast and colour.

    Attributes:
        mean: of every fact; with ``spread``, what turns a standardised fact into one in its own unit.
        spread: standard deviation of every fact.

    Args:
        stains: how many stains it tells apart.
        facts: how many facts it tells.
        width: channels of the first stage; twice as many features.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, stains: int, facts: int, width: int = 64) -> None:
        super().__init__()
        self.dimension = 2 * width
        self.body = nn.Sequential(
            nn.PixelUnshuffle(FOLD),
            _convolution(3 * FOLD**2, width),
            nn.ReLU(),
            _Residual(width),
            _convolution(width, self.dimension, stride=2),
            nn.ReLU(),
            _Residual(self.dimension),
            _Residual(self.dimension),
        )
        self.register_buffer("mean", torch.zeros(facts))
        self.register_buffer("spread", torch.ones(facts))
        self.stain = nn.Linear(self.dimension, stains)
        self.facts = nn.Linear(self.dimension, facts)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def features(self, x: Tensor) -> Tensor:
        """Return (B, dimension) of images (B, 3, H, W) in [-1, 1], sides multiples of ``FOLD``."""
        places: Tensor = self.body(x)
        return places.float().mean((2, 3))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of the stains and the standardised facts."""
        features = self.features(x)
        return self.stain(features), self.facts(features)


@final
class _Residual(nn.Module):
    """Two convolutions beside a skip (He et al., 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _convolution(channels, channels)
        self.second = _convolution(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.second(functional.relu(self.first(x))))


def _convolution(channels: int, out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, out, 3, stride, padding=1, bias=False), nn.BatchNorm2d(out))


def save_phantom_network(folder: Path, network: PhantomNetwork, card: PhantomCard) -> None:
    """Write card and weights, these as float16 but for the buffers.

    Raises:
        OutputError: the folder cannot be written.
    """
    trained = dict(network.named_parameters())
    weights = {
        name: (value.half() if name in trained else value).detach().contiguous()
        for name, value in network.state_dict().items()
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / WEIGHTS).write_bytes(safetensors.torch.save(weights))
        stamped = card.model_copy(update={"files": {WEIGHTS: sha256(folder / WEIGHTS)}})
        (folder / CARD).write_text(dump_config(stamped), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{folder} cannot be written ({error.strerror})", fix="choose another folder") from error


def load_phantom_network(folder: Path) -> tuple[PhantomCard, PhantomNetwork]:
    """Read and verify card and weights.

    Raises:
        BundleError: one is missing, or the weights are not those of the card.
        ConfigError: the card is malformed.
    """
    again = "install restain again"
    if missing := [name for name in (CARD, WEIGHTS) if not (folder / name).is_file()]:
        raise BundleError(f"{folder} lacks {', '.join(missing)}", fix=again)
    card = parse_config(PhantomCard, yaml.safe_load((folder / CARD).read_text(encoding="utf-8")), str(folder / CARD))
    if card.files.get(WEIGHTS) != sha256(folder / WEIGHTS):
        raise BundleError(f"{folder / WEIGHTS} was changed or damaged (its SHA-256 is not the card's)", fix=again)
    network = PhantomNetwork(len(card.stains), len(card.facts))
    network.load_state_dict(safetensors.torch.load_file(folder / WEIGHTS))
    return card, network.eval().requires_grad_(False)
