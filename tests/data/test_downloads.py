import warnings
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restain.config import parse_config
from restain.data import BciConfig, Crops, MistConfig, make_pairs
from restain.errors import ConfigError, DataError, LeakageWarning

SCORES = ("0", "1+", "2+", "3+")
PARTS = ("train", "held_out", "test")


def names(config, part):
    pairs = make_pairs(config, part)
    return {pairs.name(index) for index in range(len(pairs))}


def slides(config, part):
    return {name.split("_")[0] for name in names(config, part)}


@pytest.fixture
def bci(tmp_path, write_images):
    """A BCI of 40 training and 8 test pairs of 16 px."""
    for part, count in (("train", 40), ("test", 8)):
        for stain in ("HE", "IHC"):
            write_images(tmp_path / stain / part, [f"{k:05d}_{part}_{SCORES[k % 4]}.png" for k in range(count)])
    return tmp_path


@pytest.fixture
def mist(tmp_path, write_images):
    """A stain of MIST with 12 slides: 5 patches of each for training, 1 patch of all but two for test."""
    for part, places in (("train", range(5)), ("val", [9])):
        chosen = [f"{k}M2100_{place}_7.jpg" for k in range(12) for place in places if part == "train" or k < 10]
        for stain in "AB":
            write_images(tmp_path / "TrainValAB" / f"{part}{stain}", chosen)
    return tmp_path


def test_the_official_test_images_of_bci_are_those_of_its_folders(bci):
    config = BciConfig(root=bci)
    assert names(config, "test") == {path.stem for path in (bci / "HE" / "test").iterdir()}
    train, held_out = names(config, "train"), names(config, "held_out")
    assert (len(train), len(held_out)) == (38, 2)
    assert train | held_out == {path.stem for path in (bci / "IHC" / "train").iterdir()}


def test_no_official_held_out_slide_of_mist_is_trained_on_and_the_leak_into_the_test_is_told(mist):
    config = MistConfig(root=mist)
    with pytest.warns(LeakageWarning, match="split official of .*: 10 of 12 slides have patches in several parts"):
        train, held_out, test = (names(config, part) for part in PARTS)
    assert {name.split("_")[0] for name in train}.isdisjoint(name.split("_")[0] for name in held_out)
    assert len(train) + len(held_out) == 60
    assert test == {path.stem for path in (mist / "TrainValAB" / "valA").iterdir()}


def test_mist_by_slide_leaks_nothing(mist):
    config = MistConfig(root=mist, split="by_slide")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        of_parts = [slides(config, part) for part in PARTS]
        assert sum(len(names(config, part)) for part in PARTS) == 70
    assert all(one.isdisjoint(other) for one, other in combinations(of_parts, 2))
    assert all(of_parts)


def test_the_split_of_the_paper_warns_of_the_slides_it_mixes(mist):
    config = MistConfig(root=mist, split="miudiff_80_10_10")
    with pytest.warns(LeakageWarning) as record:
        of_parts = [names(config, part) for part in PARTS]
    assert [len(part) for part in of_parts] == [56, 7, 7]
    of_parts = [{name.split("_")[0] for name in part} for part in of_parts]
    mixed = {slide for one, other in combinations(of_parts, 2) for slide in one & other}
    assert f"{len(mixed)} of 12 slides" in str(record[0].message)


def test_the_split_of_the_paper_warns_for_bci_whose_slides_nobody_knows(bci):
    config = BciConfig(root=bci, split="miudiff_80_10_10")
    with pytest.warns(LeakageWarning, match="parts share slides"):
        assert [len(names(config, part)) for part in PARTS] == [38, 4, 6]


def test_partners_are_beside_each_other_and_cut_apart_unless_they_are_taken_for_aligned(bci):
    pairs = make_pairs(BciConfig(root=bci, size=None), "test")
    source, target = pairs.read(3)
    for stain, image in (("HE", source), ("IHC", target)):
        assert np.array_equal(image, np.asarray(Image.open(bci / stain / "test" / f"{pairs.name(3)}.png")))
    assert not pairs.aligned
    assert make_pairs(BciConfig(root=bci, aligned=True), "test").aligned


def test_patches_are_shrunk_by_the_mean_over_areas(bci):
    pairs, whole = (make_pairs(BciConfig(root=bci, size=size), "train") for size in (4, None))
    for small, image in zip(pairs.read(5), whole.read(5), strict=True):
        mean = image.reshape(4, 4, 4, 4, 3).mean(axis=(1, 3))
        assert np.abs(small - mean).max() <= 0.5
    assert Crops(pairs, 4, seed=0)[0][0].shape == (3, 4, 4)


def test_a_side_that_does_not_divide_is_refused(bci):
    for size in (3, 32):
        with pytest.raises(DataError, match=rf"of 16 x 16 px cannot be shrunk to {size} px evenly.*divisor"):
            make_pairs(BciConfig(root=bci, size=size), "test").read(0)


def test_the_scale_follows_the_shrinking():
    assert MistConfig(root=Path()).mpp == pytest.approx(4 * 0.4661)
    assert MistConfig(root=Path(), size=None).mpp == 0.4661
    assert BciConfig(root=Path()).mpp is None


def test_a_wrong_layout_and_a_missing_partner_are_named(bci, mist):
    with pytest.raises(DataError, match=r"there is no folder .*HE/train: point data\.root at the folder BCI_dataset"):
        make_pairs(BciConfig(root=bci / "HE"), "train")
    with pytest.raises(DataError, match=r"there is no folder .*trainA: point data\.root at the folder of one stain"):
        make_pairs(MistConfig(root=mist / "TrainValAB"), "train")
    (bci / "IHC" / "train" / "00007_train_3+.png").unlink()
    with pytest.raises(
        DataError, match=r"1 images, 00007_train_3\+ first, are in only one of .*HE/train and .*IHC/train"
    ):
        make_pairs(BciConfig(root=bci), "train")


def test_a_patch_in_two_folders_is_named(mist, write_images):
    for stain in "AB":
        write_images(mist / "TrainValAB" / f"val{stain}", ["3M2100_2_7.jpg"])
    with pytest.warns(LeakageWarning), pytest.raises(DataError, match=r"1 images of .*, 3M2100_2_7 first, are in two"):
        make_pairs(MistConfig(root=mist), "test")


def test_too_few_slides_are_named(tmp_path, write_images):
    for stain in "AB":
        write_images(tmp_path / "TrainValAB" / f"train{stain}", ["a_1.jpg", "a_2.jpg"])
        write_images(tmp_path / "TrainValAB" / f"val{stain}", ["b_1.jpg"])
    assert len(make_pairs(MistConfig(root=tmp_path), "held_out")) == 2
    with pytest.raises(DataError, match="leaves no image for part train"):
        make_pairs(MistConfig(root=tmp_path), "train")


def test_bci_has_no_split_by_slide():
    with pytest.raises(ConfigError, match="split"):
        parse_config(BciConfig, {"root": "x", "split": "by_slide"}, "data")


def test_real_patches_of_both_in_the_layout_of_their_downloads(shared_data, tmp_path):
    """The real files, linked into the official folders; every second pair of MIST plays the validation part."""

    def link(source: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source)

    for stain in ("he", "ihc"):
        for k, path in enumerate(sorted((shared_data / "he_her2_bci" / stain).iterdir())):
            link(path, tmp_path / stain.upper() / ("train" if k < 4 else "test") / path.name)
        for k, path in enumerate(sorted((shared_data / "he_her2_mist" / stain).iterdir())):
            part = "val" if k % 2 else "train"
            link(path, tmp_path / "HER2" / "TrainValAB" / f"{part}{'AB'[stain == 'ihc']}" / path.name)
    with pytest.warns(LeakageWarning, match="of 2 slides"):
        mist = make_pairs(MistConfig(root=tmp_path / "HER2"), "train")
    for pairs in (mist, make_pairs(BciConfig(root=tmp_path), "test")):
        source, target = pairs.read(0)
        assert source.shape == target.shape == (256, 256, 3)
        blue = target[..., 2].astype(int) - target[..., 0]
        assert np.corrcoef(source[..., 1].ravel(), target[..., 1].ravel())[0, 1] < 0.9  # two sections, two stains
        assert blue.mean() > (source[..., 1].astype(int) - source[..., 0]).mean()  # H&E is the redder one
