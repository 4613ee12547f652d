"""The size of a network in parameters and floating-point operations."""

import copy
from dataclasses import dataclass
from typing import final

import torch
from torch.utils.flop_counter import FlopCounterMode

from restain.nn.unet import UNet


@final
@dataclass(frozen=True)
class Footprint:
    """What a network costs.

    Attributes:
        parameters: number of trainable values.
        flops_per_pixel: operations of one forward pass per input pixel, a multiply-add counted as two; attention,
            whose share grows with the image, is counted at the side that was asked for.
    """

    parameters: int
    flops_per_pixel: float

    def __str__(self) -> str:
        """Return for example ``1.7 M parameters, 110 kFLOP per pixel``."""
        return f"{self.parameters / 1e6:.1f} M parameters, {self.flops_per_pixel / 1e3:.0f} kFLOP per pixel"


def footprint(network: UNet, side: int = 128) -> Footprint:
    """Count parameters and the operations of one pass over a ``side`` x ``side`` image, without computing it."""
    shape_only = copy.deepcopy(network).to("meta")
    channels = network.down.entrance.in_channels // network.fold**2
    x = torch.zeros(1, channels, side, side, device="meta")
    time = torch.zeros(1, device="meta") if network.time is not None else None
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        shape_only(x, time)
    return Footprint(sum(p.numel() for p in network.parameters()), counter.get_total_flops() / side**2)
