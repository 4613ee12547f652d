"""GANs through the loop: what must survive a kill is more than weights, and bundles are less than checkpoints."""

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
from restain.training import TrainConfig, fit
from restain.training.checkpoint import checkpoints
from restain.training.log import read_log

GENERATOR = {"width": 4, "blocks": 1}
DISCRIMINATOR = {"width": 4, "layers": 1}
SHAPE = {"generator": GENERATOR, "discriminator": DISCRIMINATOR}
METHODS = {
    "pix2pix": {"name": "pix2pix", "config": {"generator": {"width": 2, "downs": 6}, "discriminator": DISCRIMINATOR}},
    "rivenson": {
        "name": "pix2pix",
        "config": {
            "preset": "rivenson",
            "generator": {"width": 2, "downs": 6},
            "discriminator": DISCRIMINATOR,
            "unconditional": {"discriminator": DISCRIMINATOR},
            "rotated": {"reading": "turns"},
        },
    },
    "cyclegan": {"name": "cyclegan", "config": {**SHAPE, "pool": 5}},
    "fastcut": {"name": "cut", "config": {**SHAPE, "preset": "fastcut", "layers": [0, 4, 8], "places": 16}},
    "asp": {
        "name": "cut",
        "config": {**SHAPE, "preset": "asp", "layers": [0, 4, 8], "places": 16, "schedule_images": 24},
    },
}
COURSE = {
    "images": 24,
    "batch": 2,
    "crop": 64,
    "rate": 2e-3,
    "betas": [0.5, 0.999],
    "clip": None,
    "decay": "late_linear",
    "average": 0,
    "precision": "fp32",
    "warm_up": 0,
    "log_every": 2,
    "checkpoint_every": 10,
    "picture_every": 20,
}


@pytest.fixture
def written(tmp_path: Path):
    """A function that writes the configuration of a tiny training on six small random pairs."""
    rng = np.random.default_rng(0)
    for folder in ("source", "target"):
        (tmp_path / folder).mkdir()
        for name in [f"a_{i}" for i in range(4)] + [f"b_{i}" for i in range(2)]:
            image = rng.integers(0, 255, (66, 70, 3), dtype=np.uint8)
            Image.fromarray(image).save(tmp_path / folder / f"{name}.png")

    def write(method: str) -> Path:
        folders = {"source": str(tmp_path / "source"), "target": str(tmp_path / "target")}
        tree = {
            "name": "tiny",
            "out": str(tmp_path / "run"),
            "source": {"name": "H&E"},
            "target": {"name": "Ki67"},
            "data": {"kind": "folders", "train": "a_*", "held_out": "b_*", "mpp": 0.5, **folders},
            "method": METHODS[method],
            "training": COURSE,
            "use": {"tile": 64, "halo": 8},
        }
        path = tmp_path / "tiny.yaml"
        path.write_text(yaml.safe_dump(tree))
        return path

    return write


def drain(path: Path, *overrides: str) -> TrainConfig:
    config = load_config(TrainConfig, path, overrides)
    for _ in fit(config):
        pass
    return config


def curves(folder: Path) -> list[dict[str, float]]:
    """Everything that was logged but speed."""
    return [{name: value for name, value in entry.items() if "second" not in name} for entry in read_log(folder)]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_bundle(folder / "bundle").method.state_dict()


@pytest.mark.parametrize(
    "method", ["cyclegan", *(pytest.param(name, marks=pytest.mark.slow) for name in METHODS if name != "cyclegan")]
)
def test_a_run_that_was_broken_off_ends_like_an_unbroken_one(written, tmp_path, method):
    path = written(method)
    whole = drain(path, f"out={tmp_path / 'whole'}")
    broken = load_config(TrainConfig, path, [f"out={tmp_path / 'broken'}"])
    for progress in fit(broken):
        if progress.images == 18:  # eight images after the checkpoint at 10
            break
    drain(path, f"out={tmp_path / 'broken'}")
    assert curves(broken.out) == curves(whole.out)
    assert all(torch.equal(value, weights(whole.out)[name]) for name, value in weights(broken.out).items())


@pytest.mark.slow
def test_a_run_that_was_killed_ends_like_an_unbroken_one(written, tmp_path):
    path, killed = written("cyclegan"), tmp_path / "killed"
    whole = drain(path, f"out={tmp_path / 'whole'}", "training.images=60")
    command = [sys.executable, "-m", "restain", "train", str(path), f"out={killed}", "training.images=60"]
    environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    deadline = time.monotonic() + 120
    while len(read_log(killed)) < 12 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "bundle").exists()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    assert curves(killed) == curves(whole.out)
    assert all(torch.equal(value, weights(whole.out)[name]) for name, value in weights(killed).items())


def test_a_checkpoint_holds_both_players_and_the_pool_and_a_bundle_the_generator(written):
    config = drain(written("cyclegan"))
    newest = checkpoints(config.out / "checkpoints")[-1]
    assert {path.name for path in newest.iterdir()} >= {
        "optimiser-discriminator.safetensors",
        "optimiser-generator.safetensors",
    }
    assert {name.split(".")[0] for name in weights(config.out)} == {"network"}
    logged = curves(config.out)[-1].keys()
    assert {"discriminator.source", "discriminator.target", "generator.cycle", "held_out.generator.identity"} <= logged
