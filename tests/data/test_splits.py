from pathlib import Path

import pytest

from restain.data.files import FilePair
from restain.data.splits import EIGHTY_TEN_TEN, HELD_OUT_OF_TRAINING, deal


def patches(count, per_slide):
    names = [f"{k // per_slide:03d}_{k % per_slide:03d}" for k in range(count)]
    return [FilePair(name, Path(f"a/{name}"), Path(f"b/{name}")) for name in names]


def slide(file):
    return file.name.split("_")[0]


def alone(file):
    return file.name


@pytest.mark.parametrize(
    ("total", "counts"), [(4373, (3498, 437, 438)), (5361, (4288, 536, 537)), (5642, (4513, 564, 565))]
)
def test_patches_are_dealt_out_in_the_numbers_of_the_paper(total, counts):
    """BCI, MIST-Ki67 and MIST-HER2 of MIU-Diff, which has 563 test patches of the last: two images fewer in all."""
    parts = deal(patches(total, 80), EIGHTY_TEN_TEN, 0, alone)
    assert tuple(len(parts[part]) for part in ("train", "held_out", "test")) == counts


@pytest.mark.parametrize("group", [slide, alone])
@pytest.mark.parametrize("percent", [EIGHTY_TEN_TEN, HELD_OUT_OF_TRAINING])
def test_every_image_is_in_one_part_and_groups_stay_together(group, percent):
    files = patches(1000, 25)
    parts = deal(files, percent, 7, group)
    assert sorted(file for part in parts.values() for file in part) == files
    groups = [{group(file) for file in part} for part in parts.values()]
    assert sum(map(len, groups)) == len(set().union(*groups))
    for part, share in percent.items():
        assert 0 <= abs(len(parts[part]) - 10 * share) <= 50  # a group or two beside the share


def test_a_split_depends_on_the_seed_alone():
    files = patches(200, 10)
    once = deal(files, EIGHTY_TEN_TEN, 3, slide)
    assert deal(files[::-1], EIGHTY_TEN_TEN, 3, slide) == once
    assert deal(files, EIGHTY_TEN_TEN, 4, slide) != once


def test_two_slides_are_enough_to_hold_one_out():
    parts = deal(patches(20, 10), HELD_OUT_OF_TRAINING, 0, slide)
    assert [len(parts[part]) for part in ("train", "held_out", "test")] == [10, 10, 0]
