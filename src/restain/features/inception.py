"""The extractor of the FID: Inception-v3, images resized to 299 pixels."""

import os
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import final

import torch
from torch import Tensor
from torch.nn import functional

from restain.errors import BundleError
from restain.features.digest import sha256
from restain.features.extractor import Extractor
from restain.features.inception_network import InceptionNetwork

FILE = "pt_inception-2015-12-05-6726825d.pth"
URL = f"https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/{FILE}"
"""Where the weights are published; 96 MB, Apache-2.0."""

CHECKSUM = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
"""SHA-256 of the file. Its name gives the first eight digits, and projects that use the file give all of them."""

SIDE = 299
"""Side in pixels of the images that the network takes."""

PATIENCE = 30
"""Seconds without an answer after which a server counts as out of reach."""


@final
class InceptionExtractor(Extractor):
    """The 2048 numbers of ``pool3``; images are resized to 299 x 299 by bilinear interpolation and run in [-1, 1].

    Interpolation does not smooth first, as in pytorch-fid, the usual implementation in torch: smaller images are
    enlarged, larger ones are subsampled, and other implementations resize otherwise. Products keep all digits of 32-bit
    numbers, so that a GPU gives the features of a CPU up to rounding.

    Args:
        path: of the published weights; None to take them from the user's cache, or to fetch them into it.
        device: where the network runs.

    Raises:
        BundleError: the weights are not at hand and cannot be fetched, or are not the published ones.
    """

    def __init__(self, path: Path | None = None, device: torch.device | str = "cpu") -> None:
        super().__init__(device)
        place = fetched() if path is None else path
        self._network = load_inception_network(place).to(self.device)
        self.name = "inception"
        self.dimension = self._network.dimension
        self.side = SIDE
        self.resizes = True
        self.digest = sha256(place)

    def _features(self, x: Tensor) -> Tensor:
        with full_precision():
            features: Tensor = self._network(2 * resized(x) - 1)
        return features


@contextmanager
def full_precision() -> Iterator[None]:
    """Keep NVIDIA GPUs from rounding the factors of products to 11 bits (TF32), which cuDNN does unless told not to."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = matmul.allow_tf32
    kept = {"enabled": cudnn.enabled, "benchmark": cudnn.benchmark, "deterministic": cudnn.deterministic}
    with cudnn.flags(**kept, allow_tf32=False):
        matmul.allow_tf32 = False
        try:
            yield
        finally:
            matmul.allow_tf32 = before


def resized(x: Tensor) -> Tensor:
    """Return images (B, 3, H, W) as (B, 3, 299, 299); corners of pixels, not their centres, stay in place."""
    return functional.interpolate(x, size=(SIDE, SIDE), mode="bilinear", align_corners=False, antialias=False)


def load_inception_network(path: Path) -> InceptionNetwork:
    """Read and verify the published weights.

    Raises:
        BundleError: no such file, or another one.
    """
    again = f"download {URL} and pass it as inception=PATH"
    if not path.is_file():
        raise BundleError(f"there are no weights of Inception at {path}", fix=again)
    if sha256(path) != CHECKSUM:
        raise BundleError(f"{path} does not hold the published weights (its SHA-256 is another)", fix=again)
    weights: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    network = InceptionNetwork()
    # How many batches a norm has seen is a count that only training needs, and that the file may lack.
    counts = {name: value for name, value in network.state_dict().items() if name.endswith("num_batches_tracked")}
    network.load_state_dict(weights | counts)
    return network.eval().requires_grad_(False)


def fetched() -> Path:
    """Return the weights in the user's cache, fetched if they are not yet there.

    Raises:
        BundleError: they are out of reach, or not the published ones.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "restain"
    place = cache / FILE
    if place.is_file():
        return place
    partial = cache / f"{FILE}.partial"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(URL, timeout=PATIENCE) as answer, partial.open("wb") as file:
            while block := answer.read(1 << 20):
                file.write(block)
    except OSError as error:
        raise BundleError(
            f"the weights of Inception are not on this machine and cannot be fetched ({error})",
            fix=f"download {URL} elsewhere and pass it as inception=PATH, or take --features phantom",
        ) from error
    if sha256(partial) != CHECKSUM:
        partial.unlink()
        raise BundleError(f"what {URL} sent is not the published file", fix="try again")
    return partial.replace(place)
