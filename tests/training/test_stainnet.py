"""A StainNet learns scores, goes on exactly after a kill, and leaves an extractor."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from restain.data import make_scored
from restain.errors import ConfigError
from restain.features import find_extractor
from restain.features.network_files import WEIGHTS
from restain.training import StainNetConfig, TrainConfig, fit_stainnet, load_run, stainnet
from restain.training.log import read_log
from restain.training.stainnet import Answers


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A configuration of a tiny training: slides of two scores that differ in colour, two images each."""
    (tmp_path / "images").mkdir()
    rng, rows = np.random.default_rng(0), ["image,slide,score"]
    for number in range(6):
        score = number % 2
        rows.append(f"s{number}_*,s{number},{score}")
        for k in range(2):
            image = rng.integers(80, 120, (32, 40, 3)) + np.array([60, 0, 0]) * score
            Image.fromarray(image.astype(np.uint8)).save(tmp_path / "images" / f"s{number}_{k}.png")
    (tmp_path / "scores.csv").write_text("\n".join(rows) + "\n")
    tree = {
        "kind": "stainnet",
        "name": "tiny",
        "meaning": "how red the slide is",
        "out": str(tmp_path / "run"),
        "data": {"kind": "table", "images": str(tmp_path / "images"), "table": str(tmp_path / "scores.csv")},
        "network": {"width": 8},
        "training": {"patches": 240, "crop": 32, "batch": 8, "rate": 3e-3, "check_every": 80, "precision": "fp32"},
    }
    (tmp_path / "stainnet.yaml").write_text(yaml.safe_dump(tree))
    return tmp_path / "stainnet.yaml"


def training(path: Path, *overrides: str) -> tuple[StainNetConfig, Iterator[object]]:
    config = load_run(path, overrides)
    assert isinstance(config, StainNetConfig)
    return config, fit_stainnet(config)


def curve(folder: Path) -> list[dict[str, float]]:
    return [{name: value for name, value in entry.items() if name != "images_per_second"} for entry in read_log(folder)]


def test_a_training_leaves_an_extractor_and_says_what_it_tells(path):
    config, progress = training(path)
    assert len(list(progress)) == 3
    assert load_run(config.out / "config.yaml") == config
    assert (config.out / "curves.png").is_file()
    extractor = find_extractor(f"stainnet={config.out / 'bundle'}")
    assert (extractor.name, extractor.dimension, extractor.side, extractor.frechet) == ("tiny", 64, 32, "fsd")
    assert extractor(np.zeros((2, 32, 50, 3), np.uint8)).shape == (2, 64)
    card = yaml.safe_load((config.out / "bundle" / "card.yaml").read_text())
    assert card["scores"] == [0, 1]
    assert card["metrics"]["held_out slides"] == 1
    assert card["metrics"]["held_out chance"] == 0.5
    assert (card["metrics"]["held_out n_patches"], card["metrics"]["held_out n_slides"]) == (4, 2)


def test_a_training_that_was_stopped_goes_on_bit_by_bit(path, tmp_path):
    whole, progress = training(path)
    list(progress)
    part, progress = training(path, f"out={tmp_path / 'part'}")
    next(progress)
    progress.close()  # as a kill, after the first checkpoint
    list(training(path, f"out={tmp_path / 'part'}")[1])
    assert curve(part.out) == curve(whole.out)
    assert (part.out / "bundle" / WEIGHTS).read_bytes() == (whole.out / "bundle" / WEIGHTS).read_bytes()


def test_training_ends_early_and_keeps_the_weights_of_the_lowest_loss(path, tmp_path, monkeypatch):
    losses = iter([0.5, 0.7, 0.9, 0.1])
    real = stainnet.measure

    def told(*arguments):
        found = real(*arguments)
        return Answers(next(losses, 1.0), *(getattr(found, name) for name in Answers.__slots__[1:]))

    first, progress = training(path, f"out={tmp_path / 'first'}", "training.patience=1")
    monkeypatch.setattr(stainnet, "measure", told)
    assert len(list(progress)) == 2  # 0.7 is no better than 0.5
    losses = iter([0.5, 0.4, 0.3])
    list(training(path, f"out={tmp_path / 'all'}", "training.patience=null")[1])
    one, other = ((folder / "bundle" / WEIGHTS).read_bytes() for folder in (first.out, tmp_path / "all"))
    assert one != other


def test_another_configuration_does_not_go_on_in_the_same_folder(path):
    next(training(path)[1])
    with pytest.raises(ConfigError, match=r"another configuration \(training.rate was 0.003\)"):
        next(training(path, "training.rate=1e-3")[1])


def test_kinds_of_trainings_are_told_apart(path, pytestconfig):
    assert isinstance(load_run(path), StainNetConfig)
    assert isinstance(load_run(pytestconfig.rootpath / "configs" / "he-ki67-phantom.yaml"), TrainConfig)
    assert isinstance(load_run(pytestconfig.rootpath / "configs" / "stainnet.yaml"), StainNetConfig)
    with pytest.raises(ConfigError, match="there is no kind of training 'stainer': write `kind: stainnet` for"):
        load_run(path, ["kind=stainer"])
    with pytest.raises(ConfigError, match=r"unknown key 'training.patches2': did you mean 'patches'"):
        load_run(path, ["training.patches2=1"])
    with pytest.raises(ConfigError, match="check_every must be a multiple of batch"):
        load_run(path, ["training.batch=7"])


def test_the_configuration_on_the_page_loads_with_its_table(tmp_path, pytestconfig, monkeypatch):
    page = (pytestconfig.rootpath / "docs" / "stainnet.md").read_text()
    config, table = (page.split(f"```{kind}\n")[1].split("```")[0] for kind in ("yaml", "csv"))
    monkeypatch.chdir(tmp_path)
    Path("liver/patches").mkdir(parents=True)
    Path("liver/scores.csv").write_text(table)
    Path("stainnet.yaml").write_text(config)
    for slide in range(1, 9):
        Image.new("RGB", (128, 128)).save(f"liver/patches/S-0{slide}_1.png")
    loaded = load_run(Path("stainnet.yaml"))
    assert isinstance(loaded, StainNetConfig)
    parts = make_scored(loaded.data)
    assert [sorted(parts[part].scores) for part in ("train", "held_out")] == [[0, 1, 2, 3]] * 2
