"""Answers that another tool has made: whether they are those to the test images, and what they hold."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from restain.errors import DataError
from restain.slides import images_in, open_slide

SHOWN = 3
"""How many names a message lists."""


def content_of(folder: Path) -> str | None:
    """Return the SHA-256 of names and files of a folder's images; None where there is no folder."""
    if not folder.is_dir():
        return None
    content = hashlib.sha256()
    for name, path in images_in(folder).items():
        with path.open("rb") as file:
            content.update(f"{name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return content.hexdigest()


def check_answers(folder: Path, asked: Mapping[str, Path]) -> None:
    """Refuse answers that are not those to the test images.

    Args:
        folder: of the answers.
        asked: the images that were to be stained, by name.

    Raises:
        DataError: no folder, missing or superfluous images, or images of another size; all of them in one sentence.
    """
    made = images_in(folder)
    problems = [
        *_listed("lacks", sorted(asked.keys() - made.keys())),
        *_listed("has no question for", sorted(made.keys() - asked.keys())),
        *_listed(
            "has another size for",
            [
                f"{name} ({_size(made[name])} instead of {_size(path)} px)"
                for name, path in asked.items()
                if name in made and _size(made[name]) != _size(path)
            ],
        ),
    ]
    if problems:
        first = next(iter(asked.values())).parent
        raise DataError(
            f"{folder} {'; '.join(problems)}", fix=f"put there one image for each of {first}, of its name and size"
        )


def _listed(verb: str, names: list[str]) -> Iterator[str]:
    if names:
        more = len(names) - SHOWN
        yield f"{verb} {', '.join(names[:SHOWN])}" + (f" and {more} more" if more > 0 else "")


def _size(path: Path) -> str:
    with open_slide(path) as slide:
        return str(slide.info.size)
