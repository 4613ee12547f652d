"""What is said of training images before hours are spent on them."""

import warnings

import numpy as np
import pytest
from PIL import Image

from restain.config import parse_config
from restain.errors import AlignmentWarning
from restain.training import TrainConfig
from restain.training.images import training_pairs


@pytest.fixture
def configured(tmp_path):
    """A function that returns a configuration for two folders of small images."""
    for folder in ("source", "target"):
        (tmp_path / folder).mkdir()
        for name in ("a_0", "b_0"):
            Image.fromarray(np.full((32, 32, 3), 99, np.uint8)).save(tmp_path / folder / f"{name}.png")

    def configure(kind):
        tree = {
            "name": "tiny",
            "out": str(tmp_path / "run"),
            "source": {"name": "H&E"},
            "target": {"name": "Ki67"},
            "data": {
                "kind": kind,
                "source": str(tmp_path / "source"),
                "target": str(tmp_path / "target"),
                "train": "a_*",
                "held_out": "b_*",
                "mpp": 0.5,
            },
            "method": {"name": "cut"},
            "training": {"images": 1},
        }
        return parse_config(TrainConfig, tree, "test")

    return configure


def test_methods_that_compare_places_warn_of_data_whose_sides_are_cut_apart(configured):
    with pytest.warns(AlignmentWarning, match="'cut'.*cut at different places"):
        training_pairs(configured("unaligned"), paired=True)  # asp is cut with options
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        training_pairs(configured("unaligned"), paired=False)
        training_pairs(configured("folders"), paired=True)
