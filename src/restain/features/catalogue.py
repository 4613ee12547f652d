"""From a name to an extractor."""

from pathlib import Path

import torch

from restain.errors import ConfigError
from restain.features.extractor import Extractor
from restain.features.hub import HubExtractor
from restain.features.inception import InceptionExtractor
from restain.features.phantom import PhantomExtractor
from restain.features.stainnet import StainNetExtractor

NAMES = "phantom, stainnet, stainnet=PATH, inception, inception=PATH or timm=MODEL"


def find_extractor(name: str, device: torch.device | str = "cpu") -> Extractor:
    """Return an extractor.

    Args:
        name: ``phantom``; ``stainnet``, or ``stainnet=PATH`` with the folder of a bundle; ``inception``, or
            ``inception=PATH`` with a path of the published weights; ``timm=MODEL``.
        device: where the network runs.

    Raises:
        ConfigError: no such extractor.
        BundleError: its weights are not at hand, or not what they should be.
        MissingExtraError: it needs a package that is not installed.
    """
    match name.split("=", maxsplit=1):
        case ["phantom"]:
            return PhantomExtractor(device=device)
        case ["stainnet"]:
            return StainNetExtractor(device=device)
        case ["stainnet", path] if path:
            return StainNetExtractor(Path(path), device)
        case ["inception"]:
            return InceptionExtractor(device=device)
        case ["inception", path] if path:
            return InceptionExtractor(Path(path), device)
        case ["timm", model] if model:
            return HubExtractor(model, device)
    raise ConfigError(f"there is no extractor {name!r}", fix=f"choose {NAMES}")
