"""How far a piece of work is."""

from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True, slots=True)
class Progress:
    """How far a piece of work is.

    Args:
        activity: what is being done, as a participle.
        done: pieces that are finished, those of earlier calls included.
        total: all pieces; each takes about the same time.
    """

    activity: str
    done: int
    total: int
