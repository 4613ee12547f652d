import numpy as np
import pytest

from restain.config import parse_config
from restain.data import PhantomPairsConfig, make_pairs
from restain.errors import ConfigError
from restain.phantom import Phantom, Section

SMALL = {"slides": 3, "held_out_slides": 2, "side": 64}


def names(pairs):
    return [pairs.name(index) for index in range(len(pairs))]


def test_each_part_has_slides_of_its_own():
    config = PhantomPairsConfig(**SMALL, test_first_seed=40, test_slides=2)
    assert names(make_pairs(config, "train")) == ["phantom_1000", "phantom_1001", "phantom_1002"]
    assert names(make_pairs(config, "held_out")) == ["phantom_1003", "phantom_1004"]
    assert names(make_pairs(config, "test")) == ["phantom_0040", "phantom_0041"]


def test_a_serial_section_is_another_picture_and_test_shows_the_truth():
    config = PhantomPairsConfig(**SMALL, section=2)
    for part, section in (("train", Section(2)), ("held_out", Section(2)), ("test", Section(0))):
        pairs = make_pairs(config, part)
        seed, region, mpp = pairs.field(1)
        source, target = pairs.read(1)
        assert pairs.aligned == (part == "test")
        assert np.array_equal(source, Phantom(seed).render("he", region, mpp))
        assert np.array_equal(target, Phantom(seed).render("ki67", region, mpp, section))
    assert not np.array_equal(*(Phantom(200).render("ki67", region, mpp, Section(number)) for number in (0, 2)))


def test_the_field_of_a_test_item_tells_its_cells():
    """A dark spot of the source's picture lies at the cells that the field's seed, region and scale give."""
    pairs = make_pairs(PhantomPairsConfig(section=1, side=256), "test")
    seed, region, mpp = pairs.field(0)
    scene = Phantom(seed).scene(region, mpp)
    source, _ = pairs.read(0)
    nuclei = scene.instances > 0
    assert nuclei.any()
    assert source[nuclei].mean() < source[~nuclei].mean() - 20
    assert len(Phantom(seed).cells(region, mpp)) > 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"first_seed": 999}, "first_seed"),
        ({"test_first_seed": 995}, "seeds of test slides must be below 1000"),
        ({"section": 8}, "section"),
        ({"test_slides": 0}, "test_slides"),
    ],
)
def test_seeds_of_training_and_test_never_meet(options, message):
    with pytest.raises(ConfigError, match=message):
        parse_config(PhantomPairsConfig, options, "data")
