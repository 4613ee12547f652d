"""A folder of images and a table that gives every image its slide, and every slide its score."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, cast, final, get_args

import numpy as np
from pydantic import Field

from restain.config import Config
from restain.data.pairs import Part
from restain.data.scored import ScoredImages
from restain.errors import DataError
from restain.geometry import Region
from restain.pixels import Image
from restain.slides import images_in, open_slide

NEEDED, OPTIONAL = ("image", "slide", "score"), ("split",)
"""Columns of the table."""

LARGEST = 4096
"""Side in pixels of the largest image that is read whole."""


@final
class ScoredTableConfig(Config):
    """Images in a folder, and a CSV file with columns ``image``, ``slide``, ``score`` and perhaps ``split``."""

    kind: Literal["table"] = "table"
    """Tells the sources of scores apart."""
    images: Path
    """Folder of images in 8-bit colour, at least as large as a patch: patches, or larger fields to cut them from."""
    table: Path
    """The CSV file. ``image`` is a name, with suffix or without, or a shell pattern such as ``case07_*`` for all images
    of a slide; ``slide`` any name; ``score`` a whole number; ``split`` one of train, held_out and test."""
    held_out: float = Field(default=0.2, gt=0, lt=1)
    """Share of the slides of every score that is held out where the table has no column ``split``; at least one."""
    seed: int = 0
    """Draws which slides these are."""
    mpp: float | None = None
    """Micrometres per pixel of the images; None where nobody knows."""


@final
@dataclass(frozen=True, slots=True)
class ScoredFile:
    """An image file.

    Args:
        path: where it is.
        slide: name of its slide.
        score: of the slide.
        part: what it is for; None where the table does not say.
    """

    path: Path
    slide: str
    score: int
    part: Part | None


@final
class ScoredFiles(ScoredImages):
    """Image files of one part; each is decoded whenever it is asked for, so memory does not grow with their number."""

    def __init__(self, files: Sequence[ScoredFile]) -> None:
        self._files = files
        self.slides = tuple(file.slide for file in files)
        self.scores = tuple(file.score for file in files)

    def name(self, index: int) -> str:
        """Return the path."""
        return str(self._files[index].path)

    def read(self, index: int) -> Image:
        """Return one image.

        Raises:
            SlideError: it cannot be decoded.
            DataError: it is not in 8-bit colour, or too large to be read whole.
        """
        with open_slide(self._files[index].path) as slide:
            info = slide.info
            if len(info.channels) != 3 or info.dtype != np.uint8:
                raise DataError(
                    f"{info.path} is {len(info.channels)} x {info.dtype}, and StainNet takes 8-bit colour",
                    fix="convert it, or leave it out of folder and table",
                )
            if max(info.size.width, info.size.height) > LARGEST:
                raise DataError(f"{info.path} has {info.size} px and cannot be read whole", fix="cut it into tiles")
            return slide.read(Region.of(info.size))


def scored_files(config: ScoredTableConfig) -> dict[Part, ScoredImages]:
    """Return the parts of a table; test only where the table names one.

    Raises:
        DataError: a missing folder or table, missing or unknown columns, scores that are not whole numbers, rows
            without images, images without or with two rows, a split that only some rows have.
    """
    files = _files(config)
    if files[0].part is None:
        files = _dealt(files, config.held_out, config.seed)
    parts: Mapping[Part, list[ScoredFile]] = {
        part: [file for file in files if file.part == part] for part in get_args(Part)
    }
    return {part: ScoredFiles(found) for part, found in parts.items() if found or part != "test"}


def _files(config: ScoredTableConfig) -> list[ScoredFile]:
    images, found = images_in(config.images), dict[Path, ScoredFile]()
    for line, row in _rows(config.table):
        here = f"{config.table}, line {line}"
        if not row["slide"]:
            raise DataError(f"{here}: there is no slide", fix="name the slide")
        if not row["score"].isascii() or not row["score"].isdigit():
            raise DataError(f"{here}: score {row['score']!r} is not a whole number from 0", fix="mend the score")
        part = row.get("split")
        if part is not None and part not in get_args(Part):
            raise DataError(f"{here}: there is no split {part!r}", fix=f"choose one of {', '.join(get_args(Part))}")
        paths = _matching(images, row["image"])
        if not paths:
            raise DataError(
                f"{here}: no image of {config.images} is named {row['image']!r}", fix="mend the name or pattern"
            )
        for path in paths:
            if path in found:
                raise DataError(f"{here}: {path.name} has a row already", fix="give every image one row")
            found[path] = ScoredFile(path, row["slide"], int(row["score"]), cast(Part | None, part))
    if lonely := sorted(set(images.values()) - found.keys()):
        raise DataError(
            f"{len(lonely)} images of {config.images}, {lonely[0].name} first, have no row in {config.table}",
            fix="add rows for them, or move them elsewhere",
        )
    return [found[path] for path in images.values()]


def _rows(table: Path) -> list[tuple[int, dict[str, str]]]:
    """Return the rows by the numbers of their lines, cells without blanks around them."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            heads = [head.strip() for head in next(reader, [])]
            lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table} cannot be read ({error})", fix="check path and format (CSV, UTF-8)") from error
    odd = [head for head in NEEDED if head not in heads] + [head for head in heads if head not in NEEDED + OPTIONAL]
    if odd or len(set(heads)) < len(heads):
        raise DataError(
            f"{table} has columns {', '.join(heads) or 'none'}",
            fix=f"give it {', '.join(NEEDED)} and, if you split it yourself, {OPTIONAL[0]}, and no others",
        )
    for number, cells in lines:
        if len(cells) != len(heads):
            raise DataError(f"{table}, line {number}: {len(cells)} cells for {len(heads)} columns", fix="mend the line")
    if not lines:
        raise DataError(f"{table} has no rows", fix="add one for every image, or a pattern for every slide")
    return [(number, dict(zip(heads, cells, strict=True))) for number, cells in lines]


def _matching(images: Mapping[str, Path], text: str) -> list[Path]:
    """Return the images of a name, with suffix or without, or of a pattern of either."""
    if text in images:
        return [images[text]]
    return [path for name, path in images.items() if fnmatchcase(name, text) or fnmatchcase(path.name, text)]


def _dealt(files: Sequence[ScoredFile], share: float, seed: int) -> list[ScoredFile]:
    """Hold out a share of the slides of every score, at least one, drawn from the seed."""
    held_out: set[str] = set()
    for score in sorted({file.score for file in files}):
        slides = sorted({file.slide for file in files if file.score == score})
        drawn = np.random.default_rng([seed, score]).permutation(len(slides))
        held_out |= {slides[k] for k in drawn[: max(1, round(share * len(slides)))]}
    return [replace(file, part="held_out" if file.slide in held_out else "train") for file in files]
