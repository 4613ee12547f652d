"""What a run shows of itself: held-out losses and sample pictures."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Pillow
from torch import Tensor

from restain.data import Crops, batch_of
from restain.diffusion import RandomNoise
from restain.errors import GuidanceWarning
from restain.methods import Batch, Method
from restain.pixels import image_from_planes
from restain.training.config import TrainConfig

SHOWN = 8
"""Held-out crops per picture and held-out loss."""

MEASURED = 32
"""Held-out crops on which a method measures its constants."""


def held_out_batch(crops: Crops, count: int = SHOWN) -> Batch:
    """Return the same few held-out crops at every call."""
    return batch_of([crops[number] for number in range(count)])


def held_out_values(method: Method, batch: Batch, generator: Callable[[], torch.Generator]) -> dict[str, float]:
    """Return the losses of every player on held-out crops, and the method's diagnostics, by name.

    Args:
        method: in evaluation mode.
        batch: held-out crops.
        generator: makes the same generator at every call, so that values of different moments can be compared.
    """
    with torch.no_grad():
        losses = {
            f"held_out.{player}.{name}": value.item()
            for player in method.players()
            for name, value in method.losses(player, batch, generator()).items()
        }
    return losses | method.diagnostics(batch, generator())


def save_samples(path: Path, method: Method, batch: Batch, config: TrainConfig) -> None:
    """Save a picture with one row per held-out crop: source, virtual, real. Only the first three channels show.

    Of several stains each row shows the one that is known.
    """
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", GuidanceWarning)  # what guides is still learning
        virtual = method.stain(batch.source, RandomNoise(0), config.use.sampling)
    if batch.stain is not None:
        stains = virtual.reshape(len(virtual), -1, *batch.target.shape[1:])
        virtual = stains[torch.arange(len(stains), device=stains.device), batch.stain]
    columns = [_column(planes) for planes in (batch.source, virtual, batch.target)]
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(np.concatenate(columns, axis=1)).save(path)


def _column(planes: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    shown = planes[:, :3] if planes.shape[1] >= 3 else planes[:, :1].expand(-1, 3, -1, -1)
    return np.concatenate([image_from_planes(image) for image in shown.float().cpu().numpy()])
