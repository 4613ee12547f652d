import json
from pathlib import Path

import numpy as np
import pytest

from restain.bundle import find_bundle, load_card
from restain.config import dump_config, parse_config
from restain.reports.report import write_report
from restain.reports.report.figures import log_curves, rises
from restain.slides import save_image
from restain.training.config import TrainConfig
from restain.training.folder import load_run

from .conftest import Page

ROOT = Path(__file__).resolve().parents[3]

ENTRIES = (
    {"images": 80, "model.denoising": 0.5, "rate": 1e-4, "images_per_second": 3.0},
    {"images": 160, "model.denoising": 0.25, "held_out.model.denoising": 0.3, "rate": 2e-4, "I.t=0100": 0.5},
    {"images": 240, "model.denoising": 0.125, "held_out.model.denoising": 0.2, "rate": 1e-4, "I.t=0000": 0.7},
)


@pytest.fixture
def run(tmp_path):
    """The folder of a finished run: what its report reads."""
    card = load_card(find_bundle("he-ki67-phantom"))
    config = parse_config(
        TrainConfig,
        {
            "name": "tiny",
            "out": str(tmp_path / "run"),
            "source": {"name": "H&E"},
            "target": {"name": "Ki67"},
            "data": {"kind": "phantom", "target": "ki67"},
            "method": {"name": "conditional"},
            "training": {"images": 240, "log_every": 80, "checkpoint_every": 80, "picture_every": 80},
        },
        "test",
    )
    folder = tmp_path / "run"
    (folder / "bundle").mkdir(parents=True)
    (folder / "config.yaml").write_text(dump_config(config))
    (folder / "bundle" / "card.yaml").write_text(dump_config(card))
    write_log(folder, ENTRIES)
    for number in (80, 160, 240):
        save_image(folder / "samples" / f"{number:012d}.png", np.full((64, 96, 3), number, np.uint8))
    return folder


def write_log(folder, entries):
    (folder / "log.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))


def test_the_page_of_a_run_tells_its_course_its_card_and_its_command(run):
    page = Page(write_report(run))
    assert page.headings == ["tiny", "Curves", "Samples", "Model", "Provenance"]
    assert f"restain train {run / 'config.yaml'}" in page.text
    card = load_card(run / "bundle")
    assert card.files["weights.safetensors"] in page.text
    for name, value in card.metrics.items():
        assert float(page.rows[name][0][1]) == value
    assert [alt for alt, _ in page.pictures] == [f"after {number} images" for number in (80, 160, 240)]
    assert {path.name for path in (run / "report").iterdir()} == {"report.html", "curves-1.png", "samples.png"}


def test_losses_share_a_panel_with_held_out_ones_and_the_rate_comes_last():
    loss, information, rate = log_curves(ENTRIES)
    assert loss.lines == {
        "model.denoising": [(80, 0.5), (160, 0.25), (240, 0.125)],
        "held_out.model.denoising": [(160, 0.3), (240, 0.2)],
    }
    assert (information.title, information.variable) == ("I at the end", "t")
    assert information.lines == {"I": [(0, 0.7), (100, 0.5)]}
    assert rate.title == "rate"


def test_what_speaks_against_a_run_is_told(run, undrawn):
    assert Page(write_report(run)).doubts == []
    last = {**ENTRIES[-1], "held_out.model.denoising": 0.4, "model.denoising": float("inf")}
    write_log(run, [*ENTRIES[:-1], {**last, "images": 200}])
    (run / "bundle" / "card.yaml").unlink()
    said = " ".join(Page(write_report(run)).doubts)
    assert "200 of 240 images were seen, and there is no bundle yet" in said
    assert "held_out.model.denoising rose from 0.3 to 0.4" in said
    assert "not finite" in said


def test_a_loss_that_falls_does_not_rise():
    assert not rises([(1, 0.5), (2, 0.3), (3, 0.31)])
    assert rises([(1, 0.5), (2, 0.3), (3, 0.34)])
    assert not rises([(1, 0.5)])


def test_a_classifier_of_scores_has_a_page_too(tmp_path):
    config = load_run(ROOT / "configs" / "stainnet.yaml", [f"out={tmp_path}"])
    (tmp_path / "config.yaml").write_text(dump_config(config))
    write_log(tmp_path, [{"images": 96, "loss": 1.0}, {"images": 192, "loss": 0.5}])
    page = Page(write_report(tmp_path))
    assert page.headings == [config.name, "Read this first", "Curves", "Provenance"]
    assert "192 patches seen" in page.text
    assert page.doubts == ["The training is not finished: there is no bundle yet. The command below goes on."]
