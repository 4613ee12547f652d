"""Networks. They know nothing of slides, stains or noise schedules."""

from restain.nn.footprint import Footprint, footprint
from restain.nn.unet import UNet, UNetConfig

__all__ = ["Footprint", "UNet", "UNetConfig", "footprint"]
