"""Networks, and what is measured and minimised with them. They know nothing of slides, stains or noise schedules."""

from restain.nn.classifier import NoiseClassifier, NoiseClassifierConfig
from restain.nn.encoder import Encoder
from restain.nn.footprint import Footprint, footprint
from restain.nn.low_pass import LowPass, low_pass
from restain.nn.low_rank import low_rank, restored
from restain.nn.mine import Mine, MineConfig
from restain.nn.modulation import Context, Modulation, ModulationConfig, build_modulation
from restain.nn.mutual_information import (
    Bound,
    MarginalAverage,
    donsker_varadhan,
    infonce,
    jensen_shannon,
    smile,
)
from restain.nn.patch_nce import feature_distance, gather_places, patch_nce
from restain.nn.structure import PROXY_CHANNELS, Proxy, luma_of, structure_map
from restain.nn.unet import UNet
from restain.nn.unet_config import UNetConfig

__all__ = [
    "PROXY_CHANNELS",
    "Bound",
    "Context",
    "Encoder",
    "Footprint",
    "LowPass",
    "MarginalAverage",
    "Mine",
    "MineConfig",
    "Modulation",
    "ModulationConfig",
    "NoiseClassifier",
    "NoiseClassifierConfig",
    "Proxy",
    "UNet",
    "UNetConfig",
    "build_modulation",
    "donsker_varadhan",
    "feature_distance",
    "footprint",
    "gather_places",
    "infonce",
    "jensen_shannon",
    "low_pass",
    "low_rank",
    "luma_of",
    "patch_nce",
    "restored",
    "smile",
    "structure_map",
]
