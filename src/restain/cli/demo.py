"""``restain demo``."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the slides, the picture and the numbers.")] = Path("demo"),
    side: Annotated[int, typer.Option(min=512, help="Edge of the slide in pixels.")] = 4096,
) -> None:
    """Render a slide of synthetic tissue, stain it with the shipped model and measure the result. Needs no network."""
    import time

    from rich.console import Console
    from rich.table import Table

    from restain.cli.progress import duration, progress_bar
    from restain.demo import run_demo
    from restain.geometry import Size

    console, start = Console(), time.perf_counter()
    with progress_bar(console) as show:
        result = run_demo(out, Size(side, side), show)

    scores = {name: summary.mean for name, summary in result.evaluation.summaries.items()}
    cells = result.cells
    table = Table(title="virtual Ki67 against the real stain of the same section", title_justify="left")
    table.add_column("")
    for heading in ("virtual", "real", "truth"):
        table.add_column(heading, justify="right")
    table.add_row("PSNR, dB", f"{scores['psnr']:.2f}", "", "")
    table.add_row("SSIM", f"{scores['ssim_gaussian']:.3f}", "", "")
    table.add_row(
        "percent positive",
        f"{cells.percent('virtual'):.1f}",
        f"{cells.percent('real'):.1f}",
        f"{cells.percent_true:.1f}",
    )
    best = f"{cells.best_accuracy:.3f} at best"
    table.add_row("balanced accuracy, cells", f"{cells.accuracy('virtual'):.3f}", f"{cells.accuracy('real'):.3f}", best)
    console.print(table)
    console.print(
        f"{len(cells.truth)} cells; took {duration(time.perf_counter() - start)}\n"
        f"H&E slide:     {result.source}\n"
        f"virtual slide: {result.virtual}\n"
        f"real slide:    {result.real}\n"
        f"side by side:  {result.picture}\n"
        f"all numbers:   {out / 'evaluation.json'}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
