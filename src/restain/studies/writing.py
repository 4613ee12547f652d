"""Tables as text: Markdown for people, CSV for programs."""

import csv
import io
import math
from dataclasses import astuple

from restain.studies.columns import SETS
from restain.studies.origin import Origin
from restain.studies.sets import Distances
from restain.studies.summary import Summary
from restain.studies.table import Block, Entry, Row, Table

ARROWS = {"higher": "↑", "lower": "↓", "nearer 0": "→ 0"}
"""The better direction, as it stands behind the name of a column."""


OF_SETS = frozenset(column.name for column in SETS)


def number(value: float) -> str:
    """Return a number as it stands in tables.

    >>> number(14.3678), number(0.08612), number(float("inf")), number(123.4)
    ('14.37', '0.0861', '∞', '123')
    """
    if not math.isfinite(value):
        return "–" if math.isnan(value) else "∞"
    digits = 3 if abs(value) < 1 else 4 if abs(value) < 100 else 3
    return f"{value:#.{digits}g}".rstrip(".")


def markdown(table: Table, origin: Origin) -> str:
    """Return a table in Markdown: means, the best in bold."""
    lines = [f"# {table.config.title or table.config.name}", ""]
    heads = ["", "paired", *(f"{column.name}{_unit(column.unit)} {ARROWS[column.better]}" for column in table.columns)]
    for block in table.blocks:
        lines += [f"## {block.dataset}", "", _line(heads), _line(["---", ":---:", *("---:" for _ in table.columns)])]
        lines += [_line([_told(row), row.pairs, *map(_marked, row.entries)]) for row in block.rows]
        lines += ["", remark(table, block), ""]
    if table.config.note:
        lines += [table.config.note, ""]
    lines += [
        "Means over test images, medians for times, one value for sets of images; bold is the best of a column among "
        "models; paired: whether the model learns from pixels of both stains at the same place.",
        "",
        str(origin),
        "",
    ]
    return "\n".join(lines)


def comma_separated(table: Table) -> str:
    """Return a table as CSV: for every column the value, its standard error, its 95 % interval and the images.

    Numbers of sets of images have no standard error, count tiles, and have their floor as well.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [column.name for column in table.columns]
    heads = [name + end for name in names for end in _ends(name)]
    writer.writerow(["dataset", "cell", "paired", "state", *heads])
    for block in table.blocks:
        for row in block.rows:
            numbers = [
                number
                for name, entry in zip(names, row.entries, strict=True)
                for number in _full(entry.summary if entry else None)[: len(_ends(name))]
            ]
            writer.writerow([block.dataset, row.cell.cell.name, row.pairs, row.state, *numbers])
    return text.getvalue()


def remark(table: Table, block: Block) -> str:
    """Return what a reader must know of the images behind a block, and what sets of real ones reach."""
    truth = "" if block.aligned else "; the truth is not aligned to the pixel"
    floors = {_floor(table, each) for each in block.distances}
    return " ".join([f"{block.images} test images{truth}.", *sorted(floors)])


def _floor(table: Table, distances: Distances) -> str:
    shown = [column.name for column in table.columns if column.name in distances.numbers]
    numbers = ", ".join(f"{name} {number(distances.numbers[name].floor)}" for name in shown)
    floor = (
        f"floor (two halves of the real ones, {distances.n_floor} tiles each, of different images): {numbers}"
        if distances.n_floor
        else "too few real images for a floor"
    )
    return (
        f"Sets: {distances.n} tiles of {distances.images} images against {distances.n_real} real ones of "
        f"{distances.images_real}, {distances.side} px each, by features {distances.features} "
        f"({distances.digest[:12]}); {floor}."
    )


def _unit(unit: str) -> str:
    return f" ({unit})" if unit else ""


def _told(row: Row) -> str:
    return row.cell.cell.name + ("" if row.state == "done" else f" ({row.state})")


def _ends(column: str) -> tuple[str, ...]:
    """Return what the CSV tells of a column, as it stands behind its name."""
    ends = ("", "_error", "_low", "_high", "_n")
    return (*ends, "_floor") if column in OF_SETS else ends


def _marked(entry: Entry | None) -> str:
    if entry is None:
        return "–"
    text = number(entry.summary.value)
    return f"**{text}**" if entry.best else text


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _full(summary: Summary | None) -> list[str]:
    if summary is None:
        return [""] * 6
    told = ["" if math.isnan(value) else repr(value) for value in astuple(summary)]
    return [*told[:4], str(summary.n), told[5]]
