"""What is known of the tiles of an unfinished slide: one line of text per tile, appended when the tile is on disk."""

import os
import re
from dataclasses import dataclass
from typing import Self, final

_LINE = re.compile(rb"(\d+) (\d+) (\d+) (\d+) (\d+) (-?\d+) (\d+) ([\d,]*\d)")


@final
@dataclass(frozen=True, slots=True)
class TileKey:
    """The place of a tile in a pyramid."""

    level: int
    column: int
    row: int

    @property
    def parent(self) -> "TileKey":
        """The tile of the next level that covers this one."""
        return TileKey(self.level + 1, self.column // 2, self.row // 2)


@final
@dataclass(frozen=True, slots=True)
class Record:
    """One line: where a tile lies, and how to tell whether it is whole.

    Args:
        key: which tile.
        offset: position of its first plane; the others follow on end.
        lengths: bytes of each plane.
        checksum: CRC-32 of the planes.
        place: where its half lies, -1 if it has none.
        half_checksum: CRC-32 of its half.
    """

    key: TileKey
    offset: int
    lengths: tuple[int, ...]
    checksum: int
    place: int
    half_checksum: int

    @property
    def end(self) -> int:
        """Position behind the last plane."""
        return self.offset + sum(self.lengths)

    @property
    def line(self) -> bytes:
        """The record as text."""
        place = (self.key.level, self.key.column, self.key.row)
        numbers = (*place, self.offset, self.checksum, self.place, self.half_checksum)
        return f"{' '.join(map(str, numbers))} {','.join(map(str, self.lengths))}\n".encode()

    @classmethod
    def parse(cls, line: bytes) -> Self | None:
        """Return what a line says, or None if it is not whole: a full disk cuts lines."""
        found = _LINE.fullmatch(line)
        if found is None:
            return None
        level, column, row, offset, checksum, place, half_checksum = map(int, found.groups()[:7])
        planes = tuple(map(int, found.group(8).split(b",")))
        return cls(TileKey(level, column, row), offset, planes, checksum, place, half_checksum)


def read_journal(descriptor: int) -> list[Record]:
    """Return what an open journal says, the last word on each tile, and cut off a line without end."""
    text = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    whole = text[: text.rfind(b"\n") + 1]
    os.ftruncate(descriptor, len(whole))
    records = (Record.parse(line) for line in whole.splitlines())
    return list({record.key: record for record in records if record is not None}.values())


def append_record(descriptor: int, record: Record) -> None:
    """Write a line at the end of an open journal."""
    line = record.line
    while line:
        line = line[os.write(descriptor, line) :]
