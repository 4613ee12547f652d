"""What is installed beside restain, and what an import costs."""

import importlib.util
import subprocess
import sys

import pytest

HEAVY = ("torch", "numpy", "scipy", "skimage", "tifffile", "openslide", "pydantic", "typer", "rich", "yaml")


def loaded_by(statement: str) -> set[str]:
    """Return the top names of all modules in a fresh interpreter after a statement."""
    program = f"import sys\n{statement}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_torchvision_is_absent():
    """Its registry build breaks beside the CPU build of torch, and breaks others by its mere presence."""
    assert importlib.util.find_spec("torchvision") is None


def test_importing_restain_loads_nothing_heavy():
    assert loaded_by("import restain") & set(HEAVY) == set()


def test_the_command_line_loads_nothing_heavy_before_a_command_runs():
    assert loaded_by("import restain.cli") & {"torch", "numpy", "scipy", "skimage", "pydantic"} == set()


def test_importing_the_parts_that_know_only_arrays_loads_no_torch(torch_free):
    assert "torch" not in loaded_by(f"import {torch_free}")


def test_loaded_modules_are_seen():
    assert {"numpy", "colorsys"} <= loaded_by("import numpy, colorsys")


@pytest.fixture(params=["errors", "geometry", "pixels", "config", "slides", "colour", "tissue", "metrics", "phantom"])
def torch_free(request):
    """Every part that must stay importable where torch is not."""
    return f"restain.{request.param}"
