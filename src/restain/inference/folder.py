"""Staining a folder of images into a folder of PNG files of the same names."""

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from restain.errors import DataError, InputError, OutputError, RestainError, RestainWarning
from restain.geometry import Mpp
from restain.inference.image import run_image
from restain.inference.output import check_distinct
from restain.inference.progress import Progress
from restain.inference.provenance import provenance
from restain.inference.stainer import Stainer
from restain.slides import images_in


def run_folder(folder: Path, stainer: Stainer, out: Path, mpp: Mpp | None) -> Iterator[Progress]:
    """Stain every image of a folder; those already there, made from the same files in the same way, stay.

    An image that cannot be stained does not stop the others.

    Raises:
        DataError: no images, two of one name, or, at the end, some that could not be stained.
        OutputError: a place that cannot be written, or that holds images made by something else.
    """
    check_distinct(folder, out)
    jobs = jobs_of(folder, out)
    refuse_foreign(jobs)
    finished = {path for path, made in jobs.items() if is_finished(made, provenance(path, stainer))}
    others = sum(made.exists() for path, made in jobs.items() if path not in finished)
    if others:
        warnings.warn(
            f"{others} images in {out} were made in another way or from other files; they are made anew.",
            RestainWarning,
            stacklevel=2,
        )
    failures: dict[Path, RestainError] = {}
    for number, (path, made) in enumerate(jobs.items()):
        yield Progress("staining", number, len(jobs))
        if path in finished:
            continue
        try:
            for _ in run_image(path, stainer, made, mpp):
                pass
        except InputError as error:
            failures[path] = error
    yield Progress("staining", len(jobs), len(jobs))
    if failures:
        first = next(iter(failures.values()))
        rest = "all others are done" if len(failures) < len(jobs) else "none is done"
        raise DataError(
            f"{len(failures)} of {len(jobs)} images of {folder} could not be stained ({rest}), "
            f"the first because {first.problem}",
            fix=f"{first.fix}, and give the same command again",
        )


def jobs_of(folder: Path, out: Path) -> dict[Path, Path]:
    """Return the images of a folder and the files to be made of them, by name.

    Raises:
        DataError: there are none, or two of one name.
    """
    return {path: out / f"{name}.png" for name, path in images_in(folder).items()}


def refuse_foreign(jobs: Mapping[Path, Path]) -> None:
    """Refuse to replace images that restain did not make.

    Raises:
        OutputError: the output folder holds one.
    """
    for made in jobs.values():
        if made.exists() and not _notes(made).get("software", "").startswith("restain "):
            raise OutputError(f"{made} was not made by restain and would be replaced", fix="choose another folder")


def is_finished(made: Path, note: Mapping[str, str]) -> bool:
    """Whether a result is there and was made from the same file in the same way."""
    notes = _notes(made) if made.exists() else {}
    return all(notes.get(key) == value for key, value in note.items())


def _notes(path: Path) -> dict[str, str]:
    """Return the text that a PNG file carries."""
    try:
        with Pillow.open(path) as picture:
            return {str(key): str(value) for key, value in picture.info.items()}
    except (UnidentifiedImageError, OSError):
        return {}
