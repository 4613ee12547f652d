"""Checkpoints that survive ``kill -9`` at any instant: written aside, flushed, then renamed; the last two are kept."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

import safetensors.torch
from torch import Tensor, nn, optim

from restain.errors import OutputError, TrainingError

KEPT = 2
"""Checkpoints on disk; the one before the last is insurance against a dying disk."""


@final
@dataclass(frozen=True)
class Training:
    """Everything that must survive a kill, by name.

    Attributes:
        method: the networks.
        average: their averaged weights, by name.
        optimisers: one per player.
    """

    method: nn.Module
    average: dict[str, Tensor]
    optimisers: Mapping[str, optim.Optimizer]


def save_checkpoint(folder: Path, training: Training, images: int) -> None:
    """Write the state after ``images`` images.

    Raises:
        OutputError: the disk is full or cannot be written.
    """
    fresh, final_place = folder / ".partial", folder / f"{images:012d}"
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        _save(fresh / "method.safetensors", training.method.state_dict())
        _save(fresh / "average.safetensors", training.average)
        for player, optimiser in training.optimisers.items():
            _save(fresh / f"optimiser-{player}.safetensors", _flatten(optimiser))
        (fresh / "state.json").write_text(json.dumps({"images": images}), encoding="utf-8")
        for path in [*fresh.iterdir(), fresh]:
            _flush(path)
        shutil.rmtree(final_place, ignore_errors=True)
        fresh.rename(final_place)
        _flush(folder)
    except OSError as error:
        raise OutputError(
            f"checkpoint {final_place} cannot be written ({error.strerror})",
            fix="free space and run the same command again, which goes on from the last checkpoint",
        ) from error
    for old in checkpoints(folder)[:-KEPT]:
        shutil.rmtree(old)


def load_checkpoint(folder: Path, training: Training) -> int:
    """Restore the newest checkpoint, if there is one, and return the images seen.

    Raises:
        TrainingError: the checkpoint belongs to other networks.
    """
    found = checkpoints(folder)
    if not found:
        return 0
    newest = found[-1]
    try:
        training.method.load_state_dict(_load(newest / "method.safetensors"))
        averaged = _load(newest / "average.safetensors")
        for name, value in training.average.items():
            training.average[name] = averaged[name].to(value)
        for player, optimiser in training.optimisers.items():
            _unflatten(optimiser, _load(newest / f"optimiser-{player}.safetensors"))
    except (OSError, KeyError, RuntimeError, safetensors.SafetensorError) as error:
        raise TrainingError(
            f"checkpoint {newest} cannot be restored ({str(error).splitlines()[0]})",
            fix="delete this checkpoint to go on from the one before, or choose another folder with out=...",
        ) from error
    images: int = json.loads((newest / "state.json").read_text(encoding="utf-8"))["images"]
    return images


def checkpoints(folder: Path) -> list[Path]:
    """Return the complete checkpoints of a run, oldest first."""
    return sorted(path for path in folder.glob("[0-9]*") if path.is_dir())


def _save(path: Path, tensors: Mapping[str, Tensor]) -> None:
    safetensors.torch.save_file({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, path)


def _load(path: Path) -> dict[str, Tensor]:
    return safetensors.torch.load_file(path)


def _flatten(optimiser: optim.Optimizer) -> dict[str, Tensor]:
    """Name the moments of an optimiser ``<parameter number>.<moment>``; learning rates are set anew at every step."""
    state = optimiser.state_dict()["state"]
    return {f"{number}.{name}": value for number, moments in state.items() for name, value in moments.items()}


def _unflatten(optimiser: optim.Optimizer, flat: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in flat.items():
        number, name = key.split(".", 1)
        state.setdefault(int(number), {})[name] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
