"""``restain readout``."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from restain.metrics import Resampled, Shuffled
    from restain.reports import (
        Comparison,
        DrawnReadouts,
        Negative,
        Readout,
        ReadoutOptions,
        Readouts,
        RegionReader,
    )

SCORES = ("0", "1+", "2+", "3+")
"""HER2 scores as pathologists write them."""


def readout(
    images: Annotated[Path, typer.Argument(help="An image or slide in IHC, or a folder of them; real or virtual.")],
    marker: Annotated[str, typer.Option(help="What is stained: ki67, er, pr, cd3, cd8, cd20, ck818 or her2.")],
    target: Annotated[Path | None, typer.Option(help="The truth, of the same names: adds agreement.")] = None,
    patients: Annotated[
        Path | None, typer.Option(help="CSV file with columns image and patient; without, each image is a patient.")
    ] = None,
    negative: Annotated[
        Path | None, typer.Option(help="Virtual images of tissue that the marker never stains: adds false positives.")
    ] = None,
    tumour: Annotated[
        Path | None, typer.Option(help="Masks of the same names, bright where cells count; without, all cells do.")
    ] = None,
    region: Annotated[str | None, typer.Option(help="X,Y,W,H in pixels of the file; without, all of it.")] = None,
    mpp: Annotated[float | None, typer.Option(help="Micrometres per pixel, where files tell it wrong.")] = None,
    nuclei: Annotated[
        str | None, typer.Option(help="Who finds nuclei: watershed, or stardist, cellpose, instanseg where installed.")
    ] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="Another option, such as membrane.intense=0.35; repeatable.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="IMAGES is then a source image: stain it several times with this model.")
    ] = None,
    samples: Annotated[int, typer.Option(help="How many times, with --model.")] = 20,
    out: Annotated[Path | None, typer.Option(help="Folder for readout.csv and readout.json.")] = None,
) -> None:
    """Read percent positive, H-score or HER2 score from IHC; with a truth, say how well they agree. For research."""
    from rich.console import Console

    from restain.cli.progress import progress_bar
    from restain.config import overridden, parse_config
    from restain.errors import ConfigError
    from restain.geometry import Mpp
    from restain.reports import ReadoutOptions, RegionReader, find_rule, parse_region, read_images, write_readouts

    find_rule(marker)
    named = {"marker": marker} if nuclei is None else {"marker": marker, "nuclei": nuclei}
    options = parse_config(ReadoutOptions, overridden(dict(named), changes or []), "options of restain readout")
    regions = RegionReader(
        options.scale,
        None if region is None else parse_region(region),
        None if mpp is None else Mpp.square(mpp),
    )
    console = Console()
    found: Readouts | DrawnReadouts
    if model is not None:
        if (target, patients, negative, tumour) != (None,) * 4:
            raise ConfigError(
                "draws of a model have no truth beside them", fix="stain first, and then compare without --model"
            )
        found = _drawn(images, model, samples, options, regions)
        console.print(_table_of_draws(found))
    else:
        with progress_bar(console) as show:
            found = read_images(
                images,
                options,
                regions,
                target=target,
                patients=patients,
                negative=negative,
                tumour=tumour,
                progress=show,
            )
        console.print(_table_of_images(found, "nuclei in the tumour masks" if tumour else "all nuclei"))
        if found.comparison is not None:
            console.print(_table_of_agreement(found.comparison))
        if found.negative is not None:
            console.print(_sentence(found.negative), highlight=False)
    if out is not None:
        write_readouts(found, options, regions, images, out)
        console.print(f"per image: {out / 'readout.csv'}\nall: {out / 'readout.json'}", markup=False, highlight=False)


def _drawn(
    image: Path, model: str, samples: int, options: "ReadoutOptions", regions: "RegionReader"
) -> "DrawnReadouts":
    from restain.inference import Stainer, StainOptions, load_model
    from restain.reports import read_drawn

    return read_drawn(image, Stainer(load_model(model), StainOptions()), samples, options, regions)


def _table_of_images(found: "Readouts", counted: str) -> "Table":
    from rich.markup import escape
    from rich.table import Table

    has_target = any(image.target for image in found.images)
    has_score = any(image.pred.her2 is not None for image in found.images)
    title = f"{_images(len(found.images))}, {counted} counted; for research, not a diagnosis"
    table = Table(title=title, title_justify="left")
    table.add_column("image")
    headings = ["cells", "% pos.", "H-score", "HER2" if has_score else "pos./mm2"]
    for heading in headings + [f"true {heading}" for heading in headings if has_target]:
        table.add_column(heading, justify="right")
    for image in found.images:
        table.add_row(escape(image.name), *_row(image.pred), *(_row(image.target) if image.target else []))
    return table


def _row(readout: "Readout") -> list[str]:
    last = _number(readout.per_mm2, ".0f") if readout.her2 is None else SCORES[readout.her2]
    return [str(readout.cells), _number(readout.percent_positive, ".1f"), _number(readout.h_score, ".0f"), last]


def _table_of_agreement(found: "Comparison") -> "Table":
    from rich.table import Table

    table = Table(
        title=f"agreement with the truth: {_images(found.images)} of {found.patients} patients, 95 % intervals over "
        "patients",
        title_justify="left",
    )
    table.add_column("number")
    for heading in ("bias", "95 % limits", "ICC(2,1)", "wrong pairs"):
        table.add_column(heading, justify="right")
    for name, each, key in (("% positive", found.percent, "percent"), ("H-score", found.h_score, "h_score")):
        wrong = found.shuffled[key]
        limits = f"{each.lower.value:.1f} to {each.upper.value:.1f}"
        table.add_row(name, _with_interval(each.bias, ".1f"), limits, _with_interval(each.icc, ".2f"), _chance(wrong))
    if found.her2 is not None:
        table.add_section()
        table.add_row("", "same score", "kappa, linear", "kappa, quadratic", "wrong pairs")
        her2, wrong = found.her2, found.shuffled["her2"]
        numbers = (_with_interval(each, ".2f") for each in (her2.exact, her2.linear, her2.quadratic))
        table.add_row("HER2", *numbers, _chance(wrong))
    return table


def _chance(wrong: "Shuffled") -> str:
    return f"{_number(wrong.icc, '.2f')}, up to {_number(wrong.high, '.2f')}"


def _table_of_draws(found: "DrawnReadouts") -> "Table":
    from rich.markup import escape
    from rich.table import Table

    table = Table(
        title=f"{escape(found.name)}: {len(found.draws)} virtual stains; uncalibrated sampling interval, "
        f"{found.rule.level:.0%}; for research, not a diagnosis",
        title_justify="left",
    )
    for heading in ("number", "mean", "interval"):
        table.add_column(heading, justify="left" if heading == "number" else "right")
    for name, each, unit in (("positive", found.percent, " %"), ("H-score", found.h_score, "")):
        table.add_row(name, f"{each.value:.1f}{unit}", f"{each.low:.1f} to {each.high:.1f}{unit}")
    return table


def _sentence(found: "Negative") -> str:
    share = found.share
    over = found.share_of_images
    more = "" if over is None else f"; over images {100 * over.low:.1f} to {100 * over.high:.1f} %"
    return (
        f"tissue without the marker: {found.positive} of {found.cells} cells in {_images(found.images)} are called "
        f"positive, {100 * share.value:.1f} % (Wilson {100 * share.low:.1f} to {100 * share.high:.1f} %{more})"
    )


def _with_interval(each: "Resampled", digits: str) -> str:
    value = _number(each.value, digits)
    return value if math.isnan(each.low) else f"{value} ({each.low:{digits}} to {each.high:{digits}})"


def _number(value: float, digits: str) -> str:
    return "" if math.isnan(value) else f"{value:{digits}}"


def _images(count: int) -> str:
    return f"{count} image{'s' if count != 1 else ''}"
