"""A study small enough to run in seconds, on fields of the phantom."""

import csv
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from restain.config import parse_config
from restain.studies import State, StudyConfig, run_study, study_states

UNET = {"width": 8, "multipliers": [1, 2], "blocks": 1, "attention": [], "middle_attention": False}
COURSE = {
    "images": 16,
    "batch": 4,
    "crop": 16,
    "rate": 5e-3,
    "warm_up": 4,
    "average": 1,
    "precision": "fp32",
    "log_every": 8,
    "checkpoint_every": 8,
    "picture_every": 16,
}
USE = {"tile": 32, "halo": 4, "sampling": {"steps": 2}}


def fragment(method: str, **config: Any) -> dict[str, Any]:
    """A model of the study."""
    return {"method": {"name": method, "config": {"unet": UNET, **config}}, "training": COURSE, "use": USE}


TREE: dict[str, Any] = {
    "name": "tiny",
    "precision": "fp32",
    "device": "cpu",
    "datasets": {
        "ki67": {
            "source": {"name": "H&E"},
            "target": {"name": "Ki67", "background": 244},
            "data": {"kind": "phantom", "slides": 2, "side": 32, "held_out_slides": 1, "test_slides": 3},
        }
    },
    "models": {
        "regression": fragment("regression"),
        "conditional": fragment("conditional", prediction="x0"),
        "unused": fragment("prior"),
    },
    "cells": [
        {"name": "real stain", "model": "truth"},
        {"name": "source, unstained", "model": "identity"},
        {"name": "regression", "model": "regression"},
        {"name": "diffusion", "model": "conditional"},
        {"name": "diffusion, 4 steps", "model": "conditional", "sampling": {"steps": 4}},
    ],
    "tables": [{"name": "methods", "columns": ["psnr", "l1", "hist_correlation", "seconds"]}],
}


@dataclass(frozen=True)
class Bench:
    """A folder for the study, and the study with some values changed."""

    out: Path

    def study(self, **changes: Any) -> StudyConfig:
        """Return the study; ``models__prior__training__images=8`` changes a value, numbers count in lists."""
        return parse_config(StudyConfig, self.tree(**changes), "the study")

    def tree(self, **changes: Any) -> dict[str, Any]:
        """Return the same as plain values."""
        copy = json.loads(json.dumps({**TREE, "out": str(self.out)}))  # deepcopy would keep fragments shared
        for place, value in changes.items():
            *parents, leaf = place.split("__")
            section = copy
            for parent in parents:
                section = section[int(parent)] if isinstance(section, list) else section[parent]
            section[int(leaf) if isinstance(section, list) else leaf] = value
        return copy

    def run(self, only: tuple[str, ...] = (), **changes: Any) -> None:
        """Run it to its end."""
        for _ in run_study(self.study(**changes), only=only):
            pass

    def states(self, **changes: Any) -> dict[str, State]:
        """Return how far everything is."""
        return dict(study_states(self.study(**changes)))

    def rows(self, table: str = "methods") -> dict[str, dict[str, str]]:
        """Return the lines of a table by cell."""
        with (self.out / "tables" / f"{table}.csv").open(newline="") as file:
            return {row["cell"]: row for row in csv.DictReader(file)}

    def times(self, *patterns: str) -> dict[str, int]:
        """Return when files were last written."""
        found = [path for pattern in patterns or ("cells/**/*", "models/**/*") for path in self.out.glob(pattern)]
        return {str(path.relative_to(self.out)): path.stat().st_mtime_ns for path in found if path.is_file()}


@pytest.fixture
def fresh(tmp_path: Path) -> Bench:
    """A study of which nothing is done."""
    return Bench(tmp_path / "out")


@pytest.fixture(scope="session")
def _finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    bench = Bench(tmp_path_factory.mktemp("study") / "out")
    bench.run()
    return bench.out


@pytest.fixture
def done(_finished: Path, tmp_path: Path) -> Bench:
    """A study that is done; in a folder to which it was moved."""
    shutil.copytree(_finished, tmp_path / "out")
    return Bench(tmp_path / "out")
