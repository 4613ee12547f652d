"""Networks, and what is measured and minimised with them. They know nothing of slides, stains or noise schedules."""

from restain.nn.classifier import NoiseClassifier, NoiseClassifierConfig
from restain.nn.footprint import Footprint, footprint
from restain.nn.low_pass import LowPass, low_pass
from restain.nn.low_rank import low_rank, restored
from restain.nn.mine import Mine, MineConfig
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
from restain.nn.unet import UNet, UNetConfig

__all__ = [
    "PROXY_CHANNELS",
    "Bound",
    "Footprint",
    "LowPass",
    "MarginalAverage",
    "Mine",
    "MineConfig",
    "NoiseClassifier",
    "NoiseClassifierConfig",
    "Proxy",
    "UNet",
    "UNetConfig",
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
