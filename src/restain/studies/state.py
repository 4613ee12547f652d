"""How far a part of a study is."""

from dataclasses import dataclass
from typing import Literal, final


@final
@dataclass(frozen=True, slots=True)
class State:
    """How far a model or a cell is.

    Attributes:
        kind: ``stale`` is what was made of something else, and will be made anew.
        left: images still to be seen by a training, or to be stained.
        why: what has changed, of something stale.
        seconds: an estimate for what is left, where it was begun.
    """

    kind: Literal["done", "begun", "missing", "stale"]
    left: int
    why: str = ""
    seconds: float | None = None
