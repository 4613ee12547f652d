import pytest
from openslide import OpenSlide
from PIL import Image
from typer.testing import CliRunner

from restain.bundle import SHIPPED, bundles, load_bundle
from restain.cli import app
from restain.config import load_config
from restain.demo import MODEL, run_demo
from restain.geometry import Size
from restain.reports import CellReading
from restain.training import TrainConfig
from restain.training.run import write_card

MOST_BYTES = 10_000_000
"""What a bundle in the repository may weigh."""


def test_shipped_bundles_are_whole_and_small():
    shipped = [folder for folder in bundles() if folder.is_relative_to(SHIPPED)]
    assert MODEL in shipped
    for folder in shipped:
        card = load_bundle(folder).card  # verifies every checksum
        assert sum(path.stat().st_size for path in folder.iterdir()) <= MOST_BYTES
        assert card.name == folder.name
        assert card.metrics


def test_the_shipped_card_is_what_its_configuration_says(pytestconfig):
    config = load_config(TrainConfig, pytestconfig.rootpath / "configs" / "he-ki67-phantom.yaml")
    card, expected = load_bundle(MODEL).card, write_card(config, config.source, config.training.images)
    differing = {name for name in type(card).model_fields if getattr(card, name) != getattr(expected, name)}
    assert differing <= {"files", "metrics", "restain"}


def test_the_demo_leaves_slides_a_picture_and_numbers_that_are_good(tmp_path):
    seen: list[str] = []
    demo = run_demo(tmp_path / "demo", Size(1024, 1024), lambda progress: seen.append(progress.activity))
    assert list(dict.fromkeys(seen)) == ["rendering", "staining", "measuring"]
    for path in (demo.source, demo.virtual, demo.real):
        with OpenSlide(path) as slide:
            assert slide.dimensions == (1024, 1024)
            assert float(slide.properties["openslide.mpp-x"]) == pytest.approx(0.5)
    with Image.open(demo.picture) as picture:
        assert picture.width > 4 * 500
    cells: CellReading = demo.cells
    assert len(cells.truth) > 300
    assert cells.accuracy("real") > 0.99
    assert cells.accuracy("virtual") > 0.9 * cells.best_accuracy
    assert abs(cells.percent("virtual") - cells.percent_true) < 5
    assert demo.evaluation.summaries["psnr"].mean > 25
    assert not list(tmp_path.glob("demo/*.partial"))


def test_the_command_prints_the_table_and_where_everything_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["demo", "--side", "512"])
    assert result.exit_code == 0, result.output
    for line in ("PSNR", "SSIM", "percent positive", "at best", "demo/comparison.png", "demo/ki67-virtual.ome.tiff"):
        assert line in result.output
