"""Named settings under options that are set explicitly."""

from collections.abc import Mapping
from typing import Any


def under(preset: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options over those of a preset, section by section.

    A section of another kind than the preset's takes its place as a whole: its options mean something else.
    """
    merged = {**preset, **options}
    for name in preset.keys() & options.keys():
        mine, given = preset[name], options[name]
        if isinstance(mine, Mapping) and isinstance(given, Mapping) and given.get("kind") in (None, mine.get("kind")):
            merged[name] = under(mine, given)
    return merged
