"""Where results go: checked before the work, not after it."""

import tempfile
from pathlib import Path

from restain.errors import OutputError
from restain.slides.failures import writing


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
