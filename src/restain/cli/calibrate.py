"""``restain calibrate``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from rich.console import Console
    from rich.table import Table

    from restain.bundle import Card
    from restain.calibration import CalibrationResult, Coverage, ImageSet
    from restain.data import Part
    from restain.inference import Progress


def calibrate(
    bundle: Annotated[str, typer.Argument(help="A model: a bundle's folder, or a name that `restain models` lists.")],
    overrides: Annotated[list[str] | None, typer.Argument(help="Changes of --data of the form key.sub=value.")] = None,
    *,
    out: Annotated[
        Path, typer.Option(help="Folder for calibration.json, and for what was drawn: the same command goes on.")
    ],
    data: Annotated[
        Path | None, typer.Option(help="A training configuration, whose data section says where images are.")
    ] = None,
    part: Annotated[str, typer.Option(help="Which of its images: held_out or test.")] = "held_out",
    pairs: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="SOURCE TARGET",
            help="Two folders of images of equal names, instead of a part of --data. Tiles of one slide are not "
            "independent: name their slides with --groups.",
        ),
    ] = None,
    test_part: Annotated[str | None, typer.Option(help="Part of --data to test the calibration on.")] = None,
    test_pairs: Annotated[
        tuple[Path, Path] | None, typer.Option(metavar="SOURCE TARGET", help="Or two folders to test it on.")
    ] = None,
    groups: Annotated[
        Path | None, typer.Option(help="CSV with columns image and patient or slide; n then counts these.")
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="A column of --groups; the test is told for each of its values.")
    ] = None,
    mpp: Annotated[
        float | None, typer.Option(help="Micrometres per pixel of folders, where files do not tell it.")
    ] = None,
    samples: Annotated[int | None, typer.Option(help="Samples per image, 20 unless asked otherwise.")] = None,
    alpha: Annotated[float | None, typer.Option(help="Share of tissue that may lie outside, mean over images.")] = None,
    delta: Annotated[float | None, typer.Option(help="Chance that more does.")] = None,
    bound: Annotated[str | None, typer.Option(help="hoeffding_bentkus, or betting, for far fewer images.")] = None,
    floor: Annotated[
        float | None, typer.Option(help="Grey levels added to both sides, for what no sample shows; 0 by default.")
    ] = None,
    sampler: Annotated[str | None, typer.Option(help="Sampler instead of the model's own.")] = None,
    steps: Annotated[int | None, typer.Option(help="Sampling steps instead of the model's own.")] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Further options: interval.kind, interval.level, form, seed, as key=value; repeatable."
        ),
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or mps instead of the best there is.")] = None,
) -> None:
    """Find how far a model's intervals must be widened to hold what they promise, and write it into its card.

    Only tissue counts. The same command goes on after it was stopped or killed.
    """
    from rich.console import Console

    from restain.bundle import find_bundle, load_bundle, record_calibration
    from restain.calibration import CalibrateOptions, calibrate_model
    from restain.cli.progress import progress_bar
    from restain.config import overridden, parse_config
    from restain.inference import StainOptions

    rule = _given(samples=samples, floor=None if floor is None else floor / 255)
    options = parse_config(
        CalibrateOptions,
        overridden(_given(interval=rule, alpha=alpha, delta=delta, bound=bound), changes or []),
        "options of restain calibrate",
    )
    running = parse_config(
        StainOptions, _given(sampler=sampler, steps=steps, device=device), "options of restain calibrate"
    )
    folder = find_bundle(bundle)
    model = load_bundle(folder)
    places = _Places(data, overrides or [], mpp, groups, by)
    images = places.images(model.card, part, pairs)
    test = None if test_part is None and test_pairs is None else places.images(model.card, test_part, test_pairs)
    console = Console()
    with progress_bar(console) as show:
        result = _finished(calibrate_model(model, images, options, running, test=test, folder=out), show)
    path = result.write(out)
    record_calibration(folder, result.record)
    _report(console, result)
    console.print(f"recorded in the card of {folder}\nnumbers: {path}", markup=False, highlight=False, soft_wrap=True)


class _Places(NamedTuple):
    """Where images are, and what is known of them."""

    data: Path | None
    overrides: list[str]
    mpp: float | None
    groups: Path | None
    by: str | None

    def images(self, card: "Card", part: str | None, pairs: tuple[Path, Path] | None) -> "ImageSet":
        """Return a part of the configuration, or the images of two folders."""
        from restain.calibration import images_of_config, images_of_folders, with_table
        from restain.config import load_config
        from restain.errors import ConfigError
        from restain.training import TrainConfig

        if self.by is not None and self.groups is None:
            raise ConfigError(f"--by {self.by} is a column of no table", fix="pass the table with --groups")
        if pairs is not None:
            found = images_of_folders(*pairs, self.mpp, card)
        elif self.data is not None:
            config = load_config(TrainConfig, self.data, self.overrides)
            found = images_of_config(config, _part(part), card, str(self.data))
        else:
            raise ConfigError("there are no images to calibrate or test on", fix="pass --data or --pairs")
        return found if self.groups is None else with_table(found, self.groups, self.by)


def _finished(
    work: "Generator[Progress, None, CalibrationResult]", show: "Callable[[Progress], None]"
) -> "CalibrationResult":
    while True:
        try:
            show(next(work))
        except StopIteration as end:
            result: CalibrationResult = end.value
            return result


def _given(**options: object) -> dict[str, object]:
    """Return the options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def _part(name: str | None) -> "Part":
    from restain.errors import ConfigError

    match name:
        case "train" | "held_out" | "test":
            return name
        case _:
            raise ConfigError(f"there is no part {name!r}", fix="choose held_out or test")


def _report(console: "Console", result: "CalibrationResult") -> None:
    """Print the calibration, and a table of its test."""
    found, unit = result.record.calibration, result.unit
    console.print(
        f"lambda {found.lambda_:.3f} ({found.form}, {found.interval.kind} of {found.interval.samples} samples): over "
        f"{found.n} {unit}s {found.risk:.1%} of the tissue lies outside; with confidence {1 - found.delta:g} at most "
        f"{found.bound:.1%} of all such {unit}s",
        highlight=False,
        soft_wrap=True,
    )
    if (test := result.test) is None:
        return
    console.print(_table(f"{test.uncalibrated.n} test {unit}s", test.uncalibrated, test.calibrated))
    for label, (before, after) in test.by.items():
        console.print(_table(f"{label}: {before.n} test {unit}s", before, after))


def _table(title: str, before: "Coverage", after: "Coverage") -> "Table":
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title), title_justify="left")
    table.add_column("tissue")
    for heading in ("uncalibrated", "calibrated"):
        table.add_column(heading, justify="right")
    rows = [
        ("inside, mean", [f"{each.mean:.1%} +- {each.standard_error:.1%}" for each in (before, after)]),
        ("inside, worst", [f"{each.lowest:.1%}" for each in (before, after)]),
        ("inside, all pixels", [f"{each.pooled.coverage:.1%}" for each in (before, after)]),
        ("width in grey levels", [f"{255 * each.pooled.width:.1f}" for each in (before, after)]),
        (
            "outside, narrowest quarter to widest",
            [" ".join(f"{risk:.1%}" for risk in each.pooled.risk_by_width) for each in (before, after)],
        ),
        ("rank correlation of width and error", [f"{each.pooled.rank_correlation:.3f}" for each in (before, after)]),
    ]
    for name, values in rows:
        table.add_row(name, *values)
    return table
