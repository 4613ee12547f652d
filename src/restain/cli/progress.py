"""The progress bar that long commands share."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from restain import inference


@contextmanager
def progress_bar(console: "Console") -> Iterator[Callable[["inference.Progress"], None]]:
    """Show how far work is, with an estimate of the time left; call what is yielded with every ``Progress``."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("opening", total=None)
        activity = ""

        def show(progress: "inference.Progress") -> None:
            nonlocal activity
            if progress.activity != activity:
                activity = progress.activity
                bar.reset(task, description=activity)
            bar.update(task, completed=progress.done, total=progress.total)

        yield show


def duration(seconds: float) -> str:
    """Return a time in words.

    >>> duration(3.21), duration(75), duration(7300)
    ('3.2 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
