"""``restain train``."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from restain.training import Progress, TrainConfig


def train(
    config: Annotated[Path, typer.Argument(help="A training configuration; ready ones are in configs/.")],
    overrides: Annotated[list[str] | None, typer.Argument(help="Changes of the form key.sub=value.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the resolved configuration and stop.")] = False,
) -> None:
    """Train a model, or a classifier of scores. The same command resumes a run that was stopped or killed.

    Several GPUs or nodes: torchrun --standalone --nproc-per-node 8 -m restain train CONFIG.
    """
    from rich.console import Console

    from restain.config import dump_config
    from restain.training import TrainConfig, fit, fit_stainnet, load_run

    resolved = load_run(config, overrides or [])
    console = Console()
    if dry_run:
        console.print(dump_config(resolved), markup=False, highlight=False)
    if isinstance(resolved, TrainConfig):
        _print_footprints(resolved, console)
    if dry_run:
        return
    if isinstance(resolved, TrainConfig):
        _drain(fit(resolved), resolved.training.images, console)
    else:
        _drain(fit_stainnet(resolved), resolved.training.patches, console)
    console.print(f"model: {resolved.out / 'bundle'}\nlog and pictures: {resolved.out}")


def _print_footprints(config: "TrainConfig", console: "Console") -> None:
    """Build the networks, which finds what does not fit, and print what each costs."""
    from restain.nn import Encoder, UNet, footprint
    from restain.training import new_method

    shown: list[str] = []
    for name, module in new_method(config).named_modules():
        if isinstance(module, UNet | Encoder) and not any(name.startswith(f"{above}.") for above in shown):
            shown.append(name)
            console.print(f"{config.method.name}.{name}: {footprint(module, config.training.crop)}")


def _drain(training: "Iterator[Progress]", total: int, console: "Console") -> None:
    """Train behind a bar that tells the losses."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("images"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[loss]}"),
    )
    with Bar(*columns, console=console) as bar:
        task = bar.add_task("training", total=total, loss="")
        for progress in training:
            losses = " ".join(f"{name} {value:.4g}" for name, value in progress.values.items() if "." in name)
            bar.update(task, completed=progress.images, loss=losses)
