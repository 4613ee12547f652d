"""Aligned pairs of images: from two folders with equal names, or from the phantom."""

from abc import ABC, abstractmethod
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal, final

from pydantic import Field

from restain.config import Config
from restain.errors import DataError
from restain.geometry import Mpp, Region
from restain.phantom import Phantom, Stain
from restain.pixels import Image
from restain.slides import images_in, open_slide

Part = Literal["train", "held_out"]


@final
class FolderPairsConfig(Config):
    """Two folders that hold images of equal names and sizes."""

    kind: Literal["folders"] = "folders"
    """Tells the sources of data apart."""
    source: Path
    """Folder of source images."""
    target: Path
    """Folder of target images."""
    train: str = "*"
    """Names used for training, as a shell pattern. Split by patient or slide, never at random: neighbouring tiles share
    tissue."""
    held_out: str
    """Names never trained on, for samples and the held-out loss."""
    mpp: float | None = None
    """Micrometres per pixel of the images; None where nobody knows, which ties the model to this kind of image."""


@final
class PhantomPairsConfig(Config):
    """Fields of synthetic tissue, each from a slide of its own with its own staining."""

    kind: Literal["phantom"] = "phantom"
    """Tells the sources of data apart."""
    source: Stain = "he"
    """Stain that goes in."""
    target: Stain = "ki67"
    """Stain that comes out."""
    mpp: float = 0.5
    """Scale at which fields are rendered."""
    slides: int = 64
    """Training slides; each is another staining, so their number matters more than their size."""
    side: int = 512
    """Side of the field taken from each slide, in pixels."""
    first_seed: int = 1000
    """Seed of the first slide; seeds below 1000 are left for tests, the demo and scores."""
    held_out_slides: int = 8
    """Slides after the training ones, for samples and the held-out loss."""


DataConfig = Annotated[FolderPairsConfig | PhantomPairsConfig, Field(discriminator="kind")]
"""Where pairs come from."""


class Pairs(ABC):
    """Aligned images, by index."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of pairs."""

    @abstractmethod
    def read(self, index: int) -> tuple[Image, Image]:
        """Return source (H, W, C) and target (H, W, C) of one pair, of equal height and width."""


def make_pairs(config: FolderPairsConfig | PhantomPairsConfig, part: Part) -> Pairs:
    """Return the pairs a configuration asks for.

    Raises:
        DataError: missing folders, no names that match, missing partners, or training names among the held out.
    """
    match config:
        case FolderPairsConfig():
            return FolderPairs(config, part)
        case PhantomPairsConfig():
            return PhantomPairs(config, part)


@final
class FolderPairs(Pairs):
    """Pairs of files; each is decoded when it is first asked for and then kept.

    Memory: all images, decoded (a pair of 256 px tiles takes 0.4 MB).
    """

    def __init__(self, config: FolderPairsConfig, part: Part) -> None:
        sources, targets = images_in(config.source), images_in(config.target)
        pattern = config.train if part == "train" else config.held_out
        both = [name for name in sources if fnmatchcase(name, config.train) and fnmatchcase(name, config.held_out)]
        if both:
            raise DataError(
                f"{len(both)} names, {both[0]} first, are both in training and held out",
                fix="choose patterns data.train and data.held_out that share no name",
            )
        names = sorted(name for name in sources if fnmatchcase(name, pattern))
        if not names:
            raise DataError(f"no image in {config.source} matches {pattern!r}", fix="mend the pattern or the path")
        lonely = [name for name in names if name not in targets]
        if lonely:
            raise DataError(
                f"{len(lonely)} images of {config.source}, {lonely[0]} first, have no partner in {config.target}",
                fix="give partners equal names, apart from the suffix",
            )
        self._paths = [(sources[name], targets[name]) for name in names]
        self._decoded: dict[int, tuple[Image, Image]] = {}

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self._paths)

    def read(self, index: int) -> tuple[Image, Image]:
        """Return source and target of one pair."""
        if index not in self._decoded:
            source, target = (_read_image(path) for path in self._paths[index])
            if source.shape[:2] != target.shape[:2]:
                raise DataError(
                    f"{self._paths[index][0]} and its partner differ in size "
                    f"({source.shape[1]} x {source.shape[0]} and {target.shape[1]} x {target.shape[0]} px)",
                    fix="register and cut both to the same size",
                )
            self._decoded[index] = source, target
        return self._decoded[index]


@final
class PhantomPairs(Pairs):
    """Fields of the phantom, rendered when first asked for and then kept.

    Memory: ``slides`` x ``side``^2 pixels of both stains (100 MB for the defaults).
    """

    def __init__(self, config: PhantomPairsConfig, part: Part) -> None:
        first = config.first_seed if part == "train" else config.first_seed + config.slides
        count = config.slides if part == "train" else config.held_out_slides
        self._config = config
        self._seeds = range(first, first + count)
        self._rendered: dict[int, tuple[Image, Image]] = {}

    def __len__(self) -> int:
        """Return the number of fields."""
        return len(self._seeds)

    def read(self, index: int) -> tuple[Image, Image]:
        """Return source and target of one field."""
        if index not in self._rendered:
            config = self._config
            field = Region(0, 0, config.side, config.side)
            scene = Phantom(seed=self._seeds[index]).scene(field, Mpp.square(config.mpp))
            self._rendered[index] = scene.image(config.source), scene.image(config.target)
        return self._rendered[index]


def _read_image(path: Path) -> Image:
    with open_slide(path) as reader:
        return reader.read(Region.of(reader.info.levels[0]))
