"""``restain evaluate``."""

import math
from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    pred: Annotated[Path, typer.Option(help="Images to judge: a folder, an image or a slide.")],
    target: Annotated[Path, typer.Option(help="The truth: the same, with equal names apart from the suffix.")],
    out: Annotated[Path | None, typer.Option(help="Folder for evaluation.csv and evaluation.json.")] = None,
    mpp: Annotated[float | None, typer.Option(help="Micrometres per pixel, where files tell it wrong.")] = None,
) -> None:
    """Compare images with the truth: PSNR, SSIM, L1, L2, per image and pooled."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.table import Table

    from restain.geometry import Mpp
    from restain.metrics import METRICS
    from restain.reports import evaluate

    console = Console()
    columns = (TextColumn("measuring"), BarColumn(), TaskProgressColumn(), TextColumn("left"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("measuring", total=1.0)
        scale = None if mpp is None else Mpp.square(mpp)
        evaluation = evaluate(
            pred, target, out, mpp=scale, progress=lambda fraction: bar.update(task, completed=fraction)
        )

    count = len(evaluation.images)
    table = Table(title=f"{count} image{'s' if count > 1 else ''}", title_justify="left")
    table.add_column("metric")
    for heading in ("mean", "std", "pooled"):
        table.add_column(heading, justify="right")
    table.add_column("better is")
    for metric in METRICS:
        summary = evaluation.summaries[metric.name]
        better = "higher" if metric.higher_is_better else "lower"
        std = "" if math.isnan(summary.std) else f"{summary.std:.4g}"
        unit = f" ({metric.unit})" if metric.unit else ""
        table.add_row(metric.name + unit, f"{summary.mean:.5g}", std, f"{summary.pooled:.5g}", better)
    console.print(table)
    if out is not None:
        console.print(f"per image: {out / 'evaluation.csv'}\nsummary: {out / 'evaluation.json'}", highlight=False)
