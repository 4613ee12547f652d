"""``restain report``."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    place: Annotated[Path, typer.Argument(help="Folder that `restain evaluate --out` or `restain train` wrote.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for report.html and PNG files; by default `report` in it.")
    ] = None,
    metric: Annotated[str | None, typer.Option(help="Ranks the images of the panels; by default PSNR.")] = None,
    dab: Annotated[
        bool | None,
        typer.Option("--dab/--no-dab", help="Whether the stain is DAB; by default as the model's card says."),
    ] = None,
    mpp: Annotated[float | None, typer.Option(help="Micrometres per pixel, where files do not tell it.")] = None,
    model: Annotated[Path | None, typer.Option(help="Bundle of the model, where it is not found by itself.")] = None,
    calibration: Annotated[Path | None, typer.Option(help="calibration.json of `restain calibrate`.")] = None,
    readout: Annotated[Path | None, typer.Option(help="readout.json of `restain readout`.")] = None,
    patients: Annotated[
        Path | None, typer.Option(help="CSV with columns image,patient: intervals are then over patients.")
    ] = None,
    images: Annotated[int, typer.Option(help="Images that are read for densities, positive areas and coverage.")] = 128,
    seed: Annotated[int, typer.Option(help="Draws these images, and the resamples of intervals.")] = 0,
) -> None:
    """Write one page on an evaluation or a training run: numbers, pictures, figures, and what to doubt."""
    from rich.console import Console

    from restain.config import parse_config
    from restain.reports.report import ReportOptions, write_report

    given = {
        "metric": metric,
        "dab": dab,
        "mpp": mpp,
        "model": model,
        "calibration": calibration,
        "readout": readout,
        "patients": patients,
        "images": images,
        "seed": seed,
    }
    page = write_report(place, out, parse_config(ReportOptions, given, "the options"))
    Console().print(f"report: {page}", markup=False, highlight=False, soft_wrap=True)
