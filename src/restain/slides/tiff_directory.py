"""BigTIFF directories: the few bytes that make tiles lying in a file a TIFF.

Layout after Adobe's TIFF 6.0 and the BigTIFF extension (64-bit offsets), little endian. Writing them ourselves, after
the tiles, lets a file grow in place tile by tile and become a slide by its last few kilobytes.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import final

import numpy as np
from numpy.typing import NDArray

HEADER_BYTES = 16
"""The file starts with a mark and the position of the first directory."""

_SHORT, _LONG, _ASCII, _RATIONAL, _LONG8, _IFD8 = 3, 4, 2, 5, 16, 18

_BYTES = {_SHORT: 2, _LONG: 4, _ASCII: 1, _RATIONAL: 8, _LONG8: 8, _IFD8: 8}
_SUB_IFDS = 330
_MAX_LONG = 2**32 - 1


@final
@dataclass(frozen=True)
class Tag:
    """One field of a directory: its number, its type and its value, packed."""

    code: int
    kind: int
    value: bytes

    @property
    def count(self) -> int:
        """Number of values of the type."""
        return len(self.value) // _BYTES[self.kind]


def shorts(code: int, *values: int) -> Tag:
    """Return a tag of 16-bit numbers."""
    return Tag(code, _SHORT, struct.pack(f"<{len(values)}H", *values))


def longs(code: int, *values: int) -> Tag:
    """Return a tag of 32-bit numbers."""
    return Tag(code, _LONG, struct.pack(f"<{len(values)}I", *values))


def long8s(code: int, values: NDArray[np.int64]) -> Tag:
    """Return a tag of 64-bit numbers."""
    return Tag(code, _LONG8, values.astype("<u8").tobytes())


def text(code: int, value: str) -> Tag:
    """Return a tag of ASCII text."""
    return Tag(code, _ASCII, value.encode("ascii") + b"\0")


def rational(code: int, value: float) -> Tag:
    """Return a tag of one ratio of two 32-bit numbers, as near to the value as such can be."""
    ratio = Fraction(value).limit_denominator(int(_MAX_LONG / max(1.0, value)))
    return Tag(code, _RATIONAL, struct.pack("<2I", ratio.numerator, ratio.denominator))


@final
@dataclass(eq=False)
class Directory:
    """An image: its tags, and the lower levels of its pyramid, which it points to as SubIFDs."""

    tags: list[Tag]
    lower: list["Directory"] = field(default_factory=list)


def pack_directories(chain: Sequence[Directory], at: int) -> tuple[bytes, bytes]:
    """Lay out directories one after the other.

    Args:
        chain: the directories that follow each other; those they point to as SubIFDs may be among them.
        at: where in the file the result will lie.

    Returns:
        The bytes to put there, and the header to put at the start of the file.
    """
    every = list(chain) + [low for one in chain for low in one.lower if low not in chain]
    start = {}
    end = at
    for one in every:
        end += -end % 8
        start[one] = end
        end += _length(one)
    follower = {one: start[after] for one, after in pairwise(chain)}
    packed = bytearray(end - at)
    for one in every:
        begin = start[one] - at
        packed[begin : begin + _length(one)] = _pack(one, start, follower.get(one, 0))
    return bytes(packed), struct.pack("<2s3HQ", b"II", 43, 8, 0, start[chain[0]])


def _length(one: Directory) -> int:
    large = sum(len(tag.value) + -len(tag.value) % 8 for tag in _tags(one, {}) if len(tag.value) > 8)
    return 8 + 20 * len(_tags(one, {})) + 8 + large


def _tags(one: Directory, start: dict[Directory, int]) -> list[Tag]:
    if not one.lower:
        return sorted(one.tags, key=lambda tag: tag.code)
    points = struct.pack(f"<{len(one.lower)}Q", *(start.get(low, 0) for low in one.lower))
    return sorted([*one.tags, Tag(_SUB_IFDS, _IFD8, points)], key=lambda tag: tag.code)


def _pack(one: Directory, start: dict[Directory, int], follower: int) -> bytes:
    tags = _tags(one, start)
    where = start[one] + 8 + 20 * len(tags) + 8
    entries, large = bytearray(struct.pack("<Q", len(tags))), bytearray()
    for tag in tags:
        entries += struct.pack("<2HQ", tag.code, tag.kind, tag.count)
        if len(tag.value) <= 8:
            entries += tag.value.ljust(8, b"\0")
        else:
            entries += struct.pack("<Q", where + len(large))
            large += tag.value + bytes(-len(tag.value) % 8)
    return bytes(entries + struct.pack("<Q", follower) + large)
