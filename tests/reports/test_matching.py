from pathlib import Path

import pytest

from restain.errors import DataError
from restain.reports.matching import Match, match_images


@pytest.fixture
def folders(tmp_path: Path):
    def make(preds: list[str], targets: list[str]) -> tuple[Path, Path]:
        for folder, names in (("pred", preds), ("target", targets)):
            (tmp_path / folder).mkdir()
            for name in names:
                (tmp_path / folder / name).touch()
        return tmp_path / "pred", tmp_path / "target"

    return make


def test_names_match_whatever_the_suffix_in_order(folders):
    pred, target = folders(["b.ome.tiff", "a.PNG", "c_1.svs"], ["a.jpg", "b.tif", "c_1.ndpi"])
    assert match_images(pred, target) == (
        Match("a", pred / "a.PNG", target / "a.jpg"),
        Match("b", pred / "b.ome.tiff", target / "b.tif"),
        Match("c_1", pred / "c_1.svs", target / "c_1.ndpi"),
    )


def test_what_is_no_image_is_passed_over(folders):
    pred, target = folders(["a.png", ".b.png", "evaluation.csv", "notes.txt", "Thumbs.db"], ["a.png"])
    (target / "folder.png").mkdir()
    assert [match.name for match in match_images(pred, target)] == ["a"]


def test_two_files_match_whatever_their_names(folders):
    pred, target = folders(["x.ome.tiff"], ["y.png"])
    assert match_images(pred / "x.ome.tiff", target / "y.png") == (
        Match("x", pred / "x.ome.tiff", target / "y.png"),
    )  # fmt: skip


def test_missing_partners_are_named_on_either_side(folders):
    pred, target = folders(["a.png", "b.png", "c.png", "d.png", "e.png"], ["a.png"])
    with pytest.raises(DataError, match=r"target lacks b, c, d and 1 more"):
        match_images(pred, target)
    with pytest.raises(DataError, match=r"target lacks b, c, d and 1 more"):
        match_images(target, pred)


def test_one_name_twice_is_refused(folders):
    pred, target = folders(["a.png", "a.jpg"], ["a.png"])
    with pytest.raises(DataError, match=r"pred holds one name twice: a\.jpg and a\.png"):
        match_images(pred, target)


def test_an_empty_folder_is_refused(folders):
    pred, target = folders(["a.txt"], ["a.png"])
    with pytest.raises(DataError, match="pred holds no images"):
        match_images(pred, target)


def test_a_file_against_a_folder_is_refused(folders):
    pred, target = folders(["a.png"], ["a.png"])
    with pytest.raises(DataError, match="one is a folder"):
        match_images(pred / "a.png", target)


def test_a_path_that_does_not_exist_is_refused(folders):
    pred, target = folders(["a.png"], ["a.png"])
    with pytest.raises(DataError, match="does not exist"):
        match_images(pred, target / "b.png")
