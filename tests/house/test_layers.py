"""Imports go down: the layer table, held against every import statement of the package, also those inside functions."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "restain"

ROWS = (  # from the top; a module imports only from rows below its own
    {"__main__"},
    {"cli"},
    {"calibration", "demo", "doctor", "studies"},
    {"reports", "viewer"},
    {"training", "inference"},
    {"bundle", "data", "features"},
    {"methods"},
    {"tissue", "metrics", "phantom"},
    {"slides", "colour", "nn", "diffusion", "uncertainty"},
    {"geometry", "pixels", "config"},
    {"errors"},
)
FACADE = "restain"
"""The package itself: it may offer anything, and gives everybody its version."""

TORCH_FREE = (
    "errors",
    "geometry",
    "pixels",
    "config",
    "slides",
    "colour",
    "tissue",
    "metrics",
    "phantom",
    "uncertainty",
)

Graph = dict[str, set[str]]
"""What each module imports: modules of the package by their full name, others by their top name."""


def modules_of(package: Path) -> dict[str, Path]:
    """Return every module of a package by its dotted name."""
    modules = {}
    for path in sorted(package.rglob("*.py")):
        parts = [package.name, *path.relative_to(package).with_suffix("").parts]
        modules[".".join(parts).removesuffix(".__init__")] = path
    return modules


def imports_of(name: str, path: Path) -> Iterator[str]:
    """Yield what a module imports, as dotted names; of `from a import b` both a.b and, if b is no module, a."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
                start = base[: len(base) - level + 1] if level else []
                yield from (".".join([*start, *([module] if module else []), alias.name]) for alias in names)
            case ast.Call(func=ast.Name(id="import_module") | ast.Attribute(attr="import_module"), args=[first, *_]):
                yield first.value if isinstance(first, ast.Constant) else "a name that only the running program knows"


def graph_of(package: Path) -> Graph:
    """Return the import graph of a package."""
    modules = modules_of(package)

    def settle(target: str) -> str:
        if target.split(".")[0] != package.name:
            return target.split(".")[0]
        while target not in modules and "." in target:
            target = target.rpartition(".")[0]
        return target

    return {name: {settle(target) for target in imports_of(name, path)} - {name} for name, path in modules.items()}


def place(name: str) -> str:
    """Return the row's member a module belongs to: `slides` for restain.slides.tiff."""
    return name.split(".")[1]


def height(name: str) -> int | None:
    """Return the row a module stands in, the lowest being 0; None for a module in no row."""
    return next((row for row, members in enumerate(reversed(ROWS)) if place(name) in members), None)


def homeless(graph: Graph) -> list[str]:
    """Return the modules that stand in no row."""
    return sorted(name for name in graph if name != FACADE and height(name) is None)


def climbs(graph: Graph) -> list[str]:
    """Return the imports that go up or sideways."""
    found = []
    for name, targets in graph.items():
        if name == FACADE or (own := height(name)) is None:
            continue
        for target in targets:
            inside = target.startswith(FACADE + ".") and place(target) != place(name)
            if inside and ((other := height(target)) is None or other >= own):
                found.append(f"{name} imports {target}")
    return sorted(found)


def cycles(graph: Graph) -> list[str]:
    """Return the modules that reach themselves through others; not through the façade, which gives all its version."""
    return sorted(name for name in graph if name != FACADE and name in reach(graph, name))


def reach(graph: Graph, name: str) -> set[str]:
    """Return everything a module imports, directly or through others of the package."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        targets = graph.get(waiting.pop(), set()) - found - {FACADE}
        found |= targets
        waiting += targets
    return found


def torch_users(graph: Graph) -> list[str]:
    """Return the modules that must not touch torch and do, directly or through others."""
    return sorted(
        name for name in graph if name != FACADE and place(name) in TORCH_FREE and "torch" in reach(graph, name)
    )


def facade_users(package: Path) -> list[str]:
    """Return the imports of the façade by its own modules, but for its version; it stands above them all."""
    modules = modules_of(package)
    return [
        f"{name} imports {target}"
        for name, path in modules.items()
        for target in imports_of(name, path)
        if target == FACADE or (target.startswith(FACADE + ".") and target.count(".") == 1 and target not in modules)
        if target != f"{FACADE}.__version__"
    ]


def test_every_module_stands_in_a_row():
    assert homeless(graph_of(PACKAGE)) == []


def test_imports_go_down():
    assert climbs(graph_of(PACKAGE)) == []


def test_imports_have_no_cycle():
    assert cycles(graph_of(PACKAGE)) == []


def test_arrays_know_nothing_of_torch():
    assert torch_users(graph_of(PACKAGE)) == []


def test_only_the_version_is_taken_from_the_facade():
    assert facade_users(PACKAGE) == []


@pytest.fixture
def planted(tmp_path):
    """Return a function that writes a small package `restain` and gives its import graph."""

    def plant(files: dict[str, str]) -> Graph:
        for path, text in files.items():
            file = tmp_path / "restain" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return graph_of(tmp_path / "restain")

    return plant


def test_the_table_sees_a_module_without_a_row(planted):
    assert homeless(planted({"__init__.py": "", "helpers.py": ""})) == ["restain.helpers"]


@pytest.mark.parametrize(
    "line",
    [
        "from restain.methods.base import Method",
        "from restain import methods",
        "import restain.methods.base as base",
        "from ..methods import base",
        "def late():\n    from restain.methods import base",
        "from importlib import import_module\nbase = import_module('restain.methods.base')",
    ],
)
def test_the_table_sees_an_import_that_goes_up(planted, line):
    graph = planted({"__init__.py": "", "nn/unet.py": line, "methods/__init__.py": "", "methods/base.py": ""})
    assert [climb.split(" imports ")[0] for climb in climbs(graph)] == ["restain.nn.unet"]


def test_the_table_sees_an_import_that_goes_sideways(planted):
    graph = planted({"nn/unet.py": "import restain.diffusion.noise", "diffusion/noise.py": "", "nn/layers.py": ""})
    assert climbs(graph) == ["restain.nn.unet imports restain.diffusion.noise"]


def test_the_table_sees_a_use_of_the_facade(planted, tmp_path):
    planted({"__init__.py": "", "errors.py": "", "nn/__init__.py": "import restain\nfrom restain import stain, errors"})
    assert facade_users(tmp_path / "restain") == ["restain.nn imports restain", "restain.nn imports restain.stain"]


def test_the_table_lets_imports_go_down_and_stay_inside(planted):
    files = {"__init__.py": "", "nn/unet.py": "from restain.nn.layers import x\nimport restain.errors", "errors.py": ""}
    graph = planted({**files, "nn/layers.py": "from restain import __version__"})
    assert (climbs(graph), cycles(graph), homeless(graph)) == ([], [], [])


def test_the_table_sees_a_cycle_inside_a_package(planted):
    graph = planted({"nn/unet.py": "from restain.nn import layers", "nn/layers.py": "from . import unet"})
    assert cycles(graph) == ["restain.nn.layers", "restain.nn.unet"]


def test_the_table_sees_torch_behind_another_module(planted):
    graph = planted({"tissue/mask.py": "from restain.nn.unet import UNet", "nn/unet.py": "import torch.nn as nn"})
    assert torch_users(graph) == ["restain.tissue.mask"]
