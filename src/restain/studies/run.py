"""A study from beginning to end; killed and run again, it goes on where it was."""

import traceback
from collections.abc import Collection, Iterator
from pathlib import Path

from restain.config import dump_config
from restain.errors import RestainError, StudyError
from restain.inference import Progress
from restain.studies.cells import cell_state, make_cell
from restain.studies.config import StudyConfig
from restain.studies.definition import write_text
from restain.studies.images import prepare
from restain.studies.models import model_state, train
from restain.studies.names import slug
from restain.studies.origin import Origin
from restain.studies.page import page
from restain.studies.plan import Plan, make_plan
from restain.studies.sets import warn_of_few, warn_of_mixture
from restain.studies.state import State
from restain.studies.table import make_tables
from restain.studies.writing import comma_separated, markdown

SHOWN = 3
"""How many failures a message tells; models come before the cells that need them, and tables tell all."""

PAGE = "study.html"
"""The page in the study's folder."""


def run_study(study: StudyConfig, *, only: Collection[str] = ()) -> Iterator[Progress]:
    """Train what is missing, stain, measure and write the tables.

    What is done is skipped; what was made by another definition is made anew. A part that fails does not stop the
    others.

    Args:
        study: what to do.
        only: names of the cells to make; tables show the others as far as they are there.

    Yields:
        progress; the caller only has to drain it.

    Raises:
        ConfigError: the study contradicts itself; nothing has been done.
        StudyError: at the end, when some parts failed.
        OutputError: the tables cannot be written.

    Warns:
        SmallSampleWarning: too few tiles for numbers of sets of images.
        FeaturesWarning: such numbers by different weights.
    """
    plan = make_plan(study, only)
    write_text(study.out / "study.yaml", dump_config(study))
    failures: dict[str, str] = {}
    asked = {column for table in study.tables for column in table.columns}
    for dataset in study.datasets:
        yield from _guarded(f"test images of {dataset}", prepare(study, dataset), failures, study.out)
    for model in plan.models:
        yield from _guarded(f"model {model.label}", train(model), failures, study.out)
    for cell in plan.chosen:
        yield from _guarded(cell.label, make_cell(study, cell, asked), failures, study.out)
    yield Progress("writing tables", 0, 1)
    write_tables(plan, failures)
    yield Progress("writing tables", 1, 1)
    if failures:
        told = [f"{label}: {sentence.rstrip('.')}" for label, sentence in failures.items()]
        more = f"; and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
        raise StudyError(
            f"{len(told)} part{'s' if len(told) > 1 else ''} of the study failed, and all others are done "
            f"({'; '.join(told[:SHOWN])}{more})",
            fix="mend that and give the same command again",
        )


def study_states(study: StudyConfig, *, only: Collection[str] = ()) -> list[tuple[str, State]]:
    """Return how far every model and every cell is, without doing anything.

    Raises:
        ConfigError: the study contradicts itself.
    """
    plan = make_plan(study, only)
    asked = {column for table in study.tables for column in table.columns}
    models = [(f"model {model.label}", model_state(model)) for model in plan.models]
    return models + [(f"cell {cell.label}", cell_state(study, cell, asked)) for cell in plan.chosen]


def write_tables(plan: Plan, failures: dict[str, str]) -> None:
    """Write every table and the page from what is on disk.

    Args:
        plan: the study.
        failures: why cells are not done, by label.
    """
    out, tables, origin = plan.study.out, make_tables(plan, failures), Origin.of(plan)
    for table in tables:
        write_text(out / "tables" / f"{slug(table.config.name)}.md", markdown(table, origin))
        write_text(out / "tables" / f"{slug(table.config.name)}.csv", comma_separated(table))
    blocks = [block for table in tables for block in table.blocks]
    warn_of_few([each for block in blocks for each in block.distances])
    warn_of_mixture([each for block in blocks for each in block.distances])
    write_text(out / PAGE, page(plan, tables, origin))


def _guarded(label: str, work: Iterator[Progress], failures: dict[str, str], out: Path) -> Iterator[Progress]:
    """Do a part of the work; keep what went wrong with it, so that the others go on."""
    try:
        yield from work
    except RestainError as error:
        failures[label] = str(error)
    except Exception as error:  # a mistake of ours costs one cell and not the night
        fault = out / "faults" / f"{slug(label)}.txt"
        write_text(fault, "".join(traceback.format_exception(error)))
        failures[label] = f"internal fault, see {fault}: {type(error).__name__}: {error}"
