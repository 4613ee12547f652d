"""What a page is made of: sections of paragraphs, tables, facts, figures, strips of pictures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from restain.reports.report.theme import Drawn


@final
@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    kind = "text"


@final
@dataclass(frozen=True)
class Code:
    """A command or a file, letter by letter; folded away under a title where it is long."""

    text: str
    title: str = ""
    kind = "code"


@final
@dataclass(frozen=True)
class Facts:
    """Names and what they are."""

    entries: Sequence[tuple[str, str]]
    kind = "facts"


@final
@dataclass(frozen=True)
class Cell:
    """A number in a table, as it is shown and in full."""

    text: str
    full: str = ""


@final
@dataclass(frozen=True)
class Table:
    """A table, the first column of which names the rows.

    Args:
        heads: of the columns.
        rows: a name, an explanation of it, and a cell for each other column.
        note: what stands below.
    """

    heads: Sequence[str]
    rows: Sequence[tuple[str, str, Sequence[Cell]]]
    note: str = ""
    kind = "table"


@final
@dataclass(frozen=True)
class Figure:
    """A drawing.

    Args:
        name: of its file, without suffix.
        drawn: the drawing.
        caption: what one sees, in a sentence or two.
    """

    name: str
    drawn: Drawn
    caption: str
    kind = "figure"


@final
@dataclass(frozen=True)
class Strip:
    """Pictures side by side.

    Args:
        name: of the file that holds them all, without suffix.
        title: of the strip.
        note: behind the title.
        pictures: titles and PNG files, for the page.
        sheet: all of them as one PNG, for documents.
    """

    name: str
    title: str
    note: str
    pictures: Sequence[tuple[str, bytes]]
    sheet: bytes
    kind = "strip"


@final
@dataclass(frozen=True)
class Legend:
    """The colours of differences and widths, from 0 to a limit in grey levels."""

    png: bytes
    limit: float
    kind = "legend"


Block = Text | Code | Facts | Table | Figure | Strip | Legend


@final
@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    title: str
    blocks: Sequence[Block]


@final
@dataclass(frozen=True)
class Report:
    """A page.

    Args:
        title: its heading.
        lead: what was done, in a sentence or two.
        doubts: what speaks against the numbers.
        sections: in their order.
    """

    title: str
    lead: str
    doubts: Sequence[str]
    sections: Sequence[Section]


def number(value: float, digits: int = 5) -> Cell:
    """Return a number for a table.

    >>> number(14.367812).text, number(float("nan")).text, number(float("inf")).text, number(12000.0).text
    ('14.368', '–', '∞', '12000')
    """
    if not math.isfinite(value):
        return Cell("–" if math.isnan(value) else "∞" if value > 0 else "−∞", repr(value))
    return Cell(
        f"{value:.{digits}g}".replace("-", "−") if "e" not in f"{value:.{digits}g}" else f"{value:.{digits}g}",
        repr(value),
    )


def span(low: float, high: float, digits: int = 4) -> Cell:
    """Return an interval for a table, nothing where there is none."""
    if math.isnan(low):
        return Cell("–")
    return Cell(f"{number(low, digits).text} to {number(high, digits).text}", f"{low!r} {high!r}")


def count(value: int) -> Cell:
    """Return a count for a table."""
    return Cell(str(value), str(value))
