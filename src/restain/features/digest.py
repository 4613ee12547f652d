"""Which weights made a feature: distances are comparable only between features of the same ones."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_weights(weights: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of tensors by name, whatever the file they came in: names, shapes, types and values."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        value = weights[name].detach().cpu().contiguous()
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}\n".encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()
