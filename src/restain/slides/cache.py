"""A bounded memory of decoded tiles, since neighbouring reads want the same ones."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import final

from restain.pixels import Image

CACHE_BYTES = 64 * 2**20
"""One row of 512-pixel RGB tiles of a slide 40,000 pixels wide."""


@final
class TileCache:
    """The tiles used last, up to ``CACHE_BYTES``; safe to use from several threads.

    The newest tile is kept even where it alone is larger, or every read of an untiled image would decode all of it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tiles: OrderedDict[Hashable, Image] = OrderedDict()
        self._bytes = 0

    def get(self, key: Hashable, decode: Callable[[], Image]) -> Image:
        """Return the tile of this key, decoding it where it is not at hand. It must not be written to."""
        with self._lock:
            tile = self._tiles.get(key)
            if tile is not None:
                self._tiles.move_to_end(key)
                return tile
        tile = decode()
        with self._lock:
            if key not in self._tiles:
                self._tiles[key] = tile
                self._bytes += tile.nbytes
            while self._bytes > CACHE_BYTES and len(self._tiles) > 1:
                self._bytes -= self._tiles.popitem(last=False)[1].nbytes
        return tile
