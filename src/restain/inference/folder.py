"""Staining a folder of images into a folder of PNG files of the same names, or a folder per stain."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from restain.errors import DataError, InputError, OutputError, RestainError, RestainWarning
from restain.geometry import Mpp
from restain.inference.image import stain_picture
from restain.inference.output import check_distinct
from restain.inference.products import folders_for, products_of
from restain.inference.progress import Progress
from restain.inference.stainer import Stainer
from restain.inference.uncertainty import Uncertainty, notes_of
from restain.inference.uncertainty_summary import write_folder_summaries
from restain.slides import images_in


def run_folder(
    folder: Path, stainer: Stainer, out: Path, mpp: Mpp | None, uncertainty: Uncertainty | None = None
) -> Iterator[Progress]:
    """Stain every image of a folder; those already there, made from the same files in the same way, stay.

    An image that cannot be stained does not stop the others.

    Raises:
        DataError: no images, two of one name, or, at the end, some that could not be stained.
        OutputError: a place that cannot be written, or that holds images made by something else.
    """
    card = stainer.model.card
    products = products_of(card) if uncertainty is None else uncertainty.products
    places = folders_for(out, card, products)
    for place in places:
        check_distinct(folder, place)
    jobs = jobs_of(folder, places)
    refuse_foreign(jobs)
    finished = {path for path, outs in jobs.items() if is_finished(outs, notes_of(path, stainer, mpp, uncertainty))}
    others = sum(
        is_stale(outs, notes_of(path, stainer, mpp, uncertainty)) for path, outs in jobs.items() if path not in finished
    )
    if others:
        warnings.warn(
            f"{others} images in {out} were made in another way or from other files; they are made anew.",
            RestainWarning,
            stacklevel=2,
        )
    failures: dict[Path, RestainError] = {}
    for number, (path, outs) in enumerate(jobs.items()):
        yield Progress("staining", number, len(jobs))
        if path in finished:
            continue
        try:
            for _ in stain_picture(path, stainer, outs, mpp, uncertainty):
                pass
        except InputError as error:
            failures[path] = error
    yield Progress("staining", len(jobs), len(jobs))
    if uncertainty is not None:
        done = {path: outs for path, outs in jobs.items() if path not in failures}
        write_folder_summaries(folder, mpp, stainer, uncertainty, done)
    if failures:
        first = next(iter(failures.values()))
        rest = "all others are done" if len(failures) < len(jobs) else "none is done"
        raise DataError(
            f"{len(failures)} of {len(jobs)} images of {folder} could not be stained ({rest}), "
            f"the first because {first.problem}",
            fix=f"{first.fix}, and give the same command again",
        )


def jobs_of(folder: Path, places: Sequence[Path]) -> dict[Path, tuple[Path, ...]]:
    """Return the images of a folder and the files to be made of each, one per folder of results, by name.

    Raises:
        DataError: there are none, or two of one name.
    """
    return {path: tuple(place / f"{name}.png" for place in places) for name, path in images_in(folder).items()}


def refuse_foreign(jobs: Mapping[Path, Sequence[Path]]) -> None:
    """Refuse to replace images that restain did not make.

    Raises:
        OutputError: the output folder holds one.
    """
    for made in (made for outs in jobs.values() for made in outs):
        if made.exists() and not _notes(made).get("software", "").startswith("restain "):
            raise OutputError(f"{made} was not made by restain and would be replaced", fix="choose another folder")


def is_finished(outs: Sequence[Path], notes: Sequence[Mapping[str, str]]) -> bool:
    """Whether the results of an image are all there and were made from the same file in the same way."""
    return all(map(_is_made, outs, notes))


def is_stale(outs: Sequence[Path], notes: Sequence[Mapping[str, str]]) -> bool:
    """Whether one of the results of an image was made from another file or in another way."""
    return any(out.exists() and not _is_made(out, note) for out, note in zip(outs, notes, strict=True))


def _is_made(out: Path, note: Mapping[str, str]) -> bool:
    notes = _notes(out) if out.exists() else {}
    return all(notes.get(key) == value for key, value in note.items())


def _notes(path: Path) -> dict[str, str]:
    """Return the text that a PNG file carries."""
    try:
        with Pillow.open(path) as picture:
            return {str(key): str(value) for key, value in picture.info.items()}
    except (UnidentifiedImageError, OSError):
        return {}
