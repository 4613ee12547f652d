"""Who finds the nuclei: ours, or a network that others trained, where it is installed.

``watershed`` needs nothing and learned nothing. ``stardist`` (Schmidt et al. 2018; its model ``2D_versatile_he``),
``cellpose`` (Pachitariu et al. 2025, Cellpose-SAM) and ``instanseg`` (Goldsborough et al. 2024; its
``brightfield_nuclei``) are found when they are asked for, never before, and bring weights under terms of their own,
which they download when first used. All three learned from bright-field images with nuclei outlined by people, mostly
H&E, and know nothing of the dyes.
"""

import importlib
from collections.abc import Callable, Mapping
from functools import partial
from types import ModuleType
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from restain.colour import H_DAB_FIJI
from restain.errors import ConfigError, MissingExtraError
from restain.geometry import Mpp
from restain.tissue.nuclei import Labels, find_nuclei

FinderName = Literal["watershed", "stardist", "cellpose", "instanseg"]
"""The finders of nuclei by name."""

STARDIST_MPP = 0.25
"""Micrometres per pixel of the images that its model learned from, MoNuSeg and TNBC, both of 40x objectives."""

CELLPOSE_DIAMETER = 7.0
"""Micrometres across an average nucleus; Cellpose brings what has this diameter to 30 pixels."""


class NucleusFinder(Protocol):
    """Finds nuclei: (H, W, 3) uint8 and its scale -> (H, W) int32, 0 outside of nuclei, else 1, 2, 3, ..., no gaps."""

    def __call__(self, image: NDArray[np.uint8], mpp: Mpp) -> Labels:
        """Return the nuclei of an image."""
        ...


def nucleus_finder(name: str = "watershed", marks: tuple[str, ...] = ("hematoxylin",)) -> NucleusFinder:
    """Return a finder of nuclei, ready to run on images of hematoxylin and DAB.

    Args:
        name: of ``FinderName``.
        marks: the dyes that show nuclei, for ``watershed``; the networks look at the image as it is.

    Raises:
        ConfigError: no finder has this name.
        MissingExtraError: its package is not installed.
    """
    if name == "watershed":
        return partial(find_nuclei, stains=H_DAB_FIJI, marks=marks)
    if name not in _NETWORKS:
        raise ConfigError(f"nobody called {name!r} finds nuclei", fix=f"choose among {', '.join(get_args(FinderName))}")
    find = _NETWORKS[name]()
    return lambda image, mpp: _as_labels(find(image, mpp), image)


_Find = Callable[[NDArray[np.uint8], Mpp], Any]


def _stardist() -> _Find:
    models = _module("stardist.models", "pip install stardist tensorflow")
    model = models.StarDist2D.from_pretrained("2D_versatile_he")

    def find(image: NDArray[np.uint8], mpp: Mpp) -> Any:
        low, high = np.percentile(image, (1, 99.8))
        scaled = ((image - low) / max(high - low, 1)).astype(np.float32)
        return model.predict_instances(scaled, axes="YXC", scale=(mpp.y / STARDIST_MPP, mpp.x / STARDIST_MPP, 1))[0]

    return find


def _cellpose() -> _Find:
    models = _module("cellpose.models", "pip install cellpose, which brings torchvision: use an environment of its own")
    core = _module("cellpose.core", "pip install cellpose")
    model = models.CellposeModel(gpu=core.use_gpu())
    return lambda image, mpp: model.eval(image, channel_axis=2, diameter=CELLPOSE_DIAMETER / mpp.mean)[0]


def _instanseg() -> _Find:
    package = _module("instanseg", "pip install instanseg-torch")
    model = package.InstanSeg("brightfield_nuclei", verbosity=0)

    def find(image: NDArray[np.uint8], mpp: Mpp) -> Any:
        return model.eval_medium_image(image, pixel_size=mpp.mean, return_image_tensor=False, target="nuclei")

    return find


_NETWORKS: Mapping[str, Callable[[], _Find]] = {"stardist": _stardist, "cellpose": _cellpose, "instanseg": _instanseg}


def _module(name: str, install: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except (ImportError, RuntimeError) as error:  # StarDist raises RuntimeError where TensorFlow is missing
        package = name.partition(".")[0]
        raise MissingExtraError(f"nuclei cannot be found by {package} ({error})", fix=install) from error


def _as_labels(found: Any, image: NDArray[np.uint8]) -> Labels:
    """Return what a network has found, however it numbers nuclei, as (H, W) without gaps."""
    plane = np.asarray(found).reshape(image.shape[:2]).astype(np.int64)
    numbers, place = np.unique(np.append(plane.ravel(), 0), return_inverse=True)
    labels: Labels = (place[:-1] - np.searchsorted(numbers, 0)).reshape(plane.shape).astype(np.int32)
    return labels
