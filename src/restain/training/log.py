"""The log of a run: JSON lines to keep, TensorBoard to look at."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import final

from torch.utils.tensorboard import SummaryWriter


@final
class RunLog:
    """Appends one line per entry; after a resume, lines past the checkpoint are dropped, so the curve is seamless.

    Args:
        folder: the run's folder.
        seen: images seen at the checkpoint training goes on from.
    """

    def __init__(self, folder: Path, *, seen: int) -> None:
        self._path = folder / "log.jsonl"
        kept = [entry for entry in read_log(folder) if entry["images"] <= seen]
        rewritten = self._path.with_suffix(".partial")
        rewritten.write_text("".join(json.dumps(entry) + "\n" for entry in kept), encoding="utf-8")
        rewritten.replace(self._path)
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=seen + 1)

    def write(self, images: int, values: Mapping[str, float]) -> None:
        """Append the values after ``images`` images."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"images": images, **values}) + "\n")
        for name, value in values.items():
            self._board.add_scalar(name, value, images)
        self._board.flush()

    def close(self) -> None:
        """Finish the TensorBoard file."""
        self._board.close()


def read_log(folder: Path) -> list[dict[str, float]]:
    """Return the entries of a run's log; a last line cut short by a kill is left out."""
    path = folder / "log.jsonl"
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1]]
