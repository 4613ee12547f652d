"""Where results go: checked before the work, not after it."""

import re
import tempfile
from pathlib import Path

from restain.bundle import Card
from restain.errors import BundleError, OutputError
from restain.slides import image_name
from restain.slides.failures import writing


def files_of(out: Path, card: Card) -> tuple[Path, ...]:
    """Return the file of each stain that a model makes: of one ``out``, of several with the stain in the name.

    Raises:
        BundleError: stains that would share a file.
    """
    name = image_name(out)
    suffix = out.name.removeprefix(name)
    return tuple(out.with_name(f"{name}.{stain}{suffix}" if stain else out.name) for stain in _names(card))


def folders_of(out: Path, card: Card) -> tuple[Path, ...]:
    """Return the folder of each stain that a model makes: of one ``out``, of several a folder in it for each.

    Raises:
        BundleError: stains that would share a folder.
    """
    return tuple(out / stain for stain in _names(card))


def _names(card: Card) -> list[str]:
    """Return the names of several stains as files can have them, in which ``CK8/18`` is ``CK8-18``; of one, nothing."""
    if len(card.targets) == 1:
        return [""]
    names = [re.sub(r"[^\w.+-]+", "-", stain.name).strip("-.") for stain in card.targets]
    if len({name.casefold() for name in names} - {""}) < len(names):
        raise BundleError(
            f"the stains of model {card.name!r} ({card.made}) would share a file",
            fix="give them names in card.yaml that differ in letters or digits",
        )
    return names


def check_output(path: Path, out: Path) -> None:
    """Make the folder of an output file, and refuse what cannot be written.

    Args:
        path: the input.
        out: the file to be written.

    Raises:
        OutputError: it is the input, or a folder, or its folder cannot be written.
    """
    check_distinct(path, out)
    if out.is_dir():
        raise OutputError(f"--out {out} is a folder, but the input is one file", fix=f"name a file: {out / 'name.png'}")
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out.parent):
            pass


def check_distinct(path: Path, out: Path) -> None:
    """Refuse an output that would replace the input.

    Raises:
        OutputError: both are the same file or folder.
    """
    if out.exists() and path.exists() and out.samefile(path):
        raise OutputError(f"--out {out} is the input", fix="choose another name for the result")
