"""``restain train``."""

from pathlib import Path
from typing import Annotated

import typer


def train(
    config: Annotated[Path, typer.Argument(help="A training configuration; ready ones are in configs/.")],
    overrides: Annotated[list[str] | None, typer.Argument(help="Changes of the form key.sub=value.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the resolved configuration and stop.")] = False,
) -> None:
    """Train a model. The same command resumes a run that was stopped or killed.

    Several GPUs or nodes: torchrun --standalone --nproc-per-node 8 -m restain train CONFIG.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from restain.config import dump_config, load_config
    from restain.nn import Encoder, UNet, footprint
    from restain.training import TrainConfig, fit, new_method

    resolved = load_config(TrainConfig, config, overrides or [])
    method = new_method(resolved)
    console = Console()
    if dry_run:
        console.print(dump_config(resolved), markup=False, highlight=False)
    shown: list[str] = []
    for name, module in method.named_modules():
        if isinstance(module, UNet | Encoder) and not any(name.startswith(f"{above}.") for above in shown):
            shown.append(name)
            console.print(f"{resolved.method.name}.{name}: {footprint(module, resolved.training.crop)}")
    if dry_run:
        return
    columns = (
        TextColumn("images"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[loss]}"),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("training", total=resolved.training.images, loss="")
        for progress in fit(resolved):
            losses = " ".join(f"{name} {value:.4g}" for name, value in progress.values.items() if "." in name)
            bar.update(task, completed=progress.images, loss=losses)
    console.print(f"model: {resolved.out / 'bundle'}\nlog and pictures: {resolved.out}")
