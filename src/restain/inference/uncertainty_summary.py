"""What is told of the uncertainty of an image, a slide or a folder, in a file for people and programs."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import final

from restain.config import Config
from restain.geometry import Mpp
from restain.inference.geojson import geojson_of
from restain.inference.products import Product
from restain.inference.stainer import Stainer
from restain.inference.tissue import tissue_to_count
from restain.inference.uncertainty import Uncertainty
from restain.inference.width_map import Square, WidthMap, map_widths, square_side, widest_of
from restain.slides import image_name, open_slide
from restain.slides.failures import writing
from restain.uncertainty import Calibration, IntervalRule

WIDEST = 10
"""How many squares are told: what one looks at before trusting the rest."""

FOLDER_SUMMARY = "summary.json"
"""The summary of a folder, in that of the widths."""


@final
class ImageWidth(Config):
    """One image of a folder."""

    image: str
    """Its name."""
    tissue_pixels: int
    """Pixels of tissue."""
    mean_width: float | None
    """Mean width over tissue, in grey levels of 255; null without tissue."""


@final
class UncertaintySummary(Config):
    """How wide the intervals of a stain are."""

    model: str
    """The model."""
    stain: str
    """The stain."""
    input: str
    """What was stained."""
    samples: int
    """From how many samples each interval was made."""
    interval: IntervalRule
    """How."""
    calibration: Calibration | None
    """By what it was widened; null where the model has no calibration, and intervals promise nothing."""
    tissue_pixels: int
    """Pixels that count; glass does not."""
    mean_width: float | None
    """Mean width over tissue, in grey levels of 255; null without tissue."""
    above: int
    """The width that counts as wide, in grey levels."""
    share_above: float | None
    """Share of tissue whose intervals are wider; null without tissue."""
    widest: tuple[Square, ...]
    """The squares with the widest intervals, the widest first."""
    images: tuple[ImageWidth, ...] | None = None
    """The images of a folder, one by one."""


def width_map_of(source: Path, widths: Path, mpp: Mpp | None, above: int) -> WidthMap:
    """Return the sums over a finished image of widths, whose source tells where tissue is."""
    with open_slide(source, mpp) as reader, open_slide(widths, mpp) as of_widths:
        return map_widths(of_widths, tissue_to_count(reader), square_side(reader.info.mpp), above)


def summary_of(
    maps: Mapping[str, WidthMap], uncertainty: Uncertainty, model: str, stain: str, source: Path
) -> UncertaintySummary:
    """Return what is told of one stain.

    Args:
        maps: the sums of each image, by its name; one, or those of a folder.
        uncertainty: how the intervals were made.
        model: its name.
        stain: its name.
        source: what was stained; a folder lists its images.
    """
    is_folder = source.is_dir()
    pixels, total, wide = (sum(getattr(each, name) for each in maps.values()) for name in ("pixels", "total", "wide"))
    squares = [square for name, each in maps.items() for square in each.widest(WIDEST, name if is_folder else None)]
    images = tuple(
        ImageWidth(image=name, tissue_pixels=each.pixels, mean_width=_ratio(each.total, each.pixels))
        for name, each in maps.items()
    )
    return UncertaintySummary(
        model=model,
        stain=stain,
        input=source.name,
        samples=uncertainty.samples,
        interval=uncertainty.rule,
        calibration=None if uncertainty.record is None else uncertainty.record.calibration,
        tissue_pixels=pixels,
        mean_width=_ratio(total, pixels),
        above=uncertainty.options.above,
        share_above=_ratio(wide, pixels),
        widest=widest_of(squares, WIDEST),
        images=images if is_folder else None,
    )


def write_summaries(
    path: Path, mpp: Mpp | None, stainer: Stainer, uncertainty: Uncertainty, files: Sequence[Path]
) -> None:
    """Write, beside each image of widths, a summary and its widest squares as QuPath opens them.

    Args:
        path: the input, a picture or a slide.
        mpp: its scale, where the file does not tell it or is wrong.
        stainer: the model.
        uncertainty: how the intervals were made.
        files: of the products of ``uncertainty``, finished.

    Raises:
        OutputError: the disk does not take it.
    """
    card, above = stainer.model.card, uncertainty.options.above
    for file, product in zip(files, uncertainty.products, strict=True):
        if product.content == "uncertainty":
            maps = {path.name: width_map_of(path, file, mpp, above)}
            summary = summary_of(maps, uncertainty, card.name, card.targets[product.stain].name, path)
            write_text(beside_widths(file, ".geojson"), geojson_of(summary.widest, above))
            write_text(beside_widths(file, ".json"), summary.model_dump_json(indent=1))


def write_folder_summaries(
    folder: Path, mpp: Mpp | None, stainer: Stainer, uncertainty: Uncertainty, jobs: Mapping[Path, Sequence[Path]]
) -> None:
    """Write one summary per stain of a folder, into its folder of widths.

    Args:
        folder: the input.
        mpp: its scale, where files do not tell it or are wrong.
        stainer: the model.
        uncertainty: how the intervals were made.
        jobs: the images that are done, and the files of the products of each.

    Raises:
        OutputError: the disk does not take it.
    """
    card, above = stainer.model.card, uncertainty.options.above
    for number, product in enumerate(uncertainty.products):
        if product.content == "uncertainty" and jobs:
            maps = {path.name: width_map_of(path, outs[number], mpp, above) for path, outs in jobs.items()}
            summary = summary_of(maps, uncertainty, card.name, card.targets[product.stain].name, folder)
            place = next(iter(jobs.values()))[number].parent
            write_text(place / FOLDER_SUMMARY, summary.model_dump_json(indent=1))


def summary_files(places: Sequence[Path], products: Sequence[Product]) -> list[Path]:
    """Return where the summary of each stain is, from the file, or the folder, of each product."""
    return [
        place / FOLDER_SUMMARY if place.is_dir() else beside_widths(place, ".json")
        for place, product in zip(places, products, strict=True)
        if product.content == "uncertainty"
    ]


def beside_widths(file: Path, suffix: str) -> Path:
    """Return the name of what stands beside an image of widths, as ``a.uncertainty.json``."""
    return file.with_name(f"{image_name(file)}{suffix}")


def write_text(path: Path, text: str) -> None:
    """Write a small file, whole or not at all.

    Raises:
        OutputError: the disk does not take it.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with writing(path):
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(path)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
