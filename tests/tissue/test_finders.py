import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from restain.colour import H_DAB_FIJI
from restain.errors import ConfigError, MissingExtraError
from restain.geometry import Mpp, Region
from restain.phantom import Phantom
from restain.tissue import find_nuclei, nucleus_finder

MPP = Mpp.square(0.5)
IMAGE = Phantom(3).render("ki67", Region(0, 0, 96, 80), MPP)
FOUND = np.zeros(IMAGE.shape[:2], np.uint16)
FOUND[10:20, 10:20], FOUND[40:50, 30:40] = 3, 9


class Network:
    """Stands for the models of all three packages, and remembers how it was called."""

    def __init__(self, *_, **__):
        self.called = {}

    from_pretrained = classmethod(lambda cls, name: cls(name))

    def predict_instances(self, image, axes, scale):
        assert (image.dtype, axes) == (np.float32, "YXC")
        assert scale == (2, 2, 1)  # from 0.5 to 0.25 um/px
        return FOUND, {}

    def eval(self, image, channel_axis, diameter):
        assert (channel_axis, diameter) == (2, 14)  # 7 um
        return FOUND, None, None

    def eval_medium_image(self, image, pixel_size, return_image_tensor, target):
        assert (pixel_size, return_image_tensor, target) == (0.5, False, "nuclei")
        return FOUND[None, None]


@pytest.fixture
def installed(monkeypatch):
    core = SimpleNamespace(use_gpu=lambda: False)
    models = SimpleNamespace(StarDist2D=Network, CellposeModel=Network)
    for name, module in {
        "stardist": ModuleType("stardist"),
        "stardist.models": models,
        "cellpose": ModuleType("cellpose"),
        "cellpose.models": models,
        "cellpose.core": core,
        "instanseg": SimpleNamespace(InstanSeg=Network),
    }.items():
        monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.parametrize("name", ["stardist", "cellpose", "instanseg"])
def test_networks_are_asked_at_their_scale_and_their_nuclei_are_numbered_without_gaps(installed, name):
    labels = nucleus_finder(name)(IMAGE, MPP)
    assert (labels.dtype, labels.shape) == (np.int32, IMAGE.shape[:2])
    assert (labels == np.select([FOUND == 3, FOUND == 9], [1, 2])).all()


@pytest.mark.parametrize("name", ["stardist", "cellpose", "instanseg"])
def test_a_network_that_is_not_there_says_how_to_get_it(monkeypatch, name):
    for module in (name, f"{name}.models"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match="pip install"):
        nucleus_finder(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["stardist", "cellpose", "instanseg"])
def test_networks_that_are_installed_find_the_nuclei(name):
    pytest.importorskip(name)
    ours = nucleus_finder()(IMAGE, MPP).max()
    assert ours / 2 < nucleus_finder(name)(IMAGE, MPP).max() < 2 * ours


def test_ours_is_the_watershed():
    marks = ("hematoxylin", "dab")
    assert (nucleus_finder("watershed", marks)(IMAGE, MPP) == find_nuclei(IMAGE, MPP, H_DAB_FIJI, marks)).all()
    with pytest.raises(ConfigError, match="watershed, stardist"):
        nucleus_finder("eyes")
