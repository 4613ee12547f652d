import numpy as np
import pytest

from restain.data import Crops, FolderPairsConfig, SingleFolderConfig, UnalignedFoldersConfig, make_pairs
from restain.errors import DataError

HE = [f"{patient}_he_{k}.png" for patient in "abc" for k in range(2)]
IHC = [f"{patient}_ihc_{k}.png" for patient in "pqr" for k in range(3)]


def names(pairs):
    return [pairs.name(index) for index in range(len(pairs))]


@pytest.fixture
def pair(tmp_path, write_images):
    """A folder of H&E and one of equal names."""
    for folder in ("he", "same"):
        write_images(tmp_path / folder, HE)
    return {"source": tmp_path / "he", "target": tmp_path / "same"}


@pytest.fixture
def apart(tmp_path, write_images):
    """Two folders of other names and numbers."""
    write_images(tmp_path / "he", HE)
    write_images(tmp_path / "ihc", IHC)
    return {"source": tmp_path / "he", "target": tmp_path / "ihc"}


def test_what_is_neither_held_out_nor_for_test_is_trained_on(pair):
    config = FolderPairsConfig(**pair, held_out="b_*", test="c_*")
    assert names(make_pairs(config, "train")) == ["a_he_0", "a_he_1"]
    assert names(make_pairs(config, "held_out")) == ["b_he_0", "b_he_1"]
    assert names(make_pairs(config, "test")) == ["c_he_0", "c_he_1"]
    assert make_pairs(config, "train").aligned


def test_several_patterns_name_several_patients(pair):
    config = FolderPairsConfig(**pair, train=("a_*", "c_*"), held_out="b_*")
    assert names(make_pairs(config, "train")) == ["a_he_0", "a_he_1", "c_he_0", "c_he_1"]


@pytest.mark.parametrize(
    ("patterns", "part", "message"),
    [
        (
            {"held_out": "b_*", "test": ("b_*_1", "c_*")},
            "train",
            "1 names, b_he_1 first, are both held out and for test",
        ),
        ({"train": "*", "held_out": "b_*"}, "held_out", "2 names, b_he_0 first, are both in training and held out"),
        ({"held_out": "b_*"}, "test", r"no image of .* is for test: name some with data\.test"),
        ({"held_out": "*"}, "train", r"no image in .* is left to train on"),
        ({"held_out": "z_*"}, "held_out", r"no image in .* matches 'z_\*'"),
    ],
)
def test_parts_that_share_images_or_have_none_are_refused(pair, patterns, part, message):
    with pytest.raises(DataError, match=message):
        make_pairs(FolderPairsConfig(**pair, **patterns), part)


def test_a_pass_over_unaligned_folders_shows_all_images_of_both(apart):
    config = UnalignedFoldersConfig(**apart, held_out=("c_*", "r_*"))
    pairs = make_pairs(config, "train")
    assert not pairs.aligned
    assert names(pairs) == [
        "a_he_0__p_ihc_0",
        "a_he_1__p_ihc_1",
        "b_he_0__p_ihc_2",
        "b_he_1__q_ihc_0",
        "a_he_0__q_ihc_1",
        "a_he_1__q_ihc_2",
    ]
    turned = make_pairs(
        UnalignedFoldersConfig(source=apart["target"], target=apart["source"], held_out="[cr]_*"), "train"
    )
    assert len(turned) == 6
    assert len(set(names(turned))) == 6
    assert all(np.array_equal(a, b) for a, b in zip(pairs.read(4), reversed(turned.read(4)), strict=True))


def test_unaligned_images_may_differ_in_size(apart, write_images):
    write_images(apart["target"], IHC, side=24)
    crops = Crops(make_pairs(UnalignedFoldersConfig(**apart, held_out=("c_*", "r_*")), "train"), 16, seed=0)
    assert [plane.shape for plane in crops[0][:2]] == [(3, 16, 16)] * 2


def test_a_part_must_have_images_on_both_sides(apart):
    with pytest.raises(DataError, match=r"no image in .*ihc matches 'c_\*'"):
        make_pairs(UnalignedFoldersConfig(**apart, held_out="c_*"), "held_out")


def test_images_of_a_single_folder_are_their_own_partners(apart):
    pairs = make_pairs(SingleFolderConfig(images=apart["target"], held_out="r_*"), "train")
    assert pairs.aligned
    assert names(pairs) == [name.removesuffix(".png") for name in IHC[:6]]
    source, target = pairs.read(2)
    assert np.array_equal(source, target)
    source, target = Crops(pairs, 8, seed=0)[11][:2]
    assert source.equal(target)
