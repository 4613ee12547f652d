"""Small evaluations by ``restain evaluate`` itself, and a reader of pages."""

import json
import warnings
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from restain.errors import RestainWarning
from restain.geometry import Mpp, Region
from restain.phantom import Phantom
from restain.reports import evaluate
from restain.reports.report import figures
from restain.reports.report.theme import Drawn
from restain.slides import save_image

SIDE, COUNT = 64, 12
MPP = Mpp.square(0.5)


class Page(HTMLParser):
    """What a browser would find: tables by row, links, pictures, headings, warnings."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.text = path, path.read_text(encoding="utf-8")
        self.rows: dict[str, list[tuple[str, str]]] = {}
        self.links: list[str] = []
        self.pictures: list[tuple[str, str]] = []
        self.headings: list[str] = []
        self.doubts: list[str] = []
        self.tags: set[str] = set()
        self._row: list[tuple[str, str]] = []
        self._collect: list[str] | None = None
        self._title = ""
        self.feed(self.text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.add(tag)
        self.links += [found[name] for name in ("src", "href", "xlink:href") if name in found]
        if tag == "img":
            self.pictures.append((found["alt"], found["src"]))
        if tag == "tr":
            self._row = []
        if tag in ("td", "li", "h1", "h2", "h3"):
            self._collect, self._title = [], found.get("title", "")

    def handle_data(self, data):
        if self._collect is not None:
            self._collect.append(data)

    def handle_endtag(self, tag):
        if tag in ("td", "li", "h1", "h2", "h3") and self._collect is not None:
            text = " ".join("".join(self._collect).split())
            self._collect = None
            if tag == "td":
                self._row.append((text, self._title))
            elif tag == "li":
                self.doubts.append(text)
            else:
                self.headings.append(text)
        if tag == "tr" and self._row:
            (name, _), *cells = self._row
            self.rows[name] = cells


class Case(NamedTuple):
    """Folders of one evaluation."""

    root: Path
    scores: Path

    def read(self) -> dict:
        return json.loads((self.scores / "evaluation.json").read_text())


def write_images(root: Path, count: int = COUNT, side: int = SIDE) -> None:
    """Write sources, real stains and stains that are the worse, the higher their number."""
    rng = np.random.default_rng(0)
    for number in range(count):
        phantom = Phantom(seed=50 + number)
        real = phantom.render("ki67", Region(0, 0, side, side), MPP)
        noise = rng.normal(0, 3 + 2 * number, real.shape)
        virtual = (real + noise).clip(0, 255).astype(np.uint8)
        he = phantom.render("he", Region(0, 0, side, side), MPP)
        for folder, image in (("he", he), ("real", real), ("virtual", virtual)):
            save_image(root / folder / f"tile{number:02d}.png", image, MPP)


def measure(root: Path, **options) -> Case:
    """Evaluate what was written."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RestainWarning)
        evaluate(root / "virtual", root / "real", root / "scores", source=root / "he", **options)
    return Case(root, root / "scores")


@pytest.fixture(scope="package")
def whole(tmp_path_factory) -> Case:
    """Twelve tiles with all metrics and distances."""
    root = tmp_path_factory.mktemp("whole")
    write_images(root)
    return measure(root, features="phantom")


@pytest.fixture
def small(tmp_path) -> Case:
    """Three tiles with a few metrics."""
    write_images(tmp_path, 3, 32)
    return measure(tmp_path, metrics=["psnr", "l1"])


@pytest.fixture
def remeasured() -> Callable[..., Case]:
    """Return what evaluates anew after images were changed."""
    return measure


@pytest.fixture
def undrawn(monkeypatch) -> None:
    """Leave the drawing out, which takes longest, where figures are not looked at."""
    monkeypatch.setattr(figures, "finish", lambda figure, alt: Drawn("<svg></svg>", b"", alt))
