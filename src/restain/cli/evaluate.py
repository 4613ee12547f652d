"""``restain evaluate``."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from restain.reports import Evaluation, FeatureDistance


def evaluate(
    pred: Annotated[Path, typer.Option(help="Images to judge: a folder, an image or a slide.")],
    target: Annotated[Path, typer.Option(help="The truth: the same, with equal names apart from the suffix.")],
    source: Annotated[
        Path | None, typer.Option(help="The images that were stained; adds what is left of them.")
    ] = None,
    metrics: Annotated[
        str | None, typer.Option(help="Names of metrics with commas between; by default all that fit the images.")
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(
            help="Adds FID, KID, precision and recall by: phantom, inception, inception=PATH, timm=MODEL; "
            "or, with FSD in place of FID, by stainnet or stainnet=PATH."
        ),
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="Metrics as in staindiffuser or asp (papers), or as recommended.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for evaluation.csv and evaluation.json.")] = None,
    mpp: Annotated[float | None, typer.Option(help="Micrometres per pixel, where files tell it wrong.")] = None,
) -> None:
    """Compare images with the truth, per image and pooled; with features, the two sets as distributions too."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from restain.geometry import Mpp
    from restain.reports import evaluate, find_profile

    console = Console()
    extractor = None
    if features is not None or profile is not None:
        from restain.features import find_extractor
        from restain.inference.stainer import choose_device

        extractor = find_extractor(features or find_profile(profile or "").features, choose_device("auto"))
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
            features=extractor,
            profile=profile,
            progress=lambda fraction: bar.update(task, completed=fraction),
        )

    if evaluation.images:
        console.print(_pixel_table(evaluation))
    for name, summary in evaluation.summaries.items():
        if summary.without:
            total = summary.n + summary.without
            console.print(f"{name} has no value for {summary.without} of {total} images, which its mean leaves out")
    if evaluation.distance is not None:
        console.print(_distance_table(evaluation.distance))
    if out is not None:
        console.print(f"per image: {out / 'evaluation.csv'}\nsummary: {out / 'evaluation.json'}", highlight=False)


def _pixel_table(evaluation: "Evaluation") -> "Table":
    from rich.table import Table

    count = len(evaluation.images)
    table = Table(title=f"{count} image{'s' if count > 1 else ''}", title_justify="left")
    table.add_column("metric")
    for heading in ("mean", "std", "pooled"):
        table.add_column(heading, justify="right")
    table.add_column("better is")
    for metric in evaluation.metrics:
        summary = evaluation.summaries[metric.name]
        mean, std, pooled = (
            "" if math.isnan(number) else f"{number:.{digits}g}"
            for number, digits in ((summary.mean, 5), (summary.std, 4), (summary.pooled, 5))
        )
        unit = f" ({metric.unit})" if metric.unit else ""
        table.add_row(metric.name + unit, mean, std, pooled, metric.better)
    return table


def _distance_table(distance: "FeatureDistance") -> "Table":
    """Return the numbers of two distributions; the floor is that of the halves of the target."""
    from rich.table import Table

    found = distance.distribution
    sets = (
        f"{found.n_pred} against {found.n_target} whole images"
        if distance.side is None
        else f"{found.n_pred} tiles of {found.groups_pred} images against {found.n_target} tiles of "
        f"{found.groups_target} images, {distance.side} px each"
    )
    table = Table(
        title=f"{sets}; {distance.features}, {distance.dimension} features, SHA-256 {distance.digest[:12]}",
        title_justify="left",
    )
    table.add_column("distribution")
    floor = f"real, {found.n_floor} and {found.n_floor}" if found.n_floor else "real: too few"
    for heading in ("value", "95 % interval", floor):
        table.add_column(heading, justify="right")
    for name, estimate in distance.told.items():
        interval = "" if math.isnan(estimate.low) else f"{estimate.low:.4g} to {estimate.high:.4g}"
        table.add_row(name, f"{estimate.value:.5g}", interval, f"{estimate.floor:.4g}" if found.n_floor else "")
    if subsets := found.kid_of_subsets:
        name = f"kid, {subsets.subsets} x {subsets.size}"
        table.add_row(name, f"{subsets.mean:.5g}", f"std {subsets.std:.4g}", "")
    return table
