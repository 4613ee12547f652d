"""The curves of a run as one picture: losses and diagnostics over training, and over whatever else they depend on."""

import re
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from restain.training.log import read_log

POINT = re.compile(r"(?P<curve>.+)\.(?P<variable>\w+)=(?P<place>-?[\d.]+)$")
"""The name of a value that is one point of a curve over another variable, as in ``information.t=0100``."""


def draw_curves(folder: Path) -> None:
    """Draw ``curves.png`` from the log of a run: one panel per kind of value, and one per curve, at its last state."""
    entries = read_log(folder)
    names = sorted({name for entry in entries for name in entry} - {"images", "rate", "images_per_second"})
    panels: dict[str, list[str]] = {}
    for name in names:
        point = POINT.match(name)
        panels.setdefault(point["curve"] if point else name.rsplit(".", 1)[-1], []).append(name)
    curves = {panel: found for panel, found in panels.items() if POINT.match(found[0])}
    figure = Figure(figsize=(5 * max(1, len(panels) + len(curves)), 4), layout="constrained")
    axes = iter(figure.subplots(1, max(1, len(panels) + len(curves)), squeeze=False)[0])
    for panel, found in panels.items():
        axis = next(axes)
        for name in found:
            seen = [(entry["images"], entry[name]) for entry in entries if name in entry]
            axis.plot(*zip(*seen, strict=True), label=name, marker="." if len(seen) < 20 else None)
        axis.set(title=panel, xlabel="images seen")
        axis.legend(fontsize="x-small")
    for panel, found in curves.items():
        places, values, variable = _last(entries, found)
        axis = next(axes)
        axis.plot(places, values, marker=".")
        axis.axhline(0, color="grey", linewidth=0.5)
        axis.set(title=f"{panel} at the end", xlabel=variable)
    partial = folder / ".curves.partial"
    figure.savefig(partial, format="png", dpi=100)
    partial.replace(folder / "curves.png")


def _last(entries: Sequence[dict[str, float]], names: Sequence[str]) -> tuple[list[float], list[float], str]:
    """Return the points of a curve as they were logged last, and the name of its variable."""
    last = next(entry for entry in reversed(entries) if names[0] in entry)
    points = [(match, last[name]) for name in names if (match := POINT.match(name)) and name in last]
    order = sorted((float(match["place"]), value) for match, value in points)
    return [place for place, _ in order], [value for _, value in order], points[0][0]["variable"]
