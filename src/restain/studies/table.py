"""A table in memory: cells by columns for every data set, with the best value of every column."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from restain.studies.cells import cell_state, read_values
from restain.studies.columns import COLUMNS, Column
from restain.studies.config import TableConfig
from restain.studies.images import find_images
from restain.studies.plan import Plan, PlannedCell
from restain.studies.summary import Summary, summarise


@final
@dataclass(frozen=True)
class Entry:
    """A number of a table.

    Attributes:
        summary: the number.
        best: whether no model does better in this column.
    """

    summary: Summary
    best: bool


@final
@dataclass(frozen=True)
class Row:
    """A cell in a table.

    Attributes:
        cell: the cell.
        entries: one per column; None where there is no value.
        state: ``done``, or why there is nothing or not all.
    """

    cell: PlannedCell
    entries: tuple[Entry | None, ...]
    state: str


@final
@dataclass(frozen=True)
class Block:
    """The part of a table that belongs to one data set.

    Attributes:
        dataset: its name.
        images: number of test images.
        aligned: whether their truth is aligned to the pixel.
        rows: in the order of the configuration.
    """

    dataset: str
    images: int
    aligned: bool
    rows: tuple[Row, ...]


@final
@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        config: what was asked for.
        columns: facts of the columns.
        blocks: one per data set.
    """

    config: TableConfig
    columns: tuple[Column, ...]
    blocks: tuple[Block, ...]


def make_tables(plan: Plan, failures: Mapping[str, str]) -> list[Table]:
    """Return the tables of a study from what is on disk.

    Args:
        plan: the study.
        failures: why cells are not done, by label.
    """
    study = plan.study
    asked = {column for table in study.tables for column in table.columns}
    summaries: dict[str, dict[str, Summary]] = {}
    states: dict[str, str] = {}
    for cell in plan.cells:
        state = cell_state(study, cell, asked)
        usable = state.kind in ("done", "begun") and not state.left
        states[cell.label] = failures.get(cell.label) or ("done" if state.kind == "done" else state.why or state.kind)
        found = read_values(cell) if usable else {}
        made = {
            name: summarise(values.values(), COLUMNS[name].middle, study.seed)
            for name, values in found.items()
            if name in COLUMNS
        }
        summaries[cell.label] = {name: summary for name, summary in made.items() if summary is not None}
    return [_table(plan, table, summaries, states) for table in study.tables]


def _table(
    plan: Plan, table: TableConfig, summaries: Mapping[str, Mapping[str, Summary]], states: Mapping[str, str]
) -> Table:
    columns = tuple(COLUMNS[name] for name in table.columns)
    blocks = []
    for dataset in plan.study.datasets:
        by_name = {cell.cell.name: cell for cell in plan.cells if cell.dataset == dataset}
        cells = [by_name[name] for name in table.cells or by_name]
        best = {column.name: _best(column, cells, summaries) for column in columns}
        rows = []
        for cell in cells:
            found = summaries[cell.label]
            entries = tuple(
                Entry(found[name], cell.model is not None and found[name].value == best[name])
                if name in found
                else None
                for name in table.columns
            )
            rows.append(Row(cell, entries, states[cell.label]))
        images = find_images(plan.study, dataset)
        blocks.append(Block(dataset, len(images.source) if images else 0, bool(images and images.aligned), tuple(rows)))
    return Table(table, columns, tuple(blocks))


def _best(column: Column, cells: Sequence[PlannedCell], summaries: Mapping[str, Mapping[str, Summary]]) -> float | None:
    """Return the best value of a column; references do not compete."""
    found = (summaries[cell.label].get(column.name) for cell in cells if cell.model is not None)
    values = [summary.value for summary in found if summary is not None]
    if not values:
        return None
    match column.better:
        case "higher":
            return max(values)
        case "lower":
            return min(values)
        case "nearer 0":
            return min(values, key=abs)
