"""Several data sets with a stain each, for one model that makes them all: uniplex training."""

from collections.abc import Mapping
from typing import final

from restain.data.pairs import Names, Pairs
from restain.pixels import Image


@final
class UniplexPairs(Pairs):
    """Pairs of several stains, taken in turns, so that all stains are seen equally often.

    Pair ``k`` is of stain ``k mod N``; sets with fewer pairs begin again.

    Args:
        stains: the pairs of every stain, in the order of the model's targets.
    """

    def __init__(self, stains: Mapping[str, Pairs]) -> None:
        self._sets = list(stains.values())
        self.aligned = all(pairs.aligned for pairs in self._sets)

    def __len__(self) -> int:
        """Return the number of pairs: of the largest set, times the number of sets."""
        return len(self._sets) * max(map(len, self._sets))

    def name(self, index: int) -> str:
        """Return the number of the stain, the round of its set, and the name of the pair."""
        stain, (again, place) = index % len(self._sets), self._place(index)
        return f"{stain}_{again}_{self._sets[stain].name(place)}"

    def read(self, index: int) -> tuple[Image, Image]:
        """Return source and target of one pair."""
        return self._sets[index % len(self._sets)].read(self._place(index)[1])

    def channels(self, index: int) -> tuple[Names, Names] | None:
        """Return the names that the files of one pair give the channels of both sides."""
        return self._sets[index % len(self._sets)].channels(self._place(index)[1])

    def stain(self, index: int) -> int:
        """Return which of the stains one pair shows."""
        return index % len(self._sets)

    def _place(self, index: int) -> tuple[int, int]:
        stain, number = index % len(self._sets), index // len(self._sets)
        return divmod(number, len(self._sets[stain]))
