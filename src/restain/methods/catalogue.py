"""Every method by its name. To add one: write its file, add its line."""

from collections.abc import Mapping
from typing import Any

from restain.config import parse_config
from restain.errors import ConfigError
from restain.methods.autoencoder import Autoencoder
from restain.methods.base import Method
from restain.methods.bridge import Bridge, LatentBridge
from restain.methods.conditional import Conditional
from restain.methods.cut import CUT
from restain.methods.cycle_diffusion import CycleDiffusion
from restain.methods.cyclegan import CycleGAN
from restain.methods.ddib import DDIB
from restain.methods.egsde import EGSDE
from restain.methods.ilvr import ILVR
from restain.methods.miu_diff import MIUDiff
from restain.methods.pix2pix import Pix2Pix
from restain.methods.prior import Prior
from restain.methods.regression import Regression
from restain.methods.sdedit import SDEdit
from restain.methods.segmentation import Segmentation
from restain.methods.stain_diffuser import StainDiffuser

METHODS: Mapping[str, type[Method]] = {
    "autoencoder": Autoencoder,
    "bridge": Bridge,
    "conditional": Conditional,
    "cycle_diffusion": CycleDiffusion,
    "cut": CUT,
    "cyclegan": CycleGAN,
    "ddib": DDIB,
    "egsde": EGSDE,
    "ilvr": ILVR,
    "latent_bridge": LatentBridge,
    "miu_diff": MIUDiff,
    "pix2pix": Pix2Pix,
    "prior": Prior,
    "regression": Regression,
    "sdedit": SDEdit,
    "segmentation": Segmentation,
    "stain_diffuser": StainDiffuser,
}
"""Name -> class."""


def find_method(name: str) -> type[Method]:
    """Return the class of a method.

    Raises:
        ConfigError: no method has this name.
    """
    if name not in METHODS:
        raise ConfigError(f"there is no method {name!r}", fix=f"choose one of {', '.join(METHODS)}")
    return METHODS[name]


def build_method(name: str, options: Mapping[str, Any], *, source_channels: int, target_channels: int) -> Method:
    """Build a method with fresh weights from its name and plain options.

    Raises:
        ConfigError: unknown method, or options that do not fit it.
    """
    kind = find_method(name)
    config = parse_config(kind.config_type, options, f"options of method {name!r}")
    return kind(config, source_channels=source_channels, target_channels=target_channels)
