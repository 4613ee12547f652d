"""Networks, and what is measured and minimised with them. They know nothing of slides, stains or noise schedules."""

from restain.nn.footprint import Footprint, footprint
from restain.nn.mine import Mine, MineConfig
from restain.nn.mutual_information import (
    Bound,
    MarginalAverage,
    donsker_varadhan,
    infonce,
    jensen_shannon,
    smile,
)
from restain.nn.structure import PROXY_CHANNELS, Proxy, structure_map
from restain.nn.unet import UNet, UNetConfig

__all__ = [
    "PROXY_CHANNELS",
    "Bound",
    "Footprint",
    "MarginalAverage",
    "Mine",
    "MineConfig",
    "Proxy",
    "UNet",
    "UNetConfig",
    "donsker_varadhan",
    "footprint",
    "infonce",
    "jensen_shannon",
    "smile",
    "structure_map",
]
