"""The unfinished slide on disk: a TIFF without directories, and a journal of the tiles in it, safe against ``kill -9``.

``<output>.partial/`` holds

- ``job.json``: what the slide shall be; a spool of another job is thrown away.
- ``slide.tiff``: room for the header, then encoded tiles of all levels in the order in which they came. With
  directories at its end it *is* the slide; it is not copied but renamed.
- ``halves``: for every tile whose parent (the tile of the next level that covers it) is not there yet, its pixels at
  half the size, raw. Places are used again, so that it stays as small as the row of tiles being worked on.
- ``journal``: a line per tile, appended when tile and half are in their files. A line without end, or whose checksums
  do not fit, was being written when the process died: that tile is missing, nothing else is.
- ``lock``: held while a process writes.
"""

import fcntl
import heapq
import json
import os
import re
import shutil
import threading
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

from imagecodecs import deflate_crc32

from restain.errors import OutputError, RestainWarning
from restain.slides.failures import writing
from restain.slides.tiff_directory import HEADER_BYTES

_NO_PLACE = -1
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
    """Where a tile lies: its planes on end from ``offset`` of the slide, its half at a place of ``halves`` or -1."""

    offset: int
    lengths: tuple[int, ...]
    checksum: int
    place: int
    half_checksum: int

    @property
    def plane_offsets(self) -> tuple[int, ...]:
        """Position of each plane in the file."""
        return tuple(self.offset + sum(self.lengths[:k]) for k in range(len(self.lengths)))


@final
class Spool:
    """The files of an unfinished slide. ``append`` and ``half`` may be called from several threads.

    Args:
        output: the final name.
        job: what the slide shall be, as plain JSON values.
        top: number of the smallest level, whose one tile has no parent.
        half_bytes: size of a half.

    Raises:
        OutputError: another process writes this slide, or the disk does not take it.
    """

    def __init__(self, output: Path, job: Mapping[str, object], top: int, half_bytes: int) -> None:
        self.output = output
        self.folder = output.with_name(output.name + ".partial")
        self.records: dict[TileKey, Record] = {}
        self._top = top
        self._half_bytes = half_bytes
        self._end = HEADER_BYTES
        self._guard = threading.Lock()
        self._free: list[int] = []
        self._places = 0
        with writing(output):
            self._lock = _lock(self.folder)
            self._adopt(dict(job))
            flags = os.O_RDWR | os.O_CREAT
            self._slide = os.open(self.folder / "slide.tiff", flags, 0o666)
            self._halves = os.open(self.folder / "halves", flags, 0o666)
            self._journal = os.open(self.folder / "journal", flags | os.O_APPEND, 0o666)
            self._recover()

    def append(self, key: TileKey, planes: list[bytes], half: bytes | None) -> None:
        """Store a tile, and its half where one is given, then note both in the journal."""
        blob = b"".join(planes)
        with self._guard:
            offset, self._end = self._end, self._end + len(blob)
            place = _NO_PLACE if half is None else self._take_place()
        with writing(self.output):
            _write(self._slide, blob, offset)
            if half is not None:
                _write(self._halves, half, place * self._half_bytes)
        lengths = tuple(map(len, planes))
        record = Record(offset, lengths, deflate_crc32(blob), place, deflate_crc32(half or b""))
        with self._guard:
            with writing(self.output):
                _write_on(self._journal, _line(key, record))
            self.records[key] = record

    def half(self, key: TileKey) -> bytes:
        """Return the half of a tile whose parent is not there yet."""
        return os.pread(self._halves, self._half_bytes, self.records[key].place * self._half_bytes)

    def release(self, key: TileKey) -> None:
        """Give the place of a half free, now that the parent of its tile is there."""
        with self._guard:
            heapq.heappush(self._free, self.records[key].place)

    @property
    def end(self) -> int:
        """Position behind the last tile."""
        return self._end

    def finish(self, directories: bytes, header: bytes) -> None:
        """Make the tiles a TIFF, move it to the final name, and remove everything else."""
        with writing(self.output):
            _write(self._slide, directories, self._end)
            os.ftruncate(self._slide, self._end + len(directories))
            os.fsync(self._slide)  # the header last, so that a file with a header is whole
            _write(self._slide, header, 0)
            os.fsync(self._slide)
            (self.folder / "slide.tiff").replace(self.output)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.close()

    def close(self) -> None:
        """Let go of the files; they stay for the next call."""
        for descriptor in (self._slide, self._halves, self._journal, self._lock):
            os.close(descriptor)

    def _take_place(self) -> int:
        if self._free:
            return heapq.heappop(self._free)
        self._places += 1
        return self._places - 1

    def _adopt(self, job: dict[str, object]) -> None:
        """Keep what lies in the folder if it is of the same job, else empty it."""
        note = self.folder / "job.json"
        if note.exists() and json.loads(note.read_text(encoding="utf-8")) == job:
            return
        if note.exists():
            warnings.warn(
                f"{self.folder} holds an unfinished slide of another job; it is thrown away.",
                RestainWarning,
                stacklevel=2,
            )
        for name in ("journal", "halves", "slide.tiff"):
            (self.folder / name).unlink(missing_ok=True)
        fresh = self.folder / "job.json.new"
        fresh.write_text(json.dumps(job, indent=1), encoding="utf-8")
        fresh.replace(note)

    def _recover(self) -> None:
        """Take up the tiles of an earlier call, from the top of the pyramid down.

        A tile counts if its bytes are as noted and its parent counts or its own half is as noted: else its parent could
        never be made.
        """
        text = os.pread(self._journal, os.fstat(self._journal).st_size, 0)
        whole = text[: text.rfind(b"\n") + 1]
        os.ftruncate(self._journal, len(whole))
        noted = dict(entry for entry in map(_parse, whole.splitlines()) if entry is not None)
        for key in sorted(noted, key=lambda key: -key.level):
            record = noted[key]
            tile = os.pread(self._slide, sum(record.lengths), record.offset)
            if deflate_crc32(tile) == record.checksum and (self._has_parent(key) or self._has_half(record)):
                self.records[key] = record
        waiting = {record.place for key, record in self.records.items() if not self._has_parent(key)}
        self._places = max(waiting, default=-1) + 1
        self._free = sorted(set(range(self._places)) - waiting)
        self._end = max((record.offset + sum(record.lengths) for record in self.records.values()), default=HEADER_BYTES)
        os.ftruncate(self._slide, self._end)

    def _has_parent(self, key: TileKey) -> bool:
        return key.level == self._top or key.parent in self.records

    def _has_half(self, record: Record) -> bool:
        if record.place == _NO_PLACE:
            return False
        return (
            deflate_crc32(os.pread(self._halves, self._half_bytes, record.place * self._half_bytes))
            == record.half_checksum
        )


def _lock(folder: Path) -> int:
    """Return a descriptor that holds the lock of a spool, the folder made where needed."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise OutputError(
                f"another process is writing to {folder}", fix="wait until it is done, or choose another output"
            ) from error
        try:
            if os.path.samestat(os.fstat(descriptor), (folder / "lock").stat()):
                return descriptor
        except FileNotFoundError:
            pass
        os.close(descriptor)  # the other process finished and removed the folder between our two calls: try again


def _line(key: TileKey, record: Record) -> bytes:
    lengths = ",".join(map(str, record.lengths))
    numbers = (key.level, key.column, key.row, record.offset, record.checksum, record.place, record.half_checksum)
    return f"{' '.join(map(str, numbers))} {lengths}\n".encode()


def _parse(line: bytes) -> tuple[TileKey, Record] | None:
    """Return what a line notes, or None if it is not whole: a full disk cuts lines."""
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    level, column, row, offset, checksum, place, half_checksum = map(int, found.groups()[:7])
    planes = tuple(map(int, found.group(8).split(b",")))
    return TileKey(level, column, row), Record(offset, planes, checksum, place, half_checksum)


def _write_on(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _write(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        done = os.pwrite(descriptor, view, offset)
        view, offset = view[done:], offset + done
