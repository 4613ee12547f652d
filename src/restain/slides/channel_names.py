"""Channels by their names: two images of equally many channels may still hold them in another order."""

import re
from collections.abc import Sequence

_NAMELESS = re.compile(r"(channel|ch|c)?[\s:._-]*\d*([:._-]\d+)*|gr[ae]y|unnamed")
"""What files and readers write where nobody gave a name."""


def contradict(found: Sequence[str], wanted: Sequence[str]) -> bool:
    """Return whether both sides name all their channels, and not the same way; case and spaces do not matter.

    >>> contradict(("DAPI", "FITC"), ("fitc", "dapi"))
    True
    >>> contradict(("Channel:0:0", "Channel:0:1"), ("DAPI", "FITC"))
    False
    """
    sides = [[re.sub(r"\s+", "", name).casefold() for name in names] for names in (found, wanted)]
    named = not any(_NAMELESS.fullmatch(name) for names in sides for name in names)
    return named and sides[0] != sides[1]


def in_words(names: Sequence[str]) -> str:
    """Return the number of channels and the names of the first, for messages."""
    shown = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
    return f"{len(names)} channel{'s' if len(names) != 1 else ''} ({shown})"


def first_difference(found: Sequence[str], wanted: Sequence[str]) -> str:
    """Return where the names of equally many channels part, for messages."""
    place = next(k for k, pair in enumerate(zip(found, wanted, strict=True)) if contradict(pair[:1], pair[1:]))
    return f"channel {place + 1} is {found[place]!r}, not {wanted[place]!r}"
