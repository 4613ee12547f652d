"""``restain study``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from restain.studies import StudyConfig


def study(
    config: Annotated[Path, typer.Argument(help="A study; ready ones are in configs/studies/.")],
    overrides: Annotated[list[str] | None, typer.Argument(help="Changes of the form key.sub=value.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Make this cell only; may be given several times.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what is done and what is not, and stop.")] = False,
) -> None:
    """Train, stain, measure and write tables. The same command goes on with a study that was stopped or killed."""
    import time

    from rich.console import Console

    from restain.cli.progress import duration, progress_bar
    from restain.config import load_config
    from restain.errors import StudyError
    from restain.studies import PAGE, StudyConfig, run_study

    resolved = load_config(StudyConfig, config, overrides or [])
    if dry_run:
        _show_states(resolved, only or [])
        return
    console, start = Console(), time.perf_counter()
    results = f"page:   {resolved.out / PAGE}\ntables: {resolved.out / 'tables'}"
    try:
        with progress_bar(console) as show:
            for progress in run_study(resolved, only=only or []):
                show(progress)
    except StudyError:
        console.print(f"not all is done, and the tables say what is not\n{results}", markup=False, soft_wrap=True)
        raise
    console.print(f"took {duration(time.perf_counter() - start)}\n{results}", markup=False, soft_wrap=True)


def _show_states(study: "StudyConfig", only: list[str]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from restain.cli.progress import duration
    from restain.studies import study_states

    table = Table("", "state", "images left", "time left", "why", box=None, padding=(0, 2, 0, 0))
    for label, state in study_states(study, only=only):
        left = str(state.left) if state.left else ""
        time_left = "" if state.seconds is None else f"about {duration(state.seconds)}"
        table.add_row(*map(escape, (label, state.kind, left, time_left, state.why)))
    Console().print(table)
