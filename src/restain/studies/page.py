"""The page of a study: one HTML file that needs nothing else, with tables, pictures and how all was made."""

import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from jinja2 import Environment, PackageLoader
from PIL import Image as Pillow

from restain.config import dump_config
from restain.geometry import Region
from restain.reports import visible
from restain.slides import open_slide
from restain.studies.cells import answers
from restain.studies.images import find_images
from restain.studies.origin import Origin
from restain.studies.plan import Plan
from restain.studies.table import Table
from restain.studies.writing import ARROWS, number, remark

WIDEST = 320
"""Side in pixels above which pictures are shrunk, so that the file stays small."""


@final
@dataclass(frozen=True)
class Picture:
    """An image of a strip: what it is, and its PNG as a data address."""

    title: str
    address: str


@final
@dataclass(frozen=True)
class Strip:
    """One test image: the source, the answers of all cells, the truth."""

    dataset: str
    image: str
    pictures: tuple[Picture, ...]


def page(plan: Plan, tables: Sequence[Table], origin: Origin) -> str:
    """Return the page of a study."""
    study = plan.study
    environment = Environment(loader=PackageLoader("restain.studies", ""), autoescape=True, trim_blocks=True)
    environment.filters["number"] = number
    return environment.get_template("page.html").render(
        study=study,
        tables=tables,
        columns=list({column.name: column for table in tables for column in table.columns}.values()),
        strips=list(strips(plan)),
        arrows=ARROWS,
        remark=remark,
        origin=origin,
        configuration=dump_config(study),
    )


def strips(plan: Plan) -> Iterator[Strip]:
    """Yield the pictures of the first test images of every data set."""
    for dataset in plan.study.datasets:
        images = find_images(plan.study, dataset)
        if images is None:
            continue
        for name in list(images.source)[: plan.study.examples]:
            pictures = [Picture("source", _address(images.source[name]))]
            for cell in plan.cells:
                if cell.dataset != dataset or cell.is_reference or cell.cell.source_of is not None:
                    continue
                made = answers(cell, images)
                if name in made:
                    pictures.append(Picture(cell.cell.name, _address(made[name])))
            yield Strip(dataset, name, (*pictures, Picture("truth", _address(images.target[name]))))


def _address(path: Path) -> str:
    with open_slide(path) as slide:
        image = visible(slide.read(Region.of(slide.info.size)))
    picture = Pillow.fromarray(image)
    if (factor := WIDEST / max(picture.size)) < 1:
        size = round(picture.width * factor), round(picture.height * factor)
        picture = picture.resize(size, Pillow.Resampling.BOX)
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
