import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from restain.errors import BundleError, MissingExtraError
from restain.features import find_extractor


class Means(nn.Module):
    """An encoder whose features are the means of the three channels it is given, and the side of what it is given."""

    num_features = 4

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        side = torch.full((len(x), 1), float(x.shape[2]))
        return torch.cat([self.weight * x.mean((2, 3)), side], dim=1)


@pytest.fixture
def asked(monkeypatch) -> list[tuple[str, dict[str, object]]]:
    """A module that stands in for timm, and what was asked of it."""
    asked = []

    def create_model(name: str, **options: object) -> Means:
        asked.append((name, options))
        if name == "nobody":
            raise RuntimeError("Unknown model (nobody)\nand more")
        return Means()

    timm = ModuleType("timm")
    timm.create_model = create_model
    facts = {"mean": (0.5, 0.25, 0.0), "std": (0.5, 1.0, 2.0), "input_size": (3, 224, 224), "interpolation": "bicubic"}
    timm.data = SimpleNamespace(resolve_model_data_config=lambda network: facts)
    layers = ModuleType("timm.layers")
    layers.SwiGLUPacked = object
    monkeypatch.setitem(sys.modules, "timm", timm)
    monkeypatch.setitem(sys.modules, "timm.layers", layers)
    return asked


def test_an_encoder_sees_images_as_it_was_trained(asked):
    extractor = find_extractor("timm=means")
    features = extractor(np.full((2, 100, 80, 3), 255, np.uint8))
    assert asked == [("means", {"pretrained": True, "num_classes": 0})]
    assert (extractor.name, extractor.dimension, extractor.side) == ("timm=means", 4, 224)
    assert np.allclose(features, [[1, 0.75, 0.5, 224]] * 2, atol=1e-5)  # (1 - mean) / std


def test_large_images_are_smoothed_before_they_shrink(asked):
    stripes = np.zeros((1, 448, 448, 3), np.uint8)
    stripes[:, :, ::4] = 255
    assert np.allclose(find_extractor("timm=means")(stripes)[0, 0], (0.25 - 0.5) / 0.5, atol=0.01)


def test_weights_are_told_apart_by_their_digest(asked):
    one, same, other = (find_extractor("timm=means") for _ in range(3))
    assert one.digest == same.digest
    other._network.weight.data += 1
    from restain.features.digest import sha256_of_weights

    assert sha256_of_weights(other._network.state_dict()) != one.digest


def test_an_encoder_that_states_its_shape_elsewhere_is_given_it(asked):
    find_extractor("timm=hf-hub:MahmoodLab/UNI2-h")
    ((_, options),) = asked
    assert options["embed_dim"] == 1536
    assert options["pretrained"] is True


def test_an_unknown_encoder_is_one_sentence(asked):
    with pytest.raises(BundleError, match=r"timm cannot load 'nobody' \(Unknown model \(nobody\)\)"):
        find_extractor("timm=nobody")


def test_without_timm_the_way_to_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingExtraError, match=r"pip install timm.*brings torchvision"):
        find_extractor("timm=resnet50")
