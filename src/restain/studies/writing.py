"""Tables as text: Markdown for people, CSV for programs."""

import csv
import io
import math

from restain.studies.origin import Origin
from restain.studies.summary import Summary
from restain.studies.table import Block, Entry, Table

ARROWS = {"higher": "↑", "lower": "↓", "nearer 0": "→ 0"}
"""The better direction, as it stands behind the name of a column."""


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
    heads = ["", *(f"{column.name}{_unit(column.unit)} {ARROWS[column.better]}" for column in table.columns)]
    for block in table.blocks:
        lines += [f"## {block.dataset}", "", _line(heads), _line(["---", *("---:" for _ in table.columns)])]
        lines += [
            _line([row.cell.cell.name + ("" if row.state == "done" else f" ({row.state})"), *map(_marked, row.entries)])
            for row in block.rows
        ]
        lines += ["", remark(block), ""]
    if table.config.note:
        lines += [table.config.note, ""]
    lines += [
        "Means over test images, medians for times; bold is the best of a column among models.",
        "",
        str(origin),
        "",
    ]
    return "\n".join(lines)


def comma_separated(table: Table) -> str:
    """Return a table as CSV: for every column the value, its standard error, its 95 % interval and the images."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [column.name for column in table.columns]
    ends = ("", "_error", "_low", "_high", "_n")
    writer.writerow(["dataset", "cell", "state", *(name + end for name in names for end in ends)])
    for block in table.blocks:
        for row in block.rows:
            numbers = [cell for entry in row.entries for cell in _full(entry.summary if entry else None)]
            writer.writerow([block.dataset, row.cell.cell.name, row.state, *numbers])
    return text.getvalue()


def remark(block: Block) -> str:
    """Return what a reader must know of the images behind a block."""
    truth = "" if block.aligned else "; the truth is not aligned to the pixel"
    return f"{block.images} test images{truth}."


def _unit(unit: str) -> str:
    return f" ({unit})" if unit else ""


def _marked(entry: Entry | None) -> str:
    if entry is None:
        return "–"
    text = number(entry.summary.value)
    return f"**{text}**" if entry.best else text


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _full(summary: Summary | None) -> list[str]:
    if summary is None:
        return [""] * 5
    numbers = (summary.value, summary.error, summary.low, summary.high)
    return [*("" if math.isnan(value) else repr(value) for value in numbers), str(summary.n)]
