"""Images with scores: a table and a folder, or the phantom; what does not fit is told in one sentence."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from restain.config import parse_config
from restain.data import PhantomScoresConfig, ScoredPatches, ScoredTableConfig, make_scored, scored_batches
from restain.data.scored_phantom import inflamed
from restain.errors import DataError
from restain.geometry import Mpp, Region
from restain.phantom import KIND_NAMES

ROWS = "image,slide,score\na_*,a,0\nb_*,b,0\nc_0.png,c,2\nc_1,c,2\nd_*,d,2\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two images of each of four slides, named after them."""
    (tmp_path / "images").mkdir()
    for number, name in enumerate(f"{slide}_{k}" for slide in "abcd" for k in range(2)):
        Image.new("RGB", (40, 36), (20 * number, 100, 100)).save(tmp_path / "images" / f"{name}.png")
    return tmp_path


def table(folder: Path, text: str, **options: object) -> ScoredTableConfig:
    (folder / "scores.csv").write_text(text)
    return parse_config(
        ScoredTableConfig, {"images": folder / "images", "table": folder / "scores.csv", **options}, "test"
    )


def test_every_score_has_slides_to_learn_from_and_slides_held_out(folder):
    parts = make_scored(table(folder, ROWS))
    assert parts.keys() == {"train", "held_out"}
    for images in parts.values():
        assert sorted(images.scores) == [0, 0, 2, 2]
        assert len(set(images.slides)) == 2
    assert set(parts["train"].slides).isdisjoint(parts["held_out"].slides)


def test_a_split_of_the_table_is_followed(folder):
    rows = "slide,score,split,image\na,0,train,a_*\nb,0,held_out,b_*\nc,2,held_out,c_*\nd,2,train,d_*\n"
    parts = make_scored(table(folder, rows))
    assert set(parts["train"].slides) == {"a", "d"}


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (ROWS.replace("a,0", "a,mild"), "line 2: score 'mild' is not a whole number"),
        (ROWS.replace("a,0", "a,1.5"), "line 2: score '1.5' is not a whole number"),
        (ROWS.replace(",2", ",0"), "all slides have score 0, so there is nothing to tell apart"),
        (ROWS.replace("d,2", "d,3"), "score 2 has 1 slide, and none of them in part train: give every score at least"),
        (ROWS.replace("c_1,c,2", "c_1,c,0"), "slide 'c' has scores 2 and 0"),
        (ROWS.replace("d_*", "e_*"), "line 6: no image of .* is named 'e_\\*'"),
        (ROWS.replace("d_*,d,2\n", ""), "2 images of .*, d_0.png first, have no row"),
        (ROWS + "d_1,d,2\n", "line 7: d_1.png has a row already"),
        (ROWS.replace("score", "grade"), "has columns image, slide, grade: give it image, slide, score and"),
        (ROWS.replace("a_*,a,0", "a_*,a"), "line 2: 2 cells for 3 columns"),
        ("image,slide,score,split\na_*,a,0,valid\n", "line 2: there is no split 'valid': choose one of train, held"),
        (
            "image,slide,score,split\na_0,a,0,train\na_1,a,0,held_out\nb_*,b,0,train\nc_*,c,2,train\nd_*,d,2,held_out\n",
            "slide 'a' is in parts train and held_out",
        ),
        (
            "image,slide,score,split\na_*,a,0,train\nb_*,b,0,train\nc_*,c,2,train\nd_*,d,2,held_out\n",
            "score 0 has 2 slides, and none of them in part held_out",
        ),
        ("image,slide,score\n", "has no rows"),
    ],
)
def test_a_table_that_does_not_fit_is_told_in_one_sentence(folder, rows, sentence):
    with pytest.raises(DataError, match=sentence):
        make_scored(table(folder, rows))


def test_images_smaller_than_a_patch_are_told_by_name(folder):
    images = make_scored(table(folder, ROWS))["train"]
    with pytest.raises(DataError, match=r"_\d.png of 40 x 36 px is smaller than the patch of 64 px"):
        ScoredPatches(images, 64, seed=0)[0]


def test_patches_depend_on_their_number_and_keep_their_colours(folder):
    images = make_scored(table(folder, ROWS))["train"]
    patches = ScoredPatches(images, 32, seed=0)
    stream = scored_batches(patches, 4, start=0, workers=0)
    next(stream)
    x, y = next(stream)
    again, scores = next(scored_batches(patches, 4, start=4, workers=0))
    assert torch.equal(x, again)
    assert torch.equal(y, scores)
    assert sorted(y.tolist()) == [0, 0, 1, 1]  # a pass shows every image once; score 2 is the second class
    shown = {tuple(np.round((patch[:, 0, 0].numpy() + 1) * 127.5).astype(int)) for patch in x}
    assert shown == {tuple(images.read(index)[0, 0]) for index in range(4)}


def test_slides_of_the_phantom_are_apart_and_higher_grades_hold_more_lymphocytes():
    parts = make_scored(PhantomScoresConfig(slides=8, held_out_slides=4, test_slides=4, fields=1))
    slides = [slide for images in parts.values() for slide in images.slides]
    assert len(slides) == len(set(slides)) == 16
    region, mpp = Region(0, 0, 640, 640), Mpp.square(0.5)
    kinds = [[inflamed(seed, grade).cells(region, mpp).kind for seed in (1, 2)] for grade in range(4)]
    shares = [np.mean(np.concatenate(of_grade) == KIND_NAMES.index("lymphocyte")) for of_grade in kinds]
    assert shares == sorted(shares)
    assert shares[3] > 2 * shares[0]
