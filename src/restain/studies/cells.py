"""The cells of a study: images stained by one model in one way, and what is measured of them."""

import csv
import hashlib
import io
import json
import shutil
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import final

import torch

from restain import __version__
from restain.bundle import WEIGHTS, Model, aimed, load_bundle, load_card, reconfigure
from restain.errors import DataError, RestainError
from restain.geometry import Mpp, Region
from restain.inference import Progress, StainOptions, stain
from restain.slides import images_in, open_slide, save_image
from restain.slides.failures import writing
from restain.studies.config import StudyConfig
from restain.studies.definition import Definition, read_definition, why, write_definition, write_text
from restain.studies.foreign import check_answers, content_of
from restain.studies.images import Images, find_images
from restain.studies.machine import machine_of
from restain.studies.measures import measurable, measure
from restain.studies.models import model_state
from restain.studies.plan import PlannedCell
from restain.studies.sets import lacking, measure_set
from restain.studies.state import State

VALUES = "values.csv"
"""What was measured of every image."""
JOURNAL = "images.jsonl"
"""What staining every image took; an image counts as stained when its line is there."""


@final
@dataclass(frozen=True, slots=True)
class Stained:
    """A line of the journal.

    Attributes:
        name: of the image.
        seconds: that staining it took, without loading.
        memory: most memory of the GPU meanwhile, in GiB; NaN on a CPU.
        machine: what did it.
    """

    name: str
    seconds: float
    memory: float
    machine: str


def cell_state(study: StudyConfig, cell: PlannedCell, columns: Collection[str]) -> State:
    """Return how far a cell is.

    Args:
        study: the configuration.
        cell: the cell.
        columns: what tables want to know of it.
    """
    images, asked = find_images(study, cell.dataset), find_images(study, cell.stained)
    found, wanted = read_definition(cell.folder), study.datasets[cell.stained].test_images
    count = len(asked.source) if asked else wanted or 0
    if cell.images is not None and not cell.images.is_dir():
        return State("missing", count, f"{cell.images} is not there")
    if found is None:
        return State("missing", count)
    if images is None or asked is None:
        return State("stale", count, "the test images are not there")
    if cell.model is not None and (of_model := model_state(cell.model)).kind != "done":
        return State("stale", count, of_model.why or "its model is not there")
    if changed := why(found, _definition(study, cell, images, asked)):
        return State("stale", count, changed)
    stained = read_journal(cell.folder)
    left = 0 if cell.model is None else count - len(stained)
    if left:
        pace = sum(line.seconds for line in stained) / len(stained) if stained else None
        return State("begun", left, seconds=pace and pace * left)
    lacks = [name for name in _measurable(study, cell, columns) if name not in _measured(cell.folder)]
    lacks += lacking(study, cell, images.aligned, columns)
    return State("begun", 0, f"{', '.join(lacks)} to be measured") if lacks else State("done", 0)


def make_cell(study: StudyConfig, cell: PlannedCell, columns: Collection[str]) -> Iterator[Progress]:
    """Stain the images that are not stained and measure what is not measured.

    Raises:
        RestainError: no images, no model, images of another tool that do not fit, or an image that cannot be stained
            or measured.
    """
    images, asked = find_images(study, cell.dataset), find_images(study, cell.stained)
    if images is None or asked is None:
        lost = cell.dataset if images is None else cell.stained
        raise DataError(f"the test images of {lost!r} are not there", fix="mend what kept them from it")
    if cell.model is not None and model_state(cell.model).kind != "done":
        raise DataError(f"its model {cell.model.label!r} is not there", fix="mend what kept it from its training")
    if cell.images is not None:
        check_answers(cell.images, asked.source)
    definition = _definition(study, cell, images, asked)
    if read_definition(cell.folder) != definition:
        with writing(cell.folder):
            if cell.folder.exists():
                shutil.rmtree(cell.folder)
        write_definition(cell.folder, definition)
    if cell.model is not None:
        yield from _stain(study, cell, asked)
    wanted, made = _measurable(study, cell, columns), answers(cell, images)
    if wanted and not set(wanted) <= _measured(cell.folder).keys():
        activity = f"measuring {cell.label}"
        yield Progress(activity, 0, len(made))
        _write_values(cell.folder, measure(study.datasets[cell.dataset], made, images, wanted))
        yield Progress(activity, len(made), len(made))
    yield from measure_set(study, cell, made, images, columns)


def answers(cell: PlannedCell, images: Images) -> Mapping[str, Path]:
    """Return the images that are a cell's answer, by name; those not yet made are missing."""
    match cell.cell.model:
        case "truth":
            return images.target
        case "identity":
            return images.source
    if cell.images is not None:
        return images_in(cell.images) if cell.images.is_dir() else {}
    folder = cell.folder / "images"
    stained = {line.name for line in read_journal(cell.folder)}
    return {name: path for name, path in images_in(folder).items() if name in stained} if stained else {}


def read_values(cell: PlannedCell) -> dict[str, dict[str, float]]:
    """Return what is known of a cell's images: for each column the values by name of the image."""
    values = _measured(cell.folder)
    if journal := read_journal(cell.folder):
        values["seconds"] = {line.name: line.seconds for line in journal}
        values["memory"] = {line.name: line.memory for line in journal}
    return values


def read_journal(folder: Path) -> list[Stained]:
    """Return the lines of a cell's journal; a last line cut short by a kill is left out."""
    path = folder / JOURNAL
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [Stained(**json.loads(line)) for line in text.split("\n")[:-1]]


def seed_of(study: StudyConfig, name: str) -> int:
    """Return the seed of an image: equal for all cells, so that they are compared under the same noise."""
    return int.from_bytes(hashlib.sha256(f"{study.seed} {name}".encode()).digest()[:8], "big")


def _stain(study: StudyConfig, cell: PlannedCell, images: Images) -> Iterator[Progress]:
    assert cell.model is not None
    done = read_journal(cell.folder)
    finished, count = {each.name for each in done}, len(images.source)
    activity = f"staining {cell.label}"
    yield Progress(activity, len(finished), count)
    if len(finished) == count:
        return
    # A line that a kill has cut short must not become the beginning of the next.
    write_text(cell.folder / JOURNAL, "".join(_line(each) for each in done))
    model = load_bundle(cell.model.bundle)
    if cell.cell.options:
        model = reconfigure(model, cell.cell.options)
    if len(model.card.targets) > 1:
        model = aimed(model, study.datasets[cell.dataset].target.name)
    for name, path in images.source.items():
        if name in finished:
            continue
        try:
            line = _stain_image(study, cell, model, images.mpp, name, path)
        except RestainError as error:
            raise type(error)(f"image {name} of {cell.stained!r}: {error.problem}", fix=error.fix) from error
        with writing(cell.folder / JOURNAL), (cell.folder / JOURNAL).open("a", encoding="utf-8") as journal:
            journal.write(_line(line))
        finished.add(name)
        yield Progress(activity, len(finished), count)


def _stain_image(
    study: StudyConfig, cell: PlannedCell, model: Model, mpp: Mpp | None, name: str, path: Path
) -> Stained:
    change = cell.cell.sampling
    options = StainOptions(
        sampler=change.sampler,
        steps=change.steps,
        seed=seed_of(study, name),
        device=study.device,
        precision=study.precision,
    )
    with open_slide(path) as slide:
        image = slide.read(Region.of(slide.info.size))
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    stained = stain(image, model, mpp=mpp, options=options)
    seconds = time.perf_counter() - start
    on_gpu = next((tensor.is_cuda for tensor in model.method.state_dict().values()), False)
    memory = torch.cuda.max_memory_allocated() / 2**30 if on_gpu else float("nan")
    made = cell.folder / "images" / f"{name}{'.png' if stained.shape[2] in (1, 3) else '.ome.tiff'}"
    save_image(made, stained, mpp)
    return Stained(name, seconds, memory, machine_of(on_gpu))


def _definition(study: StudyConfig, cell: PlannedCell, images: Images, asked: Images) -> Definition:
    """Return what the images of a cell, and the values behind them, depend on."""
    definition: Definition = {"images": images.content, "answer": cell.cell.model}
    if cell.images is not None:
        definition["made"] = content_of(cell.images)
    if cell.model is None:
        return definition
    if cell.cell.source_of is not None:
        definition["source_of"] = asked.content
    return definition | {
        "model": cell.model.definition,
        "weights": load_card(cell.model.bundle).files[WEIGHTS],
        "options": cell.cell.options,
        "sampling": cell.cell.sampling.model_dump(mode="json"),
        "seed": study.seed,
        "precision": study.precision,
        "restain": __version__,
    }


def _measurable(study: StudyConfig, cell: PlannedCell, columns: Collection[str]) -> tuple[str, ...]:
    """Return what is measured of single images; nothing where they have no truth."""
    return () if cell.cell.source_of is not None else measurable(study.datasets[cell.dataset], columns)


def _measured(folder: Path) -> dict[str, dict[str, float]]:
    path = folder / VALUES
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = [name for name in rows[0] if name != "name"] if rows else []
    return {column: {row["name"]: float(row[column]) for row in rows} for column in columns}


def _write_values(folder: Path, values: Mapping[str, Mapping[str, float]]) -> None:
    """Write one line per image; numbers in full, infinity as ``inf``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = sorted({column for of_image in values.values() for column in of_image})
    writer.writerow(["name", *columns])
    for name, of_image in values.items():
        writer.writerow([name, *(of_image[column] for column in columns)])
    write_text(folder / VALUES, text.getvalue())


def _line(stained: Stained) -> str:
    return json.dumps(asdict(stained)) + "\n"
