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
import shutil
import threading
import warnings
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import final

import numpy as np
from imagecodecs import deflate_crc32
from numpy.typing import NDArray

from restain.errors import OutputError, RestainWarning
from restain.slides.failures import writing
from restain.slides.journal import Record, TileKey, append_record, read_journal
from restain.slides.tiff_directory import HEADER_BYTES

_NO_PLACE = -1


@final
class Spool:
    """The files of an unfinished slide. All but ``finish`` and ``close`` may be called from several threads.

    In memory it holds 8 bytes per tile and plane, 8 per tile, and the places of the halves in use.

    Args:
        output: the final name.
        job: what the slide shall be, as plain JSON values.
        grids: (columns, rows) of tiles per level; the last has one tile.
        planes: how many pieces a tile is stored in.
        half_bytes: size of a half.

    Raises:
        OutputError: another process writes this slide, or the disk does not take it.
    """

    def __init__(
        self, output: Path, job: Mapping[str, object], grids: Sequence[tuple[int, int]], planes: int, half_bytes: int
    ) -> None:
        self.folder = _folder(output)
        self.end = HEADER_BYTES
        """Position behind the last tile."""
        self._output = output
        self._half_bytes = half_bytes
        # Position of each tile, 0 where there is none yet, then the length of each plane.
        self._tiles = [np.zeros((rows, columns, 1 + planes), np.int64) for columns, rows in grids]
        self._waiting: dict[TileKey, int] = {}
        self._free: list[int] = []
        self._places = 0
        self._guard = threading.Lock()
        with ExitStack() as files, writing(output):
            files.callback(os.close, _lock(self.folder))
            self._adopt(dict(job))
            self._slide, self._halves, self._journal = (
                os.open(self.folder / name, os.O_RDWR | os.O_CREAT | append, 0o666)
                for name, append in (("slide.tiff", 0), ("halves", 0), ("journal", os.O_APPEND))
            )
            for descriptor in (self._slide, self._halves, self._journal):
                files.callback(os.close, descriptor)
            self._recover()
            self._files = files.pop_all()

    def has(self, key: TileKey) -> bool:
        """Return whether a tile is there."""
        return bool(self._tiles[key.level][key.row, key.column, 0])

    def index(self, level: int, plane: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return positions and lengths of one plane of all tiles of a level, row by row."""
        tiles = self._tiles[level].reshape(-1, self._tiles[level].shape[2])
        return tiles[:, : 1 + plane].sum(axis=1), tiles[:, 1 + plane]

    def append(self, key: TileKey, planes: list[bytes], half: bytes | None) -> None:
        """Store a tile, and its half where one is given, then note both in the journal."""
        blob = b"".join(planes)
        with self._guard:
            offset, self.end = self.end, self.end + len(blob)
            place = _NO_PLACE if half is None else self._take_place()
        with writing(self._output):
            _write(self._slide, blob, offset)
            if half is not None:
                _write(self._halves, half, place * self._half_bytes)
        lengths = tuple(map(len, planes))
        record = Record(key, offset, lengths, deflate_crc32(blob), place, deflate_crc32(half or b""))
        with self._guard:
            with writing(self._output):
                append_record(self._journal, record)
            self._note(record)

    def half(self, key: TileKey) -> bytes:
        """Return the half of a tile whose parent is not there yet."""
        return os.pread(self._halves, self._half_bytes, self._waiting[key] * self._half_bytes)

    def release(self, key: TileKey) -> None:
        """Give the place of a half free, now that the parent of its tile is there."""
        with self._guard:
            heapq.heappush(self._free, self._waiting.pop(key))

    def finish(self, directories: bytes, header: bytes) -> None:
        """Make the tiles a TIFF, move it to the final name, and remove everything else."""
        with writing(self._output):
            _write(self._slide, directories, self.end)
            os.ftruncate(self._slide, self.end + len(directories))
            os.fsync(self._slide)  # the header last, so that a file with a header is whole
            _write(self._slide, header, 0)
            os.fsync(self._slide)
            (self.folder / "slide.tiff").replace(self._output)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.close()

    def close(self) -> None:
        """Let go of the files; they stay for the next call."""
        self._files.close()

    def _take_place(self) -> int:
        if self._free:
            return heapq.heappop(self._free)
        self._places += 1
        return self._places - 1

    def _note(self, record: Record) -> None:
        key = record.key
        self._tiles[key.level][key.row, key.column] = (record.offset, *record.lengths)
        if record.place != _NO_PLACE:
            self._waiting[key] = record.place

    def _adopt(self, job: dict[str, object]) -> None:
        """Keep what lies in the folder if it is of the same job, else empty it."""
        note = self.folder / "job.json"
        try:
            if json.loads(note.read_text(encoding="utf-8")) == job:
                return
            warnings.warn(
                f"{self.folder} holds an unfinished slide of another job; it is thrown away.",
                RestainWarning,
                stacklevel=4,
            )
        except (FileNotFoundError, ValueError):
            pass  # no job, or one that cannot be read: either way nothing to go on with
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
        for record in sorted(read_journal(self._journal), key=lambda record: -record.key.level):
            if not self._is_on_grid(record):
                continue
            tile = os.pread(self._slide, sum(record.lengths), record.offset)
            if deflate_crc32(tile) != record.checksum:
                continue
            if self._has_parent(record.key):
                self._note(record)
                self._waiting.pop(record.key, None)
            elif self._has_half(record):
                self._note(record)
            else:
                continue
            self.end = max(self.end, record.end)
        self._places = max(self._waiting.values(), default=-1) + 1
        self._free = sorted(set(range(self._places)) - set(self._waiting.values()))
        os.ftruncate(self._slide, self.end)

    def _is_on_grid(self, record: Record) -> bool:
        key = record.key
        if key.level >= len(self._tiles):
            return False
        rows, columns, fields = self._tiles[key.level].shape
        return key.row < rows and key.column < columns and len(record.lengths) == fields - 1

    def _has_parent(self, key: TileKey) -> bool:
        return key.level == len(self._tiles) - 1 or self.has(key.parent)

    def _has_half(self, record: Record) -> bool:
        if record.place == _NO_PLACE:
            return False
        half = os.pread(self._halves, self._half_bytes, record.place * self._half_bytes)
        return bool(deflate_crc32(half) == record.half_checksum)


def is_unfinished(output: Path) -> bool:
    """Return whether an earlier call left a slide of this name unfinished, of whatever job."""
    return (_folder(output) / "slide.tiff").exists()


def _folder(output: Path) -> Path:
    return output.with_name(output.name + ".partial")


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


def _write(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        done = os.pwrite(descriptor, view, offset)
        view, offset = view[done:], offset + done
