"""The report of a training run."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from restain.bundle import CARD, Card, load_card
from restain.config import dump_config
from restain.reports.report.content import (
    Block,
    Code,
    Facts,
    Figure,
    Report,
    Section,
    Strip,
    Table,
    Text,
    number,
)
from restain.reports.report.figures import draw_curves, log_curves, rises
from restain.reports.report.pictures import png_of
from restain.training.config import TrainConfig
from restain.training.folder import RESOLVED, load_run
from restain.training.log import read_log
from restain.training.stainnet_config import StainNetConfig

STEPS = 3
"""Sample pictures that are shown: of the beginning, the middle and the end."""

PAGE = 640
"""Longest edge of a sample picture in the page."""

Log = Sequence[dict[str, float]]


def report_run(folder: Path) -> Report:
    """Return the report of a training run, finished or not.

    Raises:
        ConfigError: its configuration or card is of another version.
    """
    config, entries = load_run(folder / RESOLVED), read_log(folder)
    if isinstance(config, StainNetConfig):
        return _classifier(folder, config, entries)
    card = load_card(folder / "bundle") if (folder / "bundle" / CARD).is_file() else None
    seen = int(entries[-1]["images"]) if entries else 0
    sections = [
        Section("Curves", list(_curves(entries))),
        Section("Samples", list(_samples(folder))),
        Section("Model", list(_model(config, card, folder))),
        Section("Provenance", list(_provenance(config, card, folder))),
    ]
    return Report(
        config.name,
        f"Training of {config.method.name}: {seen} of {config.training.images} images seen.",
        list(_doubts(config, entries, card)),
        [section for section in sections if section.blocks],
    )


def _classifier(folder: Path, config: StainNetConfig, entries: Log) -> Report:
    """Return the report of the training of a StainNet, which ends by itself and whose card is a file to read."""
    seen = int(entries[-1]["images"]) if entries else 0
    path = folder / "bundle" / CARD
    command = f"restain train {folder / RESOLVED}"
    provenance: list[Block] = [Code(f"{command}\n{command} out={folder}-again")]
    if path.is_file():
        provenance.append(Code(path.read_text(encoding="utf-8"), "the card"))
    provenance.append(Code(dump_config(config), "the whole configuration"))
    unfinished = "The training is not finished: there is no bundle yet. The command below goes on."
    return Report(
        config.name,
        f"Training of a StainNet, a classifier of {config.meaning}: {seen} patches seen.",
        [*_not_finite(entries), *([] if path.is_file() else [unfinished])],
        [
            section
            for section in (Section("Curves", list(_curves(entries))), Section("Provenance", provenance))
            if section.blocks
        ],
    )


def _not_finite(entries: Log) -> Iterator[str]:
    if any(not math.isfinite(value) for entry in entries for value in entry.values()):
        yield "The log holds values that are not finite, so the training went astray."


def _doubts(config: TrainConfig, entries: Log, card: Card | None) -> Iterator[str]:
    seen = entries[-1]["images"] if entries else 0
    if seen < config.training.images or card is None:
        yield (
            f"The training is not finished: {seen:.0f} of {config.training.images} images were seen"
            f"{'' if card else ', and there is no bundle yet'}. The command below goes on."
        )
    for curves in log_curves(entries):
        for name, points in curves.lines.items():
            if name.startswith("held_out.") and rises(points):
                least, last = min(value for _, value in points), points[-1][1]
                yield (
                    f"{name} rose from {least:.4g} to {last:.4g} towards the end: the model may have learned its "
                    "training images by heart."
                )
    yield from _not_finite(entries)
    if card is not None and not card.metrics:
        yield "Nothing was measured of the finished model: stain test images, and run `restain evaluate`."


def _curves(entries: Log) -> Iterator[Block]:
    for place, drawn in enumerate(draw_curves(log_curves(entries)), start=1):
        yield Figure(f"curves-{place}", drawn, drawn.alt + ".")


def _samples(folder: Path) -> Iterator[Block]:
    paths = sorted((folder / "samples").glob("*.png"))
    if not paths:
        return
    yield Text("Held-out images, one per row: source, virtual, real.")
    pictures, full = [], []
    for place in sorted({round(place) for place in np.linspace(0, len(paths) - 1, STEPS)}):
        with Pillow.open(paths[place]) as picture:
            full.append(np.asarray(picture.convert("RGB")))
            picture.thumbnail((PAGE, PAGE), Pillow.Resampling.BOX)
            small = np.asarray(picture.convert("RGB"))
        pictures.append((f"after {int(paths[place].stem)} images", png_of(small)))
    yield Strip("samples", "", "", pictures, png_of(np.concatenate(full, axis=1)))


def _model(config: TrainConfig, card: Card | None, folder: Path) -> Iterator[Block]:
    if card is None:
        return
    scale = "not stated" if card.mpp is None else f"{card.mpp:g} µm per pixel"
    calibrated = card.calibration
    yield Facts(
        [
            ("what it does", card.summary),
            ("takes", f"{card.source.name} ({', '.join(card.source.channels)})"),
            ("makes", f"{card.made} ({', '.join(card.channels_out)})"),
            ("scale", scale),
            ("tiles", f"{card.tile} px, halo {card.halo} px"),
            ("method", card.method),
            ("sampling", f"{card.sampling.sampler}, {card.sampling.steps} steps"),
            ("calibration", "none" if calibrated is None else f"of {calibrated.calibration.n}, {calibrated.data}"),
            ("licence", card.licence),
            ("bundle", str(folder / "bundle")),
        ]
    )
    if card.metrics:
        yield Table(
            ["measured on held-out images", "value"],
            [(name, "", [number(value)]) for name, value in card.metrics.items()],
        )


def _provenance(config: TrainConfig, card: Card | None, folder: Path) -> Iterator[Block]:
    yield Text("The rest of the training, where it is not finished, and the same model once more:")
    command = f"restain train {folder / RESOLVED}"
    yield Code(f"{command}\n{command} out={folder}-again")
    if card is not None:
        files = [(f"SHA-256 of {name}", digest) for name, digest in card.files.items()]
        yield Facts([("made by", f"restain {card.restain}"), *files])
    yield Code(dump_config(config), "the whole configuration")
