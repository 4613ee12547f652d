"""The pages tell the truth: their examples run, and the commands, options and files they name exist."""

import re
import shlex
from pathlib import Path

import pytest
import typer

from restain.cli import app
from restain.geometry import Mpp, Region, Size
from restain.phantom import Phantom, PhantomSlide, write_phantom

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(text: str, language: str) -> list[str]:
    """Return the blocks of one language on a page."""
    return [body for found, body in BLOCK.findall(text) if found == language]


def commands(text: str) -> list[str]:
    """Return the commands of a page: what follows a dollar sign in console blocks, continued lines joined."""
    lines = "\n".join(blocks(text, "console")).replace("\\\n", " ").splitlines()
    return [line.removeprefix("$ ").partition("  #")[0].strip() for line in lines if line.startswith("$ ")]


def unknown(command: str) -> list[str]:
    """Return what a command line names and does not exist."""
    first, *words = shlex.split(command)
    match first:
        case "restain":
            return unknown_to_restain(words)
        case "make":
            targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
            return [word for word in words if "=" not in word and word not in targets]
        case "python" | ".venv/bin/python":
            return [word for word in words if word.endswith(".py") and not (ROOT / word).is_file()]
        case "git" | "pip" | "cd" | "cp" | "mkdir" | "kill" | "torchrun":
            return []
        case _:
            return [first]


def unknown_to_restain(words: list[str]) -> list[str]:
    """Return the commands, options and configurations that restain does not have."""
    group = typer.main.get_command(app)
    name, *rest = words
    if name.startswith("-"):
        return [word for word in words if word not in ("--version", "--help")]
    if name not in group.commands:
        return [name]
    spellings = {"--help", *(spelling for param in group.commands[name].params for spelling in param.opts)}
    options = [word for word in rest if word.startswith("-") and word not in spellings]
    return options + [word for word in rest if word.startswith("configs/") and not (ROOT / word).is_file()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_in_python_run(page, tmp_path, monkeypatch):
    """A reader has a picture, ``image``, and a slide, ``slide.svs`` (formats are known by content)."""
    monkeypatch.chdir(tmp_path)
    phantom, mpp = Phantom(seed=1), Mpp.square(0.5)
    if "slide.svs" in page.read_text(encoding="utf-8"):
        write_phantom(Path("slide.ome.tiff"), PhantomSlide(phantom, "he", Size(96, 96), mpp))
        Path("slide.ome.tiff").rename("slide.svs")
    namespace: dict[str, object] = {"image": phantom.render("he", Region(0, 0, 64, 64), mpp)}
    for number, body in enumerate(blocks(page.read_text(encoding="utf-8"), "python")):
        exec(compile(body, f"{page.name}, block {number}", "exec"), namespace)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_exist(page):
    missing = {line: found for line in commands(page.read_text(encoding="utf-8")) if (found := unknown(line))}
    assert missing == {}


def test_a_wrong_example_is_seen():
    page = "```python\nx = 1\n```\n\n```console\n$ make test\nout\n$ restain train \\\n  a.yaml  # why\n```\n"
    assert blocks(page, "python") == ["x = 1\n"]
    assert commands(page) == ["make test", "restain train    a.yaml"]


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        ("restain --version", []),
        ("restain doctor", []),
        ("restain paint", ["paint"]),
        ("restain train configs/he-ki67-phantom.yaml a=1 --dry-run", []),
        ("restain train configs/no.yaml --wet-run", ["--wet-run", "configs/no.yaml"]),
        ("make test check", []),
        ("make coffee", ["coffee"]),
        ("python benchmarks/startup.py", []),
        ("python benchmarks/no.py", ["benchmarks/no.py"]),
        ("restian doctor", ["restian"]),
    ],
)
def test_a_wrong_command_is_seen(command, missing):
    assert unknown(command) == missing
