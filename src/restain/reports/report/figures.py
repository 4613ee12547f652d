"""The figures of a report: from numbers to drawings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import final

import numpy as np
from matplotlib.axes import Axes

from restain.reports.report.books import CHANNELS, EDGES, Density
from restain.reports.report.theme import FAINT, INK, MUTED, REAL, THIRD, VIRTUAL, Drawn, finish, panels, styled
from restain.training.curves import POINT
from restain.uncertainty import ReliabilityPoint, ReliabilitySummary

COARSER = 3
"""Bins of ``EDGES`` drawn as one: grey levels are whole numbers, and finer bins would show their comb."""

TAIL = 0.002
"""Share of values that may lie beyond either end of a histogram."""


PER_FIGURE = 3
"""Panels of a run's curves side by side."""


@final
@dataclass(frozen=True)
class Curves:
    """One panel of a run's curves.

    Args:
        title: kind of value.
        variable: along x.
        lines: by name, points each.
    """

    title: str
    variable: str
    lines: Mapping[str, Sequence[tuple[float, float]]]


def draw_densities(densities: Sequence[Density]) -> Drawn:
    """Draw the distribution of optical densities, virtual against real, one panel each."""
    middles = (EDGES[:-1] + EDGES[1:]) / 2
    middles = middles.reshape(-1, COARSER).mean(axis=1)
    with styled():
        figure, axes = panels(len(densities), width=2.4, height=2.3)
        for axis, density in zip(axes, densities, strict=True):
            share = density.counts.reshape(2, -1, COARSER).sum(axis=2) / density.counts.sum(axis=1, keepdims=True)
            per_unit = share / (COARSER * (EDGES[1] - EDGES[0]))
            axis.fill_between(middles, per_unit[1], step="mid", color=REAL, alpha=0.18, linewidth=0)
            axis.step(middles, per_unit[1], where="mid", color=REAL, label="real")
            axis.step(middles, per_unit[0], where="mid", color=VIRTUAL, label="virtual")
            below = np.cumsum(share, axis=1)
            first = min(np.searchsorted(side, TAIL) for side in below)
            last = max(np.searchsorted(side, 1 - TAIL) for side in below)
            axis.set(
                title=density.name,
                xlabel="optical density" if density.name in CHANNELS else "amount, optical density",
                xlim=(middles[max(first - 1, 0)], middles[min(last + 1, len(middles) - 1)]),
                ylim=(2e-3 * per_unit.max(), None),
                yscale="log",
            )
            axis.minorticks_off()
        axes[0].set_ylabel("share of pixels per unit")
        axes[-1].legend()
        names = ", ".join(density.name for density in densities)
        return finish(figure, f"Histograms of optical density of virtual and real images: {names}")


def draw_agreement(pairs: Sequence[tuple[float, float]], bias: float, lower: float, upper: float, unit: str) -> Drawn:
    """Draw a Bland-Altman plot: the difference over the mean of virtual and real, with bias and limits."""
    virtual, real = (np.array(side) for side in zip(*pairs, strict=True))
    with styled():
        figure, (axis, scatter) = panels(2, width=3.6, height=2.8)
        axis.axhline(0, color=FAINT, linewidth=1)
        axis.scatter((virtual + real) / 2, virtual - real, s=12, color=VIRTUAL, alpha=0.7, linewidths=0)
        levels = (("bias", bias, "-"), ("", lower, "--"), ("", upper, "--"))
        for name, level, line in levels:
            axis.axhline(level, color=REAL, linestyle=line, linewidth=1.2)
            axis.annotate(
                f"{name} {level:+.2f}".strip().replace("-", "−"),
                (1, level),
                xycoords=("axes fraction", "data"),
                xytext=(-2, 3),
                textcoords="offset points",
                ha="right",
                color=REAL,
                fontsize=8,
            )
        axis.set(title="Bland-Altman", xlabel=f"mean of virtual and real, {unit}", ylabel=f"virtual - real, {unit}")
        top = max(virtual.max(), real.max(), 1e-9) * 1.05
        scatter.plot([0, top], [0, top], color=FAINT, linewidth=1)
        scatter.scatter(real, virtual, s=12, color=VIRTUAL, alpha=0.7, linewidths=0)
        scatter.set(title="Image by image", xlabel=f"real, {unit}", ylabel=f"virtual, {unit}", aspect="equal")
        return finish(
            figure,
            f"Bland-Altman plot of {len(virtual)} images: bias {bias:.3g}, 95 % limits of agreement "
            f"{lower:.3g} to {upper:.3g} {unit}",
        )


def draw_reliability(curves: dict[str, Sequence[ReliabilityPoint]]) -> Drawn:
    """Draw reliability curves: of intervals of several levels, the share of the truth inside."""
    with styled():
        figure, (axis,) = panels(1, width=3.4, height=3.2)
        axis.plot([0, 1], [0, 1], color=FAINT, linewidth=1)
        for (name, points), colour in zip(curves.items(), (VIRTUAL, THIRD, REAL), strict=False):
            axis.plot(
                [point.nominal for point in points],
                [point.empirical for point in points],
                marker="o",
                markersize=3.5,
                color=colour,
                label=name,
            )
        axis.set(
            title="Reliability",
            xlabel="level asked for",
            ylabel="share inside",
            xlim=(0, 1),
            ylim=(0, 1),
            aspect="equal",
        )
        if len(curves) > 1:
            axis.legend()
        return finish(figure, "Reliability curve: the share of the truth inside intervals of several levels")


def draw_risk(found: ReliabilitySummary, alpha: float | None) -> Drawn:
    """Draw the share outside by quarters of width, narrow intervals first."""
    with styled():
        figure, (axis,) = panels(1, width=3.4, height=2.6)
        axis.bar(range(4), [100 * risk for risk in found.risk_by_width], color=VIRTUAL, width=0.62)
        if alpha is not None:
            axis.axhline(100 * alpha, color=REAL, linestyle="--", linewidth=1.2)
            axis.annotate(
                "promised on average", (1, 100 * alpha), xycoords=("axes fraction", "data"), xytext=(0, 3),
                textcoords="offset points", ha="right", color=REAL, fontsize=8,
            )  # fmt: skip
        axis.set_ylim(0, 118 * max(*found.risk_by_width, alpha or 0, 1e-3))
        axis.set_xticks(range(4), ["narrowest", "second", "third", "widest"])
        axis.set(title="Outside, by width of the interval", ylabel="% of values")
        return finish(figure, "Share of values outside their interval, by quarters of its width")


def draw_curves(curves: Sequence[Curves]) -> list[Drawn]:
    """Draw the log of a run, ``PER_FIGURE`` panels per figure."""
    drawn = []
    for first in range(0, len(curves), PER_FIGURE):
        shown = curves[first : first + PER_FIGURE]
        with styled():
            figure, axes = panels(len(shown), width=3.4, height=2.6)
            for axis, each in zip(axes, shown, strict=True):
                _draw_lines(axis, each)
            drawn.append(finish(figure, f"Training: {', '.join(each.title for each in shown)}"))
    return drawn


def _draw_lines(axis: Axes, curves: Curves) -> None:
    colours = (VIRTUAL, REAL, THIRD, INK, MUTED)
    for number, (line, points) in enumerate(curves.lines.items()):
        x, y = zip(*points, strict=True)
        style = ("-", "--", ":")[number // len(colours) % 3]
        marker = "o" if len(points) < 20 else None
        axis.plot(x, y, style, color=colours[number % len(colours)], marker=marker, markersize=3, label=line)
    values = np.array([value for points in curves.lines.values() for _, value in points])
    if curves.title != "rate" and (values > 0).all() and np.isfinite(values).all() and values.max() > 30 * values.min():
        axis.set_yscale("log")
        axis.minorticks_off()
    axis.set(title=curves.title, xlabel=curves.variable)
    if len(curves.lines) > 1:
        axis.legend(fontsize=7.5)


def log_curves(entries: Sequence[Mapping[str, float]]) -> list[Curves]:
    """Return the panels of a log: losses of training and of held-out images share one, the rate comes last.

    Values that are points of a curve over another variable, as ``information.t=0100``, become that curve, as it was
    logged last.
    """
    lines: dict[str, dict[str, list[tuple[float, float]]]] = {}
    points: dict[str, tuple[str, dict[float, float]]] = {}
    for entry in entries:
        for name, value in entry.items():
            if point := POINT.match(name):
                points.setdefault(point["curve"], (point["variable"], {}))[1][float(point["place"])] = value
            elif name not in ("images", "images_per_second"):
                lines.setdefault(name.rsplit(".", 1)[-1], {}).setdefault(name, []).append((entry["images"], value))
    found = [Curves(kind, "images seen", of_kind) for kind, of_kind in lines.items()]
    found += [
        Curves(f"{name} at the end", variable, {name: sorted(places.items())})
        for name, (variable, places) in points.items()
    ]
    return sorted(found, key=lambda each: each.title == "rate")


def rises(points: Sequence[tuple[float, float]]) -> bool:
    """Return whether a held-out loss rose by more than a tenth of its least value after it."""
    values = [value for _, value in points]
    least = min(values)
    return any(a != b for a, b in pairwise(values)) and values[-1] > least + 0.1 * abs(least)
