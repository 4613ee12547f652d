"""Numbers of all images of a cell together: as a distribution beside the real one, and tile by tile."""

import functools
import json
import math
import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self, final

import numpy as np

from restain.errors import FeaturesWarning, SmallSampleWarning
from restain.features import Extractor, find_extractor, tiles_in
from restain.inference import Progress
from restain.inference.stainer import choose_device
from restain.metrics import Estimate, pearson, positive_share
from restain.metrics.distribution import RELIABLE
from restain.reports import NUMBERS, FeatureDistance, compare_folders
from restain.studies.columns import DISTRIBUTION, FSD, POSITIVITY
from restain.studies.config import StudyConfig
from restain.studies.definition import write_text
from restain.studies.images import Images
from restain.studies.plan import PlannedCell
from restain.studies.summary import RESAMPLES, Summary

FILE = "set.json"
"""What was measured of the images of a cell together."""
FAMILIES = {"distances": tuple(column.name for column in DISTRIBUTION), "fsd": (FSD.name,)}
"""The columns that share an extractor, by the name of their place in the file."""
SIDE = 128
"""Side in pixels of the tiles whose positive shares are compared: some hundred cells at 0.5 um per pixel."""


@final
@dataclass(frozen=True, slots=True)
class Distances:
    """How far the images of a cell are from real ones, as a distribution.

    Attributes:
        features: name of the extractor.
        digest: SHA-256 of its weights; only numbers of the same ones compare.
        side: of the tiles, in pixels.
        n: tiles of the cell.
        images: of the cell, from which the tiles are.
        n_real: tiles of real images.
        images_real: real images, from which these are.
        n_floor: tiles in each half of the real ones; 0 where there are too few images for halves.
        numbers: by name.
    """

    features: str
    digest: str
    side: int
    n: int
    images: int
    n_real: int
    images_real: int
    n_floor: int
    numbers: Mapping[str, Estimate]

    @classmethod
    def of(cls, name: str, found: FeatureDistance) -> Self:
        """Return what a comparison has found; ``name`` is the extractor's in the study."""
        sets = found.distribution
        return cls(
            name,
            found.digest,
            side=found.side or 0,
            n=sets.n_pred,
            images=sets.groups_pred,
            n_real=sets.n_target,
            images_real=sets.groups_target,
            n_floor=sets.n_floor,
            numbers=found.told,
        )

    @classmethod
    def from_tree(cls, tree: dict[str, Any]) -> Self | None:
        """Return what plain values hold; None if it is not all that is told here, and so was measured otherwise."""
        if tree.keys() != {each.name for each in fields(cls)}:
            return None
        return cls(**{**tree, "numbers": {name: Estimate(**each) for name, each in tree["numbers"].items()}})


@final
@dataclass(frozen=True, slots=True)
class SetValues:
    """What is known of a cell's images together.

    Attributes:
        distances: by the name of the family of features, those that are measured.
        positivity: the correlation of positive shares, over tiles; None where it is not measured.
    """

    distances: Mapping[str, Distances] = field(default_factory=dict)
    positivity: Summary | None = None

    def summaries(self) -> dict[str, Summary]:
        """Return the columns that have a value."""
        found = {} if self.positivity is None else {POSITIVITY.name: self.positivity}
        for distances in self.distances.values():
            found |= {
                name: Summary(each.value, math.nan, each.low, each.high, distances.n, each.floor)
                for name, each in distances.numbers.items()
            }
        return {name: summary for name, summary in found.items() if not math.isnan(summary.value)}


def read_set(folder: Path) -> SetValues:
    """Return what is known of the images of a cell."""
    path = folder / FILE
    if not path.exists():
        return SetValues()
    tree = json.loads(path.read_text(encoding="utf-8"))
    measured = {family: Distances.from_tree(tree[family] or {}) for family in FAMILIES if family in tree}
    positivity = tree["positivity"]
    return SetValues(
        {family: distances for family, distances in measured.items() if distances is not None},
        None if positivity is None else Summary(**positivity),
    )


def lacking(study: StudyConfig, cell: PlannedCell, aligned: bool, columns: Collection[str]) -> tuple[str, ...]:
    """Return what tables ask of the images of a cell together and is not known; weights are not looked at.

    Args:
        study: the configuration.
        cell: the cell.
        aligned: whether the truth shows the same places; without, nothing can be compared tile by tile.
        columns: what tables ask for.
    """
    known = read_set(cell.folder)
    wanted = tuple(
        column
        for family, asked in _asked(cell, columns).items()
        for column in asked
        if family not in known.distances or known.distances[family].features != _features(study, family)
    )
    by_tile = POSITIVITY.name in columns and aligned and cell.cell.source_of is None and known.positivity is None
    return (*wanted, POSITIVITY.name) if by_tile else wanted


def measure_set(
    study: StudyConfig, cell: PlannedCell, pred: Mapping[str, Path], images: Images, columns: Collection[str]
) -> Iterator[Progress]:
    """Measure what tables ask of the images of a cell together and is not known, or was measured by other weights.

    Args:
        study: the configuration.
        cell: the cell, of which all images are there.
        pred: its answers, by name.
        images: the truth.
        columns: what tables ask for.

    Raises:
        ConfigError: an extractor that does not exist.
        BundleError: its weights are not at hand.
        DataError: too few images, or some that are not in 8-bit colour.
    """
    known, missing = read_set(cell.folder), lacking(study, cell, images.aligned, columns)
    distances, positivity = dict(known.distances), known.positivity
    real, activity = next(iter(images.target.values())).parent, f"comparing {cell.label} as a set"
    for family in _asked(cell, columns):
        features = _features(study, family)
        extractor, old = _extractor(features, study.device), distances.get(family)
        if old is None or (old.features, old.digest) != (features, extractor.digest):
            yield Progress(activity, 0, 1)
            numbers = NUMBERS if family == "distances" else ("fid",)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SmallSampleWarning)  # told once for the study, in ``warn_of_few``
                found = compare_folders(next(iter(pred.values())).parent, real, extractor, numbers=numbers)
            distances[family] = Distances.of(features, found)
    if POSITIVITY.name in missing:
        yield Progress(activity, 0, 1)
        positivity = _positivity(pred, images.target, study.seed)
    if (distances, positivity) != (known.distances, known.positivity):
        of_families = {family: asdict(each) for family, each in distances.items()}
        tree = {**of_families, "positivity": positivity and asdict(positivity)}
        write_text(cell.folder / FILE, json.dumps(tree, indent=1) + "\n")
        yield Progress(activity, 1, 1)


def warn_of_few(found: Collection[Distances]) -> None:
    """Warn, once for a study, where tiles are too few.

    Warns:
        SmallSampleWarning: fewer than 2048 in a set.
    """
    least = min((min(each.n, each.n_real) for each in found), default=RELIABLE)
    if least < RELIABLE:
        warnings.warn(
            f"FID and its like are of {least} tiles where {RELIABLE} and more are wanted: compare only numbers of "
            "equally many tiles, and look at the floor below each table.",
            SmallSampleWarning,
            stacklevel=2,
        )


def warn_of_mixture(found: Collection[Distances]) -> None:
    """Warn where numbers of one column come from different weights, or classifiers, and so do not compare.

    Warns:
        FeaturesWarning: they do.
    """
    for column in {name: None for each in found for name in each.numbers}:
        digests = {each.digest[:12]: None for each in found if column in each.numbers}
        if len(digests) > 1:
            warnings.warn(
                f"{column} of some rows is by features of weights {' and of others by '.join(digests)}, and these do "
                "not compare: run the study again without --only, which measures all rows by the same.",
                FeaturesWarning,
                stacklevel=2,
            )


def _asked(cell: PlannedCell, columns: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return which distances tables ask for, by family; real images have none from themselves, but the floor."""
    if cell.cell.model == "truth":
        return {}
    asked = {family: tuple(name for name in names if name in columns) for family, names in FAMILIES.items()}
    return {family: names for family, names in asked.items() if names}


def _features(study: StudyConfig, family: str) -> str:
    """Return the name of the extractor of a family."""
    return study.features if family == "distances" else study.stainnet


def _positivity(pred: Mapping[str, Path], target: Mapping[str, Path], seed: int) -> Summary:
    """Return the correlation of positive shares over tiles, with an interval from resampling whole images.

    Tiles of an image share its staining, so they are drawn together.
    """
    shares = [
        np.array([[positive_share(tile) for tile in tiles_in([paths[name]], SIDE)] for paths in (pred, target)])
        for name in sorted(pred)
    ]
    together = np.concatenate(shares, axis=1)
    value, n = pearson(*together), together.shape[1]
    if math.isnan(value) or len(shares) < 2:
        return Summary(value, math.nan, math.nan, math.nan, n)
    draws = np.random.default_rng(seed).integers(len(shares), size=(RESAMPLES, len(shares)))
    resampled = np.array([pearson(*np.concatenate([shares[k] for k in draw], axis=1)) for draw in draws])
    low, high = np.nanpercentile(resampled, [2.5, 97.5])
    return Summary(value, math.nan, float(low), float(high), n)


@functools.cache
def _extractor(name: str, device: str) -> Extractor:
    return find_extractor(name, choose_device(device))
