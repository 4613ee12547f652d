"""``restain evaluate``."""

import math
from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    pred: Annotated[Path, typer.Option(help="Images to judge: a folder, an image or a slide.")],
    target: Annotated[Path, typer.Option(help="The truth: the same, with equal names apart from the suffix.")],
    source: Annotated[
        Path | None, typer.Option(help="The images that were stained; adds what is left of them.")
    ] = None,
    metrics: Annotated[
        str | None, typer.Option(help="Names of metrics with commas between; by default all that fit the images.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for evaluation.csv and evaluation.json.")] = None,
    mpp: Annotated[float | None, typer.Option(help="Micrometres per pixel, where files tell it wrong.")] = None,
) -> None:
    """Compare images with the truth: PSNR, SSIM, VIF, L1, L2, histograms and DAB, per image and pooled."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.table import Table

    from restain.geometry import Mpp
    from restain.reports import evaluate

    console = Console()
    columns = (TextColumn("measuring"), BarColumn(), TaskProgressColumn(), TextColumn("left"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("measuring", total=1.0)
        scale = None if mpp is None else Mpp.square(mpp)
        evaluation = evaluate(
            pred,
            target,
            out,
            source=source,
            metrics=None if metrics is None else [name.strip() for name in metrics.split(",")],
            mpp=scale,
            progress=lambda fraction: bar.update(task, completed=fraction),
        )

    count = len(evaluation.images)
    table = Table(title=f"{count} image{'s' if count > 1 else ''}", title_justify="left")
    table.add_column("metric")
    for heading in ("mean", "std", "pooled"):
        table.add_column(heading, justify="right")
    table.add_column("better is")
    for metric in evaluation.metrics:
        summary = evaluation.summaries[metric.name]
        std = "" if math.isnan(summary.std) else f"{summary.std:.4g}"
        unit = f" ({metric.unit})" if metric.unit else ""
        table.add_row(metric.name + unit, f"{summary.mean:.5g}", std, f"{summary.pooled:.5g}", metric.better)
    console.print(table)
    if out is not None:
        console.print(f"per image: {out / 'evaluation.csv'}\nsummary: {out / 'evaluation.json'}", highlight=False)
