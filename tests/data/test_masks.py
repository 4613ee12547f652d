import numpy as np
import pytest
import torch

from restain.data import (
    CoarseMasksConfig,
    Crops,
    FolderMasksConfig,
    FolderPairsConfig,
    MaskedPairs,
    NucleiMasksConfig,
    PhantomPairsConfig,
    batch_of,
    check_masks,
    make_pairs,
    threshold_of,
)
from restain.data.uniplex import UniplexPairs
from restain.errors import DataError
from restain.geometry import Mpp, Region
from restain.phantom import Phantom
from restain.slides import save_image
from restain.tissue import coarse_mask, signed_distance

FIELDS = PhantomPairsConfig(target="ck818", slides=3, side=128, held_out_slides=1)


@pytest.fixture(scope="module")
def fields():
    return make_pairs(FIELDS, "train")


def masked(pairs, **options):
    config = CoarseMasksConfig(**options)
    return MaskedPairs(pairs, config, threshold_of(pairs, config), 0.5)


def test_coarse_masks_have_one_threshold_for_all_images(fields):
    threshold = threshold_of(fields, CoarseMasksConfig())
    planes = masked(fields)
    for index in range(len(fields)):
        expected = coarse_mask(fields.read(index)[1], threshold.density, None, CoarseMasksConfig().steps)
        assert np.array_equal(planes.auxiliary(index) > 0, expected)
    assert threshold.reason.startswith("threshold")


def test_pairs_with_masks_still_tell_their_stain(fields):
    several = UniplexPairs({"CK8/18": fields, "CD3": fields})
    assert [masked(several, threshold=0.15).stain(index) for index in range(3)] == [0, 1, 0]


def test_crops_of_masks_show_the_place_of_their_target(fields):
    pairs = masked(fields, threshold=0.15)
    crops = Crops(pairs, 32, seed=0)
    for number in range(12):
        crop = crops[number]
        brown = crop.target[0] - crop.target[2] > 0.3  # red over blue
        assert crop.auxiliary.shape == (1, 32, 32)
        assert not brown.any() or crop.auxiliary[0][brown].mean() > 0.5
    assert batch_of([crops[0], crops[1]]).auxiliary.shape == (2, 1, 32, 32)


def test_a_distance_is_that_of_the_whole_image_not_of_the_crop(fields):
    pairs = masked(fields, plane="signed_distance")
    mask = masked(fields).auxiliary(0) > 0
    assert np.array_equal(pairs.auxiliary(0), signed_distance(mask))


def test_masks_of_a_folder_are_found_by_name_and_checked(tmp_path, fields):
    folders = {side: tmp_path / side for side in ("he", "ihc", "masks")}
    for index in range(3):
        name = f"{fields.name(index)}.png"
        source, target = fields.read(index)
        save_image(folders["he"] / name, source, None, provenance={})
        save_image(folders["ihc"] / name, target, None, provenance={})
        save_image(folders["masks"] / name, np.full((128, 128, 1), 255 * (index > 0), np.uint8), None, provenance={})
    pairs = make_pairs(FolderPairsConfig(source=folders["he"], target=folders["ihc"], held_out="*_1002"), "train")
    read = MaskedPairs(pairs, FolderMasksConfig(path=folders["masks"]), None, None)
    assert [float(read.auxiliary(index).mean()) for index in (0, 1)] == [-1, 1]
    (folders["masks"] / f"{fields.name(1)}.png").unlink()
    with pytest.raises(DataError, match="phantom_1001 has no mask"):
        MaskedPairs(pairs, FolderMasksConfig(path=folders["masks"]), None, None).auxiliary(1)
    save_image(folders["masks"] / f"{fields.name(1)}.png", np.zeros((64, 128, 1), np.uint8), None, provenance={})
    with pytest.raises(DataError, match="128 x 64 px, its image 128 x 128 px"):
        MaskedPairs(pairs, FolderMasksConfig(path=folders["masks"]), None, None).auxiliary(1)


def test_nuclei_of_the_target_are_a_mask_where_there_is_no_dab():
    back = make_pairs(FIELDS.model_copy(update={"source": "ck818", "target": "he"}), "train")
    mask = MaskedPairs(back, NucleiMasksConfig(), None, 0.5).auxiliary(0) > 0
    truth = Phantom(1000).scene(Region(0, 0, 128, 128), Mpp.square(0.5)).instances > 0
    assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.8  # Dice


@pytest.mark.parametrize(("threshold", "word"), [(5.0, "empty"), (-5.0, "full")])
def test_masks_that_are_all_empty_or_all_full_are_refused(fields, threshold, word):
    with pytest.raises(DataError, match=f"all 3 training images looked at are {word}"):
        check_masks(masked(fields, threshold=threshold))
    check_masks(masked(fields))


def test_pairs_without_masks_have_none(fields):
    crop = Crops(fields, 32, seed=0)[0]
    assert crop.auxiliary is None
    assert crop.stain is None
    assert batch_of([crop]).auxiliary is None
    assert isinstance(crop.source, torch.Tensor)
