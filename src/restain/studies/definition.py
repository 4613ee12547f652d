"""What a result depends on, kept beside it: so a changed study knows what to make anew, and says why."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from restain.slides.failures import writing

Definition = dict[str, Any]
"""Plain nested values, as JSON holds them."""

FILE = "definition.json"


def read_definition(folder: Path) -> Definition | None:
    """Return what the result in a folder depends on; None where there is none."""
    path = folder / FILE
    if not path.exists():
        return None
    definition: Definition = json.loads(path.read_text(encoding="utf-8"))
    return definition


def write_definition(folder: Path, definition: Definition) -> None:
    """Write it, whole or not at all.

    Raises:
        OutputError: the disk does not take it.
    """
    write_text(folder / FILE, json.dumps(definition, indent=1) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all.

    Raises:
        OutputError: the disk does not take it.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)


def why(old: Definition, new: Definition) -> str:
    """Return what has changed, in words.

    >>> why({"steps": 5, "model": {"rate": 0.1}}, {"steps": 5, "model": {"rate": 0.2}})
    'model.rate was 0.1, is 0.2'
    """
    changes = list(differences(old, new))
    more = len(changes) - 1
    return changes[0] + (f" (and {more} more)" if more > 0 else "") if changes else ""


def differences(old: Any, new: Any, place: str = "") -> Iterator[str]:
    """Yield every value that differs, by its dotted place."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from differences(old.get(key), new.get(key), f"{place}.{key}" if place else key)
    elif old != new:
        yield f"{place} was {_short(old)}, is {_short(new)}"


def _short(value: Any) -> str:
    text = "not set" if value is None else str(value)
    return text if len(text) <= 24 else f"{text[:20]}..."
