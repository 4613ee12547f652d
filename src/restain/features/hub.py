"""Extractors out of timm and the Hugging Face hub, such as the encoders that were trained on pathology."""

import importlib
from typing import Any, final

import torch
from torch import Tensor
from torch.nn import functional

from restain.errors import BundleError, MissingExtraError
from restain.features.digest import sha256_of_weights
from restain.features.extractor import Extractor


@final
class HubExtractor(Extractor):
    """Any encoder of timm by name, for example ``resnet50``, or of the hub, ``hf-hub:MahmoodLab/UNI``.

    What timm says of it is followed: images are resized to its side (smoothed first where they are larger), and
    standardised with its mean and standard deviation. Nothing is cropped away.

    Args:
        model: name in timm.
        device: where the network runs.

    Raises:
        MissingExtraError: timm is not installed.
        BundleError: timm has no such encoder, or its weights are out of reach.
    """

    def __init__(self, model: str, device: torch.device | str = "cpu") -> None:
        super().__init__(device)
        timm = _timm()
        try:
            network = timm.create_model(model, pretrained=True, num_classes=0, **OPTIONS.get(model, dict)())
        except Exception as error:  # timm and the hub raise errors of a dozen kinds
            raise BundleError(
                f"timm cannot load {model!r} ({_first_line(error)})",
                fix="check the name, the network and, for gated encoders, `huggingface-cli login`",
            ) from error
        facts: dict[str, Any] = timm.data.resolve_model_data_config(network)
        self._network = network.eval().requires_grad_(False).to(self.device)
        self._mode = facts["interpolation"]
        self._mean, self._std = (torch.tensor(facts[key], device=self.device)[:, None, None] for key in ("mean", "std"))
        self.name = f"timm={model}"
        self.dimension = network.num_features
        self.side = facts["input_size"][1]
        self.resizes = True
        self.digest = sha256_of_weights(network.state_dict())

    def _features(self, x: Tensor) -> Tensor:
        smooth = max(x.shape[2:]) > self.side
        x = functional.interpolate(x, (self.side, self.side), mode=self._mode, align_corners=False, antialias=smooth)
        features: Tensor = self._network((x - self._mean) / self._std)
        return features


def _uni2() -> dict[str, Any]:
    """Return the shape of UNI2-h, which stands on its page (huggingface.co/MahmoodLab/UNI2-h) and not in its files."""
    return {
        "img_size": 224,
        "patch_size": 14,
        "depth": 24,
        "num_heads": 24,
        "init_values": 1e-5,
        "embed_dim": 1536,
        "mlp_ratio": 2.66667 * 2,
        "no_embed_class": True,
        "mlp_layer": importlib.import_module("timm.layers").SwiGLUPacked,
        "act_layer": torch.nn.SiLU,
        "reg_tokens": 8,
        "dynamic_img_size": True,
    }


OPTIONS = {"hf-hub:MahmoodLab/UNI2-h": _uni2}
"""What must be said of an encoder beside its name."""


def _timm() -> Any:
    try:
        return importlib.import_module("timm")
    except ImportError as error:
        raise MissingExtraError(
            "encoders of timm need timm, which is not installed",
            fix="run `pip install timm` (it brings torchvision, which must fit your torch)",
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
