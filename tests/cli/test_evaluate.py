import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from restain.cli import app
from restain.errors import DataError


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    rng = np.random.default_rng(0)
    for side, level in (("pred", 90), ("target", 100)):
        (tmp_path / side).mkdir()
        for name in ("a", "b"):
            image = np.full((48, 48, 3), level, np.uint8) + rng.integers(0, 9, (48, 48, 3), dtype=np.uint8)
            Image.fromarray(image).save(tmp_path / side / f"{name}.png")
    return tmp_path / "pred", tmp_path / "target"


def run(*arguments: str | Path):
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)], catch_exceptions=True)


def test_the_table_holds_what_the_file_holds(folders, tmp_path: Path):
    pred, target = folders
    result = run("--pred", pred, "--target", target, "--out", tmp_path / "out")
    assert result.exit_code == 0
    record = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    for name, entry in record["metrics"].items():
        (row,) = [line for line in result.output.splitlines() if f" {name} " in line]
        for key in ("mean", "pooled"):
            assert entry[key] is None or f"{entry[key]:.5g}" in row


def test_without_a_folder_nothing_is_written(folders, tmp_path: Path):
    before = sorted(tmp_path.rglob("*"))
    assert run("--pred", folders[0], "--target", folders[1]).exit_code == 0
    assert sorted(tmp_path.rglob("*")) == before


def test_a_single_image_has_no_deviation(folders):
    result = run("--pred", folders[0] / "a.png", "--target", folders[1] / "a.png")
    assert "1 image" in result.output
    assert "nan" not in result.output


def test_images_in_which_there_is_nothing_to_measure_are_counted(folders):
    image = np.zeros((48, 48, 3), np.uint8)
    image[:, 24:] = 255
    for folder in folders:
        for name, content in (("a", np.full_like(image, 255)), ("b", np.full_like(image, 255)), ("c", image)):
            Image.fromarray(content).save(folder / f"{name}.png")
    result = run("--pred", folders[0], "--target", folders[1], "--metrics", "stain_dice,l1")
    (row,) = [line for line in result.output.splitlines() if " stain_dice " in line]
    assert row.split()[3:] == ["1", "│", "│", "1", "│", "higher", "│"]
    assert "stain_dice has no value for 2 of 3 images" in result.output
    assert "l1 has" not in result.output


def test_what_does_not_fit_is_said_in_one_sentence(folders):
    (folders[1] / "b.png").unlink()
    result = run("--pred", folders[0], "--target", folders[1])
    assert isinstance(result.exception, DataError)
    assert "target lacks b" in str(result.exception)


def test_only_the_metrics_that_are_named_are_shown(folders):
    result = run("--pred", folders[0], "--target", folders[1], "--metrics", "l1, psnr")
    assert result.exit_code == 0
    assert [name for name in ("psnr", "ssim_gaussian", "l1", "l2") if f" {name} " in result.output] == ["psnr", "l1"]


def test_the_source_adds_metrics_under_their_own_names(folders):
    result = run("--pred", folders[0], "--target", folders[1], "--source", folders[1])
    (against_source,) = [line for line in result.output.splitlines() if " vif_luma_source " in line]
    (against_target,) = [line for line in result.output.splitlines() if " vif_luma " in line]
    assert against_source.split()[2:] == against_target.split()[2:]


def test_a_deviation_is_best_near_zero(folders):
    result = run("--pred", folders[0], "--target", folders[1], "--metrics", "iod_whole")
    assert "nearer 0" in result.output


@pytest.fixture
def sets(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders without partners, of 12 and 14 images."""
    rng = np.random.default_rng(0)
    for side, count in (("ours", 12), ("real", 14)):
        (tmp_path / side).mkdir()
        for i in range(count):
            image = rng.integers(100, 256, (40, 40, 3), dtype=np.uint8)
            Image.fromarray(image).save(tmp_path / side / f"{side}{i}.png")
    return tmp_path / "ours", tmp_path / "real"


@pytest.mark.filterwarnings("ignore::restain.errors.RestainWarning")
def test_sets_of_different_size_are_compared_by_features(sets, tmp_path: Path):
    result = run("--pred", sets[0], "--target", sets[1], "--features", "phantom", "--out", tmp_path / "out")
    assert result.exit_code == 0
    told = "12 tiles of 12 images against 14 tiles of 14 images, 128 px each; phantom, 128 features, SHA-256"
    assert told in " ".join(result.output.split())
    record = json.loads((tmp_path / "out" / "evaluation.json").read_text())["distribution"]
    for name, entry in record["numbers"].items():
        (row,) = [line for line in result.output.splitlines() if f" {name} " in line]
        assert f"{entry['value']:.5g}" in row
        assert f"{entry['floor']:.4g}" in row
        assert f"{entry['low']:.4g} to {entry['high']:.4g}" in row


@pytest.mark.filterwarnings("ignore::restain.errors.RestainWarning")
def test_a_profile_brings_its_metrics_and_its_extractor(sets):
    result = run("--pred", sets[1], "--target", sets[1], "--profile", "recommended")
    assert result.exit_code == 0
    shown = [name for name in ("psnr", "ssim_gaussian", "l1", "fid", "recall_5") if f" {name} " in result.output]
    assert shown == ["psnr", "ssim_gaussian", "fid", "recall_5"]
    assert "phantom, 128 features" in result.output
