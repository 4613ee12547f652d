"""The size of a network in parameters and floating-point operations."""

import copy
from dataclasses import dataclass
from typing import Any, final

import torch
from torch.utils.flop_counter import FlopCounterMode

from restain.nn.encoder import Encoder
from restain.nn.modulation import Modulation
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


def footprint(network: UNet | Encoder, side: int = 128) -> Footprint:
    """Count parameters and the operations of one pass over a ``side`` x ``side`` image, without computing it.

    What modulations prepare once per image is not part of the pass.
    """
    shape_only = copy.deepcopy(network).to("meta")
    down = shape_only if isinstance(shape_only, Encoder) else shape_only.down
    x = torch.zeros(1, down.entrance.in_channels // down.fold**2, side, side, device="meta")
    with torch.no_grad():
        given = _given(shape_only, side) if isinstance(shape_only, UNet) else {}
        with FlopCounterMode(display=False) as counter:
            shape_only(x, **given)
    return Footprint(sum(p.numel() for p in network.parameters()), counter.get_total_flops() / side**2)


def _given(network: UNet, side: int) -> dict[str, Any]:
    """Return what a pass takes beside the image."""
    given: dict[str, Any] = {}
    if network.time is not None:
        given["time"] = torch.zeros(1, device="meta")
    if network.label is not None:
        given["label"] = torch.zeros(1, dtype=torch.int64, device="meta")
    context = []
    for level, modulation in enumerate(network.modulations):
        assert isinstance(modulation, Modulation)
        edge = side // network.fold >> level
        context.append(modulation.prepare(torch.zeros(1, modulation.source_channels, edge, edge, device="meta")))
    return {**given, "context": context}
