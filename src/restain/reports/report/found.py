"""Files of other commands that lie beside an evaluation or its images."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from restain.errors import DataError
from restain.reports.report.record import Record
from restain.slides import image_name

Found = TypeVar("Found")


def find_file(record: Record, name: str, given: Path | None) -> Path | None:
    """Return a file that was named, or else that lies beside the evaluation or the virtual images; None without one.

    Raises:
        DataError: a file that was named and is not there.
    """
    if given is not None:
        path = given / name if given.is_dir() else given
        if not path.is_file():
            raise DataError(f"{path} is not there", fix="check the path")
        return path
    folder = record.pred if record.pred.is_dir() else record.pred.parent
    return next((place / name for place in (record.folder, folder) if (place / name).is_file()), None)


def summary_file(record: Record) -> Path | None:
    """Return the summary that ``restain stain --uncertainty`` leaves beside virtual images; None without one."""
    if record.pred.is_dir():
        path = record.pred / "uncertainty" / "summary.json"
    else:
        path = record.pred.with_name(f"{image_name(record.pred)}.uncertainty.json")
    return path if path.is_file() else None


def parse_file(path: Path, command: str, parse: Callable[[dict[str, Any]], Found]) -> Found:
    """Return what a function makes of a JSON file.

    Args:
        path: the file.
        command: of restain, that writes it.
        parse: may raise KeyError or TypeError where the file is of another version.

    Raises:
        DataError: no JSON, or of another version.
    """
    try:
        return parse(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} is damaged, or another version of restain wrote it ({type(error).__name__}: {error})",
            fix=f"run `restain {command}` again",
        ) from error
