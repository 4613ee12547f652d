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
        assert f"{entry['mean']:.5g}" in row
        assert f"{entry['pooled']:.5g}" in row


def test_without_a_folder_nothing_is_written(folders, tmp_path: Path):
    before = sorted(tmp_path.rglob("*"))
    assert run("--pred", folders[0], "--target", folders[1]).exit_code == 0
    assert sorted(tmp_path.rglob("*")) == before


def test_a_single_image_has_no_deviation(folders):
    result = run("--pred", folders[0] / "a.png", "--target", folders[1] / "a.png")
    assert "1 image" in result.output
    assert "nan" not in result.output


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
