"""``restain mask`` as a user meets it."""

import numpy as np
import pytest
from PIL import Image as Pillow

from restain.geometry import Mpp, Region
from restain.phantom import Phantom
from restain.slides import open_slide, save_image

MPP = Mpp.square(0.5)


@pytest.fixture(scope="module")
def rendered():
    """Two fields of the phantom in CK8/18, as pixels by name, with where its epithelium is."""
    scenes = {str(seed): Phantom(seed).scene(Region(0, 0, 192, 192), MPP) for seed in (201, 203)}
    return {name: (scene.image("ck818"), np.isin(scene.classes, (2, 4))) for name, scene in scenes.items()}


@pytest.fixture
def folder(tmp_path, rendered):
    for name, (image, _) in rendered.items():
        save_image(tmp_path / "ihc" / f"{name}.png", image, MPP)
    return tmp_path / "ihc"


def masks_in(folder):
    return {path.stem: np.asarray(Pillow.open(path)) for path in sorted(folder.glob("*.png"))}


def test_masks_are_where_the_marker_is(restain, folder, tmp_path, rendered):
    outcome = restain("mask", folder, "--out", tmp_path / "masks", "--fill")
    assert outcome.code == 0
    assert "by otsu" in outcome.out
    for name, mask in masks_in(tmp_path / "masks").items():
        assert (mask.dtype, mask.ndim, set(np.unique(mask))) == (np.uint8, 2, {0, 255})
        truth = rendered[name][1]
        assert 2 * ((mask > 0) & truth).sum() / ((mask > 0).sum() + truth.sum()) > 0.95


def test_masks_keep_the_scale(restain, folder, tmp_path):
    restain("mask", folder, "--out", tmp_path / "masks")
    with open_slide(tmp_path / "masks" / "201.png") as mask:
        assert mask.info.mpp.x == pytest.approx(0.5, rel=1e-3)


def test_finished_masks_stay_and_missing_ones_are_made(restain, folder, tmp_path):
    out = tmp_path / "masks"
    restain("mask", folder, "--out", out)
    before = masks_in(out)
    kept = (out / "201.png").stat().st_mtime_ns
    (out / "203.png").unlink()
    assert restain("mask", folder, "--out", out).code == 0
    assert (out / "201.png").stat().st_mtime_ns == kept
    assert all((mask == before[name]).all() for name, mask in masks_in(out).items())


def test_masks_of_another_threshold_are_made_anew(restain, folder, tmp_path):
    out = tmp_path / "masks"
    restain("mask", folder, "--out", out, "--threshold", "0.2")
    low = masks_in(out)
    restain("mask", folder, "--out", out, "--threshold", "0.6")
    assert all(mask.sum() < low[name].sum() for name, mask in masks_in(out).items())


def test_each_image_can_have_its_own_threshold(restain, folder, tmp_path):
    outcome = restain("mask", folder, "--out", tmp_path / "masks", "--per-image")
    assert "201.png: threshold" in outcome.out
    assert "203.png: threshold" in outcome.out


def test_masks_that_show_nothing_are_reported(restain, folder, tmp_path):
    empty = restain("mask", folder, "--out", tmp_path / "empty", "--threshold", "2.4")
    full = restain("mask", folder, "--out", tmp_path / "full", "--threshold", "-1")
    assert "all 2 masks" in empty.err
    assert "empty" in empty.err
    assert "full" in full.err
    assert (empty.code, full.code) == (0, 0)


def test_glass_alone_has_an_empty_mask_of_its_own(restain, tmp_path):
    save_image(tmp_path / "ihc" / "glass.png", np.full((64, 64, 3), 250, np.uint8), MPP)
    outcome = restain("mask", tmp_path / "ihc", "--out", tmp_path / "masks", "--per-image")
    assert "no tissue" in outcome.out
    assert not masks_in(tmp_path / "masks")["glass"].any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--threshold", "mean"], "'mean' is no rule"), (["--mpp", "400"], "--mpp"), ([], "no colour")],
)
def test_what_cannot_be_masked_is_one_sentence(restain, tmp_path, arguments, message):
    save_image(tmp_path / "ihc" / "grey.png", np.full((64, 64, 1), 100, np.uint8), MPP)
    outcome = restain("mask", tmp_path / "ihc", "--out", tmp_path / "masks", *arguments)
    assert outcome.code == 2
    assert message in outcome.err


def test_pictures_that_are_no_masks_are_not_replaced(restain, folder, tmp_path):
    Pillow.new("L", (8, 8)).save(folder.parent / "201.png")
    outcome = restain("mask", folder, "--out", folder.parent)
    assert outcome.code == 2
    assert "was not made by restain" in outcome.err
