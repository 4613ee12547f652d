"""What a package offers is exactly its `__all__`, and everything in it is explained."""

import ast
import importlib
import inspect
import itertools
from pathlib import Path
from types import ModuleType

import pytest

import restain

NOT_A_LIBRARY = {"restain.cli"}
"""The command line is run, not imported."""

ROOT = Path(restain.__path__[0])
PACKAGES = sorted(
    {".".join(["restain", *path.parent.relative_to(ROOT).parts]) for path in ROOT.rglob("*.py")} - NOT_A_LIBRARY
)


def public_names(module: ModuleType) -> set[str]:
    """Return what a reader finds in a module: names without underscore that are no modules themselves."""
    return {name for name, value in vars(module).items() if not name.startswith("_") and not inspect.ismodule(value)}


def explained_constants(folder: Path) -> set[str]:
    """Return the names assigned at the top of the files of a folder and followed by a sentence in quotes."""
    found = set()
    for path in folder.rglob("*.py"):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        for node, below in itertools.pairwise(body):
            is_text = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            if is_text:
                found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def unexplained(module: ModuleType) -> list[str]:
    """Return the exported names without a docstring of their own, or without a sentence below a constant."""
    constants = explained_constants(ROOT)
    return [
        name
        for name in module.__all__
        if not name.startswith("__")
        if (
            not inspect.getdoc(value)
            if inspect.isclass(value := getattr(module, name)) or inspect.isroutine(value)
            else name not in constants
        )
    ]


@pytest.mark.parametrize("name", PACKAGES)
def test_all_is_what_is_public(name):
    module = importlib.import_module(name)
    assert len(module.__all__) == len(set(module.__all__))
    assert [each for each in module.__all__ if not hasattr(module, each)] == []
    lazy = set(module.__all__) - set(vars(module)) if hasattr(module, "__getattr__") else set()
    assert public_names(module) | lazy == {each for each in module.__all__ if each != "__version__"}


@pytest.mark.parametrize("name", PACKAGES)
def test_everything_public_is_explained(name):
    module = importlib.import_module(name)
    assert module.__doc__
    assert unexplained(module) == []


def test_a_name_beside_all_is_seen():
    module = ModuleType("sample", "A sample.")
    exec("import os\nfrom pathlib import Path\n_hidden = 1\nfree = 2", vars(module))
    assert public_names(module) == {"Path", "free"}


def test_a_missing_explanation_is_seen():
    module = ModuleType("sample", "A sample.")
    exec('def told():\n    """Say."""\ndef untold(): ...\nclass Bare: ...\nODD_CONSTANT = 1', vars(module))
    module.__all__ = ["told", "untold", "Bare", "ODD_CONSTANT"]
    assert unexplained(module) == ["untold", "Bare", "ODD_CONSTANT"]


def test_a_sentence_below_a_constant_is_seen(tmp_path):
    (tmp_path / "sample.py").write_text('A = 1\n"""Why."""\nB: int = 2\n"""Why."""\nC = 3\n')
    assert explained_constants(tmp_path) == {"A", "B"}
