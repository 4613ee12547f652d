"""A table in memory: cells by columns for every data set, with the best value of every column."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import final

from restain.studies.cells import cell_state, read_values
from restain.studies.columns import COLUMNS, Column
from restain.studies.config import StudyConfig, TableConfig
from restain.studies.images import find_images
from restain.studies.pairing import is_paired
from restain.studies.plan import Plan, PlannedCell
from restain.studies.sets import Distances, read_set
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
        paired: whether its model has learnt from pairs; None where there is no model, or nobody knows.
        entries: one per column; None where there is no value.
        state: ``done``, or why there is nothing or not all.
    """

    cell: PlannedCell
    paired: bool | None
    entries: tuple[Entry | None, ...]
    state: str

    @property
    def pairs(self) -> str:
        """Return the same as a word: ``yes``, ``no`` or nothing."""
        return "" if self.paired is None else "yes" if self.paired else "no"


@final
@dataclass(frozen=True)
class Block:
    """The part of a table that belongs to one data set.

    Attributes:
        dataset: its name.
        images: number of test images.
        aligned: whether their truth is aligned to the pixel.
        rows: in the order of the configuration.
        distances: behind those of its numbers that compare sets of images; none if it has no such columns.
    """

    dataset: str
    images: int
    aligned: bool
    rows: tuple[Row, ...]
    distances: tuple[Distances, ...]


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
    results = {cell.label: _result(study, cell, asked, failures) for cell in plan.cells}
    return [_table(plan, table, results) for table in study.tables]


@final
@dataclass(frozen=True)
class _Result:
    """What is on disk of a cell."""

    summaries: Mapping[str, Summary]
    state: str
    paired: bool | None
    distances: tuple[Distances, ...]


def _result(study: StudyConfig, cell: PlannedCell, asked: Collection[str], failures: Mapping[str, str]) -> _Result:
    state = cell_state(study, cell, asked)
    usable = state.kind in ("done", "begun") and not state.left
    told = failures.get(cell.label) or ("done" if state.kind == "done" else state.why or state.kind)
    paired = None if cell.model is None else is_paired(cell.model)
    if not usable:
        return _Result({}, told, paired, ())
    of_images = {
        name: summarise(values.values(), COLUMNS[name].middle, study.seed)
        for name, values in read_values(cell).items()
        if name in COLUMNS
    }
    of_set = read_set(cell.folder)
    summaries = {name: summary for name, summary in of_images.items() if summary is not None} | of_set.summaries()
    return _Result(summaries, told, paired, tuple(of_set.distances.values()))


def _table(plan: Plan, table: TableConfig, results: Mapping[str, _Result]) -> Table:
    columns = tuple(COLUMNS[name] for name in table.columns)
    blocks = []
    for dataset in plan.study.datasets:
        by_name = {cell.cell.name: cell for cell in plan.cells if cell.dataset == dataset}
        cells = [by_name[name] for name in table.cells or by_name if name in by_name]
        if not cells:
            continue
        best = {column.name: _best(column, cells, results) for column in columns}
        rows = []
        for cell in cells:
            found = results[cell.label]
            entries = tuple(
                Entry(summary, not cell.is_reference and summary.value == best[name]) if summary is not None else None
                for name in table.columns
                for summary in [found.summaries.get(name)]
            )
            rows.append(Row(cell, found.paired, entries, found.state))
        images, found_sets = find_images(plan.study, dataset), [results[cell.label].distances for cell in cells]
        blocks.append(
            Block(
                dataset,
                images=len(images.source) if images else 0,
                aligned=bool(images and images.aligned),
                rows=tuple(rows),
                distances=tuple(
                    each for of_cell in found_sets for each in of_cell if each.numbers.keys() & {*table.columns}
                ),
            )
        )
    return Table(table, columns, tuple(blocks))


def _best(column: Column, cells: Sequence[PlannedCell], results: Mapping[str, _Result]) -> float | None:
    """Return the best value of a column; references do not compete."""
    found = (results[cell.label].summaries.get(column.name) for cell in cells if not cell.is_reference)
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
