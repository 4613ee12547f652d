"""What ``restain evaluate`` wrote, read back and checked."""

import csv
import hashlib
import json
import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, final

from restain.errors import DataError
from restain.geometry import Size

JSON, CSV = "evaluation.json", "evaluation.csv"
FACTS = frozenset({"name", "width", "height"})
"""Columns of the CSV that are no metrics."""


@final
@dataclass(frozen=True)
class MetricRecord:
    """One metric over all images, as ``evaluation.json`` holds it.

    Args:
        name: of the metric.
        mean: of the values of the images.
        std: their standard deviation; NaN where there is none.
        n: images that have a value.
        without: images that have none.
        pooled: the metric of all pixels taken as one image.
        unit: or an empty string.
        better: ``higher``, ``lower`` or ``nearer 0``.
        source: where the definition is from.
    """

    name: str
    mean: float
    std: float
    n: int
    without: int
    pooled: float
    unit: str
    better: str
    source: str

    def badness(self, value: float) -> float:
        """Return a number that is the larger, the worse a value is."""
        return {"higher": -value, "lower": value}.get(self.better, abs(value))


@final
@dataclass(frozen=True)
class DistanceNumber:
    """One number of two sets; the interval and the floor are NaN where there is none."""

    name: str
    value: float
    low: float
    high: float
    floor: float


@final
@dataclass(frozen=True)
class DistanceRecord:
    """Two sets as distributions, as ``evaluation.json`` holds them.

    Args:
        features: name of the extractor.
        dimension: numbers per tile.
        sha256: of its weights.
        tile: side of the tiles in pixels; None where images were taken whole.
        pred: tiles to judge.
        pred_images: images that they are from.
        target: real tiles.
        target_images: images that they are from.
        floor: tiles in each half of the real ones; 0 where there is no floor.
        numbers: FID and its like.
    """

    features: str
    dimension: int
    sha256: str
    tile: int | None
    pred: int
    pred_images: int
    target: int
    target_images: int
    floor: int
    numbers: tuple[DistanceNumber, ...]


@final
@dataclass(frozen=True)
class Row:
    """One image: its extent, and its values by metric, NaN where it has none."""

    name: str
    size: Size
    values: Mapping[str, float]


@final
@dataclass(frozen=True)
class Record:
    """An evaluation.

    Args:
        folder: that holds its two files.
        pred: the images that were judged, as the files name them.
        target: the truth.
        source: the images that were stained, where they were given.
        metrics: in the order of tables.
        rows: one per image.
        distance: of the two sets, where it was asked for.
        profile: of the metrics, if one was asked for.
        versions: of restain and what it computes with.
        date: when the files were written, UTC.
        digests: SHA-256 of both files by name.
    """

    folder: Path
    pred: Path
    target: Path
    source: Path | None
    metrics: tuple[MetricRecord, ...]
    rows: tuple[Row, ...]
    distance: DistanceRecord | None
    profile: str | None
    versions: Mapping[str, str]
    date: str
    digests: Mapping[str, str]

    @property
    def command(self) -> str:
        """The command that measures the same again."""
        words = ["restain evaluate", f"--pred {_quoted(self.pred)}", f"--target {_quoted(self.target)}"]
        if self.source is not None:
            words.append(f"--source {_quoted(self.source)}")
        if self.metrics:
            words.append(f"--metrics {','.join(metric.name for metric in self.metrics)}")
        if self.profile is not None:
            words.append(f"--profile {self.profile}")
        if self.distance is not None:
            words.append(f"--features {self.distance.features}")
        return " ".join([*words, f"--out {_quoted(self.folder)}"])


def read_record(folder: Path) -> Record:
    """Read an evaluation.

    Raises:
        DataError: files that are missing, damaged, do not belong together or are of a version that wrote other fields.
    """
    for name in (JSON, CSV):
        if not (folder / name).is_file():
            raise DataError(f"{folder} holds no {name}", fix="run `restain evaluate ... --out` with this folder")
    try:
        tree = json.loads((folder / JSON).read_text(encoding="utf-8"))
        record = _record(folder, tree)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{folder / JSON} is no JSON ({error})", fix="run `restain evaluate` again") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{folder / JSON} lacks what a report needs ({error}), so another version of restain wrote it",
            fix="run `restain evaluate` again",
        ) from error
    if len(record.rows) != tree["images"]:
        raise DataError(
            f"{folder / CSV} has {len(record.rows)} images and {JSON} {tree['images']}",
            fix="run `restain evaluate` again",
        )
    return record


def _record(folder: Path, tree: dict[str, Any]) -> Record:
    metrics = tuple(
        MetricRecord(
            name,
            mean=as_number(entry["mean"]),
            std=as_number(entry["std"]),
            n=entry["n"],
            without=entry["without"],
            pooled=as_number(entry["pooled"]),
            unit=entry["unit"],
            better=entry["better"],
            source=entry["source"],
        )
        for name, entry in tree["metrics"].items()
    )
    return Record(
        folder=folder,
        pred=Path(tree["pred"]),
        target=Path(tree["target"]),
        source=None if tree["source"] is None else Path(tree["source"]),
        metrics=metrics,
        rows=_rows(folder / CSV, {metric.name for metric in metrics}),
        distance=None if tree["distribution"] is None else _distance(tree["distribution"]),
        profile=tree["profile"],
        versions=tree["versions"],
        date=datetime.fromtimestamp(int((folder / JSON).stat().st_mtime), UTC).strftime("%Y-%m-%d %H:%M UTC"),
        digests={name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in (JSON, CSV)},
    )


def _rows(path: Path, names: set[str]) -> tuple[Row, ...]:
    with path.open(encoding="utf-8", newline="") as file:
        table = csv.DictReader(file)
        if (found := set(table.fieldnames or ()) - FACTS) != names:
            raise DataError(
                f"{path} and {JSON} have different metrics ({', '.join(sorted(found ^ names))})",
                fix="run `restain evaluate` again",
            )
        try:
            return tuple(
                Row(
                    row["name"],
                    Size(int(row["width"]), int(row["height"])),
                    {name: float(row[name]) for name in names},
                )
                for row in table
            )
        except (KeyError, ValueError, TypeError) as error:
            raise DataError(f"{path} is damaged ({error})", fix="run `restain evaluate` again") from error


def _distance(tree: dict[str, Any]) -> DistanceRecord:
    numbers = [
        DistanceNumber(name, *(as_number(entry[key]) for key in ("value", "low", "high", "floor")))
        for name, entry in tree["numbers"].items()
    ]
    if subsets := tree["kid_of_subsets"]:
        name = f"kid, {subsets['subsets']} subsets of {subsets['size']}"
        numbers.append(DistanceNumber(name, as_number(subsets["mean"]), math.nan, math.nan, math.nan))
    features = tree["features"]
    counts = {key: tree[key] for key in ("pred", "pred_images", "target", "target_images", "floor", "tile")}
    return DistanceRecord(features["name"], features["dimension"], features["sha256"], **counts, numbers=tuple(numbers))


def as_number(value: float | str | None) -> float:
    """Return a number of a JSON file, which has null for NaN and strings for infinities."""
    return math.nan if value is None else float(value)


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
