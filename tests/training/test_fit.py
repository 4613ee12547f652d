import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from restain.bundle import load_bundle
from restain.config import load_config
from restain.errors import ConfigError, DataError, TrainingError
from restain.methods.regression import Regression
from restain.nn import ImagePool
from restain.training import TrainConfig, fit
from restain.training.average import WeightAverage
from restain.training.checkpoint import checkpoints
from restain.training.log import read_log

TINY = {
    "name": "tiny",
    "licence": "CC0-1.0",
    "source": {"name": "H&E"},
    "target": {"name": "Ki67"},
    "data": {"kind": "folders", "train": "a_*", "held_out": "b_*", "mpp": 0.5},
    "method": {
        "name": "conditional",
        "config": {"unet": {"width": 8, "multipliers": [1, 2], "blocks": 1, "attention": [], "dropout": 0.1}},
    },
    "training": {
        "images": 160,
        "batch": 4,
        "crop": 16,
        "precision": "fp32",
        "warm_up": 20,
        "log_every": 4,
        "checkpoint_every": 40,
        "picture_every": 80,
    },
    "use": {"tile": 64, "halo": 8, "sampling": {"steps": 2}},
}


@pytest.fixture
def config_path(tmp_path: Path) -> Path:
    """A tiny training on twelve small random pairs."""
    rng = np.random.default_rng(0)
    for folder in ("source", "target"):
        (tmp_path / folder).mkdir()
    for name in [f"a_{i}" for i in range(8)] + [f"b_{i}" for i in range(4)]:
        image = rng.integers(0, 255, (24, 20, 3), dtype=np.uint8)
        Image.fromarray(image).save(tmp_path / "source" / f"{name}.png")
        Image.fromarray(255 - image).save(tmp_path / "target" / f"{name}.png")
    folders = {"source": str(tmp_path / "source"), "target": str(tmp_path / "target")}
    tree = {**TINY, "out": str(tmp_path / "run"), "data": {**TINY["data"], **folders}}
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


def drain(path: Path, *overrides: str) -> TrainConfig:
    config = load_config(TrainConfig, path, overrides)
    for _ in fit(config):
        pass
    return config


def curve(folder: Path) -> list[tuple[float, float]]:
    return [(entry["images"], entry["model.denoising"]) for entry in read_log(folder)]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_bundle(folder / "bundle").method.state_dict()


def test_a_run_leaves_log_checkpoints_pictures_and_a_bundle_that_says_what_it_is(config_path, tmp_path):
    config = drain(config_path)
    assert [images for images, _ in curve(config.out)] == list(range(4, 161, 4))
    assert [path.name for path in checkpoints(config.out / "checkpoints")] == ["000000000120", "000000000160"]
    assert {path.name for path in (config.out / "samples").iterdir()} == {"000000000080.png", "000000000160.png"}
    assert list((config.out / "tensorboard").iterdir())
    card = load_bundle(config.out / "bundle").card
    assert (card.source.name, card.target.name, card.mpp, card.tile, card.halo) == ("H&E", "Ki67", 0.5, 64, 8)
    assert card.training["images"] == 160
    assert card.licence == "CC0-1.0"
    assert load_config(TrainConfig, config.out / "config.yaml") == config


def test_going_on_from_a_checkpoint_gives_the_very_curve_and_weights_of_an_unbroken_run(config_path, tmp_path):
    whole = drain(config_path, f"out={tmp_path / 'whole'}")
    part = load_config(TrainConfig, config_path, [f"out={tmp_path / 'part'}"])
    for progress in fit(part):
        if progress.images == 72:  # leaves the loop 32 images after the checkpoint at 40
            break
    drain(config_path, f"out={tmp_path / 'part'}")
    assert curve(part.out) == curve(whole.out)
    assert all(torch.equal(value, weights(whole.out)[name]) for name, value in weights(part.out).items())


def test_a_run_killed_twice_at_any_instant_ends_like_an_unbroken_one(config_path, tmp_path):
    whole = drain(config_path, f"out={tmp_path / 'whole'}", "training.images=400")
    killed = tmp_path / "killed"
    command = [sys.executable, "-m", "restain", "train", str(config_path), f"out={killed}", "training.images=400"]
    environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    for lines in (13, 37):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
        deadline = time.monotonic() + 120
        while len(read_log(killed)) < lines and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (killed / "bundle").exists()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    assert curve(killed) == curve(whole.out)
    assert all(torch.equal(value, weights(whole.out)[name]) for name, value in weights(killed).items())


def test_a_checkpoint_cut_short_is_not_a_checkpoint(config_path):
    config = load_config(TrainConfig, config_path)
    for progress in fit(config):
        if progress.images == 44:
            break
    partial = config.out / "checkpoints" / ".partial"
    partial.mkdir()
    (partial / "method.safetensors").write_bytes(b"half")
    drain(config_path)
    assert len(curve(config.out)) == 40


def test_a_damaged_checkpoint_is_named(config_path):
    config = drain(config_path, "training.images=40")
    newest = checkpoints(config.out / "checkpoints")[-1]
    (newest / "method.safetensors").write_bytes(b"nonsense")
    with pytest.raises(TrainingError, match=f"checkpoint {newest} cannot be restored .* delete"):
        drain(config_path)


def test_a_longer_training_goes_on_and_another_configuration_is_refused(config_path):
    drain(config_path, "training.images=40", "training.decay=constant")
    longer = drain(config_path, "training.images=80", "training.decay=constant")
    assert [images for images, _ in curve(longer.out)][-1] == 80
    with pytest.raises(ConfigError, match=r"another configuration \(training\.rate was 0\.0002\)"):
        drain(config_path, "training.images=80", "training.decay=constant", "training.rate=0.5")


def test_a_loss_that_is_not_finite_stops_with_the_fix_and_leaves_the_checkpoint(config_path, monkeypatch):
    calls = 0

    def losses(self, player, batch, generator):
        nonlocal calls
        calls += 1
        value = self.network(batch.source).mean()
        return {"pixel": value * float("nan") if calls > 15 else value}

    monkeypatch.setattr(Regression, "losses", losses)
    plain = {"unet": {**TINY["method"]["config"]["unet"]}}
    overrides = ["method.name=regression", f"method.config={json.dumps(plain)}"]
    with pytest.raises(TrainingError, match=r"not finite after 60 images.* lower training\.rate"):
        drain(config_path, *overrides)
    out = load_config(TrainConfig, config_path).out
    assert [path.name for path in checkpoints(out / "checkpoints")] == ["000000000040"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data.train='*'"], "4 names, b_0 first, are both in training and held out"),
        (["data.train=z_*"], "no image in .* matches 'z_\\*'"),
        (["training.crop=32"], "24 px is smaller than the crop of 32 px|20 x 24 px is smaller"),
        (["source.channels=[a, b]"], "source images have 3 channels, the configuration names 2"),
    ],
)
def test_pairs_that_do_not_fit_are_refused(config_path, overrides, message):
    with pytest.raises(DataError, match=message):
        drain(config_path, *overrides)


def test_a_missing_partner_and_unequal_sizes_are_named(config_path, tmp_path):
    (tmp_path / "target" / "a_3.png").unlink()
    with pytest.raises(DataError, match=r"1 images of .*, a_3 first, have no partner"):
        drain(config_path)
    Image.new("RGB", (20, 20)).save(tmp_path / "target" / "a_3.png")
    with pytest.raises(DataError, match=r"a_3\.png and its partner differ in size \(20 x 24 and 20 x 20 px\)"):
        drain(config_path)


def test_a_crop_that_the_network_cannot_halve_is_refused(config_path):
    with pytest.raises(ConfigError, match=r"training\.crop is 17.*multiple of 2"):
        drain(config_path, "training.crop=17")


def test_two_processes_agree_with_one_that_sees_both_halves(config_path, tmp_path):
    """Two processes of batch 2 take the steps of one process of batch 4: the same crops, the averaged gradient."""
    plain = {"unet": {**TINY["method"]["config"]["unet"], "dropout": 0.0}}
    overrides = ["method.name=regression", f"method.config={json.dumps(plain)}", "training.images=80"]
    one = drain(config_path, *overrides, f"out={tmp_path / 'one'}")
    two = [*overrides, "training.batch=2", f"out={tmp_path / 'two'}"]
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "restain"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    subprocess.run([*launch, "train", str(config_path), *two], check=True, env=environment, capture_output=True)
    for name, value in weights(tmp_path / "two").items():
        torch.testing.assert_close(value, weights(one.out)[name], atol=2e-3, rtol=0)


def test_the_average_follows_the_half_life():
    module = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(module.weight)
    average = WeightAverage(module, half_life=100)
    torch.nn.init.ones_(module.weight)
    for _ in range(10):  # 100 images, far beyond the ramp
        average.update(module, seen=10_000, batch=10)
    assert average.state["weight"].item() == pytest.approx(0.5)
    with average.applied_to(module):
        assert module.weight.item() == pytest.approx(0.5)
        assert not module.training
    assert module.weight.item() == 1
    assert module.training


def test_stores_of_images_are_copied_into_the_average_not_averaged():
    pool, generator = ImagePool(2), torch.Generator().manual_seed(0)
    average = WeightAverage(pool, half_life=100)
    for step in range(1, 9):
        pool(torch.full((2, 1, 2, 2), float(step)), generator)
        average.update(pool, seen=1000 * step, batch=2)
        assert torch.equal(average.state["_extra_state"], pool.images)
    assert pool.images.max() > 2  # it has taken images since it was full


def test_crops_are_the_same_pixels_of_source_and_target(config_path):
    from restain.data import Crops, batch_of, make_pairs

    config = load_config(TrainConfig, config_path)
    crops = Crops(make_pairs(config.data, "train"), 16, seed=3)
    seen = {tuple(crops[number][0].flatten()[:50].tolist()) for number in range(64)}
    assert len(seen) > 60  # crops differ
    for number in range(64):
        source, target = crops[number][:2]
        torch.testing.assert_close(source, -target, atol=1e-6, rtol=0)  # the target is the negative
        assert torch.equal(crops[number][0], source)
    batch = batch_of([crops[0], crops[1]])
    assert batch.source.shape == (2, 3, 16, 16)
