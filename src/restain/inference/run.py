"""One entrance for every kind of input: the output decides what is made."""

from collections.abc import Iterator
from enum import Enum, auto
from pathlib import Path
from typing import final

from restain.bundle import Card
from restain.errors import OutputError, SlideError
from restain.geometry import Mpp
from restain.inference.folder import run_folder
from restain.inference.image import run_image
from restain.inference.output import files_of, folders_of
from restain.inference.products import files_for, folders_for
from restain.inference.progress import Progress
from restain.inference.slide import run_slide
from restain.inference.stainer import Stainer
from restain.inference.uncertainty import Uncertainty
from restain.inference.uncertainty_summary import summary_files


@final
class Kind(Enum):
    """What a call makes."""

    IMAGE = auto()
    FOLDER = auto()
    SLIDE = auto()


def kind_of(path: Path, out: Path) -> Kind:
    """Return what is to be made.

    Args:
        path: the input; a folder makes a folder.
        out: its suffix decides between a picture (PNG, JPEG) and a slide (OME-TIFF).

    Raises:
        SlideError: there is no input.
        OutputError: a name that decides nothing.
    """
    if not path.exists():
        raise SlideError(f"{path} does not exist", fix="check the path")
    suffix = out.suffix.lower()
    if path.is_dir():
        if out.is_file() or suffix in (".png", ".jpg", ".jpeg", ".tif", ".tiff"):
            raise OutputError(f"--out {out} is a file, but {path} is a folder", fix="name a folder for the results")
        return Kind.FOLDER
    if suffix in (".png", ".jpg", ".jpeg"):
        return Kind.IMAGE
    if suffix in (".tif", ".tiff"):
        return Kind.SLIDE
    raise OutputError(
        f"--out {out} does not say what to write",
        fix="end it in .ome.tiff for a slide, or in .png or .jpg for a picture",
    )


def outputs_of(path: Path, out: Path, card: Card) -> tuple[Path, ...]:
    """Return what a call leaves of each stain that the model makes: a file or a folder, in the order of the stains.

    Args:
        path: the input.
        out: the output; see ``kind_of``.
        card: of the model.

    Raises:
        RestainError: as ``kind_of``, or stains that would share a file.
    """
    return (folders_of if kind_of(path, out) is Kind.FOLDER else files_of)(out, card)


def summaries_of(path: Path, out: Path, card: Card, uncertainty: Uncertainty) -> list[Path]:
    """Return the file that says how sure each stain is, in the order of the stains.

    Raises:
        RestainError: as ``outputs_of``.
    """
    place = folders_for if kind_of(path, out) is Kind.FOLDER else files_for
    return summary_files(place(out, card, uncertainty.products), uncertainty.products)


def run(
    path: Path, stainer: Stainer, out: Path, mpp: Mpp | None, uncertainty: Uncertainty | None = None
) -> Iterator[Progress]:
    """Stain a picture, a folder of pictures or a slide, and tell how far it is.

    Args:
        path: the input.
        stainer: the model, ready to run.
        out: the output; see ``kind_of`` and ``outputs_of``.
        mpp: the scale of the input, where files do not tell it or are wrong.
        uncertainty: what is told of how sure the model is, beside the stain; None for nothing.
    """
    work = {Kind.IMAGE: run_image, Kind.FOLDER: run_folder, Kind.SLIDE: run_slide}[kind_of(path, out)]
    return work(path, stainer, out, mpp, uncertainty)
