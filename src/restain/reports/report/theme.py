"""Figures that look right on paper and on a light or dark screen: drawn once, coloured by the page that shows them."""

import base64
import io
import re
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, MUTED, FAINT = "#1d1b26", "#696574", "#dcd9e4"
"""Text; what is said beside; lines that only guide the eye."""
VIRTUAL, REAL, THIRD = "#6b3fd1", "#c2571a", "#2a7f86"
"""Virtual and real images, and a third kind of line; told apart by lightness too."""

COLOURS = {INK: "ink", MUTED: "muted", FAINT: "faint", VIRTUAL: "virtual", REAL: "real", THIRD: "third"}
"""The name of each colour in the style sheet of the page."""

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: found, selected, read aloud
    "svg.hashsalt": "restain",  # the same file from the same numbers
    "font.family": "sans-serif",
    "font.size": 9.0,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": MUTED,
    "axes.titlecolor": INK,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "lines.linewidth": 1.5,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "axes.facecolor": "none",
}


@final
@dataclass(frozen=True)
class Drawn:
    """A figure in both forms.

    Args:
        svg: for the page; colours are variables of its style sheet.
        png: for documents, on white.
        alt: what it shows, in words.
    """

    svg: str
    png: bytes
    alt: str


def panels(count: int, *, width: float = 3.1, height: float = 2.5) -> tuple[Figure, list[Axes]]:
    """Return an empty figure of panels side by side, in inches each; draw and ``finish`` it within ``styled``."""
    figure = Figure(figsize=(width * count, height), layout="constrained")
    return figure, list(figure.subplots(1, count, squeeze=False)[0])


def styled() -> AbstractContextManager[None]:
    """Return the context in which figures of a report are drawn and finished."""
    return mpl.rc_context(STYLE)


def finish(figure: Figure, alt: str) -> Drawn:
    """Return a figure in both forms, the same bytes for the same numbers."""
    png, svg = io.BytesIO(), io.StringIO()
    figure.savefig(png, format="png", dpi=150, metadata={"Software": None})
    figure.set_layout_engine("none")  # the places that were found stay
    figure.patch.set_alpha(0)
    figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return Drawn(_themed(svg.getvalue()), png.getvalue(), alt)


def _themed(svg: str) -> str:
    """Return the drawing alone, with its colours as variables, the font of the page, and as wide as there is room."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family: [^;\"]*", "font-family: system-ui, sans-serif", svg)
    for colour, name in COLOURS.items():
        svg = svg.replace(colour, f"var(--{name})")
    return svg


def data_address(png: bytes) -> str:
    """Return a PNG as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def write_png(path: Path, png: bytes) -> None:
    """Write a PNG whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(png)
    partial.replace(path)
