"""The models of a study: which are there, and the training of those that are not."""

import warnings
from collections.abc import Iterator
from pathlib import Path

from restain.bundle import CARD
from restain.errors import RestainWarning
from restain.inference import Progress
from restain.slides.failures import writing
from restain.studies.definition import Definition, read_definition, why, write_definition
from restain.studies.plan import PlannedModel
from restain.studies.state import State
from restain.training import fit
from restain.training.checkpoint import checkpoints
from restain.training.log import read_log


def model_state(model: PlannedModel) -> State:
    """Return how far a model is."""
    if model.train is None or model.folder is None:
        return State("done", 0)
    images = model.train.training.images
    found = read_definition(model.folder)
    if found is None:
        return State("missing", images)
    changed = why(found["of"], model.definition)
    if not changed and found["finished"] and (model.bundle / CARD).exists():
        return State("done", 0)
    if changed and not _is_longer(found["of"], model.definition):
        return State("stale", images, changed)
    seen = max((int(path.name) for path in checkpoints(model.folder / "checkpoints")), default=0)
    log = read_log(model.folder)
    left = max(0, images - seen)
    return State("begun", left, changed, left / log[-1]["images_per_second"] if log else None)


def train(model: PlannedModel) -> Iterator[Progress]:
    """Train a model, or go on with its training; one made in another way is set aside and kept.

    Raises:
        RestainError: whatever ``restain.training.fit`` raises.
    """
    if model.train is None or model.folder is None or (state := model_state(model)).kind == "done":
        return
    if state.kind == "stale":
        aside = _set_aside(model.folder)
        warnings.warn(
            f"{model.folder} was made otherwise ({state.why}); it is kept as {aside.name} and made anew.",
            RestainWarning,
            stacklevel=2,
        )
    write_definition(model.folder, {"finished": False, "of": model.definition})
    for progress in fit(model.train):
        yield Progress(f"training {model.label}", progress.images, progress.total)
    write_definition(model.folder, {"finished": True, "of": model.definition})


def _is_longer(old: Definition, new: Definition) -> bool:
    """Whether a training only has to go on, as ``fit`` allows."""
    longer = new["training"]["images"] > old["training"]["images"]
    same = {**old, "training": {**old["training"], "images": new["training"]["images"]}} == new
    return bool(longer and same)


def _set_aside(folder: Path) -> Path:
    number = 1
    while (aside := folder.with_name(f"{folder.name}.replaced-{number}")).exists():
        number += 1
    with writing(folder):
        folder.rename(aside)
    return aside
