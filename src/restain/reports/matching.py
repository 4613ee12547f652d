"""Which predicted image belongs to which true one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from restain.errors import DataError
from restain.slides import image_name, images_in

SHOWN = 3
"""How many names a message lists."""


@final
@dataclass(frozen=True, slots=True)
class Match:
    """Two images of the same tissue."""

    name: str
    pred: Path
    target: Path


def match_images(pred: Path, target: Path) -> tuple[Match, ...]:
    """Pair two files, or the files of two folders by name without suffix, in the order of names.

    Hidden files, subfolders and files that are no images are passed over.

    Raises:
        DataError: a file against a folder, a missing path, no images, one name twice in a folder, or a missing partner.
    """
    for path in (pred, target):
        if not path.exists():
            raise DataError(f"{path} does not exist", fix="check the path")
    if pred.is_dir() != target.is_dir():
        raise DataError(
            f"of {pred} and {target} one is a folder and the other a file", fix="compare two folders or two files"
        )
    if not pred.is_dir():
        return (Match(image_name(pred), pred, target),)
    preds, targets = images_in(pred), images_in(target)
    for names, others, folder in ((preds, targets, target), (targets, preds, pred)):
        if lonely := sorted(names.keys() - others.keys()):
            raise DataError(
                f"{folder} lacks {listed(lonely)}",
                fix="give partners equal names, apart from the suffix, and take away what has no partner",
            )
    return tuple(Match(name, preds[name], targets[name]) for name in sorted(preds))


def listed(names: Sequence[str]) -> str:
    """Return the first few names and how many more there are.

    >>> listed(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
