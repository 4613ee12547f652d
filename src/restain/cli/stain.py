"""``restain stain``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from restain.bundle import Model
    from restain.geometry import Mpp
    from restain.inference import Stainer, Uncertainty, UncertaintyOptions


def stain(
    input: Annotated[Path, typer.Argument(help="A picture, a folder of pictures, or a slide.")],
    model: Annotated[str, typer.Option(help="A model: a bundle's folder, or a name that `restain models` lists.")],
    out: Annotated[
        Path, typer.Option(help="Result: a name ending in .png, .jpg or .ome.tiff; for a folder, another folder.")
    ],
    to: Annotated[
        str | None,
        typer.Option(help="Make this stain alone: one of several, or the source, of a model of both directions."),
    ] = None,
    sampler: Annotated[str | None, typer.Option(help="Sampler instead of the model's own.")] = None,
    steps: Annotated[int | None, typer.Option(help="Sampling steps instead of the model's own.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the sampler; the same seed gives the same stain.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or mps instead of the best there is.")] = None,
    batch: Annotated[int | None, typer.Option(help="Tiles at once; lower it where memory does not suffice.")] = None,
    mpp: Annotated[float | None, typer.Option(help="Micrometres per pixel of the input, overriding the file.")] = None,
    precision: Annotated[str | None, typer.Option(help="bf16 or fp32.")] = None,
    compression: Annotated[str | None, typer.Option(help="Of slides: jpeg, deflate or zstd (both lossless).")] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="An option of the method other than in the model's card, as key=value; repeatable."),
    ] = None,
    uncertainty: Annotated[
        bool, typer.Option("--uncertainty", help="Also make an image of how wide the interval of every pixel is.")
    ] = False,
    samples: Annotated[
        int | None,
        typer.Option(help="Samples for intervals instead of as many as the model was calibrated with, or 20."),
    ] = None,
    interval: Annotated[
        bool, typer.Option("--interval", help="With --uncertainty: also make images of the ends of the intervals.")
    ] = False,
    above: Annotated[
        int | None,
        typer.Option(help="With --uncertainty: width, in grey levels of 255, above which tissue counts as uncertain."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print plan, memory and time, and stop.")] = False,
) -> None:
    """Stain a picture, a folder of pictures or a slide. The same command resumes one that was stopped or killed."""
    import time

    from rich.console import Console

    from restain.cli.progress import duration, progress_bar
    from restain.config import parse_config
    from restain.geometry import Mpp
    from restain.inference import Stainer, StainOptions, Uncertainty, outputs_of, run, summaries_of

    given = {
        "sampler": sampler,
        "steps": steps,
        "seed": seed,
        "device": device,
        "batch": batch,
        "precision": precision,
        "compression": compression,
    }
    options = parse_config(
        StainOptions, {name: value for name, value in given.items() if value is not None}, "options of restain stain"
    )
    told = _uncertainty_options(uncertainty, {"samples": samples, "ends": interval or None, "above": above})
    scale = Mpp.square(mpp) if mpp is not None else None
    loaded = _load(model, changes, to)
    stainer = Stainer(loaded, options)
    sureness = None if told is None else Uncertainty(stainer, told)
    if dry_run:
        _show_plan(input, stainer, out, scale, sureness)
        return
    console, start = Console(), time.perf_counter()
    with progress_bar(console) as show:
        for progress in run(input, stainer, out, scale, sureness):
            show(progress)
    card = stainer.model.card
    for target, made in zip(card.targets, outputs_of(input, out, card), strict=True):
        console.print(f"virtual {target.name}: {made}", markup=False, soft_wrap=True)
    if sureness is not None:
        for file in summaries_of(input, out, card, sureness):
            _show_summary(console, file)
    console.print(f"took {duration(time.perf_counter() - start)}", markup=False, soft_wrap=True)


def _load(model: str, changes: list[str] | None, to: str | None) -> "Model":
    """Return the model under changed options, or the one that makes one stain alone."""
    from restain.bundle import aimed, reconfigure
    from restain.config import overridden
    from restain.inference import load_model

    loaded = load_model(model)
    if changes:
        loaded = reconfigure(loaded, overridden(loaded.card.method_config, changes))
    return loaded if to is None else aimed(loaded, to)


def _uncertainty_options(asked: bool, given: "dict[str, int | None]") -> "UncertaintyOptions | None":
    """Return the options of uncertainty where it is asked for; its options alone are a mistake."""
    from restain.config import parse_config
    from restain.errors import ConfigError
    from restain.inference import UncertaintyOptions

    chosen = {name: value for name, value in given.items() if value is not None}
    if asked:
        if (samples := chosen.get("samples", 2)) < 2:
            raise ConfigError(
                f"an interval needs at least 2 samples, not {samples}", fix="give --samples 20, for example"
            )
        return parse_config(UncertaintyOptions, chosen, "options of restain stain --uncertainty")
    if chosen:
        flag = "--interval" if "ends" in chosen else f"--{next(iter(chosen))}"
        raise ConfigError(f"{flag} says how --uncertainty is done, which is not asked for", fix="add --uncertainty")
    return None


def _show_summary(console: "Console", file: Path) -> None:
    """Print how sure a stain is."""
    from restain.inference import UncertaintySummary

    found = UncertaintySummary.model_validate_json(file.read_text(encoding="utf-8"))
    if found.mean_width is None:
        text = "no tissue"
    else:
        text = f"mean width {found.mean_width:.1f} of 255, {found.share_above:.1%} of tissue above {found.above}"
    console.print(f"uncertainty of {found.stain}: {text}, {file}", markup=False, soft_wrap=True)
    if found.widest:
        widest = found.widest[0]
        where = "" if widest.image is None else f" of {widest.image}"
        console.print(
            f"widest at x {widest.x}, y {widest.y}{where}: {widest.mean_width:.1f} over "
            f"{widest.width} x {widest.height} px",
            markup=False,
            soft_wrap=True,
        )


def _show_plan(path: Path, stainer: "Stainer", out: Path, mpp: "Mpp | None", uncertainty: "Uncertainty | None") -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from restain.cli.progress import duration
    from restain.inference import forecast, outputs_of

    found, card, sampling = forecast(path, stainer, out, mpp, uncertainty), stainer.model.card, stainer.sampling
    seed = stainer.options.seed
    samples = "" if uncertainty is None else f", {uncertainty.samples} samples of each tile"
    scale = "pixels as they are" if card.mpp is None else f"{card.mpp:g} um/px"
    gpu = f", {found.cost.device_memory / 2**30:.1f} GiB on the GPU" if found.cost.device_memory else ""
    rows = {
        "input": f"{path}: {found.subject}",
        "model": f"{card.name}: {card.source.name} to {card.made}, {scale}, tiles of {card.tile} px",
        "sampling": "one pass"
        if sampling is None
        else f"{sampling.sampler}, {sampling.steps} steps, seed {seed}{samples}",
        "runs on": f"{stainer.device}, {stainer.options.precision}, {stainer.batch} tiles at once",
        "tiles": f"{found.tissue} to be stained of {found.tiles}",
        "memory": f"about {found.memory / 2**30:.1f} GiB{gpu}",
        "time": f"about {duration(found.seconds)} ({found.cost.seconds:.3g} s per tile)",
        "output": ", ".join(map(str, outputs_of(path, out, card))),
    }
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, text in rows.items():
        table.add_row(name, escape(text))
    Console().print(table)
