"""Small folders of images that tests read."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def write_images() -> Callable[..., Path]:
    """Return a function that fills a folder with small random images of the names given, a suffix included."""

    def write(folder: Path, names: Iterable[str], side: int = 16) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            rng = np.random.default_rng(sum(f"{folder.name}/{name}".encode()))
            Image.fromarray(rng.integers(0, 255, (side, side, 3), dtype=np.uint8)).save(folder / name)
        return folder

    return write
