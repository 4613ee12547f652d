"""Images with known truth: where they come from, whom they are of, and whether they fit the model."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, final

from restain.bundle import Card, listed
from restain.data import FolderPairsConfig, Pairs, Part, PhantomPairs, check_alignment, make_pairs
from restain.errors import ConfigError, DataError
from restain.geometry import Mpp
from restain.slides import contradict, first_difference, images_in, open_slide
from restain.training.config import TrainConfig
from restain.uncertainty import image_digest

Unit = Literal["image", "patient", "slide"]
"""What counts as one: what was drawn independently of the others."""

SHOWN = 3
"""How many names a message lists."""


@final
@dataclass(frozen=True)
class ImageSet:
    """Pairs of source and truth.

    Args:
        pairs: the images, aligned.
        text: where they are from, for people.
        groups: the patient or slide of each image by its name; empty where nobody knows.
        unit: what the groups are; ``image`` where there are none.
        labels: of each image by its name, for coverage by kind; empty where none was asked for.
    """

    pairs: Pairs
    text: str
    groups: Mapping[str, str] = field(default_factory=dict)
    unit: Unit = "image"
    labels: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.pairs)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all images."""
        return tuple(self.pairs.name(index) for index in range(len(self.pairs)))

    def group(self, name: str) -> str:
        """Return the patient or slide of an image; its own name where nobody knows."""
        return self.groups.get(name, name)


def images_of_config(config: TrainConfig, part: Part, card: Card, where: str) -> ImageSet:
    """Return a part of the data of a training configuration.

    Args:
        config: of which stains and data count.
        part: which images; those of training are refused.
        card: of the model.
        where: what to call the configuration.

    Raises:
        ConfigError: images of training.
        DataError: other stains, another scale or unaligned images, or an empty part.
    """
    if part == "train":
        raise ConfigError(
            "images that a model was trained on tell nothing of its errors", fix="choose part held_out or test"
        )
    made = [stain.name for stain in listed(config.target)]
    if config.source.name != card.source.name or made != [stain.name for stain in card.targets]:
        raise DataError(
            f"{where} has {config.source.name} and {' and '.join(made)}, and model {card.name!r} makes "
            f"{card.made} of {card.source.name}",
            fix="choose images of the model's stains",
        )
    _check_scale(config.data.mpp, card, where)
    images = ImageSet(make_pairs(config.data, part), f"part {part} of {where}")
    _check_images(images, card)
    return images


def images_of_folders(source: Path, target: Path, mpp: float | None, card: Card) -> ImageSet:
    """Return the images of two folders that have equal names.

    Args:
        source: folder of what goes in.
        target: folder of the truth.
        mpp: their scale, where files do not tell it or tell it wrong.
        card: of the model.

    Raises:
        DataError: missing folders or partners, another scale, or images of other channels.
        SlideError: an image that cannot be read.
    """
    if card.mpp is not None:
        for path in images_in(source).values():
            _check_scale(mpp or _scale_of(path), card, str(path))
    config = FolderPairsConfig(source=source, target=target, held_out="*", mpp=mpp)
    images = ImageSet(make_pairs(config, "held_out"), f"{source} and {target}")
    _check_images(images, card)
    return images


def with_table(images: ImageSet, table: Path, label: str | None = None) -> ImageSet:
    """Return images with what a table says of them.

    Args:
        images: each must be in it.
        table: CSV with a column ``image`` (the name without suffix), and ``patient`` or ``slide``; with both, patients
            are counted.
        label: another column, that is to become the labels.

    Raises:
        DataError: no such table or columns, an image it lacks, or one that stands in it twice.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table} cannot be read as CSV", fix="check its path and encoding (UTF-8)") from error
    columns = set(rows[0]) if rows else set()
    unit: Unit = "patient" if "patient" in columns else "slide" if "slide" in columns else "image"
    if missing := {"image", *([label] if label else ["patient or slide"] if unit == "image" else [])} - columns:
        raise DataError(f"{table} lacks the column {min(missing)}", fix="name it in the first line of the table")
    wanted = [column for column in ("image", None if unit == "image" else unit, label) if column]
    for number, row in enumerate(rows, start=2):
        if empty := [column for column in wanted if not (row[column] or "").strip()]:
            raise DataError(f"{table}, row {number}: {empty[0]} is empty", fix="fill the cell, or leave the image out")
    if len(names := {row["image"] for row in rows}) < len(rows):
        raise DataError(f"{table} names {len(rows) - len(names)} images twice", fix="give each image one line")
    if lost := [name for name in images.names if name not in names]:
        raise DataError(
            f"{table} says nothing of {_few(lost)}", fix="name images without suffix in its column image, each"
        )
    groups = {row["image"]: row[unit] for row in rows} if unit != "image" else {}
    labels = {row["image"]: row[label] for row in rows} if label else {}
    return replace(images, groups=groups, unit=unit, labels=labels)


def digests_of(images: ImageSet) -> Iterator[str]:
    """Yield the SHA-256 of the source pixels of every image."""
    for index in range(len(images)):
        yield image_digest(images.pairs.read(index)[0])


def _check_images(images: ImageSet, card: Card) -> None:
    if not images.pairs.aligned:
        raise DataError(
            f"source and truth of {images.text} do not show the same place",
            fix="choose aligned pairs; intervals are held against the truth pixel by pixel",
        )
    sides = {"source": card.source.channels, "truth": card.channels_out}
    for (side, channels), image in zip(sides.items(), images.pairs.read(0), strict=True):
        if image.shape[2] != len(channels):
            raise DataError(
                f"{side} images of {images.text} have {image.shape[2]} channels, not the {len(channels)} of the model",
                fix="choose images of the model's stains",
            )
    for index in range(len(images)):
        for side, named in zip(sides, images.pairs.channels(index) or (), strict=False):
            if contradict(named, sides[side]):
                raise DataError(
                    f"{side} image {images.pairs.name(index)} holds other channels than the model, or in another "
                    f"order: {first_difference(named, sides[side])}",
                    fix="save channels in the order of the card",
                )
    if not isinstance(images.pairs, PhantomPairs):
        check_alignment(images.pairs)


def _check_scale(mpp: float | None, card: Card, where: str) -> None:
    if card.mpp is None:
        return
    if mpp is None:
        raise DataError(f"{where} states no scale, and the model has {card.mpp:g} um/px", fix="state it with --mpp")
    if not Mpp.square(mpp).is_close(Mpp.square(card.mpp)):
        raise DataError(
            f"{where} has {mpp:g} um/px, and the model works at {card.mpp:g} um/px",
            fix="bring the images to the scale of the model",
        )


def _scale_of(path: Path) -> float | None:
    with open_slide(path) as reader:
        return None if reader.info.mpp is None else reader.info.mpp.mean


def _few(names: list[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
