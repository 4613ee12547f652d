"""``restain readout`` as a user meets it."""

import json

import pytest

from restain.geometry import Mpp, Region
from restain.phantom import Phantom
from restain.slides import save_image

MPP = Mpp.square(0.5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("ihc")
    for seed in range(4):
        scene = Phantom(330 + seed).scene(Region(0, 0, 96, 96), MPP)
        save_image(root / "ki67" / f"{seed}.png", scene.image("ki67"), MPP)
        save_image(root / "he" / f"{seed}.png", scene.image("he"), MPP)
    return root


def test_a_folder_is_read_compared_and_controlled(restain, folder, tmp_path):
    arguments = ("--marker", "ki67", "--target", folder / "ki67", "--negative", folder / "he", "--out", tmp_path / "o")
    outcome = restain("readout", folder / "ki67", *arguments, "--set", "resamples=20", "--set", "shuffles=5")
    assert outcome.code == 0, outcome.err
    for words in ("4 images", "all nuclei counted", "not a diagnosis", "ICC(2,1)", "wrong pairs", "Wilson"):
        assert words in outcome.out
    assert "4 patients are few" in outcome.err
    record = json.loads((tmp_path / "o" / "readout.json").read_text())
    assert record["agreement"]["percent"]["icc"]["value"] == 1
    assert record["options"]["resamples"] == 20


def test_a_region_of_one_image_has_a_her2_score(restain, folder):
    outcome = restain("readout", folder / "ki67" / "0.png", "--marker", "her2", "--region", "0,0,80,90")
    assert outcome.code == 0, outcome.err
    assert "HER2" in outcome.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--marker", "p53"], "nobody has said how 'p53' is read"),
        (["--marker", "ki67", "--nuclei", "eyes"], "nuclei"),
        (["--marker", "ki67", "--region", "0,0,9999,10"], "does not lie inside"),
        (["--marker", "ki67", "--set", "cut_offs=[0.3,0.2,0.4]"], "do not increase"),
        (["--marker", "ki67", "--model", "x", "--target", "y"], "no truth beside them"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(restain, folder, arguments, message):
    outcome = restain("readout", folder / "ki67", *arguments)
    assert outcome.code == 2
    assert message in outcome.err
