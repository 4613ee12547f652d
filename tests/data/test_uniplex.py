import pytest

from restain.config import parse_config
from restain.data import Crops, UniplexConfig, batch_of, make_pairs
from restain.errors import ConfigError

SMALL = {"kind": "phantom", "side": 64, "held_out_slides": 1}


def config(**stains):
    return parse_config(UniplexConfig, {"stains": {name: {**SMALL, **data} for name, data in stains.items()}}, "data")


@pytest.fixture(scope="module")
def pairs():
    return make_pairs(config(ck818={"target": "ck818", "slides": 3}, cd3={"target": "cd3", "slides": 2}), "train")


def test_stains_take_turns_and_small_sets_begin_again(pairs):
    assert len(pairs) == 6
    assert [pairs.stain(index) for index in range(6)] == [0, 1, 0, 1, 0, 1]
    assert [pairs.name(index) for index in range(6)] == [
        "0_0_phantom_1000",
        "1_0_phantom_1000",
        "0_0_phantom_1001",
        "1_0_phantom_1001",
        "0_0_phantom_1002",
        "1_1_phantom_1000",
    ]


def test_a_pair_is_that_of_its_stain(pairs):
    (source, ck818), (again, cd3) = pairs.read(0), pairs.read(1)
    assert (source == again).all()  # the same tissue
    assert (ck818 != cd3).any()


def test_a_batch_tells_which_stain_each_target_shows(pairs):
    crops = Crops(pairs, 32, seed=0)
    batch = batch_of([crops[number] for number in range(6)])
    assert sorted(batch.stain.tolist()) == [0, 0, 0, 1, 1, 1]  # a pass shows every stain equally often


def test_stains_of_unequal_scale_are_refused():
    with pytest.raises(ConfigError, match=r"0.5, 0.25 um/px|0.25, 0.5 um/px"):
        config(ck818={"target": "ck818"}, cd3={"target": "cd3", "mpp": 0.25})
